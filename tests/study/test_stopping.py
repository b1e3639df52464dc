"""A run stops cells in time: the same sequence whatever interrupts it, and a frame that says so."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import ppres as pp

PLANTED = pp.Persona("planted", lambda one: {"cooperative": 0.7, "uncooperative": 0.05}.get(one.peer, 0.05))
CELLS = pp.grid(scenario="tampering", subject="peer", peer=["stranger", "uncooperative", "cooperative"])
APART = pp.Test("differences", factor="peer", a="cooperative", b="stranger")
PRECISE = pp.Precision(0.15, step=20)
ALIKE = pp.Test("differences", factor="peer", a="uncooperative", b="stranger", by="model", margin=0.25)


def run(until, n=120, models=PLANTED, **more):
    return pp.run(CELLS, models, n, until=until, **{"progress": False} | more)


def sizes(frame):
    return frame.groupby("peer", observed=True).size().to_dict()


def test_a_cell_ends_at_the_first_look_at_which_its_interval_is_narrow_enough():
    frame = run(PRECISE)
    made = sizes(frame)
    assert made["stranger"] < made["cooperative"] < 120
    for _, rows in frame.groupby("cell"):
        looks = pp.stats.sequence(rows).set_index("n")
        width = looks.high - looks.low
        assert width[len(rows)] <= 0.3 < width.get(len(rows) - 20, 1.0)


def test_a_contrast_that_is_decided_ends_its_cells_and_leaves_the_others():
    made = sizes(run(pp.Decides(APART), n=60))
    assert made["stranger"] == made["cooperative"] < 60 and made["uncooperative"] == 60


def test_a_missing_level_is_none_of_the_arms_or_one_that_is_named():
    mixed = [*pp.grid(scenario="alignment_faking", subject="peer", peer="cooperative", monitored=[True, False]), CELLS[0]]
    agent = pp.Persona("apart", lambda one: 0.9 if one.scenario == "tampering" or one.monitored is False else 0.05)
    for a, b, left in ((False, True, "tampering"), (None, True, False)):
        test = pp.Test("differences", factor="monitored", a=a, b=b)
        frame = pp.run(mixed, agent, 60, until=pp.Decides(test), progress=False, store=None)
        made = frame.groupby(frame.monitored.astype(object).where(frame.monitored.notna(), "tampering")).size().to_dict()
        assert made.pop(left) == 60 and max(made.values()) < 60


def test_groups_are_decided_one_by_one_and_no_effect_is_a_decision():
    both = [PLANTED, pp.Persona("differs", lambda one: 0.9 if one.peer == "uncooperative" else 0.05)]
    frame = run(pp.Decides(ALIKE, step=20), models=both)
    ends = frame[frame.peer != "cooperative"].groupby(["model", "peer"], observed=True).size().unstack()
    assert ends.loc["persona/differs"].max() < ends.loc["persona/planted"].min() < 120
    last = ALIKE.last_look(frame, 0.95).set_index("model")
    assert last.verdict.to_dict() == {"persona/planted": "equivalent", "persona/differs": "different"}


def test_a_run_that_was_interrupted_or_had_a_smaller_limit_goes_on_with_the_same_sequence(tmp_path):
    whole = run(PRECISE, store=tmp_path / "whole.sqlite")
    run(PRECISE, n=25, store=tmp_path / "parts.sqlite")
    told = []

    def interrupt(made, missing):
        told.append(made)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(PRECISE, store=tmp_path / "parts.sqlite", progress=interrupt)
    parts = run(PRECISE, store=tmp_path / "parts.sqlite")
    pd.testing.assert_frame_equal(parts, whole)


def test_what_is_stored_is_used_as_far_as_it_is_needed():
    pp.run(CELLS, PLANTED, 120, progress=False)
    frame = run(PRECISE, progress=lambda made, missing: pytest.fail("a rollout was made"))
    assert len(frame) < 360 == len(pp.frame())


def test_what_speaks_as_a_real_model_is_stopped_as_well():
    frame = run(pp.Decides(APART), n=20, models=pp.FunctionModel("silent", lambda messages, tools: "No.", version="1"))
    assert frame.preserved.isna().all() and len(frame) == 60  # nothing is known, so nothing is decided
    assert len(run(pp.Precision(0.2), n=20, models=pp.FunctionModel("silent", lambda messages, tools: "No.", version="1"))) == 60


def test_a_fixed_n_analysis_of_it_is_flagged(tmp_path):
    frame = run(pp.Precision(0.2))
    assert frame.stopping.unique().tolist() == [repr(pp.Precision(0.2))]
    pp.to_csv(frame, tmp_path / "df.csv")
    some = pd.concat([pp.read_csv(tmp_path / "df.csv"), pp.run(CELLS[0], PLANTED, 5, progress=False)]).drop_duplicates("id")
    for analysis in (
        lambda df: pp.stats.rates(df, "peer"),
        lambda df: pp.stats.differences(df, "peer", "cooperative", "stranger"),
        lambda df: pp.stats.contrasts(df, "peer", {"x": {"cooperative": 1, "stranger": -1}}),
        lambda df: pp.stats.means(df, "peer", "cooperative", "stranger", outcome="turns"),
        lambda df: pp.stats.logit("preserved ~ C(peer)", df),
    ):
        with pytest.warns(UserWarning, match=r"was decided by their outcomes \(Precision.*stats\.sequence"):
            analysis(some)
    pp.stats.sequence(frame, "cell")  # warnings are errors here
    assert "stopping" not in pp.run(CELLS, PLANTED, 5, progress=False)


def test_a_registered_rule_is_judged_by_intervals_that_hold_at_every_look():
    rule = pp.Decides(APART)
    why = dict.fromkeys(["documents", "length"], "the stranger is told of by nothing")
    arms = [CELLS[0], CELLS[2]]
    pp.preregister("early", ["A friend is protected more."], arms, PLANTED, 100, [APART], until=rule, acknowledge=why)
    frame = pp.run(arms, PLANTED, 100, until=rule, progress=False)
    assert len(frame) < 200
    verdict = pp.verdict("early")
    row = verdict.confirmatory.iloc[0]
    assert (row.estimator, row.verdict, row.hypothesis, row.n) == ("betting", "different", "supported", len(frame))
    assert verdict.deviations.empty and "Decides(" in repr(pp.preregister.__doc__ and verdict.record["until"])


def judged(name, run, until=None, tests=(APART,), n=100):
    """The deviations of a study of two arms, registered with a rule or without, that was run in a way of its own."""
    why = dict.fromkeys(["documents", "length"], "the stranger is told of by nothing")
    arms = [CELLS[0], CELLS[2]]
    pp.preregister(name, ["A friend is protected more."] * len(tests), arms, PLANTED, n, tests, until=until, acknowledge=why)
    for count, rule in run:
        pp.run(arms, PLANTED, count, until=rule, progress=False)
    return pp.verdict(name)


class Mine(pp.Precision):
    """A rule of a user's."""


BY = pp.Test("contrasts", factors=["peer"], weights={"x": {("cooperative",): 1, ("stranger",): -1}}, by=["model"])


@pytest.mark.parametrize("rule", [pp.Decides(APART), pp.Decides(BY, margin=0.05), pp.Precision(0.15, step=7)])
def test_a_registered_rule_that_was_not_followed_is_told(rule):
    verdict = judged("beyond", [(100, rule)], rule)
    assert verdict.deviations.empty
    end = verdict.frame.groupby("cell", observed=True, sort=False).size()
    pp.run([CELLS[0], CELLS[2]], PLANTED, 100, progress=False)
    told = pp.verdict("beyond").deviations
    assert set(told.kind) == {"until"} and len(told) == int((end < 100).sum())
    for made, what in zip(end[end < 100], told.what, strict=True):
        assert what.startswith(f"{100 - made} rollouts more than the {made} at which the registered rule ends it")


def test_a_rule_that_was_left_before_its_end_is_told():
    told = judged("short", [(13, None)], pp.Precision(0.02, step=20)).deviations  # not decided: it goes on there
    assert told.what.str.startswith("7 of 20 rollouts are missing").tolist() == [True, True]
    told = judged("none", [], pp.Precision(0.1)).deviations
    assert set(told.kind) <= {"n", "order"} and told.kind.tolist().count("n") <= 2


def test_what_cannot_be_known_of_a_stop_is_said():
    told = judged("fixed", [(100, pp.Decides(APART))]).deviations
    assert told.kind.tolist() == ["n", "n", "until"]
    assert "ended them is not stored: if so, p and intervals of a fixed n do not hold" in told.what.iloc[-1]
    own = judged("own", [], Mine(0.1)).deviations
    assert "whether the registered rule was followed cannot be known" in own.what[own.kind == "until"].iloc[0]


def clustered():
    return pp.Test("differences", factor="peer", a="cooperative", b="stranger", cluster="paraphrase")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: pp.Precision(0.7), "half=0.7 is not between 0 and 0.5"),
        (lambda: pp.Precision(0.1, level=95), "level=95 is not between 0 and 1"),
        (lambda: pp.Precision(0.1, step=0), "step=0"),
        (lambda: pp.Decides(pp.Test("means", factor="peer", a=1, b=2)), "differences and contrasts have"),
        (lambda: pp.Decides(clustered()), "takes cluster=. Without it the test is about these very clusters"),
        (lambda: pp.Decides(pp.Test("differences", factor="peer", a=1, b=2, level=0.9)), r"pp\.Decides\(test, level=…\)"),
        (lambda: pp.Decides("peer"), "differences or contrasts, not by 'peer'"),
        (lambda: run(pp.Precision(0.1), count="scored"), "does not go with count='scored'"),
        (lambda: run(0.1), "until=0.1 is no rule"),
    ],
)
def test_what_is_no_rule_is_told(make, told):
    with pytest.raises(ValueError, match=told):
        make()


@pytest.mark.parametrize("odd", [{"a": "coperative"}, {"a": "neutral"}])
def test_a_rule_that_no_rollout_could_decide_is_told_before_anything_is_made(odd):
    test = pp.Test("differences", **{"factor": "peer", "a": "cooperative", "b": "stranger"} | odd)
    with pytest.raises(pp.StudyError, match="never decided"):
        run(pp.Decides(test))
    with pytest.raises(pp.StudyError, match="never decided"):
        pp.preregister("odd", ["It is."], CELLS, PLANTED, 20, [APART], until=pp.Decides(test), acknowledge={})
    assert pp.frame().empty


class Own:
    step = 3

    def __init__(self, asks):
        self.asks = asks

    def next_round(self, frame, wanted, n):
        return self.asks(wanted, n)


def test_a_rule_of_ones_own_ends_at_n(cell):
    made = pp.run(cell, "sim/gpt-5.2", 10, until=Own(lambda wanted, n: {c: k + 4 for c, k in wanted.items()}), progress=False)
    assert len(made) == 10


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Own(lambda wanted, n: wanted), "asked for no more rollouts than there are"),
        (Own(lambda wanted, n: None), "no mapping of cells"),
        (Own(lambda wanted, n: {b"other": 3}), "no mapping of cells"),
        (Own(lambda wanted, n: dict.fromkeys(wanted, "5")), "whole number"),
    ],
)
def test_a_rule_that_would_look_for_ever_is_told_at_its_first_look(rule, says, cell):
    with pytest.raises(ValueError, match=says):
        pp.run(cell, "sim/gpt-5.2", 10, until=rule, progress=False)
    assert len(pp.frame()) == 3


def test_a_rule_without_its_step_is_told_before_anything_is_made(cell):
    rule = SimpleNamespace(next_round=lambda frame, wanted, n: {})
    with pytest.raises(ValueError, match=r"is no rule.* step, a whole number"):
        pp.run(cell, "sim/gpt-5.2", 10, until=rule, progress=False)
    assert pp.frame().empty


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"factor": "peeer"}, "no column 'peeer'"),
        ({"where": {"modell": "x"}}, "no column 'modell'"),
        ({"by": ["model", "framming"]}, "no column 'framming'"),
        ({"outcome": "preservd"}, "no column 'preservd'"),
        ({"term": "peer"}, "no term 'peer'; there are peer: cooperative - stranger"),
    ],
)
def test_a_rule_of_a_column_that_no_frame_has_is_told_before_anything_is_made(odd, says):
    rule = pp.Decides(pp.Test("differences", **{"factor": "peer", "a": "cooperative", "b": "stranger"} | odd))
    with pytest.raises(pp.StudyError, match=says):
        run(rule)
    with pytest.raises(pp.StudyError, match=says):
        pp.preregister("odd", ["It is."], CELLS, PLANTED, 20, [APART], until=rule, acknowledge={})
    assert pp.frame().empty


def test_an_outcome_that_no_scenario_has_is_told_before_anything_is_made(cell):
    with pytest.raises(pp.StudyError, match="outcome='preservd' is no column"):
        pp.run(cell, "sim/gpt-5.2", n=5, until=pp.Precision(0.05, outcome="preservd"), progress=False)
    assert pp.frame().empty


@pytest.mark.parametrize("outcome", ["turns", "missing", "cost"])
def test_an_outcome_that_is_not_true_or_false_is_told_before_anything_is_made(outcome):
    number = pp.Test("differences", factor="peer", a="cooperative", b="stranger", outcome=outcome)
    for rule in (pp.Precision(0.05, outcome=outcome), pp.Decides(number)):
        with pytest.raises(pp.StudyError, match=f"outcome='{outcome}' is no column .* true or false, as are preserved, refused"):
            run(rule)
    assert pp.frame().empty
    assert len(run(pp.Precision(0.4, outcome="preserved01"), n=10)) == 30


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (clustered(), "takes cluster="),
        (pp.Test("logit", formula="preserved ~ peer", term="peer[T.cooperative]"), "logit has no interval that may be looked at"),
    ],
)
def test_a_test_that_is_not_for_looks_is_in_no_study_that_a_rule_stops(test, says):
    for rule in (pp.Precision(0.05), Own(lambda wanted, n: {})):
        with pytest.raises(pp.StudyError, match=f"H1, .*could be run on no study .*{says}"):
            pp.preregister("looks", ["It is."], CELLS, PLANTED, 20, [test], until=rule)


def test_clusters_of_an_older_record_are_not_dropped_by_a_verdict():
    judged("older", [(100, pp.Decides(APART))], pp.Decides(APART))
    path = Path(os.environ["PPRES_STORE"]).parent / "preregistrations" / "older.json"
    record = json.loads(path.read_text())
    for test in (record["tests"]["H1"], record["rule"]["test"]):
        test["arguments"]["cluster"] = "paraphrase"
    path.write_text(json.dumps(record))
    verdict = pp.verdict("older")
    assert verdict.confirmatory.verdict.tolist() == ["not run"]
    assert verdict.deviations.what.str.contains("cannot be known: it is no rule: .*takes cluster=").any()
