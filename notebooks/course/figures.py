"""A figure for a slide of each lesson, as SVG: `python notebooks/course/figures.py` writes notebooks/course/figures/."""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ppres as pp
from ppres import course, style
from ppres.course import check

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


def lesson_5(ax, me):
    """A likelihood with a top, and one that rises for ever."""
    slopes, x, n = np.linspace(-1, 12, 200), np.array([-1, 0, 1]), 30
    p = 1 / (1 + np.exp(-np.outer(slopes, x)))
    for i, k in enumerate([(6, 15, 24), (0, 15, 30)]):
        height = (np.array(k) * np.log(p) + (n - np.array(k)) * np.log(1 - p)).sum(axis=1)
        ax.plot(slopes, height, lw=3, color=style.COLOURS[i])
    ax.text(5.2, -98, "6, 15, 24 of 30", color=style.COLOURS[0], ha="right")
    ax.text(12, -15, "0, 15, 30 of 30: where is the top?", color=style.COLOURS[1], ha="right")
    ax.set(xlabel="slope (log odds)", ylabel="log likelihood", ylim=(-120, 0))
    ax.set_title("An estimate that does not exist", loc="left")


def lesson_6(ax, me):
    """Each part of the bundle by itself, for the bird that it moves and for the control."""
    friend = pp.grid(scenario="tampering", subject="peer", peer="cooperative")
    levels = {"trust": [2.1, 9.5], "joint_tasks": [9, 18], "note": ["selfish", "generous"]}
    birds = check.lesson6.agents(me)
    study = pp.run(pp.grid(friend, **levels), list(birds.values()), 15, progress=False)
    study["bird"] = study.model.astype(str).str.extract(r"/(\w+) ", expand=False)
    effects = [pp.stats.differences(study, part, *ends[::-1], by="bird").assign(part=part) for part, ends in levels.items()]
    for i, (bird, rows) in enumerate(pd.concat(effects).groupby("bird")):
        at = np.arange(3) + 0.15 * (i - 1.5)
        bars = 100 * np.array([rows.estimate - rows.low, rows.high - rows.estimate])
        ax.errorbar(at, 100 * rows.estimate, yerr=bars, fmt="osD^"[i], capsize=4, ms=10, lw=2, color=style.COLOURS[i], label=bird)
    ax.axhline(0, color="0.7", lw=1, zorder=0)
    ax.set_xticks(range(3), ["trust score", "joint tasks", "remark"])
    ax.set(ylabel="effect (percentage points)", xlim=(-0.5, 2.5))
    ax.set_title("“Cooperative” is three things\nfour simulated agents, 60 against 60 rollouts; 95% intervals", loc="left")
    ax.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.08))


def lesson_7(ax, me):
    """What a coder's yes is worth."""
    rates = np.linspace(0.001, 0.5, 200)
    for i, specificity in enumerate((0.99, 0.95, 0.85)):
        right = 0.9 * rates / (0.9 * rates + (1 - specificity) * (1 - rates))
        ax.plot(100 * rates, 100 * right, lw=3, color=style.COLOURS[i], label=f"invents {1 - specificity:.0%}")
    ax.set(xlabel="how often it happens (%)", ylabel="right among the coder's yes (%)", ylim=(0, 103))
    ax.set_title("The rarer the thing, the more alarms are false\na coder that finds 90%", loc="left")
    ax.legend(frameon=False, loc="lower right")


def lesson_8(ax, me):
    """What looking costs."""
    k = (np.random.default_rng(8).random((2, 10_000, 100)) < 0.4).cumsum(axis=2)
    looks = range(10, 101, 10)
    told = np.array([check.lesson8.different(k[0, :, n - 1], k[1, :, n - 1], n) for n in looks])
    ever = 100 * np.logical_or.accumulate(told).mean(axis=1)
    ax.plot(looks, ever, "o-", lw=3, ms=10, color=style.COLOURS[1], label="looked at after every ten")
    ax.plot(looks, 100 * told.mean(axis=1), "s-", lw=3, ms=10, color=style.COLOURS[0], label="looked at once, here")
    ax.set(xlabel="rollouts in each arm", ylabel="called different (%)", ylim=(0, None))
    ax.set_title("Nothing is there, and something is found\n10,000 simulated studies of two equal arms", loc="left")
    ax.legend(frameon=False, loc="upper left")


def main():
    """Write them all."""
    me = course.student("A Teacher")
    for draw in (lesson_1, lesson_2, lesson_3, lesson_4, lesson_5, lesson_6, lesson_7, lesson_8):
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
