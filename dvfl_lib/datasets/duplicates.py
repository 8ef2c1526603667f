"""Files of equal content in places where they must not be.

Public names: ``refuse_copies``, ``equal_files``, ``alike``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..video.clips import Sample
from .base import first_few

_HEAD = 65536  # bytes that nearly always differ where two videos do


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_HEAD)).hexdigest()


def _all(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def alike(
    groups: Iterable[Sequence[Any]], key: Callable[[Any], Any]
) -> list[list[Any]]:
    """Each group divided by ``key``; only parts of two or more."""
    parts = []
    for group in groups:
        found: dict[Any, list[Any]] = {}
        for item in group:
            found.setdefault(key(item), []).append(item)
        parts += [part for part in found.values() if len(part) > 1]
    return parts


def equal_files(paths: Iterable[Path]) -> list[list[Path]]:
    """Groups of files of one content; empty files are of no group.

    Files are compared by size, then by their beginning, and only then as a whole.
    """
    size = {path: path.stat().st_size for path in sorted(set(paths))}
    same = alike([[path for path in size if size[path]]], size.__getitem__)
    return alike(alike(same, _head), _all)


def refuse_copies(sides: Mapping[str, Sequence[Sample]]) -> None:
    """Refuse a video that is on two sides, or under two labels, by its content.

    A copy of a training video among the test videos would make the score too high; a
    video with two labels has a wrong one. Copies on one side under one label are let
    be. Empty files are left to whoever reads them.

    Args:
        sides: "train" and "test", with their videos.

    Raises:
        DatasetError: such copies are there, or a file cannot be read.
    """
    every = [(side, sample) for side, mine in sides.items() for sample in mine]
    same = equal_files({sample.path for _, sample in every})
    alike = [[x for x in every if x[1].path in paths] for paths in same]
    across = [group for group in alike if len({side for side, _ in group}) > 1]
    double = [group for group in alike if len({s.label for _, s in group}) > 1]
    for groups, trouble in (
        (across, "are among the training videos and among the test videos"),
        (double, "have two labels"),
    ):
        if groups:
            names = [" = ".join(s.name for _, s in group) for group in groups]
            raise DatasetError(
                f"{len(groups)} videos {trouble}, as copies of equal content: "
                f"{first_few(names)}. Take the wrong ones out"
            )
