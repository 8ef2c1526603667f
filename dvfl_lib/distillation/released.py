"""What the released code of DVFL-Net computes in place of the paper's loss.

Public names: ``released_code``, ``random_head``.

Read in github.com/hayatkhan8660-maker/DVFL-Net at commit c695f6a. Both are here to
be measured against the paper's loss, not to be used.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..seeding import fixed_rng
from .common import Reduction, reduce, softened_logs

# Standard deviation of the new head's weights and biases.
_STD = 0.02


def released_code(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float,
    reduction: Reduction = "mean",
) -> Tensor:
    """T^2 * sum_k p_k (log p_k - q_k), averaged over the batch.

    With p = softmax(teacher / T) and q = softmax(student / T). It has q where
    ``forward_kl`` has log q, so it is no divergence: it equals
    -T^2 (H(p) + <p, q>) and is negative everywhere. Only <p, q> depends on the
    student, and it is greatest, the loss -T^2 (H(p) + max_k p_k), for a student that
    gives the teacher's most likely class everything. The gradient of one clip's loss
    is -T q_j (p_j - <p, q>); it is not zero where the student equals the teacher,
    unless that gives every class the same.

    Source: ``classification/criterion.py:15-19``. Where a p_k is rounded to 0, the
    released expression is 0 * log 0, not a number; here that term is its limit, 0.

    Arguments, result and errors as ``losses.forward_kl``.
    """
    log_q, log_p = softened_logs(student_logits, teacher_logits, temperature)
    per_clip = (log_p.exp() * (log_p - log_q.exp())).sum(dim=-1)
    return reduce(temperature**2 * per_clip, reduction)


def random_head(teacher: nn.Module, seed: int, rank: int = 0) -> nn.Module:
    """A copy of the teacher whose last layer is drawn anew; the teacher stays as it is.

    Before the teacher's weights are loaded, ``main_KD.py:110-113`` of the released
    code overwrites those of its head with a truncated normal, and ``:387`` seeds each
    process with its seed + rank. The copy in each process then has another head, and
    gives other opinions about the same features.

    Weight and bias have standard deviation 0.02, cut at -2 and 2, as in the four lines
    of Video-FocalNets' ``main.py`` that remake a head before training
    (github.com/TalalWasim/Video-FocalNets). That ``main_KD.py`` has the same width is
    our inference. The draw itself is ours: the same (seed, rank) gives the same head
    on every machine.

    Args:
        teacher: a network whose last layer is an ``nn.Linear`` named ``head``.
        seed: of the run.
        rank: number of the process, from 0.

    Raises:
        ModelError: the network has no such head.
    """
    if not isinstance(getattr(teacher, "head", None), nn.Linear):
        raise ModelError(
            f"{type(teacher).__name__} has no linear layer named 'head' to draw anew; "
            "give a network of dvfl_lib.create_model"
        )
    changed = copy.deepcopy(teacher)
    with torch.no_grad(), fixed_rng(seed, "random head", rank):
        for parameter in changed.head.parameters():  # weight, then bias
            drawn = torch.empty(parameter.shape, device="cpu")
            nn.init.trunc_normal_(drawn, std=_STD, a=-2.0, b=2.0)
            parameter.copy_(drawn)
    return changed
