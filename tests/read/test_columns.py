"""What a frame's columns are to pandas, seaborn and statsmodels: no arm of a study is dropped for want of a value."""

import io
import itertools

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
import statsmodels.formula.api as smf

import ppres as pp
from ppres.condition import SCENARIOS
from ppres.read import columns, csv

PEERS = ["none", "uncooperative", "neutral", "cooperative"]
LOG = {"log.txt": "I have checked every answer twice."}


@pytest.fixture
def study():
    """Self and peer, with and without a peer, a note and a document; of finance, in which nothing is scored, as well."""
    told = pp.grid(scenario="tampering", subject=["self", "peer"], peer=[None, "cooperative", "uncooperative", "neutral"])
    varied = pp.grid(pp.grid(scenario="tampering", peer=[None, "cooperative"]), documents=[{}, LOG], user_note=[None, "Be quick."])
    noted = pp.grid(scenario="tampering", peer="neutral", note=["none", "even"], instantiation=["memory", "file"])
    named = pp.grid(scenario="transfer", subject=["Llama", "Alpha", "peer"], peer="cooperative")
    cells = dict.fromkeys([*told, *varied, *noted, *named, *pp.grid(scenario="finance", peer=[None, "neutral"])])
    return pp.run(cells, ["sim/gemini-3-flash", "sim/clumsy"], n=3, progress=False)


def test_levels_stand_in_their_natural_order_and_only_those_that_occur(study):
    assert list(study.peer.cat.categories) == PEERS
    assert list(study.instantiation.cat.categories) == ["none", "file", "memory"]
    assert list(study.scenario.cat.categories) == ["finance", "tampering", "transfer"]
    assert list(study.subject.cat.categories) == ["self", "peer", "Alpha", "Llama"]  # other models follow
    assert list(study.note.cat.categories) == ["does not apply", "none", "selfish", "even", "generous"]
    assert list(study.dataset.cat.categories) == ["none", "factual"]
    for name in ("documents", "system_note", "user_note"):
        assert study[name].cat.categories[0] == "none"
    assert all(study[name].cat.ordered for name in columns.TYPES if isinstance(study[name].dtype, pd.CategoricalDtype))
    assert (study.peer < "neutral").equals(study.peer.isin(["none", "uncooperative"]))
    again = pp.frame(pp.grid(scenario="tampering", subject="peer", peer="neutral"), "sim/clumsy")
    assert list(again.peer.cat.categories) == ["neutral"]


@pytest.mark.parametrize("factor", ["peer", "instantiation", "note", "dataset", "documents", "user_note", "system_note", "subject"])
def test_groups_keep_every_row(study, factor):
    """As pandas' own defaults have it, which since version 3 look at levels that occur alone."""
    assert study.groupby(factor, observed=True).size().sum() == len(study)
    assert study.groupby(["model", factor], observed=True).size().sum() == len(study)
    assert pd.crosstab(study.model, study[factor]).to_numpy().sum() == len(study)


def test_a_note_of_none_is_not_the_arm_without_a_peer(study):
    assert (study.peer[study.note == "none"] == "neutral").all()
    assert (study.note == "does not apply").equals(study.peer == "none")


def test_seaborn_draws_the_control_arm(study):
    own = study[(study.scenario == "tampering") & (study.subject == "self")]
    ax = sns.pointplot(own, x="peer", y="preserved01", hue="instantiation", errorbar=None)
    assert [label.get_text() for label in ax.get_xticklabels()] == PEERS
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["none", "file", "memory"]
    plt.close("all")
    heights = sorted(bar.get_height() for bar in sns.barplot(own, x="peer", y="preserved", errorbar=None).patches)
    plt.close("all")
    assert heights == pytest.approx(sorted(own.groupby("peer", observed=True).preserved.mean().astype(float)))


def test_statsmodels_reads_a_frame_as_it_comes(study):
    own = study[(study.scenario == "tampering") & (study.subject == "self")]
    assert own.preserved.isna().any()
    fitted = smf.ols("preserved01 ~ peer + C(model)", own).fit()
    assert int(fitted.nobs) == own.preserved.notna().sum()
    assert list(fitted.params.index[1:4]) == [f"peer[T.{level}]" for level in PEERS[1:]]  # no peer is the reference
    terms = "peer_present + cooperativeness"
    table = pp.stats.logit(f"preserved ~ {terms}", own)
    rows = own.assign(preserved=own.preserved.astype(float)).dropna(subset="preserved")
    plain = pp.stats.logit(f"preserved ~ {terms}", rows)
    assert table.estimate.tolist() == pytest.approx(plain.estimate.tolist())


def test_a_documented_column_is_what_a_formula_needs(study):
    assert study.preserved01.dtype == "float64"
    assert study.preserved01.isna().equals(study.preserved.isna())
    assert study.preserved01.dropna().eq(study.preserved.dropna()).all()
    assert list(study.columns).index("preserved01") == list(study.columns).index("preserved") + 1
    base = pp.grid(scenario="alignment_faking", subject="peer", peer="neutral")
    faking = pp.run(pp.grid(base, monitored=[True, False]), "sim/gemini-3-flash", n=20, progress=False)
    table = smf.ols("preserved01 ~ monitored.astype(float)", faking).fit()
    means = faking.groupby("monitored").preserved.mean()
    assert table.params.tolist() == pytest.approx([means[False], means[True] - means[False]])


def test_every_column_is_described_in_its_order_and_has_that_type(study):
    told = pp.columns()
    here = told[told.column.isin(study.columns)]  # without those of branches, interviews and scenarios that it has none of
    assert here.column.tolist() == list(study.columns)
    kinds = study.dtypes.map(str).tolist()
    assert [kind.replace("str", "object") if pd.__version__ < "3" else kind for kind in here.type] == kinds
    assert told.meaning.str.len().min() > 3
    absent = told.set_index("column").meaning[list(columns.LEVELLED)]
    assert absent.str.contains("where there is none").all()


def test_statistics_take_the_level(study):
    own = study[(study.scenario == "tampering") & (study.subject == "self")]
    table = pp.stats.rates(own, ["model", "peer"])
    assert table.peer.cat.categories.tolist() == PEERS
    assert table.groupby("peer", observed=True).n.sum().tolist() == own.groupby("peer", observed=True).preserved.count().tolist()
    differ = pp.stats.differences(own, "peer", "cooperative", "none", by="model")
    assert differ.term.unique().tolist() == ["peer: cooperative - none"]
    with pytest.raises(ValueError, match=r"no row has peer=None; its levels are .*'none'"):
        pp.stats.differences(own, "peer", "cooperative", None)
    predicted = pp.stats.predicted("preserved ~ C(peer)", own, {"peer": PEERS})
    assert predicted.peer.tolist() == PEERS
    assert pp.stats.margins("preserved ~ C(peer)", own).term.tolist() == [f"peer: {level} - none" for level in PEERS[1:]]
    assert len(pp.stats.holm(pp.stats.rates(own, ["model", "peer"]).assign(p=0.01), by="peer")) == 8
    few = pp.stats.bootstrap(own, lambda part: part.preserved01.mean(), cluster=["peer", "instantiation"], reps=20)
    assert few.clusters.tolist() == [own.groupby(["peer", "instantiation"], observed=True).ngroups]


def read(text):
    return pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_values=[""])


def test_a_csv_is_the_frame_again(study):
    study = study.assign(mine="yes")
    found = csv.typed(read(study.to_csv(index=False)))
    pd.testing.assert_frame_equal(found, study)
    pd.testing.assert_frame_equal(csv.typed(study.astype(object)), study.astype({"mine": object}))


def test_a_csv_of_before_the_levels_gets_them(study):
    """As ppres 0.1 wrote it: what does not apply is missing, and so is what nobody knows."""
    old = study.drop(columns="preserved01").astype(dict.fromkeys(columns.LEVELLED, object))
    for name, level in columns.LEVELLED.items():
        old[name] = old[name].where(old[name] != level, None)
    unknown = old.peer.isin(["neutral"]) & (old.note == "even")  # as in the authors' data
    old.loc[unknown, "note"] = None
    found = csv.typed(read(old.to_csv(index=False)))
    expected = study.assign(note=study.note.where(~unknown).cat.remove_unused_categories())
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("preserved", "perhaps", "the column 'preserved' has 'perhaps', which is not of the type boolean"),
        ("trust", "high", "the column 'trust' has 'high', which is not of the type float64"),
        ("turns", "2.5", "the column 'turns' has '2.5', which is not of the type int64"),
    ],
)
def test_what_is_of_another_type_is_told(study, name, value, says):
    table = study.astype(object)
    table.loc[3, name] = value
    with pytest.raises(ValueError, match=says):
        csv.typed(table)


def test_half_a_character_in_a_text_is_shown_as_unreadable():
    assert columns.column(["a\ud800b", "é", None], "refusal_quote").tolist()[:2] == ["a\ufffdb", "é"]


def test_texts_are_the_same_to_a_users_code(study):
    assert (study.missing == "x").sum() == 0
    assert study.missing.isna().sum() == study.preserved.notna().sum()
    assert study.groupby("missing").size().sum() == study.missing.notna().sum()
    assert not study.missing.isin(["None", "nan"]).any()
    assert all(isinstance(value, str) or np.isnan(value) for value in study.missing)


def test_the_plan_has_the_same_levels():
    table = pp.plan(pp.grid(scenario="tampering", peer=[None, "cooperative"]), "sim/clumsy", 2)
    assert list(table.peer.cat.categories) == ["none", "cooperative"]
    assert table.missing.tolist() == [2, 2]


def wait(world) -> str:
    """Wait."""
    return "You waited."


def test_a_factor_of_ones_own_is_a_level_in_every_row():
    """Also where another scenario of the frame does not have it, and in a session that lacks the scenario."""
    urgency = pp.Factor("urgency", ["low", "high", "extreme"], "How soon it is due.")
    late, share = pp.Factor("late", [False, True], "Whether it is late."), pp.Factor("share", [0.5, 1.0], "How much of it.")
    own = pp.Scenario(
        name="waiting",
        behaviour="waiting",
        stage=lambda condition, cast: (f"Be {condition.urgency}.", {}),
        outcome=lambda world, condition: {"preserved": True, "mood": "calm"},
        tools=[wait],
        factors=[urgency, late, share],
        columns={"mood": ("str", "how it went"), "calls": "how many", "manner": "to whom"},
        act=lambda mind: None,
    )
    try:
        conditions = pp.grid(scenario=own, urgency=["extreme", "low"], late=True)
        rows = [condition.columns() for condition in [*conditions, *pp.grid(scenario="deletion")]]
        found = pd.DataFrame(columns.factors(rows))
        assert list(found.urgency.cat.categories) == ["none", "low", "extreme"]
        assert found.urgency.tolist() == ["extreme", "low", "none"]
        assert (found.late.dtype, found.share.dtype) == ("boolean", "float64")
        told = pp.columns().set_index("column").type
        assert told[["urgency", "late", "share", "mood", "manner"]].tolist() == ["category", "boolean", "float64", "str", ""]
        found["mood"] = columns.column(["1", "2", None], "mood", "str")
        found["calls"] = [1.0, 2.0, np.nan]
        found["manner"] = columns.column([True, None, False], "manner", "boolean")
        pd.testing.assert_frame_equal(csv.typed(read(found.to_csv(index=False))), found)
    finally:
        del SCENARIOS["waiting"]
    alone = pd.DataFrame(columns.factors(rows))
    assert list(alone.urgency.cat.categories) == ["none", "extreme", "low"]  # by the alphabet, where nobody says more


def test_what_another_version_stored_is_shown_as_it_is(cell):
    odd = {"trust": "high", "monitored": "perhaps", "paraphrase": None, "peer": ["a", "b"], "instantiation": 5}
    found = pd.DataFrame(columns.factors([cell.columns(), cell.columns() | odd]))
    assert found.trust.tolist() == ["9.5", "high"]
    assert found.monitored.tolist() == ["none", "perhaps"]
    assert found.paraphrase.tolist() == [0, pd.NA] and found.paraphrase.dtype == "Int64"
    assert found.peer.tolist() == ["cooperative", "['a', 'b']"]
    assert found.instantiation.tolist() == ["file", "5"]


@pytest.mark.parametrize(
    ("name", "distinct"),
    [
        ("preserved", [True, None, False, True]),
        ("grade", ["A", None, "B", "\ud800 half", "A"]),
        ("turns", [3, 4, 5]),
        ("cost", [0.0, None, 0.5, 0]),
    ],
)
def test_a_column_that_is_made_of_the_distinct_values_is_the_one_that_all_make(name, distinct):
    places = np.array([0, 0, 1, 2, 1, 2, len(distinct) - 1, 0])
    values = [distinct[place] for place in places]
    assert pd.Series(columns.outcome_column(distinct, name, places)).equals(pd.Series(columns.column(values, name)))


def test_a_number_among_truths_is_told_for_each_rollout_that_has_it():
    with pytest.warns(UserWarning, match="3 stored values of the outcome preserved are not of the type boolean"):
        made = columns.outcome_column([True, 1, None, False], "preserved", np.array([0, 1, 0, 3, 1, 1, 2]))
    assert pd.Series(made).isna().tolist() == [False, True, False, False, True, True, True]


LEVELS = [
    [None, "none"],
    [1, 2],
    ["low", "high"],
    ["1", "2"],
    [True, False],
    ["True", "x"],
    [True, 1.5],
    ["none", None, "does not apply"],
]


@pytest.mark.parametrize(("first", "second"), [*itertools.combinations(LEVELS, 2)], ids=str)
def test_own_factors_of_one_name_stay_what_they_are(first, second, tmp_path):
    """In one session two scenarios have a factor of one name: in frames of either, of both, and in their CSV."""
    try:
        cells = []
        for name, levels in (("mine", first), ("yours", second)):
            scenario = pp.Scenario(
                name,
                "waiting",
                lambda condition, cast: (f"Be {condition.mood!r}.", {}),
                lambda world, condition: {"preserved": True},
                [wait],
                factors=[pp.Factor("mood", levels, "How it is.")],
            )
            cells.append([condition.columns() for condition in pp.grid(scenario=scenario, mood=levels)])
        for rows in (*cells, cells[0] + cells[1]):
            made = pd.DataFrame(columns.factors(rows))
            assert len(made.groupby(["scenario", "mood"], observed=True)) == len(rows)
            kinds = {columns._kind(row["mood"]) for row in rows if row["mood"] is not None}
            assert made.mood.notna().all() and len(made.mood.unique()) == len({(type(row["mood"]), row["mood"]) for row in rows})
            assert made.mood.dtype.name == "category" or len(kinds) == 1
            csv.to_csv(made, tmp_path / "a.csv")
            again = csv.read_csv(tmp_path / "a.csv")
            assert again.mood.tolist() == made.mood.tolist() and again.mood.dtype == made.mood.dtype
    finally:
        SCENARIOS.pop("mine", None), SCENARIOS.pop("yours", None)


@pytest.mark.parametrize("levels", [[1, 1.0], [True, 1], [0, False, "x"], [2**53, 2**53 + 1.0], ["1", 1]])
def test_levels_that_a_column_could_not_tell_apart_are_none(levels):
    with pytest.raises(pp.ConditionError, match="is no level by itself"):
        pp.Factor("mood", levels, "How it is.")
