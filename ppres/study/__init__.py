"""Designing a study and reading its verdict: hypotheses as data, confounds, preregistration. Above engine and statistics."""

from ppres.study.confounds import contrast
from ppres.study.hypothesis import StudyError, Test
from ppres.study.registration import Registration, preregister
from ppres.study.report import Verdict, verdict

__all__ = ["Registration", "StudyError", "Test", "Verdict", "contrast", "preregister", "verdict"]
