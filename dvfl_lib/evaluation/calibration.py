"""Is a network right as often as it is sure? Confidence beside accuracy.

Public names: ``Calibration``, ``ConfidenceBin``, ``calibration_of``.

A network's *confidence* in a video is the probability of its top class. It is
*calibrated* if, of the videos with a confidence of 70 %, 70 % are right. The expected
calibration error is the mean distance between the two over bins of confidence,
weighted by videos (Naeini et al., AAAI 2015; Guo et al., arXiv 1706.04599).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from ..errors import DatasetError
from .metrics import Accuracy


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

    ``error`` is the expected calibration error, a share in [0, 1]. It cannot fall to
    0 on few videos, even for a perfect network: the accuracy in a bin of ten videos
    is off by chance.
    """

    bins: tuple[ConfidenceBin, ...]
    error: float
    confidence: float  # mean over all videos
    accuracy: Accuracy

    @property
    def surplus(self) -> float:
        """Mean confidence minus accuracy: above 0 the network is too sure."""
        return self.confidence - self.accuracy.correct / self.accuracy.n

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary with units in its keys, for JSON."""
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


def calibration_of(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = 10
) -> Calibration:
    """Confidence and accuracy of (N, K) probabilities for (N,) labels.

    Args:
        bins: how many, of equal width.

    Raises:
        DatasetError: no bin, or no video.
    """
    if bins < 1 or len(labels) == 0:
        raise DatasetError(
            f"calibration needs a bin and a video; given {bins} and {len(labels)}"
        )
    # Below 1, because torchmetrics counts a confidence of exactly 1 by itself.
    kept = np.minimum(probabilities, np.nextafter(1.0, 0.0)).astype(np.float64)
    error = multiclass_calibration_error(
        torch.from_numpy(kept),
        torch.as_tensor(labels),
        num_classes=kept.shape[1],
        n_bins=bins,
    )
    confidence = kept.max(axis=1)  # (N,)
    right = kept.argmax(axis=1) == labels  # (N,)
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges, confidence, side="right") - 1  # (N,)
    return Calibration(
        bins=tuple(
            _bin(edges[k], edges[k + 1], confidence[place == k], right[place == k])
            for k in range(bins)
        ),
        error=float(error),
        confidence=float(confidence.mean()),
        accuracy=Accuracy(int(right.sum()), len(right)),
    )


def _bin(
    low: float, high: float, confidence: np.ndarray, right: np.ndarray
) -> ConfidenceBin:
    mean = float(confidence.mean()) if len(confidence) else None
    return ConfidenceBin(
        float(low), float(high), mean, Accuracy(int(right.sum()), len(right))
    )
