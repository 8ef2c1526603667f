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

from ..errors import DatasetError, RecipeError
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
    """The clips of every step of a run.

    Every epoch goes through a new permutation of the clips. What does not fill a
    last batch is left out: other clips in every epoch.
    """

    clips: int
    batch_size: int
    micro_batch: int
    epochs: int
    seed: int

    def __post_init__(self) -> None:
        if self.clips < self.batch_size:
            raise DatasetError(
                f"{self.clips} training clips do not fill one batch of "
                f"{self.batch_size}: set batch_size to {self.clips} or less, or give "
                "more clips"
            )

    @property
    def steps_per_epoch(self) -> int:
        return self.clips // self.batch_size

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def epoch_of(self, step: int) -> int:
        """The epoch that step ``step`` belongs to, from 0."""
        return step // self.steps_per_epoch

    def step_indices(self, step: int) -> tuple[int, ...]:
        """The ``batch_size`` clips of an optimiser step, over all processes."""
        order = _epoch_order(self.clips, self.seed, self.epoch_of(step))
        first = (step % self.steps_per_epoch) * self.batch_size
        return order[first : first + self.batch_size]

    def micro_batches(self, step: int, rank: int, world: int) -> list[MicroBatch]:
        """The share of process ``rank`` of ``world`` in a step, in order."""
        per_process = self.share_of_each(world)
        indices, size = self.step_indices(step), self.micro_batch
        return [
            MicroBatch(self.epoch_of(step), step, n, indices[n * size : (n + 1) * size])
            for n in range(rank * per_process, (rank + 1) * per_process)
        ]

    def share_of_each(self, world: int) -> int:
        """Micro-batches of one process in one step.

        Raises:
            RecipeError: they cannot be shared equally; the message says what would do.
        """
        count = self.batch_size // self.micro_batch
        if count % world == 0:
            return count // world
        advice = f"make batch_size a multiple of {world}"
        if self.batch_size % world == 0:
            share = self.batch_size // world
            # No larger than asked for: a larger one might not fit into memory.
            fits = max(m for m in range(1, self.micro_batch + 1) if share % m == 0)
            advice = f"micro_batch {fits} would fit"
        raise RecipeError(
            f"the {count} micro-batches of a step (batch_size {self.batch_size} / "
            f"micro_batch {self.micro_batch}) cannot be shared equally by {world} "
            f"processes: {advice}"
        )


def clip_loader(
    clips: Dataset, batches: Iterable[list[ClipKey]], seed: int, workers: int
) -> Iterator[dict[str, Any]]:
    """Batches of clips, each a list of keys, in that order.

    Yields:
        A dict with ``clip`` float32 (B, T, 3, H, W), ``label`` and ``index`` int64
        (B,), and ``unreadable``, names of videos.
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
    clips: Dataset, plan: BatchPlan, start: int, rank: int, world: int, workers: int
) -> Iterator[tuple[MicroBatch, dict[str, Any]]]:
    """The micro-batches of one process, from step ``start`` to the end of the run.

    One loader serves all epochs, so its workers live as long as the run and read
    ahead over the epochs' borders. Yields the plan's entry, and what ``clip_loader``
    gives for it.
    """

    def mine() -> Iterator[MicroBatch]:
        for step in range(start, plan.total_steps):
            yield from plan.micro_batches(step, rank, world)

    keys = ([ClipKey(micro.epoch, i) for i in micro.indices] for micro in mine())
    yield from zip(mine(), clip_loader(clips, keys, plan.seed, workers), strict=True)


def note_unreadable(
    known: list[str],
    messages: Iterable[str],
    videos: int,
    allowed: float,
    kind: str = "training",
) -> None:
    """Warn once of each video that cannot be read, and add it to ``known``.

    Raises:
        DatasetError: more than the share ``allowed`` of the ``videos`` of that kind.
    """
    for message in messages:
        if message not in known:
            known.append(message)
            logger.warning("skipped: %s", message)
    if len(known) / videos > allowed:
        more = f"; and {len(known) - 10} more" if len(known) > 10 else ""
        raise DatasetError(
            f"{len(known)} of {videos} {kind} videos cannot be read, more than "
            f"data.max_unreadable ({allowed:.1%}) allows: {'; '.join(known[:10])}"
            f"{more}. Fetch them again, or take them off the list. If so many may be "
            "missing, raise data.max_unreadable"
        )
