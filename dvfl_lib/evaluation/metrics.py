"""What is counted: accuracies, their uncertainty, and a paired comparison.

Public names: ``Accuracy``, ``wilson_interval``, ``accuracy_of``,
``confusion_matrix``, ``pair_accuracy``, ``family_accuracy``,
``family_chance``, ``mcnemar_p``, ``paired_interval``, ``CONFIDENCE``.

Pure functions of probabilities (N, K) and labels (N); nothing here knows of
videos or files. Accuracies are shares in [0, 1]; only what is shown to people
is in percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt
from statistics import NormalDist

import numpy as np
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
)

from ..errors import DatasetError

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)  # 1.96


@dataclass(frozen=True)
class Accuracy:
    """``correct`` of ``n``; a tie between two classes counts one half."""

    correct: float
    n: int

    @property
    def value(self) -> float | None:
        """Share in [0, 1]; None where there is nothing to count."""
        return self.correct / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson interval of 95 % confidence, or None where n is 0."""
        return wilson_interval(self.correct, self.n) if self.n else None

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary with units in its keys, for JSON."""
        low_high = self.interval
        return {
            "percent": None if self.value is None else 100 * self.value,
            "interval_95_wilson_percent": low_high and [100 * end for end in low_high],
            "correct": self.correct,
            "n": self.n,
        }

    def __str__(self) -> str:
        if self.value is None or self.interval is None:
            return "no video"
        low, high = self.interval
        return f"{100 * self.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def wilson_interval(correct: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 %.

    It stays inside [0, 1] and keeps its confidence for small n and for shares
    near 0 and 1, where the textbook interval does not (Wilson 1927, JASA 22).
    It takes the videos for independent; clips cut from one recording are not
    quite, so the true interval is somewhat wider.
    """
    share, spread = correct / n, _Z**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def accuracy_of(probabilities: np.ndarray, labels: np.ndarray, k: int) -> Accuracy:
    """Top-k accuracy of (N, K) probabilities for (N,) labels, over all videos."""
    share = multiclass_accuracy(
        torch.as_tensor(probabilities),
        torch.as_tensor(labels),
        num_classes=probabilities.shape[1],
        average="micro",
        top_k=k,
    )
    n = len(labels)
    return Accuracy(correct=round(float(share) * n), n=n)


def confusion_matrix(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(K, K) counts: row = true class, column = class of highest probability."""
    counts = multiclass_confusion_matrix(
        torch.as_tensor(probabilities),
        torch.as_tensor(labels),
        num_classes=probabilities.shape[1],
    )
    return counts.numpy().astype(np.int64)


def pair_accuracy(
    probabilities: np.ndarray, labels: np.ndarray, pairs: Sequence[tuple[int, int]]
) -> Accuracy:
    """Accuracy when only the two classes of a video's own pair compete.

    Chance is one half whatever the number of classes: it asks one question
    alone, for the stand-in "forwards or backwards?". Videos whose class is in
    no pair are left out; a tie counts one half.

    Raises:
        DatasetError: a class that does not exist or stands in two pairs.
    """
    members = [c for pair in pairs for c in pair]
    _check_classes(members, probabilities.shape[1], "pair")
    if any(len(pair) != 2 for pair in pairs) or len(set(members)) != len(members):
        raise DatasetError(
            f"pairs are of two classes, each class in one pair at most: {list(pairs)}"
        )
    rival = {a: b for a, b in pairs} | {b: a for a, b in pairs}
    rows = np.array([i for i, y in enumerate(labels) if int(y) in rival], dtype=int)
    own = probabilities[rows, labels[rows]]  # (M,)
    other = probabilities[rows, [rival[int(y)] for y in labels[rows]]]  # (M,)
    correct = (own > other).sum() + 0.5 * (own == other).sum()
    return Accuracy(correct=float(correct), n=len(rows))


def family_accuracy(
    probabilities: np.ndarray, labels: np.ndarray, families: Sequence[Sequence[int]]
) -> Accuracy:
    """How often the top class shares a family with the true class.

    Families may overlap: a class is its own relative and that of every class with
    which it stands in some family.

    Raises:
        DatasetError: a class that does not exist or is in no family.
    """
    alike = _relatives(families, probabilities.shape[1])
    right = alike[labels, probabilities.argmax(axis=1)]
    return Accuracy(correct=int(right.sum()), n=len(labels))


def family_chance(
    labels: np.ndarray, families: Sequence[Sequence[int]], k: int
) -> float:
    """What ``family_accuracy`` is on average for who guesses among k classes."""
    return float(_relatives(families, k)[labels].mean())


def _relatives(families: Sequence[Sequence[int]], classes: int) -> np.ndarray:
    """(K, K) bool: whether two classes stand in one family."""
    members = [c for family in families for c in family]
    _check_classes(members, classes, "family")
    if missing := sorted(set(range(classes)) - set(members)):
        raise DatasetError(f"the families leave out the classes {missing}")
    alike = np.zeros((classes, classes), dtype=bool)
    for family in families:
        alike[np.ix_(family, family)] = True
    return alike


def _check_classes(members: Sequence[int], classes: int, what: str) -> None:
    for c in members:
        if not 0 <= c < classes:
            raise DatasetError(
                f"a {what} names class {c}, but classes run from 0 to {classes - 1}"
            )


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Exact two-sided McNemar test of two classifiers on the same videos.

    Args:
        only_a: videos that only the first got right.
        only_b: videos that only the second got right.

    Returns:
        The chance of a split at least this uneven if each of these videos had
        fallen to either side with probability one half (exact binomial).
    """
    n, least = only_a + only_b, min(only_a, only_b)
    tail = sum(comb(n, i) for i in range(least + 1))
    return min(1.0, 2 * tail / 2**n)


def paired_interval(only_a: int, only_b: int, n: int) -> tuple[float, float]:
    """95 % interval of accuracy(b) - accuracy(a) on the same n videos.

    Agresti and Min (2005, Statistics in Medicine 24): the usual interval after
    half a video is added to each of the four cells (right or wrong, a and b).
    """
    a, b, total = only_a + 0.5, only_b + 0.5, n + 2
    difference = (b - a) / total
    half = _Z * sqrt((a + b) - (b - a) ** 2 / total) / total
    return max(-1.0, difference - half), min(1.0, difference + half)
