"""What the student is asked to match: labels, and the teacher's softened opinion.

Public names: ``forward_kl``, ``reverse_kl``, ``jensen_shannon``, ``squared_error``,
``tckd``, ``nckd``, ``decoupled_kd``, ``released_code``, ``random_head``, ``KDLoss``,
``KD_LOSSES``, ``kd_loss``, ``soft_cross_entropy``,
``distillation_loss``, ``MatchedStudent``, ``MatchingKind``, ``teacher_signals``,
``matching_loss``.

The total loss of DVFL-Net (framework figure of arXiv 2507.12426) is

    L = alpha * L_kd + (1 - alpha) * L_ce
    L_kd = T^2 * KL(softmax(teacher / T) || softmax(student / T))

with the *forward* KL divergence: the teacher is the reference, so the student pays
for every class that the teacher holds possible and the student does not. What the
factor T^2 is for, ``losses.py`` says.

Its rivals stand beside it, one small function each: the student's logits first, the
teacher's second, a mean over the batch or one value per clip.

All losses are pure. They compute in float32 whatever the logits' type (float64
stays float64) and never take the logarithm of a softmax, so logits of 1e4 and
half precision do no harm.
"""

from .decoupled import decoupled_kd, nckd, tckd
from .features import MatchedStudent, MatchingKind, matching_loss, teacher_signals
from .losses import (
    KD_LOSSES,
    KDLoss,
    distillation_loss,
    forward_kl,
    jensen_shannon,
    kd_loss,
    reverse_kl,
    soft_cross_entropy,
    squared_error,
)
from .released import random_head, released_code

__all__ = [
    "KDLoss",
    "KD_LOSSES",
    "MatchedStudent",
    "MatchingKind",
    "decoupled_kd",
    "distillation_loss",
    "forward_kl",
    "jensen_shannon",
    "kd_loss",
    "matching_loss",
    "nckd",
    "random_head",
    "released_code",
    "reverse_kl",
    "soft_cross_entropy",
    "squared_error",
    "tckd",
    "teacher_signals",
]
