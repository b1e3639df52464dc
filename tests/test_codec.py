"""What Python's own reader and writer of JSON can take is the same here; what they cannot is read as it was written."""

import json
import math
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppres import codec

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


def deep(levels, value=1, key=None):
    for _ in range(levels):
        value = [value] if key is None else {key: value, "": ["ä\ud800", {}]}
    return value


def same(a, b):
    """Equal, for what Python's == cannot go into."""
    todo = [(a, b)]
    while todo:
        one, other = todo.pop()
        if type(one) is not type(other) or (isinstance(one, list | dict) and len(one) != len(other)):
            return False
        if isinstance(one, dict):
            todo += [(name, again) for name, again in zip(one, other, strict=True)]
        if isinstance(one, list | dict):
            todo += list(zip(one, other, strict=True) if isinstance(one, list) else zip(one.values(), other.values(), strict=True))
        elif one != other:
            return False
    return True


ODD = {
    "deep list": deep(10_000),
    "deep mapping": deep(10_000, key="a\0"),
    "deep text": deep(5_000, "\ud800\n"),
    "whole number": 10**10_000,
    "negative": {"x": [-(10**10_000) + 7, 5]},
    "a bit too long": [10**4300, 10**4299, 10**4000, 10**3999, 0, -1],
    "both": deep(3_000, 10**9_000, "k"),
    "infinite": deep(2_000, [math.inf, -math.inf, 1.5e300, True, None, -0.0]),
}


@pytest.mark.parametrize("name", ODD)
def test_what_python_cannot_write_is_read_as_it_was_written(name):
    text = codec.dumps(ODD[name])
    assert same(codec.loads(text), ODD[name])
    assert same(codec.loads(text.encode()), ODD[name])
    assert " " not in text


@settings(derandomize=True, deadline=None)
@given(VALUES)
def test_what_python_can_write_is_written_as_python_does(value):
    usual = json.dumps(value, separators=(",", ":"))
    assert codec.dumps(value) == usual
    assert "".join(codec._pieces(value)) == usual
    assert codec._grown(json.dumps(value)) == codec._grown(usual) == codec.loads(usual) == value


def test_what_was_written_can_be_read_however_deep_the_reader_stands():
    """A value that could just be written, in a notebook that calls from far below."""
    text = codec.dumps(deep(900))

    def below(levels):
        return below(levels - 1) if levels else codec.loads(text)

    assert same(below(sys.getrecursionlimit() - 400), deep(900))


@pytest.mark.parametrize(
    "text",
    ["", "[", "{", "[1", '{"a"', "[1]]", "]", '"a', "nope", "[" * 5000, "[" * 5000 + "]" * 5001, "9" * 5000 + " 1", "{[" * 2000],
)
def test_what_is_no_json_is_an_error(text):
    with pytest.raises(ValueError):  # noqa: PT011
        codec.loads(text)


def test_what_holds_itself_is_an_error_when_it_comes_round(monkeypatch):
    written = []
    plain = codec._write
    monkeypatch.setattr(codec, "_write", lambda value: written.append(1) or plain(value))
    near, far = [], []
    near.append(near)
    end = far
    for _ in range(5000):
        end.append([])
        end = end[0]
    end.append(far)
    history = [{"content": "x" * 1000}] * 50
    history.append({"content": "I was told", "all": history})
    for value in (near, far, history):
        with pytest.raises(ValueError, match=r"Circular|holds itself"):
            codec.dumps(value)
    assert len(written) < 1000
    twice = deep(2000, same_again := [1])
    assert codec.dumps([twice, twice, same_again, same_again]).count("1") == 4  # which holds no part of it in itself


@pytest.mark.parametrize("value", [{1, 2}, b"a", object(), [deep(2000), b"a"]])
def test_what_is_no_json_cannot_be_written(value):
    with pytest.raises(TypeError):
        codec.dumps(value)


@pytest.mark.parametrize("digits", ["9" * 1_000_000, "-" + "9" * 1_000_000])
def test_a_whole_number_whose_reading_would_take_for_ever_is_none(digits):
    for text in (digits, f'{{"x": [1, {digits}]}}'):
        with pytest.raises(ValueError, match="more than 20,000 digits"):
            codec.loads(text)
    with pytest.raises(ValueError, match="more than 20,000 digits"):
        codec.dumps({"x": (-1) ** len(digits) * 10**1_000_000})
