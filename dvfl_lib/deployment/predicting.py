"""What a network says of a whole video, with the views of its evaluation.

Public names: ``Prediction``, ``predict_video``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import VideoError
from ..evaluation import EvaluationInfo, Views, evaluate
from ..video import EvaluationViews, Sample
from ..video.frame_index import index_frames
from ..video.opening import check_file, refuse_picture
from ..video.transforms import check_sides
from .network import Deployed


@dataclass(frozen=True)
class Prediction:
    """The answer for one video.

    Attributes:
        video: its path.
        classes: K names.
        probabilities: (K,) mean of the softmax over all views, float64.
        views: which views.
    """

    video: Path
    classes: tuple[str, ...]
    probabilities: np.ndarray
    views: Views

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes and their probabilities; of equal ones the first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[k], float(self.probabilities[k])) for k in order]


class _OneVideo(EvaluationViews):
    """Its views; what cannot be read ends everything, there being nothing else."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        item = super().__getitem__(index)
        if item["unreadable"]:
            raise VideoError(item["unreadable"][0])
        return item


def predict_video(network: Deployed, video: str | os.PathLike[str]) -> Prediction:
    """Ask a network about a video file, exactly as an evaluation would.

    Raises:
        VideoError: missing, empty, damaged, a picture or no video, or far longer than
            high.
        ModelError: outputs that are not finite, or too small frames for the network.
    """
    path = check_file(video)
    refuse_picture(path)
    index = index_frames(path)
    check_sides(str(path), index.height, index.width)
    # The label has no part in the probabilities.
    sample = Sample(path=path, label=0, group="", name=str(path))
    views = _OneVideo([sample], network.data, network.evaluate)
    about = EvaluationInfo(str(network.path), network.standin, "", "one video", "")
    answer = evaluate(
        network.model,
        views,
        class_names=network.classes,
        about=about,
        batch_size=network.evaluate.batch_size,
        progress=False,
    )
    return Prediction(path, network.classes, answer.probabilities[0], answer.views)
