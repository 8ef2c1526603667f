"""Which frames of a video make a clip.

Public names: ``segment_indices``, ``dense_indices``, ``view_indices``,
``SAMPLINGS``, ``Sampling``, ``sampling_named``.

*Segment* sampling (TSN, arXiv 1608.00859) cuts the video into as many equal
segments as the clip has frames and takes one frame of each: random in training,
the centre in testing. *Dense* sampling takes frames at a fixed stride. All
functions return frame numbers in [0, num_frames), never decreasing, so a video
shorter than the clip repeats frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from ..errors import RecipeError, VideoError


def _check(num_frames: int, wanted: int) -> None:
    if num_frames < 1:
        raise VideoError("a video without frames cannot be sampled")
    if wanted < 1:
        raise RecipeError(f"a clip needs at least 1 frame, not {wanted}")


def _in_segments(num_frames: int, segments: int, positions: torch.Tensor) -> list[int]:
    """Frames at relative ``positions`` (segments,), each in [0, 1), of segments."""
    starts = torch.arange(segments, dtype=torch.float64)
    frames = ((starts + positions) * num_frames / segments).floor().long()
    return frames.clamp_(0, num_frames - 1).tolist()


def segment_indices(
    num_frames: int, segments: int, generator: torch.Generator | None = None
) -> list[int]:
    """One frame from each of ``segments`` equal parts of the video.

    Args:
        generator: draws the place inside each segment; ``None`` takes centres.

    Raises:
        VideoError: ``num_frames`` below 1.
        RecipeError: ``segments`` below 1.
    """
    _check(num_frames, segments)
    if generator is None:
        positions = torch.full((segments,), 0.5, dtype=torch.float64)
    else:
        positions = torch.rand(segments, dtype=torch.float64, generator=generator)
    return _in_segments(num_frames, segments, positions)


def _dense_from(start: int, num_frames: int, frames: int, stride: int) -> list[int]:
    return [min(start + i * stride, num_frames - 1) for i in range(frames)]


def dense_indices(
    num_frames: int,
    frames: int,
    stride: int,
    generator: torch.Generator | None = None,
) -> list[int]:
    """``frames`` frames, ``stride`` apart, from a random or the middle start.

    A video too short for the clip starts at 0 and repeats its last frame.

    Raises:
        VideoError: ``num_frames`` below 1.
        RecipeError: ``frames`` or ``stride`` below 1.
    """
    _check(num_frames, min(frames, stride))
    room = max(0, num_frames - ((frames - 1) * stride + 1))
    if generator is None:
        start = room // 2
    else:
        start = int(torch.randint(room + 1, (), generator=generator))
    return _dense_from(start, num_frames, frames, stride)


def view_indices(
    num_frames: int, frames: int, clips: int, sampling: str, stride: int
) -> list[list[int]]:
    """The temporal clips of the test protocol: ``clips`` lists of ``frames`` numbers.

    Nothing is random. With ``sampling="segments"`` clip j takes position
    (j + 0.5) / clips inside every segment, so one clip takes the centres; with
    ``"dense"`` the clips start at the middles of ``clips`` equal parts of the
    room there is, so one clip is the middle one.

    Raises:
        VideoError: ``num_frames`` below 1.
        RecipeError: a count below 1, or an unknown ``sampling``.
    """
    _check(num_frames, min(frames, clips, stride))
    at = sampling_named(sampling).at
    return [at(num_frames, frames, stride, (j + 0.5) / clips) for j in range(clips)]


def _segments_at(num_frames: int, frames: int, stride: int, place: float) -> list[int]:
    positions = torch.full((frames,), place, dtype=torch.float64)
    return _in_segments(num_frames, frames, positions)


def _dense_at(num_frames: int, frames: int, stride: int, place: float) -> list[int]:
    room = max(0, num_frames - ((frames - 1) * stride + 1))
    return _dense_from(int(place * room), num_frames, frames, stride)


def _draw_segments(
    num_frames: int, frames: int, stride: int, generator: torch.Generator
) -> list[int]:
    return segment_indices(num_frames, frames, generator)


class Sampling(NamedTuple):
    """One way to choose; both take num_frames, frames and stride first."""

    draw: Callable[[int, int, int, torch.Generator], list[int]]  # a training clip
    at: Callable[[int, int, int, float], list[int]]  # a test clip, at 0 <= place < 1


# By the names that ``data.sampling`` of a recipe may have.
SAMPLINGS = {
    "segments": Sampling(_draw_segments, _segments_at),
    "dense": Sampling(dense_indices, _dense_at),
}


def sampling_named(name: str) -> Sampling:
    """The way that ``data.sampling`` of a recipe names.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in SAMPLINGS:
        known = " or ".join(map(repr, SAMPLINGS))
        raise RecipeError(f"data.sampling must be {known}, not {name!r}")
    return SAMPLINGS[name]
