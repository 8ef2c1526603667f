"""Lesson 06, knowledge distillation: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

from math import log

import torch
import torch.nn.functional as F

from ..distillation import kd_loss
from .exercise import Part, guess, normal

# The lesson's student A and its teacher's opinion of a clip; the triangle's two points.
A, P = torch.tensor([[[0.6, 0.3, 0.1]], [[0.53886, 0.42198, 0.03916]]]).log()
SURE, STAR = torch.tensor([[[0.001, 0.001, 0.998]], [[0.55, 0.35, 0.10]]]).log()
FAR = torch.tensor([[1.0, -3000.0, 0.0]])


def two(clips, classes, *more):
    """Logits of a student and of a teacher, and what else a call gets."""
    return lambda rng: (
        2 * normal(rng, clips, classes),
        3 * normal(rng, clips, classes),
        *(one(rng) if callable(one) else one for one in more),
    )


OPEN = {"student A, T = 1": lambda rng: (A.clone(), P.clone(), 1.0)}
CLOSED = {
    "five clips, seven classes": two(5, 7, 4.0),
    "one clip": two(1, 11, 3.0),
    "as many clips as classes": two(5, 5, 2.0),
    "T below 1": two(7, 3, 0.5),
}
PARTS = {}
PARTS["06.1"] = {
    "of_sum": guess(2.4),
    "of_mean": guess(0.025),
    "of_batchmean": guess(0.3),
    "fourth": guess("exchanged"),
    "fifth": guess("no log"),
}


def divergence(student, teacher, T):
    log_q = (student / T).log_softmax(dim=-1)
    log_p = (teacher / T).log_softmax(dim=-1)
    each = (log_p.exp() * (log_p - log_q)).sum(dim=-1)
    return T**2 * each.mean()


PARTS["06.2"] = Part(
    divergence,
    cases=OPEN | CLOSED | {"a far logit": lambda rng: (FAR.clone(), P.clone(), 2.0)},
)


def pull(student, teacher, T):
    q, p = ((z / T).softmax(dim=-1) for z in (student, teacher))
    return T * (q - p)


def turn(student, teacher, T):
    log_q, log_p = ((z / T).log_softmax(dim=-1) for z in (student, teacher))
    q, ratio = log_q.exp(), log_q - log_p
    return T * q * (ratio - (q * ratio).sum(dim=-1, keepdim=True))


def released(student, teacher, T):
    q, p = ((z / T).softmax(dim=-1) for z in (student, teacher))
    return -T * q * (p - (p * q).sum(dim=-1, keepdim=True))


PARTS["06.3"] = {
    "kl_gradient": Part(
        pull,
        cases=OPEN | CLOSED,
        mistakes={
            "reverse": turn,
            "released": released,
        },
        axes="B K",
    ),
    "limit": guess(0.5),
}


def both_losses(student, teacher, labels, alpha, T):
    log_q = (student / T).log_softmax(dim=-1)
    p = (teacher.detach() / T).softmax(dim=-1)
    teaching = T**2 * F.kl_div(log_q, p, reduction="batchmean")
    return alpha * teaching + (1 - alpha) * F.cross_entropy(student, labels)


def who_learns(answer, student, teacher, labels, alpha, T, teachable=False):
    """The loss, and the lengths of the gradients that student and teacher get."""
    both = student.clone().requires_grad_(), teacher.clone().requires_grad_(teachable)
    loss = answer(*both, labels, alpha, T)
    if getattr(loss, "requires_grad", False):
        loss.sum().backward()
    pulls = [0.0 if z.grad is None else z.grad.norm().item() for z in both]
    return None if loss is None else [loss, *pulls]


def with_labels(clips, classes, *rest):
    """Labels, too, each class as often as another, so that none is without a clip."""
    labels = (lambda rng: torch.randperm(clips, generator=rng) % classes,)
    return two(clips, classes, *labels, *rest)


PARTS["06.4"] = Part(
    both_losses,
    cases={
        "student A": lambda rng: (A.clone(), P.clone(), torch.tensor([0]), 0.5, 1.0),
        "five clips, seven classes": with_labels(5, 7, 0.2, 4.0),
        "as many clips as classes": with_labels(5, 5, 0.7, 2.0),
        "labels alone": with_labels(3, 11, 0.0, 4.0),
        "a teacher that could learn": with_labels(3, 7, 0.9, 3.0, True),
    },
    mistakes={
        "no gradient": lambda *given: both_losses(*given).item(),
    },
    run=who_learns,
)


def shares(clips, classes, lift=0.0):
    """Opinions (clips, classes), where the first class may be liked best by all."""
    first = torch.tensor([lift] + [0.0] * (classes - 1))
    return lambda rng: ((normal(rng, clips, classes) + first).softmax(dim=-1),)


def one_zero(opinions):
    opinions[0, 0] = 0.0
    return opinions / opinions.sum(dim=-1, keepdim=True)


def arithmetic(opinions):
    return opinions.mean(dim=0)


def geometric(opinions):
    return opinions.log().mean(dim=0).softmax(dim=0)


LESSON = torch.tensor([[0.6, 0.399, 0.001], [0.001, 0.399, 0.6]])
OPINIONS = {
    "the two clips of the lesson": lambda rng: (LESSON.clone(),),
    "five clips, seven classes": shares(5, 7),
    "as many clips as classes": shares(3, 3),
    "one clip": shares(1, 5),
    "a share of zero": lambda rng: (one_zero(*shares(5, 7)(rng)),),
    "211 clips": shares(211, 5, 4.0),
}
PARTS["06.5"] = {
    "best_forward": Part(
        arithmetic,
        cases=OPINIONS,
        mistakes={
            "forward: geometric": geometric,
            "forward: summed": lambda P: P.sum(dim=0),
            "forward: over classes": lambda P: P.mean(dim=1),
            "forward: softmax": lambda P: P.mean(dim=0).softmax(dim=0),
        },
        axes="K",
    ),
    "best_reverse": Part(
        geometric,
        cases=OPINIONS,
        mistakes={
            "reverse: mean": lambda P: P.mean(dim=0),
            "reverse: favourite": lambda P: geometric(P).mul(1e4).softmax(dim=0),
            "reverse: not rescaled": lambda P: P.log().mean(dim=0).exp(),
            "reverse: product": lambda P: P.log().sum(dim=0).softmax(dim=0),
            "reverse: to zero": lambda P: F.normalize(P.prod(0) ** (1 / len(P)), 1, 0),
            "reverse: log left in": lambda P: P.log().mean(dim=0),
            "reverse: root alone": lambda P: P.prod(dim=0) ** (1 / len(P)),
        },
        axes="K",
    ),
    "middle": guess(-0.2),
    "price": guess(-log(0.7)),
}


def two_tests(loss):
    T, teacher = 4.0, torch.tensor([[3.0, 1.0, 0.0, -2.0, 2.0]])
    equal = teacher.clone().requires_grad_()
    (pulled,) = torch.autograd.grad(loss(equal, teacher, T).sum(), equal)
    free = torch.zeros_like(teacher).requires_grad_()
    descent = torch.optim.LBFGS([free], max_iter=15, line_search_fn="strong_wolfe")

    def value():
        descent.zero_grad()
        found = loss(free, teacher, T).sum()
        found.backward()
        return found

    descent.step(value)
    q, p = (free / T).softmax(dim=-1), (teacher / T).softmax(dim=-1)
    return bool(pulled.abs().max() < 1e-3), bool((q - p).abs().max() < 0.01)


def soft_cross_entropy(student, teacher, T):
    return F.cross_entropy(student / T, (teacher / T).softmax(-1), reduction="none")


def of_the_favourite(student, teacher, T):
    q, p = ((z / T).softmax(dim=-1) for z in (student, teacher))
    return (q - p).gather(-1, p.argmax(-1, keepdim=True)).square().sum(dim=-1)


def named(name, weight=1, power=0, lift=0):
    return lambda s, t, T: weight * kd_loss(name, s, t * T**power + lift, None, T)


def beside(student, teacher, T):
    """So little beside the teacher that a descent arrives, but not at T = 1."""
    aim = teacher + 0.12 * F.one_hot(teacher.argmax(-1), teacher.shape[-1])
    return (student - aim).square().sum(dim=-1)


LOSSES = {
    "forward KL": named("forward_kl"),
    "released formula": named("released_code"),
    "soft cross-entropy": soft_cross_entropy,
    "squared error": named("squared_error"),
    "squared error, one above the teacher": named("squared_error", lift=1),
    "squared error, a little beside the teacher": beside,
    "label of the teacher's favourite": named("hard_label"),
    "forward KL with a minus": named("forward_kl", weight=-1),
    "share of the favourite alone": of_the_favourite,
    "temperature for the student alone": named("forward_kl", power=1),
}
PARTS["06.6"] = Part(
    two_tests,
    cases={name: lambda rng, loss=loss: (loss,) for name, loss in LOSSES.items()},
)

PARTS["06.7"] = {
    "reverse_gradient": Part(
        turn,
        cases={"sure, wrong": lambda rng: (SURE.clone(), STAR.clone(), 1.0)} | CLOSED,
        mistakes={
            "forward's": pull,
            "forward exchanged": lambda s, t, T: -pull(s, t, T),
            "exchanged": lambda s, t, T: turn(t, s, T),
            "released": released,
            "not softened": lambda s, t, T: T * turn(s, t, 1.0),
        },
        axes="B K",
    ),
    "at_the_teacher": guess(-0.06),
}


def first_wrong(logits, labels):
    return logits.scatter(1, labels[:, None], -torch.inf).argmax(dim=1)


def without(values, labels):
    """Without each row's true class, one column fewer."""
    keep = F.one_hot(labels, values.shape[1]) == 0
    return values[keep].view(len(values), -1)


def likeness(student, teacher, labels, T):
    rows = []
    for z in (student, teacher):
        p, every = (z / T).softmax(dim=1), torch.arange(z.shape[1])
        profiles = torch.stack([p[labels == k].mean(dim=0) for k in every])
        wrong = without(profiles, every)
        rows.append(wrong - wrong.mean(dim=1, keepdim=True))
    return F.cosine_similarity(*rows, dim=1)


def clip_by_clip(student, teacher, labels, T):
    rows = (without((z / T).softmax(dim=1), labels) for z in (student, teacher))
    each = F.cosine_similarity(*(r - r.mean(dim=1, keepdim=True) for r in rows), dim=1)
    return torch.stack([each[labels == k].mean() for k in range(student.shape[1])])


def below_zero(clips, classes):
    """Logits that are all below zero, and labels."""
    made = with_labels(clips, classes)
    return lambda rng: (lambda z, *rest: (9 * z - 99, rest[-1]))(*made(rng))


ROUND = torch.arange(13) % 5  # the labels of 13 clips
PARTS["06.8"] = {
    "second_thought": Part(
        first_wrong,
        cases={
            "the clip of section 2": lambda rng: (P - 9, torch.tensor([0])),
            "29 clips, seven classes": below_zero(29, 7),
            "13 clips, three classes": below_zero(13, 3),
            "as many clips as classes": below_zero(11, 11),
        },
        mistakes={
            "second largest": lambda z, y: z.topk(2, dim=1).indices[:, 1],
            "favourite": lambda z, y: z.argmax(dim=1),
            "column of a label": lambda z, y: z.index_fill(1, y, -torch.inf).argmax(1),
            "class removed": lambda z, y: without(z, y).argmax(dim=1),
        },
        axes="B",
    ),
    "profile_correlation": Part(
        likeness,
        cases={
            "the teacher itself": lambda rng: (z := normal(rng, 13, 5), z, ROUND, 4.0),
            "29 clips, seven classes, T = 4": with_labels(29, 7, 4.0),
            "17 clips, five classes, T = 1": with_labels(17, 5, 1.0),
            "one clip of each, T = 2": with_labels(11, 11, 2.0),
        },
        mistakes={
            "no temperature": lambda s, t, y, T: likeness(s, t, y, 1.0),
            "one number": lambda *given: likeness(*given).mean(),
            "clip by clip": clip_by_clip,
        },
        axes="K",
    ),
}
