"""Matching the logits themselves, without a softmax.

Public names: ``squared_error``.
"""

from __future__ import annotations

from torch import Tensor

from .common import Reduction, at_least_float32, check_pair, reduce


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

    Arguments, result and errors as ``divergences.forward_kl``.
    """
    check_pair(student_logits, teacher_logits, temperature)
    difference = at_least_float32(student_logits) - at_least_float32(teacher_logits)
    return reduce(difference.square().mean(dim=-1), reduction)
