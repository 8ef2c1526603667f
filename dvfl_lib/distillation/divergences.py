"""Divergences between the softened probabilities of student and teacher.

Public names: ``forward_kl``, ``reverse_kl``, ``jensen_shannon``.

With q = softmax(student / T) and p = softmax(teacher / T), natural logarithms. Each
is zero, with a zero gradient, exactly where p = q; each gradient falls as 1 / T^2 by
itself (q - p falls as 1 / T, and so does dq / d student), so each carries the factor
T^2 that Hinton et al. (arXiv 1503.02531, section 2) put before the first one: one
alpha then means about the same at every temperature.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .common import Reduction, kl, reduce, softened_logs


def forward_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * KL(softmax(teacher / T) || softmax(student / T)), averaged over the batch.

    With p = softmax(teacher / T) and q = softmax(student / T), per clip
    T^2 * sum_k p_k (log p_k - log q_k). It is zero, with a zero gradient, exactly
    where the two sets of probabilities agree. The gradient of one clip's loss with
    respect to the student's logits is T (q - p).

    Source: Hinton et al. (arXiv 1503.02531); the loss of DVFL-Net (arXiv 2507.12426),
    whose framework figure has no factor T^2 and whose released code has it.

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
    log_q, log_p = softened_logs(student_logits, teacher_logits, temperature)
    return reduce(temperature**2 * kl(log_p, log_q), reduction)


def reverse_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * KL(softmax(student / T) || softmax(teacher / T)), averaged over the batch.

    Per clip T^2 * sum_k q_k (log q_k - log p_k): ``forward_kl`` with the roles
    exchanged. The student pays for what it holds possible and the teacher does not,
    so it may leave out a class that the teacher thinks of. The gradient of one
    clip's loss is T q_j (log q_j - log p_j - KL(q || p)).

    Source: the reverse divergence of MiniLLM (Gu et al., arXiv 2306.08543), here on
    class probabilities; the factor T^2 is ours, as in ``forward_kl``.

    Arguments, result and errors as ``forward_kl``.
    """
    log_q, log_p = softened_logs(student_logits, teacher_logits, temperature)
    return reduce(temperature**2 * kl(log_q, log_p), reduction)


def jensen_shannon(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * JS(p, q), averaged over the batch.

    With m = (p + q) / 2, per clip T^2 * (KL(p || m) / 2 + KL(q || m) / 2): both
    weights are 1/2 and the logarithm is natural, so that JS itself is at most ln 2.
    It does not change when student and teacher are exchanged, and near p = q it is a
    quarter of ``forward_kl``. The gradient of one clip's loss is
    (T / 2) q_j (log(q_j / m_j) - KL(q || m)).

    Source: Lin, "Divergence measures based on the Shannon entropy" (IEEE
    Transactions on Information Theory 37, 1991), with weights 1/2; in distillation
    Agarwal et al. (GKD, arXiv 2306.13649), with their beta = 1/2. The factor T^2 is
    in neither; it is ours, as in ``forward_kl``.

    Arguments, result and errors as ``forward_kl``.
    """
    log_q, log_p = softened_logs(student_logits, teacher_logits, temperature)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    per_clip = (kl(log_p, log_m) + kl(log_q, log_m)) / 2
    return reduce(temperature**2 * per_clip, reduction)
