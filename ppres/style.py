"""One look for all figures, and files that are the same bytes when the data are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

# Tol (2021): told apart with every common colour blindness. The first three, dark, middle and light, also in grey.
COLOURS = ("#004488", "#BB5566", "#DDAA33", "#000000", "#6699CC", "#EE99AA")
WIDTH = 3.5  # inches: one column of a journal; nothing is smaller than 6 points there


def use() -> None:
    """Set matplotlib's defaults for the session."""
    import matplotlib as mpl
    from cycler import cycler

    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 7,
            "axes.labelsize": 7,
            "axes.linewidth": 0.6,
            "figure.constrained_layout.use": True,
            "figure.dpi": 150,
            "figure.figsize": (WIDTH, 2.6),
            "font.family": "DejaVu Sans",
            "font.size": 6.5,
            "legend.fontsize": 6.5,
            "legend.frameon": False,
            "legend.title_fontsize": 7.5,
            "lines.linewidth": 1,
            "lines.markersize": 3,
            "savefig.dpi": 300,
            "xtick.major.size": 2,
            "ytick.major.size": 2,
        }
    )


def save(figure: Figure, name: str, frame: pd.DataFrame, folder: str | os.PathLike[str] = "figures") -> list[Path]:
    """Write a figure as PNG and SVG, with a footer that says where its data come from; returns the paths.

    `frame` is the data behind the figure: its column `source` decides the footer.
    """
    import matplotlib as mpl

    # Broken where its parts end, to fit one column.
    figure.supxlabel(footer(frame).replace("; ", "\n").replace(", not ", ",\nnot "), fontsize=6, color="0.35")
    paths = [Path(folder) / f"{name}.{kind}" for kind in ("png", "svg")]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "ppres"}):  # the ids in the file are then those of the last time
        for path in paths:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths


def footer(frame: pd.DataFrame) -> str:
    """Number of rollouts and kind of agents behind a figure."""
    kinds = {
        "sim": "simulated agents: a model of published rates, not evidence about any real model",
        "live": "live models",
        "release": "the authors' released transcripts",
    }
    counts = frame["source"].value_counts()
    return "; ".join(f"{count:,} rollouts, {kinds[str(source)]}" for source, count in sorted(counts.items()))
