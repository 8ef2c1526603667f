"""What the tables of speed show of the times that were taken.

Public names: ``latency_rows``, ``missing_row``, ``speed_cells``, ``with_sync``.

A row is what is known of one contestant: its ratio to the reference with quartiles,
its median and 95th percentile, and clips per second. A contestant that could not run
has a row, too, which says why.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from .interleaving import Times, against

HEAD = ("times as fast (quartiles)", "p50, ms", "p95, ms", "clips/s")
Row = dict[str, Any]


def with_sync(function: Callable[[], object]) -> Callable[[], object]:
    """The same call, which returns when a GPU has finished its work, not before."""
    if not torch.cuda.is_available():
        return function

    def run() -> object:
        found = function()
        torch.cuda.synchronize()
        return found

    return run


def latency_rows(
    times: Times, reference: str, clips: int | Mapping[str, int] = 1
) -> dict[str, Row]:
    """One row per contestant.

    Args:
        times: of ``interleave``, seconds per call.
        reference: the contestant whose ratio is 1.
        clips: in one call; of each contestant, if they differ. Ratios are of the
            time per clip, latencies of the call.
    """
    counts = clips if isinstance(clips, Mapping) else dict.fromkeys(times, clips)
    per_clip = {
        name: [second / counts[name] for second in seconds]
        for name, seconds in times.items()
    }
    rows = {}
    for name, ratio in against(per_clip, reference).items():
        ends = asdict(ratio)
        del ends["seconds"]
        p50 = statistics.median(times[name])
        rows[name] = {
            **ends,
            "p50_ms": round(1000 * p50, 3),
            "p95_ms": round(1000 * float(np.percentile(times[name], 95)), 3),
            "clips_per_second": round(counts[name] / p50, 3),
        }
    return rows


def missing_row(reason: str) -> Row:
    """The row of a contestant that could not run, and why."""
    return {"missing": " ".join(reason.split())}


def speed_cells(row: Row) -> list[str]:
    """The cells below ``HEAD``; of a missing contestant the first says why."""
    if "missing" in row:
        reason = row["missing"].replace("|", "\\|")
        return [f"not measured: {reason}", *[""] * (len(HEAD) - 1)]
    return [
        f"{row['median']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
        f"{row['p50_ms']:.1f}",
        f"{row['p95_ms']:.1f}",
        f"{row['clips_per_second']:.2f}",
    ]
