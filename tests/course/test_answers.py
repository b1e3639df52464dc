"""What a check says of a function that raises."""

import lessons
import pandas as pd
import pytest

from ppres.course.check import answers
from ppres.course.students import Student

MISSING = pd.Series([True, pd.NA], dtype="boolean")


@pytest.mark.parametrize(
    ("function", "given", "says"),
    [
        (lambda x: x ^ 2.0, 1.5, r"a power is `\*\*`"),
        (lambda x: x ^ 2.0, pd.Series([1.5]), r"a power is `\*\*`"),
        (lambda x: not x, pd.Series([True, False]), "turn it by `~`"),
        (lambda x: x[0] and x[1], pd.DataFrame({0: [True], 1: [True]}), "join two by `&`"),
        (lambda x: sum(1 for one in x if one), MISSING, "leave it out"),
        (lambda x: int(x[1]), MISSING, "leave it out"),
        (lambda x: x["calls"], {}, "a column or key may be missing"),
        (lambda x: x["calls"], pd.DataFrame(), "a column or key may be missing"),
        (lambda x: 1 / x, 0, "ZeroDivisionError on fresh data: division by zero$"),
    ],
)
def test_an_error_is_told_with_what_it_means(function, given, says):
    lessons.rejected(lambda answer: answers.call(answer, given), function, says)


def test_an_error_of_any_name_is_told_in_short():
    def function():
        raise type("truth value " * 100_000, (Exception,), {})("x" * 100_000)

    with pytest.raises(answers.Wrong) as told:
        answers.call(function)
    assert len(str(told.value)) < 400


def test_what_is_wrong_with_what_a_function_returns_is_no_error_of_its_own():
    def function():
        raise answers.Wrong("it has 1001 members")

    lessons.rejected(lambda answer: answers.call(answer), function, "^it has 1001 members$")


def test_an_accent_that_is_a_sign_of_its_own_makes_no_other_student():
    """As in a file's name on some systems: the data were others, and the name looked the same."""
    assert Student("Zoe\u0308 M\u00fcller").seed == Student("Zo\u00eb Mu\u0308ller").seed != Student("Zoe Muller").seed
