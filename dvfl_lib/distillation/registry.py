"""The distillation losses by name, all called alike.

Public names: ``KDLoss``, ``KD_LOSSES``, ``kd_loss``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from torch import Tensor

from ..errors import RecipeError
from .decoupled import decoupled_kd
from .divergences import forward_kl, jensen_shannon, reverse_kl
from .logits import squared_error
from .released import released_code


@dataclass(frozen=True)
class KDLoss:
    """One loss between the logits of student and teacher.

    Attributes:
        function: the loss itself, a function of this package.
        equation: of one clip, with s and t the logits, p = softmax(t / T) and
            q = softmax(s / T).
        source: where it is defined.
        takes_labels: whether the labels are its third argument.
        uses_temperature: whether T changes the result.
    """

    function: Callable[..., Tensor]
    equation: str
    source: str
    takes_labels: bool = False
    uses_temperature: bool = True


KD_LOSSES: dict[str, KDLoss] = {
    "forward_kl": KDLoss(
        forward_kl, "T^2 KL(p || q)", "arXiv 1503.02531 and 2507.12426"
    ),
    "reverse_kl": KDLoss(reverse_kl, "T^2 KL(q || p)", "arXiv 2306.08543"),
    "jensen_shannon": KDLoss(
        jensen_shannon,
        "T^2 (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2",
        "Lin 1991; arXiv 2306.13649",
    ),
    "squared_error": KDLoss(
        squared_error,
        "(1 / K) sum_k (s_k - t_k)^2",
        "arXiv 1312.6184 and 2105.08919",
        uses_temperature=False,
    ),
    "decoupled_kd": KDLoss(
        decoupled_kd,
        "T^2 (TCKD + 8 NCKD)",
        "arXiv 2203.08679",
        takes_labels=True,
    ),
    "released_code": KDLoss(
        released_code,
        "T^2 sum_k p_k (log p_k - q_k)",
        "the released criterion.py of DVFL-Net",
    ),
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
    if not isinstance(name, str) or name not in KD_LOSSES:
        near = get_close_matches(str(name), KD_LOSSES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise RecipeError(
            f"there is no distillation loss {name!r}.{hint} "
            f"Known: {', '.join(KD_LOSSES)}"
        )
    loss = KD_LOSSES[name]
    third = (labels,) if loss.takes_labels else ()
    return loss.function(
        student_logits, teacher_logits, *third, temperature, reduction="none"
    )
