"""Clips by which a quantised network's ranges are set.

Public names: ``calibration_clips``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import DatasetError, VideoError
from ..video import EvaluationViews, Sample
from ..video.reading import VIDEO_SUFFIXES
from .network import Deployed


def calibration_clips(
    network: Deployed, folder: str | Path, *, most: int = 48
) -> tuple[Tensor, list[Path]]:
    """The view in the middle of some videos, prepared as the network's evaluation does.

    Args:
        network: tells the size of a view.
        folder: is searched with all folders below; of more than ``most`` videos in the
            order of their paths every n-th is taken.

    Returns:
        clips (N, T, 3, H, W), normalised, and their files.

    Raises:
        DatasetError: no such folder, or no video in it.
        VideoError: a video cannot be read.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
    named = (p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    found = sorted(p for p in named if p.is_file())
    if not found:
        raise DatasetError(
            f"{folder} holds no video (.mp4, .avi and the like), in folders below "
            "neither"
        )
    chosen = [found[n * len(found) // most] for n in range(most)]
    chosen = found if len(found) <= most else chosen
    samples = [Sample(path, 0, "", str(path)) for path in chosen]
    evaluate = replace(network.evaluate, clips=1, crops=1)
    views = EvaluationViews(samples, network.data, evaluate)
    clips = []
    for number in range(len(samples)):
        item = views[number]
        if item["unreadable"]:
            raise VideoError(item["unreadable"][0])
        clips.append(item["views"][0])  # (T, 3, H, W)
    return torch.stack(clips), chosen
