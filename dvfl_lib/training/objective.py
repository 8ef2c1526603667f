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

from ..distillation import (
    distillation_loss,
    matching_loss,
    soft_cross_entropy,
    teacher_signals,
)
from ..recipes import AugmentRecipe, DistilRecipe
from ..seeding import derive_seed
from ..video.transforms import mix_clips
from .batches import MicroBatch
from .teacher_logits import StoredTeacher


@contextmanager
def seeded(device: torch.device, *parts: int | str) -> Iterator[None]:
    """Like ``fixed_rng``, on the device's generator as well.

    MixUp and CutMix draw on the CPU, drop-path draws where the activations are.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(*parts))  # every generator of this process
        yield


@dataclass(frozen=True)
class Objective:
    """Distillation with a teacher, plain cross-entropy without one.

    L = alpha KD + (1 - alpha) CE + match_weight * matching, see ``DistilRecipe``.

    Attributes:
        labelled: indices of clips whose label may be used; None for all.
        batch_size: clips of one optimiser step, over all processes.
        teacher: asked at every step; None where there is none, or ``stored`` answers.
        stored: the teacher's logits about stored views; not together with mixing.
    """

    num_classes: int
    seed: int
    batch_size: int
    augment: AugmentRecipe
    distil: DistilRecipe | None
    teacher: nn.Module | None
    labelled: frozenset[int] | None
    stored: StoredTeacher | None = None

    @property
    def matches(self) -> bool:
        """Whether the insides of both networks are compared as well."""
        return self.distil is not None and bool(self.distil.match)

    @property
    def names(self) -> tuple[str, ...]:
        """What a call returns, in that order."""
        return ("loss", "ce", "kd", *(("match",) if self.matches else ()))

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
    ) -> tuple[Tensor, ...]:
        """This micro-batch's share of the step's loss.

        Args:
            student: with ``matches``, a ``MatchedStudent``.
            batch: ``clip`` (B, T, 3, H, W), ``label`` and ``index`` (B,).
            step_labels: ``count_labelled`` of the whole step.
            autocast: of the teacher; the student has its own from Accelerate.

        Returns:
            The scalars that ``names`` lists: their sums over all micro-batches of the
            step are the means over its clips.
        """
        clip, label = batch["clip"], batch["label"]
        place = (micro.epoch, micro.step, micro.number)
        with seeded(clip.device, self.seed, "mix", *place):
            clip, target = mix_clips(clip, label, self.num_classes, self.augment)
        with seeded(clip.device, self.seed, "forward", *place):
            answer = student(clip)
        logits, projected = answer if self.matches else (answer, None)
        target, labelled = target.to(logits.device), self._labelled(micro, batch)
        if self.distil is None:
            ce = soft_cross_entropy(logits, target, labelled, step_labels)
            return ce, ce, torch.zeros_like(ce)
        if self.stored is not None:
            opinion = self.stored.logits(batch["index"], micro.epoch).to(clip.device)
        else:
            with torch.no_grad(), autocast:
                if self.matches:
                    asked = (self.teacher, clip, self.distil.match)
                    opinion, signals = teacher_signals(*asked)
                else:
                    opinion = self.teacher(clip)
        mixed = self.augment.mixes
        loss, ce, kd = distillation_loss(
            logits,
            opinion,
            target,
            alpha=self.distil.alpha,
            temperature=self.distil.temperature,
            labelled=labelled,
            # -1 where the label is withheld or the clip mixed
            labels=torch.full_like(label, -1) if mixed else label.where(labelled, -1),
            loss=self.distil.loss,
            normalise_by=(self.batch_size, step_labels),
        )
        if not self.matches:
            return loss, ce, kd
        match = matching_loss(projected, signals).sum() / self.batch_size
        return loss + self.distil.match_weight * match, ce, kd, match

    def _labelled(self, micro: MicroBatch, batch: dict[str, Any]) -> Tensor:
        """Whether a clip's label may be used: bool (B,)."""
        found = batch["index"]
        if self.labelled is None:
            return torch.ones(len(found), dtype=torch.bool, device=found.device)
        # A replacement of an unreadable video has a label of its own to withhold.
        allowed = [
            wanted in self.labelled and got in self.labelled
            for wanted, got in zip(micro.indices, found.tolist(), strict=True)
        ]
        return torch.tensor(allowed, dtype=torch.bool, device=found.device)
