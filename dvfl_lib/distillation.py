"""What the student is asked to match: labels, and the teacher's softened opinion.

Public names: ``forward_kl``, ``soft_cross_entropy``, ``distillation_loss``.

The total loss of DVFL-Net (framework figure of arXiv 2507.12426) is

    L = alpha * L_kd + (1 - alpha) * L_ce
    L_kd = T^2 * KL(softmax(teacher / T) || softmax(student / T))

with the *forward* KL divergence: the teacher is the reference, so the student pays
for every class that the teacher holds possible and the student does not. The
factor T^2 (Hinton et al., arXiv 1503.02531, section 2) keeps the size of the
gradient about the same at every temperature T: it falls as 1 / T^2 by itself.

All functions are pure. They compute in float32 whatever the logits' type (float64
stays float64) and never take the logarithm of a softmax, so logits of 1e4 and
half precision do no harm.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ModelError, RecipeError

Reduction = Literal["mean", "none"]


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _reduce(per_clip: Tensor, reduction: Reduction) -> Tensor:
    if reduction not in ("mean", "none"):
        raise RecipeError(f"reduction must be 'mean' or 'none', not {reduction!r}")
    return per_clip.mean() if reduction == "mean" else per_clip


def forward_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * KL(softmax(teacher / T) || softmax(student / T)), averaged over the batch.

    With p = softmax(teacher / T) and q = softmax(student / T), per clip
    T^2 * sum_k p_k (log p_k - log q_k). It is zero, with a zero gradient, exactly
    where the two sets of probabilities agree.

    Args:
        student_logits: (B, K), or (..., K); the mean runs over all but the last.
        teacher_logits: the same shape. No gradient is stopped here: call the
            teacher under ``torch.no_grad()``.
        temperature: T > 0. Larger values show more of the teacher's small
            probabilities.
        reduction: ``"mean"`` over the batch, or ``"none"`` for one value per clip.

    Returns:
        float32 scalar, or (B,) for ``"none"``; float64 for float64 logits.

    Raises:
        ModelError: the two shapes differ (most often: other numbers of classes).
        RecipeError: a temperature that is not positive, or an unknown reduction.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ModelError(
            f"student logits {tuple(student_logits.shape)} and teacher logits "
            f"{tuple(teacher_logits.shape)} differ in shape: both networks need the "
            "same classes in the same order"
        )
    if not temperature > 0:
        raise RecipeError(f"the temperature must be positive, not {temperature}")
    log_q = F.log_softmax(_at_least_float32(student_logits) / temperature, dim=-1)
    log_p = F.log_softmax(_at_least_float32(teacher_logits) / temperature, dim=-1)
    # torch's kl_div takes the *approximation* first and the reference second.
    terms = F.kl_div(log_q, log_p, reduction="none", log_target=True)
    return _reduce(terms.sum(dim=-1) * temperature**2, reduction)


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
        ModelError: the two shapes differ.
        RecipeError: an unknown reduction.
    """
    if logits.shape != targets.shape:
        raise ModelError(
            f"logits {tuple(logits.shape)} and soft labels {tuple(targets.shape)} "
            "differ in shape: the network's head has another number of classes"
        )
    logits = _at_least_float32(logits)
    per_clip = F.cross_entropy(logits, targets.to(logits.dtype), reduction="none")
    return _reduce(per_clip, reduction)


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    targets: Tensor,
    *,
    alpha: float,
    temperature: float,
    labelled: Tensor | None = None,
) -> Tensor:
    """alpha * forward_kl + (1 - alpha) * soft_cross_entropy, over one batch.

    Args:
        student_logits, teacher_logits: (B, K).
        targets: soft labels (B, K).
        alpha: weight of the teacher's part, in [0, 1].
        temperature: T of ``forward_kl``.
        labelled: bool (B,), clips whose label may be used; all if not given. The
            cross-entropy is the mean over these alone (0 if there is none); the
            teacher speaks about every clip.

    Returns:
        A scalar.

    Raises:
        ModelError: shapes that do not fit.
        RecipeError: ``alpha`` or ``temperature`` out of range.
    """
    if not 0 <= alpha <= 1:
        raise RecipeError(f"alpha must be in [0, 1], not {alpha}")
    kd = forward_kl(student_logits, teacher_logits, temperature)
    ce = soft_cross_entropy(student_logits, targets, reduction="none")
    if labelled is None:
        labelled = torch.ones_like(ce, dtype=torch.bool)
    mean_ce = (ce * labelled).sum() / labelled.sum().clamp(min=1)
    return alpha * kd + (1 - alpha) * mean_ce
