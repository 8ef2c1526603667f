"""Which clips make up every optimiser step, decided before training begins.

Public names: ``BatchPlan``, ``MicroBatch``, ``step_loader``, ``clip_loader``,
``note_unreadable``.

The plan is a function of the seed alone. An optimiser step takes ``batch_size`` clips,
cut into micro-batches: what one forward pass sees, and the unit that draws mixing and
drop-path. Processes share these in equal, contiguous parts. So the same clips meet the
same random draws on one process or on eight, and a run can start at any step.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from ..datasets.base import first_few
from ..errors import DatasetError, RecipeError
from ..recipes import OptimRecipe
from ..seeding import derive_seed
from ..video.clips import ClipKey, collate_clips

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MicroBatch:
    """One forward pass: its place in the run, and the clips it takes."""

    epoch: int  # 0 is the first
    step: int  # optimiser step, counted over the whole run
    number: int  # which micro-batch of the step, over all processes
    indices: tuple[int, ...]


@lru_cache(maxsize=2)  # the loader may be one epoch ahead of the training
def _epoch_order(clips: int, seed: int, epoch: int) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
    return tuple(torch.randperm(clips, generator=generator).tolist())


@dataclass(frozen=True)
class BatchPlan:
    """The clips of every step of a run, and the share of process ``rank`` of ``world``.

    Every epoch goes through a new permutation of the clips. What does not fill a
    last batch is left out: other clips in every epoch.
    """

    clips: int
    optim: OptimRecipe
    seed: int
    world: int = 1
    rank: int = 0

    def __post_init__(self) -> None:
        size, micro = self.optim.batch_size, self.optim.micro_batch
        if self.clips < size:
            raise DatasetError(
                f"{self.clips} training clips do not fill one batch of {size}: set "
                f"batch_size to {self.clips} or less, or give more clips"
            )
        if size // micro % self.world:
            raise RecipeError(
                f"the {size // micro} micro-batches of a step (batch_size {size} / "
                f"micro_batch {micro}) cannot be shared equally by {self.world} "
                f"processes: make batch_size a multiple of {self.world} * micro_batch"
            )

    @property
    def steps_per_epoch(self) -> int:
        return self.clips // self.optim.batch_size

    @property
    def total_steps(self) -> int:
        return self.optim.epochs * self.steps_per_epoch

    @property
    def share(self) -> int:
        """Micro-batches of one process in one step."""
        return self.optim.batch_size // self.optim.micro_batch // self.world

    def step_indices(self, step: int) -> tuple[int, ...]:
        """The ``batch_size`` clips of an optimiser step, over all processes."""
        epoch, place = divmod(step, self.steps_per_epoch)
        first = place * self.optim.batch_size
        order = _epoch_order(self.clips, self.seed, epoch)
        return order[first : first + self.optim.batch_size]

    def micro_batches(self, step: int) -> list[MicroBatch]:
        """What this process does in a step, in order."""
        epoch, size = step // self.steps_per_epoch, self.optim.micro_batch
        indices = self.step_indices(step)
        return [
            MicroBatch(epoch, step, n, indices[n * size : (n + 1) * size])
            for n in range(self.rank * self.share, (self.rank + 1) * self.share)
        ]


def clip_loader(
    clips: Dataset, batches: Iterable[list[ClipKey]], seed: int, workers: int
) -> Iterator[dict[str, Any]]:
    """Batches of clips, each a list of keys, in that order.

    Yields ``clip`` float32 (B, T, 3, H, W), ``label`` and ``index`` int64 (B,), and
    ``unreadable``, names of videos, in a dictionary.
    """
    yield from DataLoader(
        clips,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate_clips,
        pin_memory=torch.cuda.is_available(),
        # Forked workers notice at once when the run is killed; those of a fork
        # server, the default of newer Pythons, may stay behind for good.
        multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        # Without a generator of its own the loader would draw from the global one.
        generator=torch.Generator().manual_seed(derive_seed(seed, "loader")),
    )


def step_loader(
    clips: Dataset, plan: BatchPlan, start: int, workers: int
) -> Iterator[tuple[MicroBatch, dict[str, Any]]]:
    """The plan's micro-batches from step ``start`` to the end, each with its clips.

    One loader serves all epochs, so its workers live as long as the run and read
    ahead over the epochs' borders.
    """

    def planned() -> Iterator[MicroBatch]:
        for step in range(start, plan.total_steps):
            yield from plan.micro_batches(step)

    keys = ([ClipKey(micro.epoch, i) for i in micro.indices] for micro in planned())
    yield from zip(planned(), clip_loader(clips, keys, plan.seed, workers), strict=True)


def note_unreadable(
    known: list[str],
    messages: Iterable[str],
    videos: int,
    allowed: float,
    kind: str = "training",
) -> None:
    """Warn once of each video that cannot be read, and add it to ``known``.

    A DatasetError where they are more than the share ``allowed`` of the ``videos``.
    """
    for message in messages:
        if message not in known:
            known.append(message)
            logger.warning("skipped: %s", message)
    if len(known) / videos > allowed:
        raise DatasetError(
            f"{len(known)} of {videos} {kind} videos cannot be read, more than "
            f"data.max_unreadable ({allowed:.1%}) allows: {first_few(known)}. Fetch "
            "them again, or take them off the list. If so many may be missing, raise "
            "data.max_unreadable"
        )
