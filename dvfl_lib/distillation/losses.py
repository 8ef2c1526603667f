"""The losses of distillation, one function each; their list; the whole loss.

Public names: ``forward_kl``, ``reverse_kl``, ``jensen_shannon``, ``squared_error``,
``released_code``, ``random_head``, ``KDLoss``, ``KD_LOSSES``, ``loss_named``,
``kd_loss``, ``soft_cross_entropy``, ``distillation_loss``.

A new loss is a function here, called as ``forward_kl``, and its entry in
``KD_LOSSES``, where recipes and ``kd_loss`` find it by its name.

With q = softmax(student / T) and p = softmax(teacher / T), natural logarithms. Each
divergence is zero, with a zero gradient, exactly where p = q; each gradient falls as
1 / T^2 by itself (q - p falls as 1 / T, and so does dq / d student), so each carries
the factor T^2 that Hinton et al. (arXiv 1503.02531, section 2) put before the first
one: one alpha then means about the same at every temperature.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ModelError, RecipeError
from ..recipes import did_you_mean
from ..seeding import fixed_rng
from .common import Reduction, at_least_float32, comparable, kl, reduce, softened_logs
from .decoupled import decoupled_kd


def forward_kl(
    student: Tensor, teacher: Tensor, temperature: float, reduction: Reduction = "mean"
) -> Tensor:
    """T^2 * KL(softmax(teacher / T) || softmax(student / T)), averaged over the batch.

    Per clip T^2 * sum_k p_k (log p_k - log q_k). The gradient of one clip's loss with
    respect to the student's logits is T (q - p).

    Source: Hinton et al. (arXiv 1503.02531); the loss of DVFL-Net (arXiv 2507.12426),
    whose framework figure has no factor T^2 and whose released code has it.

    Args:
        student: logits (B, K), or (..., K); the mean runs over all but the last.
        teacher: logits of the same shape; no gradient is stopped here.
        temperature: T > 0; larger ones show more of the teacher's small probabilities.
        reduction: ``"mean"`` over the batch, or ``"none"`` for one value per clip.

    Returns:
        float32 scalar, or (B,) for ``"none"``; float64 for float64 logits.

    Raises:
        ModelError: the two shapes differ (most often: other numbers of classes).
        RecipeError: a temperature that is not positive.
    """
    log_q, log_p = softened_logs(student, teacher, temperature)
    return reduce(temperature**2 * kl(log_p, log_q), reduction)


def reverse_kl(
    student: Tensor, teacher: Tensor, temperature: float, reduction: Reduction = "mean"
) -> Tensor:
    """T^2 * KL(softmax(student / T) || softmax(teacher / T)), averaged over the batch.

    The student pays for what it holds possible and the teacher does not, so it may
    leave out a class that the teacher thinks of. The gradient of one clip's loss is
    T q_j (log q_j - log p_j - KL(q || p)).

    Source: the reverse divergence of MiniLLM (Gu et al., arXiv 2306.08543), here on
    class probabilities; the factor T^2 is ours, as in ``forward_kl``.
    """
    log_q, log_p = softened_logs(student, teacher, temperature)
    return reduce(temperature**2 * kl(log_q, log_p), reduction)


def jensen_shannon(
    student: Tensor, teacher: Tensor, temperature: float, reduction: Reduction = "mean"
) -> Tensor:
    """T^2 * JS(p, q), averaged over the batch.

    With m = (p + q) / 2, JS = KL(p || m) / 2 + KL(q || m) / 2, at most ln 2. It does
    not change when student and teacher are exchanged, and near p = q it is a quarter
    of ``forward_kl``. The gradient of one clip's loss is
    (T / 2) q_j (log(q_j / m_j) - KL(q || m)).

    Source: Lin (IEEE Transactions on Information Theory 37, 1991), with weights 1/2;
    in distillation GKD (Agarwal et al., arXiv 2306.13649), with their beta = 1/2. The
    factor T^2 is ours, as in ``forward_kl``.
    """
    log_q, log_p = softened_logs(student, teacher, temperature)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    per_clip = (kl(log_p, log_m) + kl(log_q, log_m)) / 2
    return reduce(temperature**2 * per_clip, reduction)


def squared_error(
    student: Tensor, teacher: Tensor, temperature: float, reduction: Reduction = "mean"
) -> Tensor:
    """The mean over the classes of (student - teacher)^2, averaged over the batch.

    Of raw logits, without a factor 1/2. ``temperature`` is there so that all losses
    are called alike; it changes nothing: T^2 * ((s_k - t_k) / T)^2 is the same for
    every T. The gradient of one clip's loss is (2 / K) (s - t). Unlike the
    divergences, it also pulls the mean of the logits, which no softmax can see, to
    the teacher's. For logits of mean zero, ``forward_kl`` tends to half of it as T
    grows (Hinton et al., arXiv 1503.02531, section 2.1).

    Source: Ba & Caruana (arXiv 1312.6184), who write half the *sum* over the classes;
    Kim et al. (arXiv 2105.08919). The *mean* over the classes is that of the latter's
    code (github.com/jhoon-oh/kd_data, ``tools/losses.py``: ``nn.MSELoss``); the sum is
    K times as large.
    """
    student, teacher = comparable(student, teacher)
    return reduce((student - teacher).square().mean(dim=-1), reduction)


def hard_label(
    student: Tensor, teacher: Tensor, temperature: float, reduction: Reduction = "mean"
) -> Tensor:
    """-log softmax(student)_k of the teacher's first class k, averaged over the batch.

    ``temperature`` changes nothing. One clip's gradient is softmax(student), less 1
    at k. Source: "hard-label distillation", DeiT (Touvron et al., arXiv 2012.12877).
    """
    student, teacher = comparable(student, teacher)
    named = teacher.argmax(dim=-1, keepdim=True)
    return reduce(-F.log_softmax(student, -1).gather(-1, named).squeeze(-1), reduction)


def released_code(
    student: Tensor, teacher: Tensor, temperature: float, reduction: Reduction = "mean"
) -> Tensor:
    """T^2 * sum_k p_k (log p_k - q_k), averaged over the batch: not the paper's loss.

    It has q where ``forward_kl`` has log q, so it is no divergence: it equals
    -T^2 (H(p) + <p, q>) and is negative everywhere. Only <p, q> depends on the
    student, and it is greatest, the loss -T^2 (H(p) + max_k p_k), for a student that
    gives the teacher's most likely class everything. The gradient of one clip's loss
    is -T q_j (p_j - <p, q>); it is not zero where the student equals the teacher,
    unless that gives every class the same. It is here to be measured, not to be used.

    Source: ``classification/criterion.py:15-19`` of the code released with DVFL-Net
    (github.com/hayatkhan8660-maker/DVFL-Net at commit c695f6a). Where a p_k is
    rounded to 0, the released expression is 0 * log 0, not a number; here that term
    is its limit, 0.
    """
    log_q, log_p = softened_logs(student, teacher, temperature)
    per_clip = (log_p.exp() * (log_p - log_q.exp())).sum(dim=-1)
    return reduce(temperature**2 * per_clip, reduction)


def random_head(teacher: nn.Module, seed: int, rank: int = 0) -> nn.Module:
    """A copy of the teacher whose last layer is drawn anew; the teacher stays as it is.

    Before the teacher's weights are loaded, ``main_KD.py:110-113`` of the released
    code overwrites those of its head with a truncated normal, and ``:387`` seeds each
    process with its seed + rank. The copy in each process then has another head, and
    gives other opinions about the same features.

    Weight and bias have the standard deviation of ``main_KD.py:111`` and ``:113``,
    0.02, cut at -2 and 2. The draw is ours: a function of the run's seed and the
    process's number.
    """
    changed = copy.deepcopy(teacher)
    with torch.no_grad(), fixed_rng(seed, "random head", rank):
        for parameter in changed.head.parameters():  # weight, then bias
            drawn = torch.empty(parameter.shape, device="cpu")
            nn.init.trunc_normal_(drawn, std=0.02, a=-2.0, b=2.0)
            parameter.copy_(drawn)
    return changed


@dataclass(frozen=True)
class KDLoss:
    """One loss between the logits of student and teacher."""

    title: str  # its name in tables
    function: Callable[..., Tensor]
    takes_labels: bool = False  # as its third argument
    studied: bool = False  # a row of lesson 09's stored study; a new one adds hours


KD_LOSSES: dict[str, KDLoss] = {
    "forward_kl": KDLoss("forward KL", forward_kl),
    "reverse_kl": KDLoss("reverse KL", reverse_kl, studied=True),
    "jensen_shannon": KDLoss("Jensen-Shannon", jensen_shannon, studied=True),
    "squared_error": KDLoss("squared error on logits", squared_error, studied=True),
    "decoupled_kd": KDLoss("decoupled KD", decoupled_kd, True, studied=True),
    "hard_label": KDLoss("hard label", hard_label),
    "released_code": KDLoss("released formula", released_code),
}


def loss_named(name: str) -> KDLoss:
    """The loss that ``distil.loss`` of a recipe names; RecipeError if there is none."""
    if name not in KD_LOSSES:
        raise RecipeError(
            f"distil.loss: there is no {name!r}.{did_you_mean(name, KD_LOSSES)} "
            f"Known: {', '.join(KD_LOSSES)}"
        )
    return KD_LOSSES[name]


def kd_loss(
    name: str,
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None,
    temperature: float,
) -> Tensor:
    """One distillation loss by name, a value per clip: (B,).

    Args:
        name: one of ``KD_LOSSES``.
        student, teacher: logits (B, K).
        labels: whole numbers (B,), -1 where the label may not be used or the clip is
            a mixture; None for no labels at all. Only ``decoupled_kd`` looks at
            them, and takes the teacher's most likely class where there is none.
        temperature: T > 0.

    Raises:
        RecipeError: an unknown name; or as ``forward_kl``.
    """
    loss = loss_named(name)
    third = (labels,) if loss.takes_labels else ()
    return loss.function(student, teacher, *third, temperature, reduction="none")


def soft_cross_entropy(
    logits: Tensor,
    targets: Tensor,
    labelled: Tensor | None = None,
    count: int | None = None,
) -> Tensor:
    """-sum_k y_k log softmax(logits)_k with soft labels y, averaged over the clips.

    Soft labels come from MixUp, CutMix and label smoothing. Logits (B, K) and targets
    (B, K), rows that sum to one, give a scalar, at least float32.

    Args:
        labelled: bool (B,), clips whose label may be used; all if not given.
        count: by what the sum over these clips is divided, if not by their number; 0
            counts as 1, so that the loss is 0 where no clip has a label.

    Raises:
        ModelError: a mask of another shape, which would be spread over the batch.
    """
    logits = at_least_float32(logits)
    ce = F.cross_entropy(logits, targets.to(logits.dtype), reduction="none")  # (B,)
    if labelled is None:
        labelled = torch.ones_like(ce, dtype=torch.bool)
    elif labelled.shape != ce.shape:
        raise ModelError(
            f"labelled must be {len(ce)} truth values, one per clip; got "
            f"{tuple(labelled.shape)}"
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

    ``training.Objective`` minimises it, called for each micro-batch of a step.

    Args:
        student_logits, teacher_logits, targets: (B, K), the last soft labels.
        alpha, temperature: weight of the teacher's part, in [0, 1], and its T.
        labelled: bool (B,), clips whose label may be used; all if not given. The
            cross-entropy is the mean over these alone (0 if there is none); the
            teacher speaks about every clip.
        labels: as for ``kd_loss``; if not given, the class with the largest soft
            label, -1 where the label may not be used.
        loss: the teacher's part, one of ``KD_LOSSES``.
        normalise_by: (clips, labelled clips) of the whole step, where the batch is a
            part of one, so that the parts add up to its mean; else of this batch.

    Returns:
        The loss and its two parts, cross-entropy and the teacher's: three scalars.
    """
    clips, labelled_clips = normalise_by or (len(student_logits), None)
    ce = soft_cross_entropy(student_logits, targets, labelled, labelled_clips)
    if labels is None:
        labels = targets.argmax(dim=-1)  # (B,)
        labels = labels if labelled is None else labels.where(labelled, -1)
    each = kd_loss(loss, student_logits, teacher_logits, labels, temperature)
    kd = each.sum() / clips
    return alpha * kd + (1 - alpha) * ce, ce, kd
