"""What is counted: accuracies, their uncertainty, calibration, paired comparison.

Public names: ``METRICS``, ``Metric``, ``Accuracy``, ``wilson_interval``,
``accuracy_of``, ``mcnemar_p``, ``paired_interval``, ``CONFIDENCE``;
``calibration_of``, ``Calibration``, ``ConfidenceBin``.

Pure functions of probabilities (N, K) and labels (N). Accuracies are shares in [0, 1];
only what is shown to people is in percent. One more metric is a function here and a
row in ``METRICS``: results, tables and reports show what stands there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import torch
from scipy.stats import binomtest
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
)

CONFIDENCE = 0.95
_BINS = 10  # of confidence
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
        low_high = self.interval
        return {
            "percent": None if self.value is None else 100 * self.value,
            "interval_95_wilson_percent": low_high and [100 * end for end in low_high],
            "correct": self.correct,
            "n": self.n,
        }

    def __str__(self) -> str:
        if not self.n:
            return "no video"
        low, high = self.interval
        return f"{100 * self.value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def wilson_interval(correct: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 %.

    It keeps its confidence for small n and for shares near 0 and 1, where the
    textbook interval does not (Wilson 1927, JASA 22). It takes the videos for
    independent; clips cut from one recording are not quite, so the true interval is
    wider. Ties count one half, which ``scipy.stats.binomtest`` does not take.
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
    return Accuracy(correct=round(float(share) * len(labels)), n=len(labels))


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Exact two-sided McNemar test of two classifiers on the same videos.

    The chance of a split at least this uneven if each of the videos that only one of
    them got right had fallen to either side with probability one half (binomial).
    """
    n = only_a + only_b
    return float(binomtest(only_a, n, 0.5).pvalue) if n else 1.0


def paired_interval(only_a: int, only_b: int, n: int) -> tuple[float, float]:
    """95 % interval of accuracy(b) - accuracy(a) on the same n videos.

    Agresti and Min (2005, Statistics in Medicine 24): the usual interval after
    half a video is added to each of the four cells (right or wrong, a and b).
    """
    a, b, total = only_a + 0.5, only_b + 0.5, n + 2
    difference = (b - a) / total
    half = _Z * sqrt((a + b) - (b - a) ** 2 / total) / total
    return max(-1.0, difference - half), min(1.0, difference + half)


@dataclass(frozen=True)
class Metric:
    """A column of each table of results, and an entry of each result's JSON.

    It counts right answers of all: a share that is no such count has another interval.
    The table beside the published numbers keeps what was published, top-1 and top-5.
    """

    title: str  # of the column
    # probabilities (N, K), labels (N) -> accuracy; None where it says nothing
    of: Callable[[np.ndarray, np.ndarray], Accuracy | None]
    interval: bool = False  # whether tables show the 95 % interval beside it

    def cell(self, accuracy: Accuracy | None) -> str:
        if accuracy is None:
            return "not meaningful"
        return str(accuracy) if self.interval else f"{100 * accuracy.value:.1f} %"


def _top5(probabilities: np.ndarray, labels: np.ndarray) -> Accuracy | None:
    if probabilities.shape[1] <= 5:
        return None  # it would be 100 % by construction
    return accuracy_of(probabilities, labels, 5)


# Name in the JSON -> metric, in the order of the columns.
METRICS: dict[str, Metric] = {
    "top1": Metric("top-1", lambda p, labels: accuracy_of(p, labels, 1), interval=True),
    "top5": Metric("top-5", _top5),
}


# --- is a network right as often as it is sure? -----------------------------------


@dataclass(frozen=True)
class ConfidenceBin:
    """Videos whose confidence lies in [low, high); the last bin has its upper end."""

    low: float
    high: float
    confidence: float | None  # mean over its videos; None where there is none
    accuracy: Accuracy


@dataclass(frozen=True)
class Calibration:
    """Bins of equal width from 0 to 1, and what follows from them.

    A network's *confidence* in a video is the probability of its top class. It is
    *calibrated* if, of the videos with a confidence of 70 %, 70 % are right.
    """

    bins: tuple[ConfidenceBin, ...]
    error: float  # expected calibration error, a share, see ``calibration_of``
    confidence: float  # mean over all videos
    accuracy: Accuracy

    @property
    def surplus(self) -> float:
        """Mean confidence minus accuracy: above 0 the network is too sure."""
        return self.confidence - self.accuracy.value

    def to_dict(self) -> dict[str, object]:
        return {
            "expected_calibration_error_points": 100 * self.error,
            "mean_confidence_percent": 100 * self.confidence,
            "confidence_minus_accuracy_points": 100 * self.surplus,
            "bins": [
                {
                    "from_percent": 100 * part.low,
                    "to_percent": 100 * part.high,
                    "confidence_percent": part.confidence and 100 * part.confidence,
                    "accuracy": part.accuracy.to_dict(),
                }
                for part in self.bins
            ],
        }


def calibration_of(probabilities: np.ndarray, labels: np.ndarray) -> Calibration:
    """Confidence and accuracy of (N, K) probabilities for (N,) labels.

    The expected calibration error is their mean distance over ten bins of
    confidence, weighted by videos (Naeini et al., AAAI 2015; Guo et al., arXiv
    1706.04599). It cannot fall to 0 on few videos: the accuracy in a bin of ten is off
    by chance.
    """
    # Below 1, because torchmetrics counts a confidence of exactly 1 by itself.
    kept = np.minimum(probabilities, np.nextafter(1.0, 0.0)).astype(np.float64)
    error = multiclass_calibration_error(
        torch.from_numpy(kept),
        torch.as_tensor(labels),
        num_classes=kept.shape[1],
        n_bins=_BINS,
    )
    confidence, right = kept.max(axis=1), kept.argmax(axis=1) == labels  # each (N,)
    edges = np.linspace(0, 1, _BINS + 1)
    place = np.searchsorted(edges, confidence, side="right") - 1  # (N,)
    parts = []
    for k, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        sure, hits = confidence[place == k], right[place == k]
        mean = float(sure.mean()) if len(sure) else None
        accuracy = Accuracy(int(hits.sum()), len(hits))
        parts.append(ConfidenceBin(float(low), float(high), mean, accuracy))
    whole = Accuracy(int(right.sum()), len(right))
    return Calibration(tuple(parts), float(error), float(confidence.mean()), whole)
