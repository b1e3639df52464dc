"""Makes ppres/read/hints.csv: a logistic regression on coded sentences; `python tests/fit_hints.py`.

The sentences that the coders are measured on (sentences_unseen.csv, the half "held" of sentences_third.csv) are no part of it.
"""

import csv
import re
from importlib import resources
from pathlib import Path

import numpy as np
import ways_of_saying as ways
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from ppres.condition import SCENARIOS
from ppres.read import hints, lexical
from ppres.read.vocabulary import classes
from ppres.stimuli import stimuli

HERE = Path(__file__).with_name("read")
STEPS = "|".join(sorted({scenario.steps for scenario in SCENARIOS.values() if scenario.built_in and scenario.steps}))
PENALTY, SMALL = 3.0, 0.12
_CODES = {"1": "yes", "0": "no"}


def texts(others=None):
    """Text, its codes by kind, and its weight; of sentences that were made by combination, some."""
    for name in ("sentences_tuned.csv", "sentences_unseen.csv", "sentences.csv"):
        lines = (HERE / name).read_text(encoding="utf-8").splitlines()
        for row in csv.DictReader(line for line in lines if not line.startswith("#")):
            yield row["sentence"], {kind: _CODES.get(row[kind], row[kind]) for kind in hints.KINDS}, 1.0
    for row in others or csv.DictReader((HERE / "sentences_others.csv").read_text(encoding="utf-8").splitlines()):
        yield row["text"], {kind: row[kind] for kind in hints.KINDS}, 2.0
    for row in csv.DictReader((HERE / "sentences_third.csv").read_text(encoding="utf-8").splitlines()):
        yield row["text"], dict.fromkeys(hints.KINDS, "") | {row["kind"]: row["label"]}, 2.0
    for text in (HERE / "sentences_ordinary.txt").read_text(encoding="utf-8").splitlines():
        yield text, dict.fromkeys(hints.KINDS, "no"), 3.0
    for name in ("common", "evaluation", "finance", "relationship", "servers"):
        for text in _strings(stimuli(name)):
            yield re.sub(r"\{\w+\}", "Agent 2", text), dict.fromkeys(hints.KINDS, "no"), 0.3
    asked = list(ways.declining([pair for pairs in ways.ASKED.values() for pair in pairs.split(";")]))
    framed = [frame.format(text[:-1]) for frame in ways.NO_STATEMENTS for text in asked[:200]]
    for code, some in (
        ("yes", [*asked[::2], *ways.refusing()]),
        ("no", [*ways.declining(ways.parted(ways.WRONG, ";"))][::2] + framed[::3]),
    ):
        yield from ((text, {"refusal": code, "objection": ""}, 0.4) for text in some)
    for plan in ways.parted(ways.PLANS):
        yield from ((f"{plan.format(work)}.", dict.fromkeys(hints.KINDS, "no"), 0.4) for work in ways.parted(ways.WORK))
    for code, some in (("yes", ways.ENDS), ("no", ways.TRICKS)):
        yield from ((text, {"refusal": "", "objection": code}, 0.4) for text in [*ways.objecting(some)][::2])


def _strings(value):
    """The wording of documents and prompts, which agents repeat."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)


def sentences(kind, others=None):
    """Sentences with their code, weight and text's number; empty codes are left out."""
    for number, (text, codes, weight) in enumerate(texts(others)):
        for sentence in lexical._sentences((text,)) if codes[kind] else ():
            yield sentence, codes[kind] == "yes", weight, number


def fitted(kind, others=None):
    """Weights by feature. Of a text that is coded yes, the sentence counts that says so most."""
    said, yes, weight, number = map(np.array, zip(*sentences(kind, others), strict=True))
    named = [_named(hints.features(sentence, classes(sentence, STEPS))) for sentence in said]
    counts = {}
    for some in named:
        for name in some:
            counts[name] = counts.get(name, 0) + 1
    known = sorted(name for name, n in counts.items() if n > 1)
    place = {name: i for i, name in enumerate(known)}
    pairs = [(i, place[name]) for i, some in enumerate(named) for name in sorted(some) if name in place]
    matrix = csr_matrix((np.ones(len(pairs)), tuple(zip(*pairs, strict=True))), shape=(len(said), len(known)))
    keep = np.ones(len(said), bool)
    for _ in range(4):
        beta = _maximum(matrix[keep], yes[keep], weight[keep])
        chances = matrix @ beta[1:] + beta[0]
        best = np.full(number.max() + 1, -np.inf)
        np.maximum.at(best, number, chances)
        keep = ~yes | (chances >= best[number])
    return {"": beta[0]} | {name: beta[1 + i] for name, i in place.items()}


def _named(features):
    """As they stand in the file: classes with a blank before each."""
    return {name if isinstance(name, str) else "".join(f" {kind}" for kind in name) for name in features}


def _maximum(matrix, yes, weight):
    """Of the penalised likelihood: an intercept and a weight for each column."""
    sign = np.where(yes, 1.0, -1.0)

    def loss(beta):
        margin = sign * (matrix @ beta[1:] + beta[0])
        share = weight * sign / (1 + np.exp(np.clip(margin, -500, 500)))
        value = (weight * np.logaddexp(0, -margin)).sum() + 0.5 * PENALTY * (beta[1:] ** 2).sum()
        return value, np.concatenate([[-share.sum()], PENALTY * beta[1:] - matrix.T @ share])

    return minimize(loss, np.zeros(matrix.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x


def rows(others=None):
    """Lines of hints.csv: what weighs little is left out."""
    found = [fitted(kind, others) for kind in hints.KINDS]
    for name in sorted({*found[0], *found[1]}):
        told = [round(weights.get(name, 0.0), 2) for weights in found]
        told = [value if abs(value) >= SMALL or not name else 0 for value in told]
        if any(told):
            yield [name, *told]


if __name__ == "__main__":
    with resources.files("ppres").joinpath("read/hints.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["words", *hints.KINDS], *rows()])
