"""What lesson 06 measures of losses and networks.

Public names: ``DrawnAnswers``, ``answers_to_drawn_clips``, ``SimplexField``,
``simplex_field``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..standins import TEST_GROUPS
from ..vfl_net import VFLNet
from ..video.transforms import normalise
from .trained import SPLIT, lesson_clip

_BATCH = 28  # clips at a time
_STEPS = 42  # along a side of the triangle


@dataclass(frozen=True)
class DrawnAnswers:
    """What networks say of the same clips of the stand-in's test groups."""

    logits: dict[str, Tensor]  # network -> (N, K)
    # network -> (N, C), what its head gets: the mean of the last tokens
    features: dict[str, Tensor]
    labels: Tensor  # the true classes, whole numbers (N,)


@torch.no_grad()
def answers_to_drawn_clips(
    networks: Mapping[str, VFLNet], classes: Sequence[str]
) -> DrawnAnswers:
    """Draw the first clip of each test group and class, and ask every network.

    The clips are those of ``lesson_clip``, class by class in the order of
    ``classes``.
    """
    labels, logits, features = [], {n: [] for n in networks}, {n: [] for n in networks}
    places = [(c, group) for c in range(len(classes)) for group in TEST_GROUPS[SPLIT]]
    for start in range(0, len(places), _BATCH):
        part = places[start : start + _BATCH]
        drawn = [lesson_clip(classes[c], group=group) for c, group in part]
        batch = normalise(torch.stack(drawn))  # (B, T, 3, H, W)
        labels += [label for label, _ in part]
        for name, network in networks.items():
            tokens = network.forward_features(batch)  # (B, T, h, w, C)
            logits[name].append(network.forward_head(tokens))
            features[name].append(tokens.mean(dim=(2, 3)).mean(dim=1))  # (B, C)
    return DrawnAnswers(
        {name: torch.cat(parts) for name, parts in logits.items()},
        {name: torch.cat(parts) for name, parts in features.items()},
        torch.tensor(labels),
    )


@dataclass(frozen=True)
class SimplexField:
    """How one loss moves a student over the triangle of three classes."""

    points: Tensor  # the students' probabilities, (N, 3)
    moves: Tensor  # where descent on the logits moves each, (N, 3), sums of zero
    sizes: Tensor  # length of the gradient by the logits, (N,)
    arrows: Tensor  # which points bear an arrow in a picture, bool (N,)


def simplex_field(
    loss: Callable[[Tensor, Tensor, float], Tensor], teacher: Sequence[float]
) -> SimplexField:
    """The gradient of a distillation loss for students all over the triangle.

    A student with probabilities q has the logits log q, less their mean; so has the
    teacher. A small step down the gradient g by the logits moves q by
    -(q_k g_k - q_k sum_j q_j g_j), but for a positive factor.

    Args:
        loss: called with logits of students and of the teacher, (N, 3) each, and
            T = 1; gives a value for each student, (N,).
        teacher: three positive probabilities of sum one.
    """
    p = torch.tensor(list(teacher), dtype=torch.float64)
    side = range(_STEPS + 1)
    counts = [(i, j, _STEPS - i - j) for i in side for j in side if i + j <= _STEPS]
    inside = torch.tensor(counts, dtype=torch.float64)  # (N, 3)
    # A third of a step towards the middle: on the border a logit is infinite.
    q = (inside + 1 / 3) / (_STEPS + 1)
    logits = [x.log() - x.log().mean(-1, keepdim=True) for x in (q, p)]
    student = logits[0].requires_grad_()
    with torch.enable_grad():
        each = loss(student, logits[1].expand_as(q), 1.0)
    (gradient,) = torch.autograd.grad(each.sum(), student)
    moves = -q * (gradient - (q * gradient).sum(dim=1, keepdim=True))
    arrows = (inside[:, :2] % 4 == 2).all(dim=1)
    return SimplexField(q, moves, gradient.norm(dim=1), arrows)
