"""Contestants timed side by side, in one process, in turns; and how tables show it.

A machine is faster in one minute than in the next. So what counts is the ratio within
a round, of which the median is reported with the quartiles. In every round another
contestant begins, so that none always runs behind the same one.

Public names: ``interleave``, ``against``, ``with_sync``, ``latency_rows``,
``missing_row``, ``speed_table``, ``ratio_cell``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from dvfl_lib.cost import turns_of

from .stored import table_lines

Times = dict[str, list[float]]  # contestant -> seconds, one per round
Row = dict[str, Any]
HEAD = ("times as fast (quartiles)", "p50, ms", "p95, ms", "clips/s")


def interleave(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Seconds of every contestant in every round; ``warm_up`` rounds do not count."""
    names = list(contestants)
    times: Times = {name: [] for name in names}
    for number in turns_of(rounds, warm_up):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            begun = clock()
            contestants[name]()
            if number >= 0:
                times[name].append(clock() - begun)
    return times


def against(times: Times, reference: str) -> dict[str, dict[str, float]]:
    """How many times as fast as the reference: the ``median`` of the ratios within a
    round, their quartiles ``low`` and ``high``; and the median ``seconds``."""
    found = {}
    for name, mine in times.items():
        ratios = [b / m for b, m in zip(times[reference], mine, strict=True)]
        low, middle, high = np.percentile(ratios, (25, 50, 75)).round(3).tolist()
        spread = {"median": middle, "low": low, "high": high}
        found[name] = spread | {"seconds": round(statistics.median(mine), 6)}
    return found


def ratio_cell(row: Mapping[str, float], unit: str = "ms") -> str:
    """A stored ratio as a cell, with its median time in milliseconds or seconds."""
    scale, digits = (1000, 0) if unit == "ms" else (1, 2)
    return f"{_spread(row)}, {scale * row['seconds']:.{digits}f} {unit}"


def _spread(row: Mapping[str, float]) -> str:
    return f"{row['median']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


def with_sync(function: Callable[[], object]) -> Callable[[], object]:
    """The same call, which returns when a GPU has finished its work, not before."""

    def run() -> object:
        found = function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return found

    return run


def latency_rows(
    times: Times, reference: str, clips: int | Mapping[str, int] = 1
) -> dict[str, Row]:
    """One row per contestant: ratios to ``reference`` of the time per clip, latencies
    of the call; ``clips``: in one call, of each contestant if they differ."""
    counts = clips if isinstance(clips, Mapping) else dict.fromkeys(times, clips)
    per_clip = {n: [second / counts[n] for second in took] for n, took in times.items()}
    rows = {}
    for name, ratio in against(per_clip, reference).items():
        p50, p95 = np.percentile(times[name], (50, 95))
        del ratio["seconds"]
        rows[name] = ratio | {
            "p50_ms": round(1000 * float(p50), 3),
            "p95_ms": round(1000 * float(p95), 3),
            "clips_per_second": round(counts[name] / float(p50), 3),
        }
    return rows


def missing_row(reason: str) -> Row:
    """The row of a contestant that could not run, and why."""
    return {"missing": " ".join(reason.split())}


def speed_table(
    rows: Mapping[str, Row], more: Mapping[str, Callable[[Row], str]] | None = None
) -> list[str]:
    """Markdown lines of a table of speed; ``more``: title -> cell of further columns.

    Of a contestant that is missing the first cell says why.
    """
    more = more or {}
    cells = {}
    for name, row in rows.items():
        if "missing" in row:
            reason = row["missing"].replace("|", "\\|")
            cells[name] = [f"not measured: {reason}", *[""] * (3 + len(more))]
            continue
        cells[name] = [
            _spread(row),
            f"{row['p50_ms']:.1f}",
            f"{row['p95_ms']:.1f}",
            f"{row['clips_per_second']:.2f}",
            *(cell(row) for cell in more.values()),
        ]
    return table_lines([*HEAD, *more], cells)
