"""What a stream's recogniser says, and how late it says it.

Public names: ``Recognition``, ``Latency``, ``smoothed_table``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Latency:
    """How far a decision is behind what it speaks of, in frames of the stream.

    The time to compute comes on top; it depends on the machine.

    Attributes:
        first: frames that must have come before the first decision: the window's span.
        between: frames from one decision to the next. What a frame shows enters a
            decision ``between - 1`` frames later at the latest, or (between windows
            that skip frames) by its neighbours.
        middle: the middle of a window is this many frames behind its newest.
        smoothing: mean age of what the moving average holds, (1 - w) / w decisions,
            in frames.
    """

    first: int
    between: int
    middle: float
    smoothing: float

    def __str__(self) -> str:
        return (
            f"first decision after {self.first} frames, then one every {self.between}; "
            f"the middle of a window is {self.middle:g} frames behind its newest, "
            f"smoothing adds {self.smoothing:g}"
        )


@dataclass(frozen=True)
class Recognition:
    """What is known when a frame has come.

    Attributes:
        frame: the frame's number, from 0.
        fresh: whether a window was computed at this frame; else all of it is that of
            the last window.
        waiting: frames that are still to come before the first window is full.
        window: probabilities (K,) of the last window alone, float64 on the CPU; None
            while the first is not full.
        smoothed: the same after smoothing.
        label: the class decided on; None is "no decision yet": the first window is
            not full, or no class reaches the threshold.
        name: of that class; "" without a decision.
    """

    frame: int
    fresh: bool
    waiting: int
    window: Tensor | None = None
    smoothed: Tensor | None = None
    label: int | None = None
    name: str = ""

    @property
    def decided(self) -> bool:
        """Whether there is a decision."""
        return self.label is not None


def smoothed_table(recognitions: Sequence[Recognition], num_classes: int) -> Tensor:
    """The smoothed probabilities of every frame: float64 (F, K), NaN where none yet."""
    table = torch.full((len(recognitions), num_classes), torch.nan, dtype=torch.float64)
    for row, said in zip(table, recognitions, strict=True):
        if said.smoothed is not None:
            row.copy_(said.smoothed)
    return table
