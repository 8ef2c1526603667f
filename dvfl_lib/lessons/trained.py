"""A small trained network, and clips that it has never seen, without any download.

Public names: ``trained_network``, ``lesson_clip``, ``ASSETS``,
``assets_folder``, ``FRAMES``, ``CROP``, ``SHORT_SIDE``, ``SPLIT``, ``MANIFEST``.

The networks are part of the repository, in ``data/assets/``; ``assets.json`` beside
them holds their hashes and how they were made (``make assets``).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from ..environment import project_root, shown_path
from ..errors import LessonError
from ..evaluation.plan import COURSE_FILES, COURSE_TRAINING
from ..standins import TEST_GROUPS, StandinSize, clip_frames
from ..standins.scenes import ACTIONS
from ..vfl_net import VFLNet
from ..video.sampling import segment_indices
from ..video.transforms import resize_short_side
from ..weights import load_model

MANIFEST = "assets.json"
ASSETS: dict[str, str] = COURSE_FILES  # network -> its file in ``data/assets/``
# What they were trained on: frames per clip; pixels per side of a clip, and of the
# short side before cropping; the stand-in's pair of lists, of which they do not know
# the test groups.
FRAMES, CROP, SHORT_SIDE = 8, 64, 72
SPLIT = int(COURSE_TRAINING.split)


def assets_folder() -> Path:
    """``data/assets`` of the checkout."""
    return project_root() / "data" / "assets"


def trained_network(name: str) -> tuple[VFLNet, dict[str, Any]]:
    """A small trained network, in eval mode, and how it was made.

    It answers for clips (B, 8, 3, 64, 64), normalised, of twelve made-up actions:
    a network to look into, which says nothing about real videos.

    Args:
        name: "student" (distilled), "baseline" (the same student, trained on labels
            alone) or "teacher".

    Returns the network and its metadata: ``classes``, ``recipe``, ``standin`` (True),
    ``test`` (top-1 on the stand-in's test list), ``command`` and more.
    """
    _check("network", name, ASSETS)
    path = assets_folder() / ASSETS[name]
    try:
        manifest = json.loads(path.with_name(MANIFEST).read_text("utf-8"))
        wanted = manifest["files"][path.name]["sha256"]
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != wanted:
            raise ValueError(f"its SHA-256 is {digest}, not {wanted}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LessonError(
            f"{shown_path(path)} is not there, or is not what {MANIFEST} beside it "
            f"names ({type(error).__name__}: {error}). 'git checkout data/assets' "
            "brings both back, 'make assets' trains anew"
        ) from error
    return load_model(path)


def _check(what: str, name: Any, known: Iterable[Any]) -> None:
    if name not in known:
        names = ", ".join(map(str, known))
        raise LessonError(f"there is no {what} {name!r}; known: {names}")


def lesson_clip(action: str, *, group: int = 1, clip: int = 1, side: int = 0) -> Tensor:
    """A clip of the stand-in's test groups, drawn here and now: uint8 (8, 3, H, W).

    One frame from the centre of each of 8 segments, resized and cropped in the
    centre as in the evaluation of the trained student. Only the video file between
    drawing and reading is left out.

    Args:
        action: one of the stand-in's twelve, such as "Approaching".
        group: a test group, 1 to 7; each looks different.
        clip: 1 to 4, another motion in the same scene.
        side: pixels per side; 0 for the 64 that the student was trained with.
    """
    _check("action", action, ACTIONS)
    _check("test group", group, TEST_GROUPS[SPLIT])
    _check("clip", clip, range(1, StandinSize().clips_per_group + 1))
    side = side or CROP
    frames = _drawn(action, group, clip)
    short_side = round(side * SHORT_SIDE / CROP)
    # clone: where nothing is resized or cropped, it would be the cached tensor
    return F.center_crop(resize_short_side(frames, short_side), [side, side]).clone()


@functools.lru_cache(maxsize=256)
def _drawn(action: str, group: int, clip: int) -> Tensor:
    """The centres of the segments, uint8 (8, 3, 120, 160): half a megabyte."""
    video = clip_frames(0, StandinSize(), action, group, clip)  # (T, 120, 160, 3)
    chosen = video[segment_indices(len(video), FRAMES)]
    return torch.from_numpy(chosen).permute(0, 3, 1, 2)  # (8, 3, 120, 160)
