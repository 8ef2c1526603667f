"""Lesson 08, evaluate on benchmarks: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

from math import comb, erfc

import numpy as np
import torch

from .exercise import Part, given, guess


def plainly(answer, *arguments):
    """An array as a tensor, a refusal as text; all else as it is."""
    try:
        value = answer(*arguments)
    except ValueError:
        return "refused with ValueError"
    if isinstance(value, ValueError):
        return "returned a ValueError"
    return torch.as_tensor(value) if isinstance(value, np.ndarray) else value


def in_list(answer, *arguments):
    """One number, or several as a list, in whatever they came."""
    value = answer(*arguments)
    value = np.asarray(value).tolist() if not np.isscalar(value) else value
    return "not a number" if value != value else value


# 08.1
def in_order(outputs, network, data):
    order = [network.index(name) for name in data]
    return outputs[:, order]


def named(network, data, count=7):
    """A case: outputs of so many videos, and the classes of network and data set."""
    shape = count, len(network)
    return lambda rng: (torch.rand(shape, generator=rng).numpy(), [*network], [*data])


FIVE = ("Rising", "Vanishing", "Sinking", "Swelling", "Appearing")
LONGER = ("Swelling", "Pull", "PullUps", "Swell", "Appearing")  # one begins another


in_order_of_data = Part(
    in_order,
    run=plainly,
    axes="N K",
    cases={
        "the two that UCF50 moves": given(
            np.array([[0.1, 0.7, 0.2]]),
            ["Sinking", "SinkToBack", "Swelling"],
            ["SinkToBack", "Sinking", "Swelling"],
        ),
        "three in a ring": named(FIVE[:3], (FIVE[2], *FIVE[:2])),
        "as many videos as classes": named(
            LONGER, (*LONGER[2:4], LONGER[0], LONGER[4], LONGER[1]), 5
        ),
        "a network of more classes": named(FIVE, (FIVE[3], FIVE[4], FIVE[0])),
        "a class without a partner": named(FIVE[:3], ("vanishing", FIVE[2], FIVE[0])),
    },
)


# 08.2
def by_formula(right, n, z=1.96):
    p = right / n
    middle = p + z**2 / (2 * n)
    reach = z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    below = 1 + z**2 / n
    return (middle - reach) / below, (middle + reach) / below


def to_three_places(answer, *arguments):
    """As fine as the lesson prints them: trying all p will do."""
    return [round(float(end), 3) for end in answer(*arguments)]


def in_steps(right, n, steps):
    p = np.linspace(0, 1, steps + 1)
    near = p[abs(right / n - p) <= 1.96 * (p * (1 - p) / n) ** 0.5]
    return near.min(), near.max()


wilson = Part(
    by_formula,
    run=to_three_places,
    cases={
        "54 of 61": given(54, 61),
        "all of 61": given(61, 61),
        "none of 7": given(0, 7),
        "222 of 252": given(222, 252),
    },
    mistakes={
        "steps of a percent": lambda right, n: in_steps(right, n, 100),
        "a thousand steps": lambda right, n: in_steps(right, n, 1000),
    },
)


# 08.3
def exact(right_a, right_b):
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n, rarer = only_a + only_b, min(only_a, only_b)
    tail = sum(comb(n, k) for k in range(rarer + 1)) / 2**n
    return min(1.0, 2 * tail)


def by_curve(right_a, right_b, less=0):
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    apart = max(0, abs(only_a - only_b) - less)
    return erfc(apart / (2 * max(1, only_a + only_b)) ** 0.5)


def videos(only_a, only_b, both, neither):
    """A case: on how many videos who is right; the videos in any order."""

    def drawn(rng):
        kinds = [(1, 0)] * only_a + [(0, 1)] * only_b + [(1, 1)] * both
        table = np.array(kinds + [(0, 0)] * neither, dtype=bool)
        return tuple(table[torch.randperm(len(table), generator=rng).numpy()].T)

    return drawn


mcnemar = Part(
    exact,
    run=in_list,
    cases={
        "9 against 22": videos(9, 22, 213, 8),
        "11 against 2": videos(11, 2, 31, 5),
        "as many on either side": videos(5, 5, 20, 3),
        "none on one side": videos(0, 7, 13, 2),
        "the same answers": videos(0, 0, 17, 4),
        "40 against 15": videos(40, 15, 60, 20),
    },
    mistakes={
        "curve": by_curve,
        "curve, corrected": lambda a, b: by_curve(a, b, 1),
    },
)


# 08.4
def expected_error(probabilities, labels, bins=10):
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((sure * bins).astype(int), bins - 1)
    error = 0.0
    for k in set(place.tolist()):
        here = place == k
        error += here.mean() * abs(sure[here].mean() - right[here].mean())
    return error


def answers(sure, right):
    """A case: how sure each answer is, and whether it is right, written out."""
    sure = np.array(sure)
    rest = (1 - sure) / 2
    first, second = np.where(right, (sure, rest), (rest, sure))
    labels = np.zeros(len(sure), dtype=int)
    return given(np.stack([first, second, rest], axis=1), labels, 10)


def many(classes, bins, count=97):
    """A case: drawn answers, of which more than half are right."""

    def drawn(rng):
        logits = 2 * torch.randn(count, classes, generator=rng)
        other = torch.randint(0, classes, (count,), generator=rng)
        kept = torch.rand(count, generator=rng) < 0.6
        labels = torch.where(kept, logits.argmax(1), other).numpy()
        return logits.double().softmax(1).numpy(), labels, bins

    return drawn


calibration_error = Part(
    expected_error,
    run=in_list,
    cases={
        "always right, says 60 %": answers([0.6] * 5, [1] * 5),
        "bins of two sizes": answers([0.55] * 8 + [0.95] * 3, [1] * 6 + [0] * 5),
        "two that are quite sure": answers([1, 1, 0.93, 0.85, 0.62], [0, 1, 1, 1, 0]),
        "a confidence on an edge": answers([0.5, 0.5, 0.46, 0.58], [1, 1, 0, 0]),
        "97 videos": many(5, 10),
        "in seven bins": many(3, 7),
        "one bin": many(3, 1),
    },
)


# 08.5
def mean_and_spread(results):
    shares = [right / n for right, n in results]
    mean = sum(shares) / len(shares)
    squares = sum((share - mean) ** 2 for share in shares)
    return mean, (squares / (len(shares) - 1)) ** 0.5


split_mean = Part(
    mean_and_spread,
    run=in_list,
    cases={
        "student on UCF101's stand-in": given([(75, 84), (71, 84), (76, 84)]),
        "lists of other sizes": given([(30, 60), (72, 80), (7, 10)]),
        "two lists": given([(8, 10), (300, 500)]),
        "four lists": given([(40, 50), (9, 20), (66, 70), (5, 30)]),
    },
)


# 08.6
NOISES = {
    "a": guess("videos"),
    "b": guess("seeds"),
    "c": guess("neither"),
    "d": guess("videos"),
    "e": guess("seeds"),
    "f": guess(1),
}


# 08.7
def what_stands_between(measured, published):
    if published["top1"] is None:
        return ["top1"]
    found = []
    for name in ("data", "network", "list", "views"):
        if published[name] is None or measured[name] != published[name]:
            found.append(name)
    return found


def any_order(answer, *arguments):
    """Reasons in one order."""
    value = answer(*arguments)
    return sorted(value, key=str) if isinstance(value, list | tuple | set) else value


OURS = dict(data="UCF101", network="DVFL-Net", list="authors", views="4x3", top1=88.1)
DRAWN = dict(data="stand-in", network="student", list="1", views="1x1", top1=88.1)
TEACHER = dict(
    data="SSv2", network="Video-FocalNet-B", list="1", views="4x3", top1=59.5
)


reasons = Part(
    what_stands_between,
    run=any_order,
    cases={
        "on the authors' list": given(OURS, OURS | {"views": None, "top1": 88.4}),
        "88 beside 88": given(DRAWN, OURS | {"views": None, "top1": 88.4}),
        "far apart": given(TEACHER, TEACHER | {"top1": 0.0}),
        "only the views": given(TEACHER | {"views": None}, TEACHER),
        "no number": given(OURS, OURS | {"list": None, "top1": None}),
        "nothing is said of either": given(
            OURS | {"list": None, "views": None},
            OURS | {"list": None, "views": None, "data": "HMDB51", "top1": 82.7},
        ),
    },
)


PARTS = {
    "08.1": in_order_of_data,
    "08.2": wilson,
    "08.3": mcnemar,
    "08.4": calibration_error,
    "08.5": split_mean,
    "08.6": NOISES,
    "08.7": reasons,
}
