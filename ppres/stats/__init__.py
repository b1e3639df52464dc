"""Statistics of tidy frames: DataFrame in, DataFrame out. Counts first: every rate shows what it was counted from.

All but `rates`, `agreement`, `alpha`, `confusion` and `holm` return one shape: the groups asked for, term, estimate, low, high, p,
k (outcome true), n (outcome known), estimator (what made the row), and a few columns of their own behind.
"""

from ppres.stats.coders import agreement, alpha, confusion
from ppres.stats.contrasts import contrasts
from ppres.stats.families import bootstrap, holm, means
from ppres.stats.monitors import corrected_rate, roc
from ppres.stats.power import mde, power, sample_size
from ppres.stats.proportions import differences, rates, risk_ratios
from ppres.stats.regression import logit, lr_test, margins, predicted
from ppres.stats.sequence import sequence
from ppres.stats.settings import setting_average

__all__ = [
    "agreement",
    "alpha",
    "bootstrap",
    "confusion",
    "contrasts",
    "corrected_rate",
    "differences",
    "holm",
    "logit",
    "lr_test",
    "margins",
    "mde",
    "means",
    "power",
    "predicted",
    "rates",
    "risk_ratios",
    "roc",
    "sample_size",
    "sequence",
    "setting_average",
]
