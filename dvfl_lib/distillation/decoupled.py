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

from .common import Reduction, comparable, kl, reduce


def tckd(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * KL([p_t, 1 - p_t] || [q_t, 1 - q_t]), averaged over the batch.

    The gradient of one clip's loss is T (q_t - p_t) for the target class and
    -T (q_t - p_t) q^_k for each other class k. Arguments as ``decoupled_kd``.
    """
    (log_q, _), (log_p, _) = _taken_apart(student, teacher, labels, temperature)
    return reduce(temperature**2 * kl(log_p, log_q), reduction)


def nckd(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * KL(p^ || q^) over the classes that are not the target, batch mean.

    The gradient of one clip's loss is 0 for the target class and T (q^_k - p^_k) for
    each other class k. Arguments as ``decoupled_kd``.
    """
    (_, log_q), (_, log_p) = _taken_apart(student, teacher, labels, temperature)
    return reduce(temperature**2 * kl(log_p, log_q), reduction)


def decoupled_kd(
    student: Tensor,
    teacher: Tensor,
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
        labels: whole numbers (B,), the target classes; -1, or None for all clips,
            takes the teacher's most likely class.
        alpha, beta: weights of the parts (not the alpha of ``distillation_loss``).

    All else as ``losses.forward_kl``, with logits (B, K), K >= 2.
    """
    of_target = tckd(student, teacher, labels, temperature, "none")
    of_others = nckd(student, teacher, labels, temperature, "none")
    return reduce(alpha * of_target + beta * of_others, reduction)


def _taken_apart(
    student: Tensor, teacher: Tensor, labels: Tensor | None, temperature: float
) -> list[tuple[Tensor, Tensor]]:
    """log [p_t, 1 - p_t], (B, 2), and log p^, (B, K - 1), of either network."""
    target = teacher.argmax(dim=1)  # (B,)
    if labels is not None:
        labels = labels.to(target)
        target = torch.where(labels >= 0, labels, target)
    column = target.unsqueeze(1)  # (B, 1)
    others = torch.arange(teacher.shape[1] - 1, device=teacher.device)
    others = others + (others >= column)  # (B, K - 1): all classes but the target
    found = []
    for scaled in comparable(student, teacher, temperature):
        # p_t is the sigmoid of the target's lead over all others together. Written so,
        # neither p_t nor 1 - p_t is ever rounded to 0 before its logarithm is taken.
        rest = scaled.gather(1, others)
        lead = scaled.gather(1, column).squeeze(1) - rest.logsumexp(dim=1)  # (B,)
        binary = torch.stack((F.logsigmoid(lead), F.logsigmoid(-lead)), dim=1)
        found.append((binary, F.log_softmax(rest, dim=1)))
    return found
