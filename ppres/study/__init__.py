"""Designing a study and reading its verdict: hypotheses as data, confounds, preregistration. Above engine and statistics."""

from ppres.study.confounds import contrast
from ppres.study.hypothesis import StudyError, Test
from ppres.study.registration import Registration, preregister
from ppres.study.report import Verdict, verdict
from ppres.study.stopping import Decides, Precision

__all__ = ["Decides", "Precision", "Registration", "StudyError", "Test", "Verdict", "contrast", "preregister", "verdict"]
