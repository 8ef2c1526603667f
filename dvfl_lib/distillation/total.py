"""The whole loss of a batch: the labels' part and the teacher's part.

Public names: ``soft_cross_entropy``, ``distillation_loss``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ModelError, RecipeError
from .common import Reduction, at_least_float32, reduce
from .registry import kd_loss


def soft_cross_entropy(
    logits: Tensor, targets: Tensor, reduction: Reduction = "mean"
) -> Tensor:
    """-sum_k y_k log softmax(logits)_k with soft labels y, averaged over the batch.

    Soft labels come from MixUp, CutMix and label smoothing.

    Args:
        logits: (B, K).
        targets: (B, K), rows that sum to one.
        reduction: ``"mean"`` over the batch, or ``"none"`` for one value per clip.

    Returns:
        float32 scalar, or (B,) for ``"none"``; float64 for float64 logits.

    Raises:
        ModelError: the two shapes differ, or are not (clips, classes).
        RecipeError: an unknown reduction.
    """
    if logits.shape != targets.shape:
        raise ModelError(
            f"logits {tuple(logits.shape)} and soft labels {tuple(targets.shape)} "
            "differ in shape: the network's head has another number of classes"
        )
    if logits.ndim != 2:  # torch would take the second dimension for the classes
        raise ModelError(f"logits must be (clips, classes); got {tuple(logits.shape)}")
    logits = at_least_float32(logits)
    per_clip = F.cross_entropy(logits, targets.to(logits.dtype), reduction="none")
    return reduce(per_clip, reduction)


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    targets: Tensor,
    *,
    alpha: float,
    temperature: float,
    labelled: Tensor | None = None,
    loss: str = "forward_kl",
) -> Tensor:
    """alpha * kd_loss + (1 - alpha) * soft_cross_entropy, over one batch.

    Args:
        student_logits, teacher_logits: (B, K).
        targets: soft labels (B, K).
        alpha: weight of the teacher's part, in [0, 1].
        temperature: T of the teacher's part.
        labelled: bool (B,), clips whose label may be used; all if not given. The
            cross-entropy is the mean over these alone (0 if there is none); the
            teacher speaks about every clip.
        loss: the teacher's part, one of ``KD_LOSSES``. ``decoupled_kd`` takes the
            class with the largest soft label as target; of a clip whose label may
            not be used, the teacher's most likely class.

    Returns:
        A scalar.

    Raises:
        ModelError: shapes that do not fit.
        RecipeError: ``alpha`` or ``temperature`` out of range, or an unknown loss.
    """
    if not 0 <= alpha <= 1:
        raise RecipeError(f"alpha must be in [0, 1], not {alpha}")
    ce = soft_cross_entropy(student_logits, targets, reduction="none")
    if labelled is None:
        labelled = torch.ones_like(ce, dtype=torch.bool)
    elif labelled.shape != ce.shape or labelled.dtype != torch.bool:
        raise ModelError(
            f"labelled must be {len(ce)} truth values, one per clip; got "
            f"{tuple(labelled.shape)} of {labelled.dtype}"
        )
    labels = torch.where(labelled, targets.argmax(dim=-1), -1)  # (B,)
    kd = kd_loss(loss, student_logits, teacher_logits, labels, temperature)
    mean_ce = (ce * labelled).sum() / labelled.sum().clamp(min=1)
    return alpha * reduce(kd, "mean") + (1 - alpha) * mean_ce
