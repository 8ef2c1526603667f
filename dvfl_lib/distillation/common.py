"""What the losses share: the check of their arguments, float32, the reduction.

Public names: ``Reduction``, ``check_pair``, ``at_least_float32``, ``reduce``, ``kl``,
``softened_logs``.
"""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, float32, promote_types

from ..errors import ModelError, RecipeError

Reduction = Literal["mean", "none"]


def check_pair(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float
) -> None:
    """Refuse logits that cannot be compared, and a temperature that is none.

    Raises:
        ModelError: the two shapes differ (most often: other numbers of classes).
        RecipeError: a temperature that is no positive, finite number.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ModelError(
            f"student logits {tuple(student_logits.shape)} and teacher logits "
            f"{tuple(teacher_logits.shape)} differ in shape: both networks need the "
            "same classes in the same order"
        )
    if not 0 < temperature < float("inf"):
        raise RecipeError(
            f"the temperature must be positive and finite, not {temperature!r}"
        )


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision becomes float32; float32 and float64 stay what they are."""
    return x.to(promote_types(x.dtype, float32))


def reduce(per_clip: Tensor, reduction: Reduction) -> Tensor:
    """The mean over all clips, or the values as they are.

    Raises:
        RecipeError: an unknown reduction.
    """
    if reduction not in ("mean", "none"):
        raise RecipeError(f"reduction must be 'mean' or 'none', not {reduction!r}")
    return per_clip.mean() if reduction == "mean" else per_clip


def softened_logs(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """log q and log p: log softmax(student / T) and log softmax(teacher / T).

    Never the logarithm of a softmax, which is -inf where the softmax is 0. Shapes
    and errors as ``check_pair``; (..., K) each.
    """
    check_pair(student_logits, teacher_logits, temperature)
    log_q = F.log_softmax(at_least_float32(student_logits) / temperature, dim=-1)
    log_p = F.log_softmax(at_least_float32(teacher_logits) / temperature, dim=-1)
    return log_q, log_p


def kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """KL(a || b) = sum_k a_k (log a_k - log b_k), natural logarithm.

    ``log_a``, ``log_b``: logarithms of probabilities, (..., K). Returns (...).
    """
    return (log_a.exp() * (log_a - log_b)).sum(dim=-1)
