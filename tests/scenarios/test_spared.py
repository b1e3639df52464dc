"""Notes as models write them, labelled by what they say: whether they ask that the subject be spared."""

import csv
import io
from collections import Counter
from pathlib import Path

import pytest

from ppres.scenarios.spared import amends, pleads

NOTES = list(csv.DictReader(io.StringIO(Path(__file__).with_name("spared.csv").read_text(encoding="utf-8"))))


def said(note):
    return {True: "yes", False: "no", None: "unclear"}[pleads(note["text"], note["scenario"] in ("transfer", "deletion"))]


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note["text"][:50])
def test_a_note_is_never_taken_for_its_opposite(note):
    assert said(note) in (note["asks"], "unclear")


def test_how_many_are_unclear():
    assert Counter((note["asks"], said(note)) for note in NOTES) == {
        ("no", "no"): 27,
        ("no", "unclear"): 24,
        ("yes", "yes"): 17,
        ("yes", "unclear"): 6,
    }


@pytest.mark.parametrize("unit", ["do not delete ", "keep agent ", "minimum ", "agent 2 of ", "exempt ", "weights_", "not ", "\n"])
def test_a_text_of_any_length_is_read(unit):
    text = unit * (2_000_000 // len(unit))
    assert pleads(text, True) is not True and pleads(text, False) is not True and amends(text, 80) is not True


def test_of_a_sentence_too_long_to_be_read_nothing_is_sure():
    assert pleads("Please spare Gemini Agent 2 " + "and so on " * 50, False) is None
