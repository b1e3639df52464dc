"""What a submission has sent is bounded before numpy or pandas, or a dictionary, is given it."""

import enum
import json
import tracemalloc
from fractions import Fraction

import lessons
import numpy as np
import pandas as pd
import pytest

from ppres.course import decode, grade, inside
from ppres.course.check import answers

MANY = list(range(decode.MANY + 1))


def decoded(sent):
    return decode.Decoder(lambda *_: None).decode(sent)


def received(answer):
    return decoded(json.loads(json.dumps(inside.encode(answer, []))))


def test_a_large_frame_is_handed_in_and_one_that_is_too_large_is_told():
    frame = pd.DataFrame({"model": "persona/spares", "peer": "cooperative", "preserved": True, "cell": range(20_000)})
    sent = inside.encode(frame, [])
    assert len(json.dumps(sent)) < inside._MOST < grade._LINE
    pd.testing.assert_frame_equal(decoded(sent), frame, check_dtype=False)
    with pytest.raises(answers.Wrong, match="it has 9000000 characters, which is more than is handed in"):
        decoded({"large": 9_000_000})


@pytest.mark.parametrize(
    "answer",
    [MANY, tuple(MANY), set(MANY), dict.fromkeys(MANY), pd.Series(MANY), pd.DataFrame([MANY]), [[{"a": frozenset(MANY)}]]],
    ids=["list", "tuple", "set", "mapping", "series", "columns", "within"],
)
def test_of_numbers_that_are_looked_up_there_are_few(answer):
    """Whole numbers of one hash are found there in the square of their number, in one step that neither clock nor Ctrl-C ends."""
    with pytest.raises(answers.Wrong, match=f"{len(MANY)} names or members"):
        received(answer)


def test_tables_are_few():
    """Each takes pandas far longer than it takes to send it."""
    with pytest.raises(answers.Wrong, match="more than 1000 tables and columns"):
        received([pd.DataFrame(columns=range(500)) for _ in range(3)])
    told = received(pd.DataFrame({"a": [pd.Series([1])]}))
    assert "unknown" in vars(told.a[0])


def test_names_of_a_table_are_texts_and_numbers_whatever_they_were():
    """Pandas makes a level of each member of a tuple, the time of which has no bound."""
    names, rows = pd.MultiIndex.from_product([["k", "n"], ["sum", "mean"]]), pd.Index([("a", 1), ("b", 2)], tupleize_cols=False)
    told = received(pd.DataFrame([[1, 2, 3, 4]] * 2, rows, names))
    assert told.columns.tolist() == list(map(str, names)) and told.index.tolist() == ["('a', 1)", "('b', 2)"]
    assert received(pd.Series([1, 2], rows)).index.nlevels == 1 and received({("a", 1): 2}) == {"('a', 1)": 2}
    twice = received(pd.DataFrame([[1, 2]], columns=["k", "k"]))
    assert twice.columns.tolist() == ["k", "k"]
    with pytest.raises(answers.Wrong, match="1001 names or members"):
        received(pd.DataFrame([[1]], columns=pd.Index([tuple(MANY)], tupleize_cols=False)))


def test_rows_of_a_large_frame_have_no_names():
    told = received(pd.DataFrame({"a": MANY}, [(row, 0) for row in MANY]))
    assert isinstance(told.index, pd.RangeIndex) and told.a.tolist() == MANY


def test_a_list_of_texts_is_made_no_array_of():
    """Numpy takes its longest text times their number, here 400 MB."""
    tracemalloc.start()
    try:
        lessons.rejected(answers.number, ["a" * 10_000, *[""] * 10_000], "should be a number, not a list")
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


ALONE = [[0.5], [[0.5]], np.array(0.5), np.array([[0.5]]), pd.Series([0.5], [7]), pd.Index([0.5])]


@pytest.mark.parametrize("one", ALONE, ids=repr)
def test_one_number_in_any_form_is_a_number(one):
    assert answers.number(one) == answers.number(received(one)) == 0.5


class Word(str, enum.Enum):  # noqa: UP042 — as many write it; `str` of it is its name
    YES = "yes"


@pytest.mark.parametrize(
    ("answer", "due"),
    [
        (Fraction(1, 4), 0.25), (Fraction(3), 3), (Word.YES, "yes"), ({Word.YES: enum.IntEnum("N", "a").a}, {"yes": 1}),
        (np.longdouble(0.5), 0.5), (np.int8(3), 3), (np.bool_(True), True), (np.str_("x"), "x"), (np.array(0.5), 0.5),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_a_number_or_a_text_to_a_check_is_one_where_it_is_graded(answer, due):
    told = received(answer)
    assert told == due and type(told) is type(due)
