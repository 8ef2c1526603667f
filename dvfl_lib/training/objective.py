"""The loss of one micro-batch: mix, ask the student, ask the teacher, compare.

Public names: ``Objective``, ``seeded``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..distillation import (
    distillation_loss,
    matching_loss,
    random_head,
    soft_cross_entropy,
    teacher_signals,
)
from ..seeding import derive_seed
from ..video.transforms import mix_clips
from .batches import MicroBatch

if TYPE_CHECKING:
    from .loop import TrainConfig


@contextmanager
def seeded(device: torch.device, *parts: int | str) -> Iterator[None]:
    """Like ``fixed_rng``, on the device's generator as well.

    MixUp and CutMix draw on the CPU, drop-path draws where the activations are.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(derive_seed(*parts))  # every generator of this process
        yield


class Objective:
    """Distillation with a teacher, plain cross-entropy without one.

    L = alpha KD + (1 - alpha) CE + match_weight * matching, see ``DistilRecipe``.
    """

    def __init__(self, config: TrainConfig, rank: int = 0) -> None:
        self.config, self.distil = config, config.distil
        self.matches = self.distil is not None and bool(self.distil.match)
        # Asked at every step; None where there is none, or stored logits answer.
        self.teacher = None if config.stored is not None else config.teacher
        if self.teacher is not None and self.distil.random_head:
            self.teacher = random_head(self.teacher, config.seed, rank)

    def count_labelled(self, indices: tuple[int, ...]) -> int:
        """How many clips of a global step have a label; known without loading any."""
        known = self.config.labelled
        return len(indices if known is None else known & set(indices))

    def __call__(
        self,
        student: nn.Module,
        micro: MicroBatch,
        batch: dict[str, Any],
        step_labels: int,
        autocast: AbstractContextManager,
    ) -> dict[str, Tensor]:
        """This micro-batch's share of the step's loss.

        Args:
            student: with ``matches``, a ``MatchedStudent``.
            batch: ``clip`` (B, T, 3, H, W), ``label`` and ``index`` (B,).
            step_labels: ``count_labelled`` of the whole step.
            autocast: of the teacher; the student has its own from Accelerate.

        Returns scalars ``loss``, ``ce``, ``kd``, and ``match`` where insides are
        matched: summed over the micro-batches of a step, means over its clips.
        """
        config, distil = self.config, self.distil
        augment = config.recipe.augment
        clip, label = batch["clip"], batch["label"]
        place = (micro.epoch, micro.step, micro.number)
        with seeded(clip.device, config.seed, "mix", *place):
            clip, target = mix_clips(clip, label, config.num_classes, augment)
        with seeded(clip.device, config.seed, "forward", *place):
            answer = student(clip)
        logits, projected = answer if self.matches else (answer, None)
        labelled = self._labelled(micro, batch["index"])
        if distil is None:
            ce = soft_cross_entropy(logits, target, labelled, step_labels)
            return {"loss": ce, "ce": ce, "kd": torch.zeros_like(ce)}
        with torch.no_grad(), autocast:
            if config.stored is not None:
                opinion = config.stored.logits(batch["index"], micro.epoch)
            elif self.matches:
                opinion, signals = teacher_signals(self.teacher, clip, distil.match)
            else:
                opinion = self.teacher(clip)
        # A mixture has no label that could be named.
        hard = label.where(labelled & (not augment.mixes), -1)
        loss, ce, kd = distillation_loss(
            logits,
            opinion.to(clip.device),
            target,
            alpha=distil.alpha,
            temperature=distil.temperature,
            labelled=labelled,
            labels=hard,
            loss=distil.loss,
            normalise_by=(config.optim.batch_size, step_labels),
        )
        found = {"loss": loss, "ce": ce, "kd": kd}
        if self.matches:
            match = matching_loss(projected, signals).sum() / config.optim.batch_size
            found |= {"loss": loss + distil.match_weight * match, "match": match}
        return found

    def _labelled(self, micro: MicroBatch, index: Tensor) -> Tensor:
        """Whether a clip's label may be used: bool (B,)."""
        known = self.config.labelled
        if known is None:
            return torch.ones_like(index, dtype=torch.bool)
        # A replacement of an unreadable video has a label of its own to withhold.
        pairs = zip(micro.indices, index.tolist(), strict=True)
        allowed = [wanted in known and found in known for wanted, found in pairs]
        return torch.tensor(allowed, dtype=torch.bool, device=index.device)
