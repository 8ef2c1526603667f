"""Lesson 08, evaluate on benchmarks: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

from copy import deepcopy
from math import comb, erfc

import numpy as np
import torch

from .exercise import Part, changed


def given(*arguments):
    """A case in which nothing is drawn."""
    return lambda rng: deepcopy(arguments)


def edited(function, text):
    """Mistakes, a line each: "name: old -> new" in the source, or several with ";;"."""
    found = {}
    for line in text.strip().splitlines():
        name, _, edits = line.partition(": ")
        pairs = (map(str.strip, edit.split("->")) for edit in edits.split(";;"))
        found[name] = changed(function, *map(tuple, pairs))
    return found


def plainly(answer, *arguments):
    """An array as a tensor, a refusal as text; all else as it is."""
    try:
        value = answer(*arguments)
    except ValueError:
        return "refused with ValueError"
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

IN_ORDER = """
KeyError: network.index(name) -> dict(zip(network, range(99)))[name]
undone: outputs[:, order] -> outputs[:, np.argsort(order)]
labels of outputs: network.index -> data.index ;; in data] -> in network]
labels there are: network.index -> data.index ;; in data] -> in network if name in data]
unmoved: [:, order] -> [:, : len(data)]
videos moved: [:, order] -> [order]
turned: outputs[:, order] -> outputs[:, order].T
left out: in data] -> in data if name in network]
the last one: ) for -> ) if name in network else -1 for
its own number: ) for -> ) if name in network else data.index(name) for
rank: network.index -> sorted(network).index
backwards: [:, order] -> [:, order[::-1]]
sorted names: in data] -> in sorted(data)]
zeros: network.index -> [*network, name].index ;; [:, -> @ np.eye(9)[: len(network),
more refused: in data] -> in (data if len(data) == len(network) else [0])]
numbers alone: outputs[:, order] -> np.array(order)
"""

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
            FIVE, (*FIVE[2:4], FIVE[0], FIVE[4], FIVE[1]), 5
        ),
        "a network of more classes": named(FIVE, (FIVE[3], FIVE[4], FIVE[0])),
        "a class without a partner": named(FIVE[:3], (FIVE[2], "Jumping", FIVE[0])),
    },
    mistakes=edited(in_order, IN_ORDER),
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


BY_FORMULA = """
textbook: p + z**2 / (2 * n) -> p ;; n + z**2 / (4 * n**2) -> n ;; 1 + z**2 / n -> 1
90 percent: 1.96 -> 1.645
two deviations: 1.96 -> 2
half undivided: reach = z * ( -> reach = (1 + z**2 / n) * z * (
one deviation: 1.96 -> 1.0
in percent: + reach) / below -> + reach) / below * 100 ;; - reach) -> - reach) * 100
ends exchanged: reach = z -> reach = -z
around the share: p + z**2 / (2 * n) -> p * (1 + z**2 / n)
share in the middle: p + z**2 / (2 * n) -> p
without the term: p) / n + z**2 / (4 * n**2)) -> p) / n)
undivided: 1 + z**2 / n -> 1
no root: n**2)) ** 0.5 -> n**2))
z left out: z * (p -> (p
n not squared: 4 * n**2 -> 4 * n
no four: (4 * n**2) -> n**2
z not squared: p + z**2 -> p + z ;; + z**2 / (4 -> + z / (4 ;; 1 + z**2 -> 1 + z
middle by n: (2 * n) -> n
half divided: (middle - reach) -> middle - reach ;; (middle + reach) -> middle + reach
"""

wilson = Part(
    by_formula,
    run=to_three_places,
    cases={
        "54 of 61": given(54, 61),
        "all of 61": given(61, 61),
        "none of 7": given(0, 7),
        "222 of 252": given(222, 252),
    },
    mistakes=edited(by_formula, BY_FORMULA),
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


EXACT = """
one side: 2 * tail -> tail
this outcome: range(rarer + 1) -> [rarer]
this outcome once: range(rarer + 1) -> [rarer] ;; 2 * tail -> tail
more seldom: range(rarer + 1) -> range(rarer)
above one: min(1.0, 2 * tail) -> 2 * tail
all videos: n, rarer = only_a + only_b -> n, rarer = len(right_a)
all right ones: (right_a & ~right_b) -> right_a ;; (right_b & ~right_a) -> right_b
all wrong ones: (right_a & ~right_b) -> (~right_a) ;; (right_b & ~right_a) -> (~right_b)
agreeing ones: & ~right_b -> & right_b ;; right_b & ~right_a -> ~right_b & ~right_a
first side: min(only_a, only_b) -> only_a
second side: min(only_a, only_b) -> only_b
frequent side: min(only_a -> max(only_a
statistic: min(1.0, 2 * tail) -> (only_a - only_b) ** 2 / max(1, n)
one minus: min(1.0, 2 * tail) -> 1 - min(1.0, 2 * tail)
"""

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
    mistakes={"curve": by_curve, "curve, corrected": lambda a, b: by_curve(a, b, 1)}
    | edited(exact, EXACT),
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


EXPECTED = """
bins alike: here.mean() * abs -> 1 / len(set(place.tolist())) * abs
by the number of bins: here.mean() * abs -> 1 / bins * abs
bins added: here.mean() * abs -> abs
true class: .max(axis=1) -> [np.arange(len(labels)), labels]
1.0 falls out: bins - 1) -> bins) ;; set(place.tolist()) -> set(place.tolist()) - {bins}
empty bins: set(place.tolist()) -> range(bins)
a bin short: set(place.tolist()) -> set(place.tolist()) - {bins - 1}
1.0 alone: bins - 1) -> bins)
all in one: place == k -> place >= 0 ;; error += -> error =
each video: np.minimum((sure * bins).astype(int), bins - 1) -> np.arange(len(sure))
with sign: abs(sure -> (sure
squared: right[here].mean()) -> right[here].mean()) ** 2
largest: += here.mean() * -> = max(error, ;; right[here].mean()) -> right[here].mean()))
middle of the bin: sure[here].mean() -> (k + 0.5) / bins
ten bins: (sure * bins) -> (sure * 10) ;; bins - 1) -> 9)
in points: += here -> += 100 * here
counts: += here.mean() -> += here.sum()
wrong ones: argmax(axis=1) == -> argmax(axis=1) !=
"""

calibration_error = Part(
    expected_error,
    run=in_list,
    cases={
        "always right, says 60 %": answers([0.6] * 5, [1] * 5),
        "bins of two sizes": answers([0.55] * 8 + [0.95] * 3, [1] * 6 + [0] * 5),
        "two that are quite sure": answers([1, 1, 0.93, 0.85, 0.62], [0, 1, 1, 1, 0]),
        "97 videos": many(5, 10),
        "in seven bins": many(3, 7),
        "one bin": many(3, 1),
    },
    mistakes=edited(expected_error, EXPECTED),
)


# 08.5
def mean_and_spread(results):
    shares = [right / n for right, n in results]
    mean = sum(shares) / len(shares)
    squares = sum((share - mean) ** 2 for share in shares)
    return mean, (squares / (len(shares) - 1)) ** 0.5


SPLITS = """
heap: sum(shares) / len(shares) -> np.divide(*np.sum(results, 0))
heap, spread of lists: return mean -> return np.divide(*np.sum(results, 0))
by n: (len(shares) - 1) -> len(shares)
standard error: - 1)) -> - 1) / len(shares))
interval: (len(shares) - 1)) -> (len(shares) - 1) * 1.96**2 / len(shares))
heap, n: mean, -> np.divide(*np.sum(results, 0)), ;; (shares) - 1) -> (shares))
counts: right / n -> right
spread first: ** 0.5 -> ** 0.5, mean ;; return mean, -> return
variance: (squares / (len(shares) - 1)) ** 0.5 -> squares / (len(shares) - 1)
counting: squares / (len(shares) - 1) -> mean * (1 - mean) / results[0][1]
range: (squares / (len(shares) - 1)) ** 0.5 -> np.ptp(shares)
best: return mean -> return max(shares)
median: return mean -> return float(np.median(shares))
in percent: right / n -> 100 * right / n
"""

split_mean = Part(
    mean_and_spread,
    run=in_list,
    cases={
        "student on UCF101's stand-in": given([(75, 84), (71, 84), (76, 84)]),
        "lists of other sizes": given([(30, 60), (72, 80), (7, 10)]),
        "two lists": given([(8, 10), (300, 500)]),
        "four lists": given([(40, 50), (9, 20), (66, 70), (5, 30)]),
    },
    mistakes=edited(mean_and_spread, SPLITS),
)


# 08.6
def guess(right, **wrong):
    """A prediction; a wrong word or number by the name of its mistake."""
    named = {name.replace("_", " "): value for name, value in wrong.items()}
    return Part(right, mistakes=named, predicted=True)


NOISES = {
    "a": guess("videos", two_networks_seeds="seeds", two_networks_neither="neither"),
    "b": guess("seeds", a_way_videos="videos", a_way_neither="neither"),
    "c": guess("neither", alike_videos="videos", alike_seeds="seeds"),
    "d": guess("videos", long_list_seeds="seeds", long_list_neither="neither"),
    "e": guess("seeds", more_runs_videos="videos", more_runs_neither="neither"),
    "f": guess(1, uncorrected=2, all_three=3, none_of_them=0),
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

BETWEEN = """
not stated, equal: is None or measured[name] -> is not None and measured[name]
nothing equals nothing: published[name] is None or measured -> measured
not stated alone: is None or measured[name] != published[name] -> is None
what is equal: is None or measured[name] != -> is not None and measured[name] ==
numbers compared: "views") -> "views", "top1")
no number, other reasons: is None: -> == 1:
no number, no reason: return ["top1"] -> return []
bare: published[name] is None or -> ;; is None: -> == 1:
every key: published[name] is None or -> ;; "views") -> "views", "top1")
no number and more: return ["top1"] -> return ["top1", "list"]
the first: return found -> return found[:1]
near: return found -> return found * (abs(measured["top1"] - published["top1"]) > 1)
the first only: is None: -> == 1: ;; return found -> return found[:1]
yes or no: return found -> return not found
no or yes: return found -> return bool(found)
"""

reasons = Part(
    what_stands_between,
    run=any_order,
    cases={
        "on the authors' list": given(OURS, OURS | {"views": None, "top1": 88.4}),
        "88 beside 88": given(DRAWN, OURS | {"views": None, "top1": 88.4}),
        "far apart": given(TEACHER, TEACHER | {"top1": 71.1}),
        "only the views": given(TEACHER | {"views": "1x1"}, TEACHER),
        "no number": given(OURS, OURS | {"list": None, "top1": None}),
        "nothing is said of either": given(
            OURS | {"list": None, "views": None},
            OURS | {"list": None, "views": None, "data": "HMDB51", "top1": 82.7},
        ),
    },
    mistakes=edited(what_stands_between, BETWEEN),
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
