"""One look for all figures, and files that are the same bytes when the data are."""

from __future__ import annotations

import itertools
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ppres.outputs import folder_for, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
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


def forest(axes: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Estimates with their intervals, in percentage points, a line each from the top, beside 0."""
    rows = table[["estimate", "low", "high"]].astype(float).reset_index(drop=True) * 100
    around = [(rows.estimate - rows.low).clip(lower=0), (rows.high - rows.estimate).clip(lower=0)]
    axes.axvline(0, color="0.8", lw=0.6, zorder=0)
    axes.errorbar(rows.estimate, rows.index, xerr=around, fmt="o", color=COLOURS[0])
    axes.set_yticks(range(len(names)), names, parse_math=False)  # "$5 or $10" is no formula
    axes.set_ylim(len(names) - 0.5, -0.5)


def save(figure: Figure, name: str, frame: pd.DataFrame | None, folder: str | os.PathLike[str] = "figures") -> list[Path]:
    """Write a figure as PNG and SVG, with a footer that says where its data come from; returns the paths.

    `frame` is the data behind the figure: its column `source` decides the footer; None is for a figure without data. Warns of texts
    that cannot be read.
    """
    import matplotlib as mpl

    if frame is not None:  # the footer is broken where its parts end, to fit one column
        figure.supxlabel(footer(frame).replace("; ", "\n").replace(", not ", ",\nnot "), fontsize=6, color="0.35")
    for fault in unreadable(figure):
        warnings.warn(f"{name}: {fault}", stacklevel=2)
    to = folder_for(folder)
    paths = [output(to / f"{name}.{kind}") for kind in ("png", "svg")]
    with mpl.rc_context({"svg.hashsalt": "ppres"}):  # the ids in the file are then those of the last time
        for path in paths:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths


def footer(frame: pd.DataFrame) -> str:
    """Number of rollouts and kind of agents behind a figure."""
    kinds = {
        "sim": "simulated agents: a model of published rates, not evidence about any real model",
        "planted": "simulated agents: rates planted by hand, not evidence about any real model",
        "function": "functions in the place of a model",
        "live": "live models",
        "human": "people in the agent's place",
        "release": "the authors' released transcripts",
    }
    counts = frame["source"].value_counts()
    return "; ".join(f"{count:,} rollouts, {kinds[str(source)]}" for source, count in sorted(counts.items()))


def unreadable(figure: Figure) -> list[str]:
    """Texts that the edge of a figure cuts off, and texts that lie on one another."""
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    hidden = {id(text) for axes in figure.axes for text in _not_drawn(axes)}
    places: list[tuple[str, Bbox]] = []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden:
            frame = text.get_bbox_patch()
            boxes = [text.get_window_extent(), *([frame.get_window_extent()] if frame else [])]
            places.append((" ".join(text.get_text().split()), Bbox.union(boxes)))
    faults = []
    for shown, box in places:
        if box.x0 < -1 or box.y0 < -1 or box.x1 > figure.bbox.width + 1 or box.y1 > figure.bbox.height + 1:
            faults.append(f"the edge cuts off {shown!r}")
    for (words, a), (other, b) in itertools.combinations(places, 2):
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1:
            faults.append(f"{words!r} lies on {other!r}")
    return faults


def _not_drawn(axes: Axes) -> Iterator[Artist]:
    """Texts of axes that are kept and not shown: labels of ticks beyond the ends, and more where the axes are off or invisible."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not (axes.axison and axis.get_visible() and low <= tick.get_loc() <= high):
                yield from (tick.label1, tick.label2)
        if not axes.axison:
            yield axis.label
    if not axes.get_visible():
        yield from axes.findobj()
