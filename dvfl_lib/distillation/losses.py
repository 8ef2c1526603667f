"""The losses of distillation, one function each; their list; the whole loss.

Public names: ``forward_kl``, ``reverse_kl``, ``jensen_shannon``, ``squared_error``,
``KDLoss``, ``KD_LOSSES``, ``kd_loss``, ``soft_cross_entropy``,
``distillation_loss``.

A new loss is a function here and its entry in ``KD_LOSSES``: recipes, the ablation
and the lessons find it by its name there.

With q = softmax(student / T) and p = softmax(teacher / T), natural logarithms. Each
divergence is zero, with a zero gradient, exactly where p = q; each gradient falls as
1 / T^2 by itself (q - p falls as 1 / T, and so does dq / d student), so each carries
the factor T^2 that Hinton et al. (arXiv 1503.02531, section 2) put before the first
one: one alpha then means about the same at every temperature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ModelError, RecipeError
from .common import (
    Reduction,
    at_least_float32,
    check_pair,
    kl,
    reduce,
    softened_logs,
)
from .decoupled import decoupled_kd
from .released import released_code


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


def squared_error(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """The mean over the classes of (student - teacher)^2, averaged over the batch.

    Per clip (1 / K) * sum_k (s_k - t_k)^2 with raw logits s and t. No factor 1/2, and
    no temperature: T^2 * ((s_k - t_k) / T)^2 is the same for every T. ``temperature``
    is there so that all losses are called alike; it changes nothing. The gradient of
    one clip's loss is (2 / K) (s - t). Unlike the divergences, it also pulls the mean
    of the logits, which no softmax can see, to the teacher's. For logits of mean
    zero, ``forward_kl`` tends to half of it as T grows (Hinton et al., arXiv
    1503.02531, section 2.1).

    Source: Ba & Caruana (arXiv 1312.6184), who write half the *sum* over the classes;
    Kim et al. (arXiv 2105.08919). The *mean* over the classes is that of the latter's
    code (github.com/jhoon-oh/kd_data, ``tools/losses.py``: ``nn.MSELoss``); the sum is
    K times as large.

    Arguments, result and errors as ``forward_kl``.
    """
    check_pair(student_logits, teacher_logits, temperature)
    difference = at_least_float32(student_logits) - at_least_float32(teacher_logits)
    return reduce(difference.square().mean(dim=-1), reduction)


@dataclass(frozen=True)
class KDLoss:
    """One loss between the logits of student and teacher.

    Attributes:
        title: its name in tables.
        function: the loss itself; its docstring has equation and source.
        takes_labels: whether the labels are its third argument.
    """

    title: str
    function: Callable[..., Tensor]
    takes_labels: bool = False


KD_LOSSES: dict[str, KDLoss] = {
    "forward_kl": KDLoss("forward KL", forward_kl),
    "reverse_kl": KDLoss("reverse KL", reverse_kl),
    "jensen_shannon": KDLoss("Jensen-Shannon", jensen_shannon),
    "squared_error": KDLoss("squared error on logits", squared_error),
    "decoupled_kd": KDLoss("decoupled KD", decoupled_kd, takes_labels=True),
    "released_code": KDLoss("released formula", released_code),
}


def kd_loss(
    name: str,
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor | None,
    temperature: float,
) -> Tensor:
    """One distillation loss by name, a value per clip.

    Args:
        name: one of ``KD_LOSSES``.
        student_logits, teacher_logits: (B, K). Call the teacher under
            ``torch.no_grad()``.
        labels: whole numbers (B,), -1 where the label may not be used or the clip is
            a mixture; None for no labels at all. Only ``decoupled_kd`` looks at
            them, and takes the teacher's most likely class where there is none.
        temperature: T > 0.

    Returns:
        (B,) float32; float64 for float64 logits.

    Raises:
        RecipeError: an unknown name, or a temperature that is not positive.
        ModelError: shapes or labels that do not fit.
    """
    if name not in KD_LOSSES:
        near = get_close_matches(name, KD_LOSSES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise RecipeError(
            f"there is no distillation loss {name!r}.{hint} "
            f"Known: {', '.join(KD_LOSSES)}"
        )
    loss = KD_LOSSES[name]
    third = (labels,) if loss.takes_labels else ()
    arguments = (student_logits, teacher_logits, *third, temperature)
    return loss.function(*arguments, reduction="none")


def soft_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    labelled: Tensor | None = None,
    count: int | None = None,
) -> Tensor:
    """-sum_k y_k log softmax(logits)_k with soft labels y, averaged over the clips.

    Soft labels come from MixUp, CutMix and label smoothing.

    Args:
        logits: (B, K).
        targets: (B, K), rows that sum to one.
        labelled: bool (B,), clips whose label may be used; all if not given.
        count: by what the sum over these clips is divided, if not by their number; 0
            counts as 1, so that the loss is 0 where no clip has a label.

    Returns:
        float32 scalar; float64 for float64 logits.

    Raises:
        ModelError: shapes that do not fit.
    """
    if logits.shape != targets.shape:
        raise ModelError(
            f"logits {tuple(logits.shape)} and soft labels {tuple(targets.shape)} "
            "differ in shape: the network's head has another number of classes"
        )
    if logits.ndim != 2:  # torch would take the second dimension for the classes
        raise ModelError(f"logits must be (clips, classes); got {tuple(logits.shape)}")
    logits = at_least_float32(logits)
    ce = F.cross_entropy(logits, targets.to(logits.dtype), reduction="none")  # (B,)
    if labelled is None:
        labelled = torch.ones_like(ce, dtype=torch.bool)
    elif labelled.shape != ce.shape or labelled.dtype != torch.bool:
        # One truth value for all clips would be spread over them: a sum for a mean.
        raise ModelError(
            f"labelled must be {len(ce)} truth values, one per clip; got "
            f"{tuple(labelled.shape)} of {labelled.dtype}"
        )
    if count is None:
        count = int(labelled.sum())
    return (ce * labelled).sum() / max(count, 1)


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    targets: Tensor,
    *,
    alpha: float,
    temperature: float,
    labelled: Tensor | None = None,
    labels: Tensor | None = None,
    loss: str = "forward_kl",
    normalise_by: tuple[int, int] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """alpha * kd_loss + (1 - alpha) * soft_cross_entropy, over one batch.

    This is what training minimises: ``training.Objective`` calls it for each
    micro-batch of a step.

    Args:
        student_logits, teacher_logits: (B, K).
        targets: soft labels (B, K).
        alpha: weight of the teacher's part, in [0, 1].
        temperature: T of the teacher's part.
        labelled: bool (B,), clips whose label may be used; all if not given. The
            cross-entropy is the mean over these alone (0 if there is none); the
            teacher speaks about every clip.
        labels: whole numbers (B,), the classes that ``decoupled_kd`` takes as
            targets, -1 for the teacher's most likely class; if not given, the class
            with the largest soft label, -1 where the label may not be used.
        loss: the teacher's part, one of ``KD_LOSSES``.
        normalise_by: (clips, labelled clips) by which the two sums are divided,
            where the batch is a part of a step: those of the whole step, so that the
            parts add up to its mean. Those of this batch if not given.

    Returns:
        The loss and its two parts, cross-entropy and the teacher's: three scalars.

    Raises:
        ModelError: shapes that do not fit.
        RecipeError: ``alpha`` or ``temperature`` out of range, or an unknown loss.
    """
    if not 0 <= alpha <= 1:
        raise RecipeError(f"alpha must be in [0, 1], not {alpha}")
    clips, labelled_clips = normalise_by or (len(student_logits), None)
    ce = soft_cross_entropy(student_logits, targets, labelled, labelled_clips)
    if labels is None:
        labels = targets.argmax(dim=-1)  # (B,)
        labels = labels if labelled is None else labels.where(labelled, -1)
    kd = kd_loss(loss, student_logits, teacher_logits, labels, temperature)
    kd = kd.sum() / clips
    return alpha * kd + (1 - alpha) * ce, ce, kd
