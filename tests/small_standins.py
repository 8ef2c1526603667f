"""Stand-ins that are written in a second, to test what handles files and lists.

Public names: ``write_small``, ``write_first``, ``quick_frames``, ``whole_way``,
``SMALL``.
"""

from __future__ import annotations

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dvfl_lib.lessons import open_run
from dvfl_lib.standins import StandinSize, clip_frames, write_standin, writing
from dvfl_lib.training import ROLES
from helpers import moving_frames

SMALL = StandinSize(groups=25, clips_per_group=1, min_frames=8, max_frames=8)
_PIXELS = (64, 48)
_KNOWN: dict[tuple, bytes] = {}  # what was encoded, by what it was made of


def quick_frames(seed, size, action, group, clip) -> np.ndarray:
    """In place of drawn actions: no two clips are equal, and all are made at once."""
    frames = moving_frames(8)
    key = hashlib.sha256(f"{action} {group} {clip}".encode()).digest()
    frames[:, :32] = np.frombuffer(key, np.uint8)[None, :, None, None]
    return frames


def _encoded(encode, path: Path, frames: np.ndarray, rate: int) -> None:
    """What was encoded once in this process is written as it is."""
    key = path.suffix, frames.tobytes(), rate
    if key not in _KNOWN:
        encode(path, frames, rate=rate)
        _KNOWN[key] = path.read_bytes()
    path.write_bytes(_KNOWN[key])


def write_small(name: str, root: Path, seed: int = 0) -> Path:
    """A stand-in of 300 short clips in small pictures."""
    with pytest.MonkeyPatch.context() as patch:
        small = partial(writing.encode_clip, size=_PIXELS)
        patch.setattr(writing, "encode_clip", partial(_encoded, small))
        patch.setattr(writing, "clip_frames", quick_frames)
        return write_standin(name, root, seed, SMALL, workers=1, progress=False)


def write_first(name: str, root: Path, seed: int, size: StandinSize) -> Path:
    """Drawn are the first groups of each test list; all else is one dark picture."""

    def frames(seed, size, action, group, clip) -> np.ndarray:
        if group in (1, 8, 11, 15, 16):  # the first ones of the lists of both
            return clip_frames(seed, size, action, group, clip)
        return np.zeros((1, 2, 2, 3), np.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "encode_clip", partial(_encoded, writing.encode_clip))
        patch.setattr(writing, "clip_frames", frames)
        return write_standin(name, root, seed, size, workers=1, progress=False)


def whole_way(name: str, root: Path, split: str, run_dir: Path, **overrides):
    """A short run of all three roles; yields the run and each role's result.

    Networks learn for one epoch, unless ``overrides`` say more.
    """
    short = {
        f"{part}.{number}": 1
        for part in ("optim", "teacher_optim")
        for number in ("epochs", "warmup_epochs")
    }
    run = open_run(
        profile="demo",
        dataset=name,
        data_root=str(root),
        split=split,
        run_dir=str(run_dir),
        seed=0,
        overrides=short | overrides,
        progress=False,
    )
    run.fill_cache()
    for role in ROLES:
        run.train(role)
        result = run.evaluate(role)
        told = json.loads((run_dir / "results" / f"{role}.json").read_text("utf-8"))
        assert told["standin"] is True and told["dataset"] == name
        yield run, result
