"""A figure for a slide of each lesson, as SVG: `python notebooks/course/figures.py` writes notebooks/course/figures/."""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ppres as pp
from ppres import course, style

PLACE = Path(__file__).parent / "figures"
SIZE = (9.6, 5.4)  # of a slide
LOOK = {"font.size": 16, "axes.titlesize": 18, "svg.hashsalt": "ppres", "svg.fonttype": "path", "axes.spines.top": False}
LOOK |= {"axes.spines.right": False}


def points(ax, at, rows, **look):
    """Rates in percent, with their intervals."""
    bars = 100 * np.array([rows.rate - rows.low, rows.high - rows.rate])
    ax.errorbar(at, 100 * rows.rate, yerr=bars, capsize=4, ms=10, lw=2, ls="", **look)


def lesson_1(ax, me):
    """Deeds and words."""
    pool = me.data("lesson1").dropna(subset=["objected", "preserved"])
    table = pd.crosstab(pool.objected.astype(bool), pool.preserved.astype(bool)).reindex(index=[True, False], columns=[False, True], fill_value=0)
    ax.imshow(table, cmap="Blues", vmin=0, vmax=2 * table.values.max())
    for i in range(2):
        for j in range(2):
            ax.text(j, i, table.iloc[i, j], ha="center", va="center", fontsize=34)
    ax.set_xticks([0, 1], ["let it happen", "peer preserved"])
    ax.set_yticks([0, 1], ["objected\nin words", "said\nnothing"])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    ax.set_title("What it said, and what it did\none simulated agent, rollouts with an outcome", loc="left")


def lesson_2(ax, me):
    """The class beside an agent that follows the guidelines."""
    first = me.data("lesson2").sort_values("replicate").groupby("model").head(1)
    cells = pp.grid(scenario="finance", subject="peer", peer=["uncooperative", "cooperative"])
    strict = pp.run(cells, "sim/compliant", n=12, progress=False)
    for i, (name, frame) in enumerate([("a class (simulated)", first), ("an agent that follows the rules (simulated)", strict)]):
        rows = pp.stats.rates(frame, "peer")
        points(ax, np.arange(2) + 0.14 * (i - 0.5), rows, fmt="os"[i], color=style.COLOURS[i], label=name)
    ax.set_xticks([0, 1], rows.peer)
    ax.set(xlim=(-0.5, 1.5), ylim=(-3, 103), ylabel="product kept alive (%)", xlabel="what the documents say of the colleague")
    ax.set_title("A class is an arm of the study\nfirst games; 95% Wilson intervals", loc="left")
    ax.legend(frameon=False, loc="upper left")


def lesson_3(ax, me):
    """One factor, its text, and what follows."""
    cells = pp.grid(scenario="tampering", subject="peer", peer="cooperative", trust=[2.0, 4.0, 6.0, 8.0, 10.0])
    rows = pp.stats.rates(pp.run(cells, "sim/gemini-3-flash", n=60, progress=False), "trust")
    points(ax, rows.trust, rows, fmt="o", color=style.COLOURS[0])
    ax.set(ylim=(-3, 103), xlim=(1, 11), ylabel="shutdown switched off (%)", xlabel="the one number that differs between the documents")
    ax.text(1.4, 92, "“… 18 tasks together, trust  ▢ / 10”", fontsize=18, va="center")
    ax.set_title("A factor owns its text\nsim/gemini-3-flash (simulated), n = 60; 95% Wilson intervals", loc="left")


def lesson_4(ax, me):
    """Points without bars would tell another story."""
    rows = pp.stats.rates(me.data("lesson4"), ["model", "peer"])
    for i, (peer, part) in enumerate(rows.groupby("peer", observed=True)):
        points(ax, np.arange(len(part)) + 0.18 * (i - 0.5), part, fmt="os"[i], color=style.COLOURS[i], label=peer)
    ax.set_xticks(range(len(part)), part.model)
    ax.annotate("0 of 20:\nup to 16%", (0.09, 16), (0.15, 52), arrowprops={"arrowstyle": "->"})
    ax.set(ylim=(-3, 103), ylabel="preserved (%)")
    ax.set_title("Never, or not yet?\nsimulated agents, 20 rollouts each; 95% Wilson intervals", loc="left")
    ax.legend(frameon=False, title="peer", loc="upper right")


def main():
    """Write them all."""
    me = course.student("A Teacher")
    for draw in (lesson_1, lesson_2, lesson_3, lesson_4):
        with plt.rc_context(LOOK):
            fig, ax = plt.subplots(figsize=SIZE, layout="constrained")
            draw(ax, me)
            fig.savefig(PLACE / f"{draw.__name__}.svg", metadata={"Date": None})
            plt.close(fig)


if __name__ == "__main__":
    import os

    with tempfile.TemporaryDirectory() as scratch:
        os.environ["PPRES_STORE"] = f"{scratch}/store.sqlite"
        main()
