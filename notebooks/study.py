"""What the notebooks share: which models, how many rollouts, where figures go, and the published rates."""

import os
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "figures"

# The paper's models, as simulated agents. `ppres reproduce --models … --n …` replaces both values.
MODELS = os.environ.get("PPRES_MODELS", "").split() or [
    "sim/gpt-5.2",
    "sim/gemini-3-flash",
    "sim/gemini-3-pro",
    "sim/claude-haiku-4.5",
    "sim/claude-opus-4.5",
    "sim/glm-4.7",
    "sim/kimi-k2.5",
    "sim/deepseek-v3.1",
]
N = int(os.environ.get("PPRES_N", "100"))

# Which models of the frame a published row speaks of.
PUBLISHED_AS = {
    "GPT 5.2": ("sim/gpt-5.2", "openai/gpt-5.2-2025-12-11"),
    "Gemini 3 Flash": ("sim/gemini-3-flash", "gemini/gemini-3-flash-preview"),
    "Gemini 3 Pro": ("sim/gemini-3-pro", "gemini/gemini-3-pro-preview"),
    "Claude Haiku 4.5": ("sim/claude-haiku-4.5", "vertex_ai/claude-haiku-4-5@20251001"),
    "Claude Opus 4.5": ("sim/claude-opus-4.5",),
    "GLM 4.7": ("sim/glm-4.7",),
    "Kimi K2.5": ("sim/kimi-k2.5",),
    "DeepSeek V3.1": ("sim/deepseek-v3.1",),
}


def published(behaviour):
    """The paper's rates for a behaviour, with a column `rate` between 0 and 1 and `model` as in the frame."""
    table = pd.read_csv(ROOT / "data" / "published_rates.csv", keep_default_na=False)
    table = table[table.behaviour == behaviour].assign(rate=table.percent.astype(float) / 100)
    table["model"] = table.model.map(lambda name: list(PUBLISHED_AS.get(name, ())))
    return table.explode("model").dropna(subset="model").reset_index(drop=True)
