"""Helpers for tests of ``load_folder``: make such folders, load them, be refused.

Public names: ``distinct_videos``, ``fill``, ``both``, ``assert_refused``.
"""

import shutil
import warnings
from pathlib import Path

import pytest

from dvfl_lib.datasets import create_dataset
from dvfl_lib.errors import DatasetError
from helpers import moving_frames, write_video


def distinct_videos(folder: Path, count: int) -> list[Path]:
    """So many videos, no two of them alike."""
    return [
        write_video(folder / f"{k}.mp4", moving_frames(8 + k, 32, 32))
        for k in range(count)
    ]


def fill(root: Path, names: list[str], videos: list[Path]) -> Path:
    """A folder of these files, each another video."""
    for name, video in zip(names, videos, strict=False):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(video, root / name)
    return root


def both(root: Path, split: str = "1") -> tuple:
    """Both sides; any warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return tuple(
            create_dataset("folder", root, split=split, subset=subset)
            for subset in ("train", "test")
        )


def assert_refused(
    root: Path, says: str, split: str = "1", subset: str = "train"
) -> None:
    """The message of the refusal, a pattern, is ``says``."""
    with pytest.raises(DatasetError, match=says):
        create_dataset("folder", root, split=split, subset=subset)
