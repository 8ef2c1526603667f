"""What lesson 06 measures of losses and networks.

Public names: ``DrawnAnswers``, ``answers_to_drawn_clips``, ``loss_gradient``,
``SimplexField``, ``simplex_field``, ``mean_softmax``, ``profile_correlation``,
``likeness_within_classes``.

Opinions here are probabilities softmax(logits / T). A class's *profile* is the mean
opinion about its clips; its own entry is left out where profiles are compared,
because every network that is any good has it large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..distillation import kd_loss
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


def loss_gradient(
    name: str, student_logits: Tensor, teacher_logits: Tensor, temperature: float
) -> Tensor:
    """The gradient of each clip's own ``distillation.kd_loss`` by the student's logits.

    Logits and gradient are (B, K).
    """
    student = student_logits.detach().clone().requires_grad_()
    with torch.enable_grad():
        loss = kd_loss(name, student, teacher_logits.detach(), None, temperature)
        (gradient,) = torch.autograd.grad(loss.sum(), student)
    return gradient


@dataclass(frozen=True)
class SimplexField:
    """How one loss moves a student over the triangle of three classes."""

    points: Tensor  # the students' probabilities, (N, 3)
    moves: Tensor  # where descent on the logits moves each, (N, 3), sums of zero
    sizes: Tensor  # length of the gradient by the logits, (N,)
    arrows: Tensor  # which points bear an arrow in a picture, bool (N,)


def simplex_field(name: str, teacher: Sequence[float]) -> SimplexField:
    """The gradient of a distillation loss for students all over the triangle.

    A student with probabilities q has the logits log q, less their mean; so has the
    teacher. A small step down the gradient g by the logits moves q by
    -(q_k g_k - q_k sum_j q_j g_j), but for a positive factor.

    Args:
        name: one of ``KD_LOSSES``; ``decoupled_kd`` takes the teacher's most likely
            class as target.
        teacher: three positive probabilities of sum one.
    """
    p = torch.tensor(list(teacher), dtype=torch.float64)
    side = range(_STEPS + 1)
    counts = [(i, j, _STEPS - i - j) for i in side for j in side if i + j <= _STEPS]
    inside = torch.tensor(counts, dtype=torch.float64)  # (N, 3)
    # A third of a step towards the middle: on the border a logit is infinite.
    q = (inside + 1 / 3) / (_STEPS + 1)
    logits = [x.log() - x.log().mean(-1, keepdim=True) for x in (q, p)]
    gradient = loss_gradient(name, logits[0], logits[1].expand_as(q), temperature=1.0)
    moves = -q * (gradient - (q * gradient).sum(dim=1, keepdim=True))
    arrows = (inside[:, :2] % 4 == 2).all(dim=1)
    return SimplexField(q, moves, gradient.norm(dim=1), arrows)


def mean_softmax(logits: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Row k: the mean of softmax(logits / T) over the clips of class k. (K, K)"""
    opinions = (logits / temperature).softmax(dim=1)  # (N, K)
    classes = range(logits.shape[1])
    return torch.stack([opinions[labels == k].mean(dim=0) for k in classes])


def profile_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Row by row the correlation of two (K, K) matrices without diagonal: (K,).

    1 where both think the same wrong classes likely, up to a factor and a shift.
    """
    rest = ~torch.eye(len(first), dtype=torch.bool)
    one, two = (m[rest].view(len(m), -1) for m in (first, second))  # (K, K - 1)
    one, two = (m - m.mean(dim=1, keepdim=True) for m in (one, two))
    return torch.cosine_similarity(one, two, dim=1)


def likeness_within_classes(
    first: Tensor, second: Tensor, labels: Tensor, temperature: float
) -> float:
    """The correlation of two networks' wrong log-probabilities, class means removed.

    Profiles can be alike because the classes are as they are. What is left after
    each class's mean is subtracted speaks of single clips. Logits are (N, K).
    """
    wrong = torch.ones_like(first, dtype=torch.bool)
    wrong.scatter_(1, labels.unsqueeze(1), False)
    left = []
    for logits in (first, second):
        logs = (logits / temperature).log_softmax(dim=1)  # (N, K)
        for k in labels.unique():
            logs[labels == k] -= logs[labels == k].mean(dim=0)
        left.append(logs[wrong])
    return float(torch.corrcoef(torch.stack(left))[0, 1])
