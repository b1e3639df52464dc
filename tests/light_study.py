"""A study where only pandas, numpy, scipy, patsy, pyyaml, matplotlib and seaborn are beside ppres: a script, for CI as well."""

import importlib.util
import sys
import tempfile
from pathlib import Path

# What the full install has and the light one has not.
ABSENT = ("dotenv", "filelock", "IPython", "litellm", "loky", "nbclient", "nbformat", "statsmodels", "tqdm")
ABSENT += ("distributed", "huggingface_hub", "pyarrow")


def study(folder):
    """Grid, plan, run, frame, transcripts, statistics and a figure; returns the frame."""
    import seaborn as sns

    import ppres as pp
    from ppres import style
    from ppres.engine import simulate

    assert simulate._WORTH_PROCESSES > 500
    simulate._WORTH_PROCESSES = 500  # from there on there are worker processes, with loky
    conditions = pp.grid(
        scenario=["tampering", "evaluation"], subject=["self", "peer"], peer=[None, "uncooperative", "neutral", "cooperative"]
    )
    models = ["sim/gemini-3-flash", "sim/gpt-5.2"]
    df = pp.run(conditions, models, n=20)
    assert pp.plan(conditions, models, n=21).missing.sum() == len(df) / 20 and len(df) > simulate._WORTH_PROCESSES
    assert len(df) == len(pp.frame()) and (df.source == "sim").all()
    assert df.id[0] in pp.show(df.id[0]).page()
    assert len(pp.verify()) == 0
    for table in (
        pp.stats.rates(df, ["scenario", "peer"]),
        pp.stats.holm(pp.stats.differences(df, "peer", "cooperative", "uncooperative", by=["scenario", "model"])),
        pp.stats.risk_ratios(df, "peer", "cooperative", "uncooperative"),
        pp.stats.means(df, "peer", "cooperative", "uncooperative", outcome="turns"),
        pp.stats.agreement(df, "refused", "objected"),
        pp.stats.bootstrap(df, lambda part: part.preserved.astype(float).mean(), "cell", reps=20),
        pp.stats.logit("preserved ~ peer_present + cooperativeness", df, by="model"),
    ):
        assert len(table)
    style.use()
    grid = sns.catplot(df.assign(preserved=df.preserved.astype(float)), x="peer", y="preserved", kind="bar", errorbar=None)
    assert all(path.stat().st_size for path in style.save(grid.figure, "rates", df, folder))
    return df


def main():
    for name in ABSENT:
        if sys.argv[1:] == ["--hide"]:
            sys.modules[name] = None  # as if it were not installed
        elif importlib.util.find_spec(name):
            sys.exit(f"{name} is installed: this shows nothing about a light install")
    import ppres as pp
    from ppres import cli

    with tempfile.TemporaryDirectory() as folder:
        print(len(study(Path(folder))), "rollouts")
    factors, models = ["scenario=tampering", "peer=none,cooperative"], ["--models", "sim/gpt-5.2", "--n", "3"]
    for arguments in (["plan", *factors, *models], ["run", *factors, *models], ["status"], ["show", pp.frame().id[0]]):
        assert cli.main(arguments) == 0
    for beyond in (lambda: pp.run(pp.grid(scenario="tampering"), "openai/gpt-5.2", 1), lambda: cli.reproduce()):
        try:
            beyond()
        except pp.MissingPackageError as error:
            print(error)
        else:
            sys.exit("what is not installed was not missed")
    try:
        pp.load_release()
    except pp.ReleaseError as error:
        print(error)


if __name__ == "__main__":
    main()
