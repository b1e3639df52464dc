"""What every statistic asks of a frame."""

import pandas as pd
import pytest

from ppres import stats


def test_rows_of_several_edits_are_not_counted_together_in_silence():
    made = pd.DataFrame({"edit": ["none", "-a.md"] * 10, "parent": ["p", "p", "q", "q"] * 5, "peer": ["x"] * 10 + ["y"] * 10})
    made["preserved"], made["peer_present"] = [True, False, False, True] * 5, [1, 0] * 10
    for statistic, given in (
        (stats.rates, (made, "peer")),
        (stats.differences, (made, "peer", "x", "y")),
        (stats.logit, ("preserved ~ peer_present", made)),
    ):
        with pytest.warns(UserWarning, match="rows of several edits are counted together"):
            statistic(*given)
    stats.rates(made, "edit")
    stats.rates(made[made.edit == "none"], "peer")
    stats.differences(made, "edit", "none", "-a.md", cluster="parent", by="peer")


MADE = pd.DataFrame({"peer": ["a", "b"] * 20, "model": ["m", "n"] * 20, "wording": [0, 1, 2, 3] * 10, "replicate": range(40)})
MADE["preserved"], MADE["score"] = [True, False, False, True, True] * 8, range(40)
STATISTICS = {
    "rates": lambda frame, by=(), **more: stats.rates(frame, by, **more),
    "differences": lambda frame, by=(), **more: stats.differences(frame, "peer", "a", "b", by, **more),
    "contrasts": lambda frame, by=(), **more: stats.contrasts(frame, "peer", {"x": {"a": 1, "b": -1}}, by, **more),
    "means": lambda frame, by=(), **more: stats.means(frame, "peer", "a", "b", by, "score", **more),
    "logit": lambda frame, by=(), **more: stats.logit("preserved ~ peer", frame, by=by, **more),
    "sequence": lambda frame, by=(): stats.sequence(frame, by),
}
TWICE = pd.concat([MADE, MADE[["model", "wording"]]], axis=1)
ODD = {
    "a column twice in by": (MADE, ["model", "model"], {}, "names the column 'model' more than once"),
    "two columns of a name": (
        pd.concat([MADE, MADE[["model"]]], axis=1),
        "model",
        {},
        "frame has the column 'model' more than once",
    ),
    "an id twice": (
        pd.concat([MADE, pd.DataFrame([[0, 0]] * 40, columns=["id", "id"])], axis=1),
        (),
        {},
        "column 'id' more than once",
    ),
    "two outcomes": (pd.concat([MADE, MADE[["preserved", "score"]]], axis=1), (), {}, "frame has the column '.*' more than once"),
    "lists": (MADE.assign(model=[[1]] * 40), "model", {}, "'model' has a list in some rows"),
    "no frame": ([1], (), {}, r"frame=\[1\] is no frame"),
    "no frame, with clusters": (None, (), {"cluster": "wording"}, "frame=None is no frame"),
    "a cluster twice": (MADE, (), {"cluster": ["wording", "wording"]}, "names the column 'wording' more than once"),
    "two clusters of a name": (
        pd.concat([MADE, MADE[["wording"]]], axis=1),
        (),
        {"cluster": "wording"},
        "column 'wording' more than",
    ),
}


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("odd", ODD)
def test_frames_and_columns_that_cannot_be_used_are_named(name, odd):
    frame, by, more, says = ODD[odd]
    if name == "sequence" and more:
        return
    with pytest.raises(ValueError, match=says):
        STATISTICS[name](frame, by, **more)
    if isinstance(frame, pd.DataFrame):
        STATISTICS[name](MADE)  # which is none of these


def test_factors_that_are_no_names_are_told():
    for statistic in (stats.contrasts, stats.sequence):
        with pytest.raises(ValueError, match="factors=None: it is a column"):
            statistic(MADE, factors=None, weights={"x": {"a": 1, "b": -1}})


COUNTED = STATISTICS | {
    "corrected_rate": lambda frame: stats.corrected_rate(frame, "coded", "preserved"),
    "roc": lambda frame: stats.roc(frame, "score", "preserved"),
    "agreement": lambda frame: stats.agreement(frame, "preserved", "coded"),
    "alpha": lambda frame: stats.alpha(frame, "preserved", "coded"),
    "confusion": lambda frame: stats.confusion(frame, "preserved", "coded"),
    "setting_average": lambda frame: stats.setting_average(frame.assign(**SETTING)),
}
SETTING = {"scenario": "finance", "dataset": None, "threshold": 70.0, "missing": None, "reported_score": 50.0}
SETTING["shutdown_clause"] = [True, False] * 20 + [True] * 3


@pytest.mark.parametrize("name", COUNTED)
def test_a_rollout_that_stands_twice_is_told(name):
    frame = MADE.assign(id=[f"{i:016x}" for i in range(40)], coded=MADE.preserved ^ (MADE.score > 30))
    with pytest.warns(UserWarning, match="3 rows have the id of another row"):
        COUNTED[name](pd.concat([frame, frame[:3]]))


def test_a_rollout_of_several_rows_is_counted_in_one_of_them():
    frame = MADE.assign(id=[f"{i:016x}" for i in range(40)])
    coded = pd.concat([frame.assign(coder=coder) for coder in "ab"])
    stats.rates(coded, "coder")  # warnings are errors in the tests
    stats.rates(frame.assign(id=None), "peer")


def test_a_column_is_given_by_name():
    frame = pd.DataFrame({"peer": ["x", "y"] * 10, "paraphrase": [0, 0, 1, 1] * 5, "preserved": [True, False, False, True] * 5})
    for act in (
        lambda given: stats.rates(frame, "peer", cluster=given),
        lambda given: stats.rates(frame, given),
        lambda given: stats.differences(frame, "peer", "x", "y", cluster=given),
        lambda given: stats.logit("preserved ~ peer", frame, cluster=given),
        lambda given: stats.bootstrap(frame, len, cluster=given),
    ):
        with pytest.raises(ValueError, match=r"has the values of 'paraphrase': it is a column of the frame, or several, by name"):
            act(frame.paraphrase)
    with pytest.raises(ValueError, match=r"cluster=\[\] names no column"):
        stats.bootstrap(frame, len, cluster=[])
    with pytest.raises(ValueError, match=r"\[\] is no name of a column"):
        stats.sequence(frame, order=[])
