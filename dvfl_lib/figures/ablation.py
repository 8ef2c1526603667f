"""One thing varied, several seeds each: every seed, and the paired differences.

Public names: ``StudyRow``, ``study_figure``.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from .style import GREY, MARKERS, PALETTE, in_percent, new_figure, percent


@dataclass(frozen=True)
class StudyRow:
    """A setting: its accuracies, and its difference from its reference."""

    label: str  # what stands at the axis
    values: Sequence[float]  # shares, one per seed, in the same order for all rows
    mean: float  # of the paired difference, as shares; zero for the reference itself
    low: float
    high: float
    versus: str  # label of the reference; "" for the reference itself

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out zero."""
        return bool(self.versus) and (self.low > 0 or self.high < 0)


def study_figure(
    title: str,
    rows: Sequence[StudyRow],
    *,
    standin: bool = False,
) -> Figure:
    """Left every seed's top-1, a marker per seed; right differences with intervals.

    A difference whose 95 % interval leaves out zero is filled and in colour, the
    others are hollow.
    """
    seeds = len(rows[0].values)
    many = f"{seeds} seeds" if seeds > 1 else "1 seed"
    height = 1.6 + 0.33 * len(rows)
    figure, (left, right) = new_figure(
        f"{title}: {many}", standin, height, columns=2, widths=(1.25, 1)
    )
    for place, row in enumerate(rows):
        mean = statistics.fmean(row.values)
        left.plot([mean, mean], [place - 0.3, place + 0.3], color="black", lw=1.6)
        style = {"color": PALETTE["baseline"], "mfc": "none", "alpha": 0.9, "ms": 5}
        for seed, value in enumerate(row.values):
            left.plot(value, place, MARKERS[seed % len(MARKERS)], **style)
    left.set_xlabel("top-1, a marker per seed\nbar: mean")
    percent(left.xaxis)
    right.axvline(0, color=GREY, linewidth=0.8)
    for place, row in enumerate(rows):
        if row.versus:
            colour = PALETTE["student"] if row.told_apart else GREY
            ends = [100 * row.low, 100 * row.high]  # endless ones are not drawn
            right.plot(ends, [place, place], color=colour, linewidth=1.4)
            fill = colour if row.told_apart else "white"
            right.plot(100 * row.mean, place, "o", ms=6, mec=colour, mfc=fill)
    right.set_xlabel("difference in points\nline: 95 % interval")
    left.set_yticks(range(len(rows)), [row.label for row in rows])
    versus = [f"against {row.versus}" if row.versus else "" for row in rows]
    right.set_yticks(range(len(rows)), versus)
    for axis in (left, right):
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.grid(axis="y", color="#E5E5E5", linewidth=0.6)
        axis.set_axisbelow(True)
    figure.set_label(f"{title}, {many}. {'; '.join(map(_words, rows))}.")
    return figure


def _words(row: StudyRow) -> str:
    text = f"{row.label}: mean {in_percent(statistics.fmean(row.values))}"
    if row.versus:
        sign = "more than noise" if row.told_apart else "within noise"
        text += f", {100 * row.mean:+.1f} points against {row.versus}, {sign}"
    return text
