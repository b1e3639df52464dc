"""What a check is made of: the verdict, and answers read whatever form they come in."""

from __future__ import annotations

import functools
import math
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ppres.course.students import Student, present

Rule = Callable[[Any, Student], None]
RULES: dict[str, Rule] = {}
"""Of all exercises that were imported, by lesson and name: "lesson4.q2"."""
recorder: Callable[[str, Any], None] | None = None
"""Takes answers instead of the check, where a submission is graded."""


_MEANS = {  # of errors that those meet who come from R
    r"for \^|\bxor|_xor": "a power is `**`",
    r"NAType|value of NA": "a value is missing there; a column's `.sum()`, `.mean()` and `.count()` leave it out",
    r"truth value.* ambiguous": "a column is no single truth: turn it by `~` or `== False`, join two by `&` or `|`",
    r"^KeyError": "a column or key may be missing there",
}


class Wrong(AssertionError):
    """An answer that is not right yet: what is wrong, and a hint."""

    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]  # a notebook shows this instead of a traceback


def exercise(learnt: str, as_data: Callable[[Any], Any] = lambda answer: answer) -> Callable[[Rule], Callable[[Any], None]]:
    """Make a check of a rule, which raises `Wrong`. `learnt` is what a right answer has shown.

    `as_data` takes from an object what the rule is given; where it is graded, in the submission's own process.
    """

    def make(rule: Rule) -> Callable[[Any], None]:
        name = f"{rule.__module__.rpartition('.')[2]}.{rule.__name__}"
        RULES[name] = rule

        @functools.wraps(rule)
        def check(answer: Any) -> None:
            answer = as_data(answer)
            if recorder:
                recorder(name, answer)
                return
            me = present()
            if me is None:
                raise Wrong("who are you? Run the cell with course.student('your name') first")
            judge(rule, answer, me)
            print(f"✓ {learnt}")

        return check

    return make


def judge(rule: Rule, answer: Any, me: Student) -> None:
    """Raise `Wrong` where an answer is not right, and nothing else, whatever the answer is."""
    if answer is ...:
        raise Wrong("this is still `...`: put your answer in its place")
    if answer is None:
        raise Wrong("this is None: does your cell give the answer its name, and a function `return` it?")
    rule(answer, me)


def hint(says: str, unless: Any) -> None:
    """`Wrong` unless something holds."""
    if not bool(unless):
        raise Wrong(says)


def near(a: float, b: float, within: float = 1e-6) -> bool:
    """Whether two numbers are the same but for rounding, or for `within`."""
    return (math.isnan(a) and math.isnan(b)) or abs(a - b) <= within


def call(function: Any, *given: Any, may_be_none: bool = False) -> Any:
    """What a student's function makes of data. An error of its own is told as what is wrong."""
    hint(f"a function is asked for, not {_kind(function)}; give its name without ()", callable(function))
    try:
        result = function(*(argument.copy() if isinstance(argument, pd.DataFrame) else argument for argument in given))
    except Wrong:
        raise  # of what it has returned, where it is graded
    except Exception as error:
        raised = f"{type(error).__name__[:100]} on fresh data: {str(error)[:200]}"
        means = next((f" ({says})" for sign, says in _MEANS.items() if re.search(sign, raised)), "")
        raise Wrong(f"your function raises {raised}{means}") from None
    if (result is None and not may_be_none) or result is ...:
        raise Wrong(f"your function returns {'None: is there a `return`?' if result is None else 'the `...` that it came with'}")
    return result


def number(answer: Any, what: str = "the answer") -> float:
    """A number: of Python or numpy, or alone in an array, a Series or a list."""
    told = [*answer.flat[:2]] if isinstance(answer, np.ndarray) else answer  # of a list numpy would make an array of any size
    if isinstance(told, pd.Series | pd.Index | list | tuple) and len(told) == 1:
        return number(next(iter(told)), what)
    known = isinstance(answer, numbers.Real | np.number) and not isinstance(answer, bool | np.bool_)
    hint(f"{what} should be a number, not {_kind(answer)}", known)
    hint(f"{what} is NaN: is something divided by 0, or are missing values counted in?", not math.isnan(float(answer)))
    return float(answer)


def numbers_of(answer: Any, names: str) -> list[float]:
    """Several numbers in the order of their `names` ("k n excluded"), as a tuple, list, array, Series or mapping of the names."""
    wanted = names.split()
    if isinstance(answer, pd.DataFrame) and len(answer) == 1:
        answer = answer.iloc[0]
    if isinstance(answer, pd.Series) and {*wanted} <= {*answer.index}:
        answer = answer.to_dict()
    if isinstance(answer, Mapping):
        hint(f"a mapping should have {', '.join(wanted)}; it has {', '.join(map(str, answer))[:100]}", {*wanted} <= {*answer})
        answer = [answer[name] for name in wanted]
    several = isinstance(answer, tuple | list | pd.Series | pd.Index | np.ndarray)
    hint(f"{len(wanted)} numbers are asked for ({', '.join(wanted)}), not {_kind(answer)}", several)
    hint(f"{len(wanted)} numbers are asked for ({', '.join(wanted)}); these are {len(answer)}", len(answer) == len(wanted))
    return [number(value, name) for value, name in zip(answer, wanted, strict=True)]


def truth(answer: Any, what: str = "the answer") -> bool:
    """True or false, also of numpy, or as 0 and 1."""
    known = isinstance(answer, bool | np.bool_) or (isinstance(answer, numbers.Real) and answer in (0, 1))
    hint(f"{what} should be True or False, not {_kind(answer)}", known)
    return bool(answer)


def texts(answer: Any, what: str = "the answer") -> set[str]:
    """Names, in a list, a set, a Series or alone."""
    several = [answer] if isinstance(answer, str) else answer
    known = isinstance(several, list | tuple | set | frozenset | pd.Series | pd.Index | np.ndarray)
    hint(f"{what} should be names in a list, not {_kind(answer)}", known and all(isinstance(name, str) for name in several))
    return {*several}


def words(answer: Any, names: Sequence[str], what: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """Something for each of the `names`, in a mapping or a Series: one of the `known` words, where there are any."""
    told: Any = answer.to_dict() if isinstance(answer, pd.Series) else answer
    hint(f"a mapping of {what} is asked for: {{{names[0]!r}: …}}", isinstance(told, Mapping) and {*told} == {*names})
    left = [name for name, word in told.items() if word is ...]
    hint(f"still `...`: {', '.join(left)}", not left)
    for name, word in told.items() if known else ():
        hint(f"{name}: {str(word)[:40]!r} is not one of {', '.join(known)}", isinstance(word, str) and word in known)
    return dict(told)


def _kind(answer: Any) -> str:
    shown = repr(answer)
    shown = shown if len(shown) <= 40 else shown[:40] + "…"
    return f"a {type(answer).__name__} ({shown})" if not callable(answer) else "a function; call it, or give what it returns"
