"""The loss of one micro-batch: mix, ask the teacher, ask the student, compare.

Public names: ``Objective``, ``seeded``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..distillation import forward_kl, soft_cross_entropy
from ..recipes import AugmentRecipe, DistilRecipe
from ..video.seeding import derive_seed
from ..video.transforms import mix_clips
from .batches import MicroBatch


@contextmanager
def seeded(device: torch.device, *parts: int | str) -> Iterator[None]:
    """Like ``fixed_rng``, on the device's generator as well.

    MixUp and CutMix draw on the CPU, drop-path draws where the activations are.
    Outside the block the CPU's and the current GPU's generators go on where they
    were.
    """
    seed = derive_seed(*parts)
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
    else:
        on_cuda = device.type == "cuda"
        devices = [torch.cuda.current_device()] if on_cuda else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)  # every generator of this process
            yield


@dataclass(frozen=True)
class Objective:
    """Distillation with a teacher, plain cross-entropy without one.

    Attributes:
        labelled: indices of clips whose label may be used; None for all.
        batch_size: clips of one optimiser step, over all processes.
    """

    num_classes: int
    seed: int
    batch_size: int
    augment: AugmentRecipe
    distil: DistilRecipe | None
    teacher: nn.Module | None
    labelled: frozenset[int] | None

    def count_labelled(self, indices: tuple[int, ...]) -> int:
        """How many clips of a global step have a label; known without loading any."""
        if self.labelled is None:
            return len(indices)
        return sum(index in self.labelled for index in indices)

    def __call__(
        self,
        student: nn.Module,
        micro: MicroBatch,
        batch: dict[str, Any],
        step_labels: int,
        autocast: AbstractContextManager,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """This micro-batch's share of the step's loss.

        Args:
            batch: ``clip`` (B, T, 3, H, W), ``label`` and ``index`` (B,), on the
                student's device.
            step_labels: ``count_labelled`` of the whole step.
            autocast: precision of the teacher's forward pass; the student has its
                own from Accelerate.

        Returns:
            loss, ce and kd as scalars, divided such that their sums over all
            micro-batches of the step are the means over its clips.
        """
        clip, label = batch["clip"], batch["label"]
        place = (micro.epoch, micro.step, micro.number)
        with seeded(clip.device, self.seed, "mix", *place):
            clip, target = mix_clips(clip, label, self.num_classes, self.augment)
        with seeded(clip.device, self.seed, "forward", *place):
            logits = student(clip)
        ce = soft_cross_entropy(logits, target.to(logits.device), reduction="none")
        ce = (ce * self._mask(micro, batch)).sum() / max(step_labels, 1)
        if self.teacher is None or self.distil is None:
            return ce, ce, torch.zeros_like(ce)
        with torch.no_grad(), autocast:
            opinion = self.teacher(clip)
        kd = forward_kl(logits, opinion, self.distil.temperature, reduction="none")
        kd = kd.sum() / self.batch_size
        return self.distil.alpha * kd + (1 - self.distil.alpha) * ce, ce, kd

    def _mask(self, micro: MicroBatch, batch: dict[str, Any]) -> Tensor:
        """1 where a label may be used. (B,)"""
        found = batch["index"]
        if self.labelled is None:
            return torch.ones(len(found), device=found.device)
        # A replacement of an unreadable video has a label of its own to withhold.
        allowed = [
            wanted in self.labelled and got in self.labelled
            for wanted, got in zip(micro.indices, found.tolist(), strict=True)
        ]
        return torch.tensor(allowed, dtype=torch.float32, device=found.device)
