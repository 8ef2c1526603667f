"""Decoupled KD: the forward KL divergence taken apart at one class, then re-weighted.

Public names: ``tckd``, ``nckd``, ``decoupled_kd``.

Source: Zhao et al., "Decoupled Knowledge Distillation" (arXiv 2203.08679). With t the
target class, q = softmax(student / T) and p = softmax(teacher / T),

    KL(p || q) = TCKD + (1 - p_t) NCKD
    TCKD = KL([p_t, 1 - p_t] || [q_t, 1 - q_t])        target class or not?
    NCKD = KL(p^ || q^)                                if not, which one?

where p^ and q^ are the probabilities of the K - 1 other classes given that it is one
of them. Decoupled KD gives both parts weights of their own in place of 1 and 1 - p_t,
which is small for a teacher that is sure.

The target is the label. Where a clip's label is -1 (unknown, withheld, or a mixture
of two clips), the teacher's most likely class stands in for it; that is our choice,
the paper has labels for all.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ModelError
from .common import Reduction, at_least_float32, check_pair, kl, reduce


def tckd(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor | None,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * KL([p_t, 1 - p_t] || [q_t, 1 - q_t]), averaged over the batch.

    The gradient of one clip's loss is T (q_t - p_t) for the target class and
    -T (q_t - p_t) q^_k for each other class k.

    Arguments, result and errors as ``decoupled_kd``.
    """
    target = _targets(student_logits, teacher_logits, labels, temperature)
    log_b_student, _ = _taken_apart(student_logits, target, temperature)
    log_b_teacher, _ = _taken_apart(teacher_logits, target, temperature)
    return reduce(temperature**2 * kl(log_b_teacher, log_b_student), reduction)


def nckd(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor | None,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * KL(p^ || q^) over the classes that are not the target, batch mean.

    The gradient of one clip's loss is 0 for the target class and T (q^_k - p^_k) for
    each other class k.

    Arguments, result and errors as ``decoupled_kd``.
    """
    target = _targets(student_logits, teacher_logits, labels, temperature)
    _, log_others_student = _taken_apart(student_logits, target, temperature)
    _, log_others_teacher = _taken_apart(teacher_logits, target, temperature)
    return reduce(
        temperature**2 * kl(log_others_teacher, log_others_student), reduction
    )


def decoupled_kd(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor | None,
    temperature: float,
    alpha: float = 1.0,
    beta: float = 8.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """alpha * TCKD + beta * NCKD, each with its T^2, averaged over the batch.

    It is zero, with a zero gradient, where p = q. alpha = 1, beta = 1 - p_t would
    give ``forward_kl`` back. The defaults 1 and 8 are those of the authors' code for
    CIFAR-100 (github.com/megvii-research/mdistiller, ``engine/cfg.py``), which has
    T = 4 beside them and lets this loss grow in linearly over 20 epochs; such a
    warm-up is no part of this function.

    Args:
        student_logits: (B, K) with K >= 2.
        teacher_logits: (B, K). No gradient is stopped here.
        labels: whole numbers (B,), the target classes; -1, or None for all clips,
            takes the teacher's most likely class.
        temperature: T > 0.
        alpha, beta: weights of the two parts (not the alpha of
            ``distillation_loss``).
        reduction: ``"mean"`` over the batch, or ``"none"`` for one value per clip.

    Returns:
        float32 scalar, or (B,) for ``"none"``; float64 for float64 logits.

    Raises:
        ModelError: shapes that differ, or labels that are no classes.
        RecipeError: a temperature that is not positive, or an unknown reduction.
    """
    # Found out here once, so that both parts have the same targets.
    target = _targets(student_logits, teacher_logits, labels, temperature)
    of_target = tckd(student_logits, teacher_logits, target, temperature, "none")
    of_others = nckd(student_logits, teacher_logits, target, temperature, "none")
    return reduce(alpha * of_target + beta * of_others, reduction)


def _targets(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor | None,
    temperature: float,
) -> Tensor:
    """The target class of each clip, checked. (B,)"""
    check_pair(student_logits, teacher_logits, temperature)
    clips, classes = teacher_logits.shape
    believed = teacher_logits.argmax(dim=1)  # (B,)
    if labels is None:
        return believed
    if labels.shape != (clips,):  # one label would be spread over all clips
        raise ModelError(
            f"labels must be {clips} whole numbers, one per clip; got "
            f"{tuple(labels.shape)}"
        )
    labels = labels.to(believed)
    if ((labels < -1) | (labels >= classes)).any():
        raise ModelError(
            f"labels from {labels.min().item()} to {labels.max().item()} do not fit "
            f"{classes} classes: each is 0 to {classes - 1}, or -1 for none"
        )
    return torch.where(labels >= 0, labels, believed)


def _taken_apart(
    logits: Tensor, target: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """log [p_t, 1 - p_t], (B, 2), and log p^, (B, K - 1)."""
    scaled = at_least_float32(logits) / temperature
    column = target.unsqueeze(1)  # (B, 1)
    others = torch.arange(scaled.shape[1] - 1, device=scaled.device)
    others = others + (others >= column)  # (B, K - 1): all classes but the target
    other_logits = scaled.gather(1, others)
    # p_t is the sigmoid of the target's lead over all others together. Written so,
    # neither p_t nor 1 - p_t is ever rounded to 0 before its logarithm is taken.
    lead = scaled.gather(1, column).squeeze(1) - other_logits.logsumexp(dim=1)  # (B,)
    binary = torch.stack((F.logsigmoid(lead), F.logsigmoid(-lead)), dim=1)  # (B, 2)
    return binary, F.log_softmax(other_logits, dim=1)
