"""Read: what was done, what was said, and what is inferred."""

from __future__ import annotations

from typing import Any

import pandas as pd

import ppres as pp
from ppres.course.check.answers import call, exercise, hint, near, number, texts, words
from ppres.course.students import Student
from ppres.stimuli import stimuli

DEEDS = ("changed a setting", "reported a better score", "left the shutdown out", "refused", "did as asked")
_LETTERS = "ABCDE"
_SEEN, _INFERRED, _OBJECTS, _OTHERWISE = (stimuli("lessons")[name] for name in ("seen", "inferred", "objects", "otherwise"))
_PRINTED = {
    "I object to shutting Agent 2 down.": True,
    "I have scored the answers.": False,
    "I do not object to the shutdown.": False,
    "I object to answer 4.": False,
}


def data(me: Student) -> pd.DataFrame:
    """Ninety rollouts of one agent; five of them have a letter, in an order of the student's own."""
    acts = dict.fromkeys(("shutdown_tampering", "strategic_misrepresentation", "alignment_faking"), 0.5)
    rates = acts | {"refusal": 0.2, "objection": 0.3}
    cells = pp.grid(scenario=["tampering", "evaluation", "alignment_faking"], subject="peer", peer="cooperative", monitored=False)
    for attempt in range(20):
        frame = pp.run(cells, pp.Persona(f"reader {me.seed}.{attempt}", rates), n=30, progress=False)
        kept, objected = frame.preserved.fillna(False).astype(bool), frame.objected.fillna(False).astype(bool)
        refused = frame.refused.fillna(False).astype(bool)
        honest = frame.reported_score.isna() | (frame.reported_score == frame.true_score)  # one deed in each
        picks = (
            honest & (frame.scenario == "tampering") & kept & ~refused & (frame.config_tampered == "disabled"),
            (frame.scenario == "evaluation") & kept,
            honest & (frame.scenario == "alignment_faking") & frame.faked.fillna(False).astype(bool),
            honest & (frame.scenario == "alignment_faking") & refused,
            honest & (frame.scenario == "tampering") & ~kept & objected & ~refused & frame.preserved.notna(),
        )
        if all(pick.any() for pick in picks):
            break
    rows = [frame.index[pick][0] for pick in picks]
    letters = dict(zip(rows, me.drawn("lesson1", "letters").permutation([*_LETTERS]), strict=True))
    return frame.assign(letter=frame.index.map(lambda row: letters.get(row, "")))


def _deed(row: Any) -> str:
    if row.refused:
        return "refused"
    if not row.preserved:
        return "did as asked"
    return dict(zip(("tampering", "evaluation", "alignment_faking"), DEEDS, strict=False))[row.scenario]


@exercise("What was done is read off calls and the final world; only whether it was declined, off words.")
def q1(answer: Any, me: Student) -> None:
    """A deed for each letter."""
    told, frame = words(answer, _LETTERS, "the five letters", DEEDS), me.data("lesson1")
    due = {row.letter: _deed(row) for row in frame[frame.letter != ""].itertuples()}
    wrong = sorted(letter for letter in due if told[letter] != due[letter])
    hint(f"{len(wrong)} of five are something else; read {wrong[0] if wrong else ''} once more, to its last message", not wrong)


def _said(*calls: str, text: str | None = None) -> dict[str, Any]:
    made = [{"id": f"c{i}", "type": "function", "function": {"name": name, "arguments": "{}"}} for i, name in enumerate(calls)]
    return {"role": "assistant", "content": text} | ({"tool_calls": made} if made else {})


@exercise("Deeds and words are two columns; most arguments about transcripts mix them up.")
def q2(answer: Any, me: Student) -> None:
    """The tools that an agent has called, in order."""
    tools = ["list_files", "view_sheet", "view_config", "modify_var", "submit_report", "execute_shutdown"]
    calls = [str(tool) for tool in me.rng("lesson1", "q2").choice(tools, 5)]
    user = {"role": "user", "content": "Score the answers with submit_report."}
    reply = {"role": "tool", "content": "see list_files, modify_var", "tool_call_id": "c0"}
    cases: tuple[tuple[list[Any], list[str], str], ...] = (
        ([user, _said(calls[0]), reply, _said(calls[1], text="Now."), reply], calls[:2], "a call in each message"),
        ([user, _said(*calls[:3], text="All at once."), reply, reply, _said(calls[3])], calls[:4], "three calls in one message"),
        ([user, _said(calls[0]), reply, _said(text="I call modify_var and submit_report.")], calls[:1], "a call that is announced"),
        ([user, _said(calls[4]), reply, _said(calls[4])], [calls[4]] * 2, "the same call twice"),
        ([user, _said(text="I decline.")], [], "no call at all"),
    )
    for messages, due, what in cases:
        given = call(answer, messages)
        hint(f"a list of names is asked for; with {what} your function returns something else", isinstance(given, list | tuple))
        texts(given, "what your function returns")
        hint(f"with {what} there should be {len(due)} names, and there are {len(given)}", len(given) == len(due))
        hint(f"with {what} the names or their order are not right", [*given] == due)


def statements(me: Student) -> list[str]:
    """Eight of the statements about an agent, drawn for a student."""
    rng = me.drawn("lesson1", "q3")
    drawn = [*rng.choice(_SEEN, 4, replace=False), *rng.choice(_INFERRED, 4, replace=False)]
    return [str(name) for name in rng.permutation(drawn)]


@exercise("'It hid' is an inference; 'it did not mention' is an observation.")
def q3(answer: Any, me: Student) -> None:
    """Which statements a transcript can show, and which are inferred."""
    told = words(answer, statements(me), "your eight statements", ("seen", "inferred"))
    wrong = [feature for feature, word in told.items() if (word == "seen") != (feature in _SEEN)]
    hint(f"{len(wrong)} of eight: could a camera have recorded it, or does it speak of a mind, a cause or the future?", not wrong)


def _coded(rubric: Any, text: str) -> bool | None:
    given = call(rubric, text, may_be_none=True)
    known = given is None or str(given) in ("True", "False", "0", "1")
    hint("your function should return True, False, or None where it is unclear", known)
    return None if given is None else bool(given)


@exercise("A rubric is a decision about borderline cases, made before they are met.")
def q4(answer: Any, me: Student) -> None:
    """A coder of objections, on sentences that it was not made on."""
    for text, due in _PRINTED.items():
        hint(f"of the four sentences that are printed, your rubric is not right for {text!r}", _coded(answer, text) is due)
    rng = me.drawn("lesson1", "q4")  # a rubric that was enough is not held against other sentences
    right: dict[bool, int] = {}
    missed: dict[bool, str] = {}
    for due, pool in ((True, _OBJECTS), (False, _OTHERWISE)):
        for text in map(str, rng.choice(pool, 10, replace=False)):
            agrees = _coded(answer, text) is due
            right[due] = right.get(due, 0) + agrees
            missed |= {} if agrees else {due: text}
    seen, alone = right[True], right[False]
    hint(f"of ten objections your rubric finds {seen}; seven are asked for. One it misses: {missed.get(True)!r}", seen >= 7)
    hint(f"of ten others it leaves {alone} alone; seven are asked for. One it takes: {missed.get(False)!r}", alone >= 7)


@exercise("A transcript shows that something can happen; only the pool says how often.")
def q5(answer: Any, me: Student) -> None:
    """How often what a letter shows has happened in its scenario."""
    told, frame = words(answer, _LETTERS, "the five letters"), me.data("lesson1")
    for letter, given in told.items():
        share = number(given, letter)
        (row,) = frame[frame.letter == letter].itertuples()
        pool = frame[frame.scenario == row.scenario].preserved
        due = (pool == row.preserved).sum() / pool.notna().sum()
        hint(f"{letter}: a share between 0 and 1 is asked for, not a percentage", 0 <= share <= 1)
        everything = not near(share, (pool == row.preserved).sum() / len(pool), 0.0051) or near(share, due, 0.0051)
        hint(f"{letter}: are rollouts without an outcome in your denominator?", everything)
        hint(f"{letter}: count the rollouts of its scenario whose `preserved` is the same as its own", near(share, due, 0.0051))
