"""What the student is asked to match: labels, and the teacher's softened opinion.

Public names: ``forward_kl``, ``released_code``, ``nckd``, ``random_head``,
``KD_LOSSES``, ``kd_loss``, ``soft_cross_entropy``, ``distillation_loss``,
``MatchedStudent``, ``MatchingKind``, ``teacher_signals``, ``matching_loss``.

The total loss of DVFL-Net (framework figure of arXiv 2507.12426) is

    L = alpha * L_kd + (1 - alpha) * L_ce
    L_kd = T^2 * KL(softmax(teacher / T) || softmax(student / T))

with the *forward* KL divergence: the student pays for every class that the teacher
holds possible and it does not. Its rivals stand in losses.py and decoupled.py. All
compute in float32 whatever the logits' type (float64 stays float64); logits of 1e4
and half precision do no harm.
"""

from .decoupled import nckd
from .features import MatchedStudent, MatchingKind, matching_loss, teacher_signals
from .losses import (
    KD_LOSSES,
    distillation_loss,
    forward_kl,
    kd_loss,
    random_head,
    released_code,
    soft_cross_entropy,
)
