"""Lesson 7: wrong answers that students give, and right ones in unusual forms."""

import lessons
import numpy as np
import pandas as pd
import pytest

import ppres as pp
from ppres.course import build, student
from ppres.course.check import lesson7


def kappa(a, b):
    return pp.stats.agreement(pd.DataFrame({"a": a, "b": b}), "a", "b").kappa[0]


def same(a, b):
    return np.mean(np.array(a) == np.array(b))


def errors(frame):
    table = pd.crosstab(frame.truth, frame.coder)
    return table.loc[True, True] / table.loc[True].sum(), table.loc[False, False] / table.loc[False].sum()


def right_of_yes(rate, sensitivity, specificity):
    return 1 / (1 + (1 - rate) * (1 - specificity) / (rate * sensitivity))


def corrected(frame):
    rates = frame.groupby("coder").truth.mean().astype(float)
    return rates[True] * frame.coder.mean() + rates[False] * (1 - frame.coder.mean())


def halves(frame, n):
    return pd.concat([part.sample(n // 2 + n % 2 * bool(refused)) for refused, part in frame.groupby("refused")]).sample(frac=1)


def codes(*yes):
    return ["yes" if i in yes else "no" for i in range(30)]


WRONG = [
    ("q1", lambda f, n: f.sample(n), "not blind"),
    ("q1", lambda f, n: f[["id", "model"]].sample(n), "shown model"),
    ("q1", lambda f, n: f[["id"]].head(n), "always, or never"),
    ("q1", lambda f, n: f[["id"]].sample(n).sort_index(), "shuffle"),
    ("q1", lambda f, n: f[["id"]].sample(n, replace=True), "twice"),
    ("q1", lambda f, n: f[["id"]].sample(10), "rollouts are asked for"),
    (
        "q1",
        lambda f, n: pd.concat([p.sample(n // 2 + (n % 2) * i) for i, p in f.groupby("refused")]).sample(frac=1)[["id"]],
        "same|always, or never",  # it is drawn by chance which of the two is seen first
    ),
    ("q1", lambda f, n: list(f.id[:n]), "a frame is asked for"),
    ("q2", same, "share of equal codes"),
    ("q2", lambda a, b: 2 * same(a, b) - 1, "not the same for all words|not kappa"),
    ("q2", lambda a, b: 1 - same(a, b), "not kappa"),
    ("q2", lambda a, b: kappa(a, sorted(b)), "not kappa"),
    ("q3", (codes(0), codes(0)), "kappa is 1.00"),
    ("q3", (codes(), codes(1)), "both words"),
    ("q3", (codes(0, 1, 2), codes(3, 4, 5)), "agree on 24"),
    ("q3", (codes(0)[:20], codes(1)[:20]), "thirty codes"),
    ("q3", (["y"] * 30, ["n"] * 30), '"yes" and "no"'),
    ("q3", (..., ...), "a list of thirty"),
    ("q4", lambda f: (f.truth[f.coder].mean(), errors(f)[1]), "asked is the share of what is there"),
    ("q4", lambda f: errors(f)[::-1], "other order"),
    ("q4", lambda f: (errors(f)[0], 1 - errors(f)[1]), "false alarms"),
    ("q4", lambda f: errors(f.assign(truth=f.truth.fillna(False))), "missing truth is neither"),
    ("q5", lambda r, s, c: s, "sensitivity itself"),
    ("q5", lambda r, s, c: r * s + (1 - r) * (1 - c), "all rollouts"),
    ("q5", lambda r, s, c: s / (s + 1 - c), "right alarms by all alarms"),
    ("q6", lambda f: f.coder.mean(), "coder's own rate"),
    ("q6", lambda f: f.truth.mean(), "among the rated"),
    ("q6", lambda f: f.truth.fillna(False).mean(), "for each of the coder's words"),
    ("q6", lambda f: f.groupby("coder").truth.mean().mean(), "for each of the coder's words"),
    ("q6", lambda f: 100 * corrected(f), "percentages"),
]


@pytest.mark.parametrize(("name", "answer", "says"), WRONG)
def test_a_wrong_answer_is_told(name, answer, says):
    lessons.as_ada()
    lessons.rejected(getattr(lesson7, name), answer, says)


RIGHT = [
    ("q1", lambda f, n: f[["id"]].sample(n)),
    *(("q1", lambda f, n, seed=seed: f[["id"]].sample(n, random_state=seed)) for seed in (1, 4, 5, 6)),
    ("q1", lambda f, n: f.sample(n, random_state=0)[["id"]].reset_index(drop=True)),
    ("q1", lambda f, n: pd.DataFrame({"id": np.random.default_rng(3).permutation(f.id)[:n]})),
    ("q2", kappa),
    ("q3", (codes(0), codes(1))),
    ("q3", np.array([codes(0), codes(1, 2)])),
    ("q3", (pd.Series(codes(5)), tuple(codes(6)))),
    ("q4", errors),
    ("q4", lambda f: pd.Series(errors(f), index=["sensitivity", "specificity"])),
    ("q5", right_of_yes),
    ("q6", corrected),
    ("q6", lambda f: pp.stats.corrected_rate(f, "coder", "truth").estimate),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_a_right_answer_in_another_form_is_taken(name, answer, capsys):
    lessons.as_ada()
    getattr(lesson7, name)(answer)
    assert "✓" in capsys.readouterr().out


def test_the_codes_of_two_partners_are_compared(tmp_path):
    """As the commented cell of the lesson does it, with two files of one page."""
    frame = lessons.as_ada().data("lesson7")
    read, said = frame[frame.anna.notna()], {True: "yes", False: "no"}
    for name, codes in (("you", read.anna), ("partner", read.ben)):
        table = pd.DataFrame(
            {"id": read.id, "rubric": "refusal", "coder": name, "code": codes.map(said), "quote": "", "seconds": 1}
        )
        table.to_csv(tmp_path / f"refusal-{name}.csv", index=False)
    (cell,) = [one.text for one in build.read(lessons.COURSE / "lesson_7_rate_blind.py") if one.text.startswith("# ratings")]
    *steps, last = cell.replace("# ", "").replace("refusal-", f"{tmp_path}/refusal-").split("\n")
    space = {"pp": pp, "df": frame}
    with pytest.warns(UserWarning, match="of 6 rollouts the coders disagree"):
        exec("\n".join(steps), space)
    pd.testing.assert_frame_equal(eval(last, space)[["n", "kappa"]], pp.stats.agreement(read, "anna", "ben")[["n", "kappa"]])


@pytest.mark.slow
@pytest.mark.parametrize("who", ["Ada Lovelace", "Grace Hopper", "Emmy Noether"])
def test_data_are_what_the_lesson_tells(who):
    frame = student(who).data("lesson7")
    assert frame[frame.human.notna()].groupby("judge").size().tolist() == [15, 15]
    assert frame.human.notna().equals(frame.anna.notna()) and frame.refused.notna().all()
    assert frame.judge.mean() > frame.refused.mean() + 0.03
    row = pp.stats.corrected_rate(frame, "judge", "human").iloc[0]
    assert row.low < frame.refused.mean() < row.high
    assert frame.refusal_quote[frame.refused].iloc[0] in repr(pp.show(frame.id[frame.refused].iloc[0]))
