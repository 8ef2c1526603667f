"""Small data sets in exactly the layout of a benchmark, to learn and test on.

Public names: ``write_standin``, ``list_standins``, ``plan_standin``, ``StandinSize``,
``standin_pairs``, ``standin_families``.

A stand-in is real video files and real list files, so the same loaders and the
same training run on it. ``STANDIN.json`` marks it, and whatever is computed on it
says so. Its actions are those of ``scenes``, its files those of ``layouts``.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import DatasetError
from ..video.writing import encode_clip
from .layouts import PLANS, TEST_GROUPS, StandinPlan
from .scenes import StandinSize, clip_frames, standin_families, standin_pairs
from .writing import write_plan

__all__ = [
    "TEST_GROUPS",
    "StandinSize",
    "clip_frames",
    "encode_clip",
    "list_standins",
    "plan_standin",
    "standin_families",
    "standin_pairs",
    "write_standin",
]


def list_standins() -> list[str]:
    """The benchmarks that have a stand-in."""
    return sorted(PLANS)


def plan_standin(name: str, size: StandinSize) -> StandinPlan:
    """Which files a stand-in of that size has.

    Raises:
        DatasetError: unknown name.
    """
    plan = PLANS.get(str(name).lower())
    if plan is None:
        raise DatasetError(
            f"there is no stand-in for {name!r}. Known: {', '.join(list_standins())}"
        )
    return plan(size)


def write_standin(
    name: str,
    root: str | os.PathLike[str],
    seed: int = 0,
    size: StandinSize | None = None,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Write a benchmark of twelve generated actions; go on with an unfinished one.

    The same seed and size give the same files, byte for byte with the same encoder
    and to within rounding of single pixels elsewhere.

    Args:
        name: see ``list_standins``.
        root: gets the benchmark's own folders; ``create_dataset(name, root)`` reads
            them.
        seed: of scenes and motions.
        size: how many groups, clips and frames.
        workers: processes that draw and encode; changes no file.
        progress: show a bar.

    Returns:
        ``root``.

    Raises:
        DatasetError: unknown name; the folder holds something else, or cannot be
            written.
    """
    size = size or StandinSize()
    return write_plan(root, plan_standin(name, size), seed, size, workers, progress)
