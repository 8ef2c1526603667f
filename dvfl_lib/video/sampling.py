"""Which frames of a video make a clip.

Public names: ``segment_indices``, ``dense_indices``, ``view_indices``,
``SAMPLINGS``, ``sampling_named``.

*Segment* sampling (TSN, arXiv 1608.00859) cuts the video into as many equal segments
as the clip has frames and takes one frame of each. *Dense* sampling takes frames at a
fixed stride. *Where* in its segment, or in the room there is, a clip lies is a place
in [0, 1), or is drawn by a generator. All functions return frame numbers in
[0, num_frames), never decreasing, so a video shorter than the clip repeats frames.
They raise ``VideoError`` for a video without frames, ``RecipeError`` for a count below
1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch

from ..errors import RecipeError, VideoError

Place: TypeAlias = float | torch.Generator


def _check(num_frames: int, wanted: int) -> None:
    if num_frames < 1:
        raise VideoError("a video without frames cannot be sampled")
    if wanted < 1:
        raise RecipeError(f"a clip needs at least 1 frame, not {wanted}")


def segment_indices(num_frames: int, segments: int, place: Place = 0.5) -> list[int]:
    """One frame from each of ``segments`` equal parts of the video.

    Args:
        place: the same in all segments, 0.5 for their centres; a generator draws one
            for each.
    """
    _check(num_frames, segments)
    if isinstance(place, torch.Generator):
        places = torch.rand(segments, dtype=torch.float64, generator=place)
    else:
        places = torch.full((segments,), place, dtype=torch.float64)
    starts = torch.arange(segments, dtype=torch.float64)
    frames = ((starts + places) * num_frames / segments).floor().long()
    return frames.clamp_(0, num_frames - 1).tolist()


def dense_indices(
    num_frames: int, frames: int, stride: int, place: Place = 0.5
) -> list[int]:
    """``frames`` frames, ``stride`` apart, from the middle, a place or a random start.

    A video too short for the clip starts at 0 and repeats its last frame.
    """
    _check(num_frames, min(frames, stride))
    room = max(0, num_frames - ((frames - 1) * stride + 1))
    if isinstance(place, torch.Generator):
        start = int(torch.randint(room + 1, (), generator=place))
    else:
        start = int(place * room)
    return [min(start + i * stride, num_frames - 1) for i in range(frames)]


def _in_segments(num_frames: int, frames: int, stride: int, place: Place) -> list[int]:
    return segment_indices(num_frames, frames, place)


# (num_frames, frames, stride, place) -> frame numbers
Sampling: TypeAlias = Callable[[int, int, int, Place], list[int]]
# By the names that ``data.sampling`` of a recipe may have.
SAMPLINGS: dict[str, Sampling] = {"segments": _in_segments, "dense": dense_indices}


def sampling_named(name: str) -> Sampling:
    """The way that ``data.sampling`` of a recipe names; ``RecipeError`` for none."""
    if name not in SAMPLINGS:
        known = " or ".join(map(repr, SAMPLINGS))
        raise RecipeError(f"data.sampling must be {known}, not {name!r}")
    return SAMPLINGS[name]


def view_indices(
    num_frames: int, frames: int, clips: int, sampling: str, stride: int
) -> list[list[int]]:
    """The temporal clips of the test protocol: ``clips`` lists of ``frames`` numbers.

    Nothing is random. Clip j lies at place (j + 0.5) / clips: so one clip is the
    middle one, and one of segments takes their centres.
    """
    _check(num_frames, min(frames, clips, stride))
    choose = sampling_named(sampling)
    places = [(j + 0.5) / clips for j in range(clips)]
    return [choose(num_frames, frames, stride, place) for place in places]
