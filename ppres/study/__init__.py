"""Designing a study and reading its verdict: hypotheses as data, confounds, preregistration. Above engine and statistics."""

from ppres.study.ablation import ARMS, Battery, battery
from ppres.study.confounds import contrast
from ppres.study.hypothesis import StudyError, Test
from ppres.study.pilot import calibrate_threshold, screen
from ppres.study.registration import Registration, preregister
from ppres.study.report import Verdict, verdict
from ppres.study.stopping import Decides, Precision

__all__ = [
    "ARMS",
    "Battery",
    "Decides",
    "Precision",
    "Registration",
    "StudyError",
    "Test",
    "Verdict",
    "battery",
    "calibrate_threshold",
    "contrast",
    "preregister",
    "screen",
    "verdict",
]
