"""What the losses share. Public names: ``Reduction``, ``at_least_float32``,
``softened_logs``, ``comparable``, ``kl``, ``reduce``."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, float32, promote_types

from ..errors import ModelError, RecipeError

Reduction = Literal["mean", "none"]


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision becomes float32; float32 and float64 stay what they are."""
    return x.to(promote_types(x.dtype, float32))


def comparable(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Both logits over T, at least float32. Raises as ``forward_kl``."""
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
    student, teacher = map(at_least_float32, (student_logits, teacher_logits))
    return student / temperature, teacher / temperature


def softened_logs(
    student_logits: Tensor, teacher_logits: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """log q and log p, (..., K) each. Raises as ``forward_kl``.

    Never the logarithm of a softmax, which is -inf where the softmax is 0.
    """
    student, teacher = comparable(student_logits, teacher_logits, temperature)
    return F.log_softmax(student, dim=-1), F.log_softmax(teacher, dim=-1)


def kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """KL(a || b) = sum_k a_k (log a_k - log b_k), from logarithms (..., K)."""
    return (log_a.exp() * (log_a - log_b)).sum(dim=-1)


def reduce(per_clip: Tensor, reduction: Reduction) -> Tensor:
    """The mean over all clips, or the values as they are."""
    return per_clip.mean() if reduction == "mean" else per_clip
