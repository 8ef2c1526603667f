"""From the plan of a stand-in to files on the disk.

Public names: ``write_standin``.

A folder is marked as ours before anything else is put into it (``UNFINISHED.json``),
and again when it is complete (``STANDIN.json``). A folder that holds the benchmark's
files and no mark is someone else's, and is never written to. A call that was cut
short is gone on with by the same call.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tqdm import tqdm

from ..datasets.base import STANDIN_FILE
from ..errors import DatasetError
from ..files import write_whole
from ..video.writing import SUFFIXES, encode_clip
from .layouts import PlannedClip, StandinPlan, plan_standin
from .scenes import StandinSize, clip_frames

_FORMAT = 1  # raised whenever the same seed would give other frames
_UNFINISHED = "UNFINISHED.json"


def write_standin(
    name: str,
    root: str | os.PathLike[str],
    seed: int = 0,
    size: StandinSize | None = None,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Write a benchmark of twelve drawn actions; go on with an unfinished one.

    The same seed and size give the same files, byte for byte with the same encoder
    and to within rounding of single pixels elsewhere.

    Args:
        name: see ``list_standins``.
        root: gets the benchmark's own folders; ``create_dataset(name, root)`` reads
            them. It is returned.
        seed: of scenes and motions.
        size: how many groups, clips and frames.
        workers: processes that draw and encode; changes no file.

    Raises:
        DatasetError: unknown name; the folder holds something else.
        DatasetError or RunDirectoryError: it cannot be written.
    """
    size = size or StandinSize()
    root, plan = Path(root).expanduser(), plan_standin(name, size)
    what = {"standin_for": plan.benchmark, "format": _FORMAT, "seed": seed}
    what |= asdict(size)
    complete = _is_ours(root, what, plan)
    lost = [clip for clip in plan.clips if not _is_whole(root / clip.path)]
    if complete and not lost and all(_is_whole(root / name) for name in plan.lists):
        return root
    write_whole(root / _UNFINISHED, json.dumps(what).encode())
    folders = {(root / clip.path).parent for clip in plan.clips}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    write = partial(_write_clip, root, plan.frame_rate, seed, size)
    looks = dict(total=len(lost), desc="writing stand-in", unit="clip")
    for _ in tqdm(_map(write, lost, workers), **looks, disable=not progress):
        pass
    for folder in folders:  # half-written clips of a call that was killed
        for name in os.listdir(folder):  # no pattern: names of HMDB51 hold brackets
            if name.startswith(".") and Path(name).suffix in SUFFIXES:
                (folder / name).unlink(missing_ok=True)
    for name, content in plan.lists.items():
        write_whole(root / name, content)
    write_whole(root / STANDIN_FILE, json.dumps(what, indent=2).encode())
    (root / _UNFINISHED).unlink(missing_ok=True)
    return root


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _is_ours(root: Path, what: dict, plan: StandinPlan) -> bool:
    """Whether this stand-in was completed there; refuses to overwrite other data."""
    marks = [root / STANDIN_FILE, root / _UNFINISHED]
    mark = next(filter(os.path.exists, marks), None)
    if mark is None:
        paths = (*plan.lists, *(clip.path for clip in plan.clips))
        if any((root / path.split("/")[0]).exists() for path in paths):
            raise DatasetError(
                f"{root} holds a data set that is not a stand-in; it is left "
                "untouched. Choose another folder for the stand-in."
            )
        return False
    try:
        found = json.loads(mark.read_text("utf-8"))
    except ValueError as error:
        told = f"{mark}: cannot be understood ({error}). Delete {root}"
        raise DatasetError(told) from None
    if found != what:
        raise DatasetError(
            f"{root} holds another stand-in ({found}); this run asks for {what}. "
            "Choose another data_root, or delete that folder."
        )
    return mark.name == STANDIN_FILE


def _write_clip(
    root: Path, rate: int, seed: int, size: StandinSize, clip: PlannedClip
) -> None:
    frames = clip_frames(seed, size, clip.action, clip.group, clip.clip)
    encode_clip(root / clip.path, frames, rate=rate)


def _map(function: Callable, items: list, workers: int) -> Iterator:
    """In processes of their own, or in this one where ``workers`` is 1."""
    if workers == 1:
        yield from map(function, items)
        return
    # New interpreters: a fork of a process with running threads can hang.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _end_with_parent) as pool:
        yield from pool.map(function, items, chunksize=2)


def _end_with_parent() -> None:
    """Else workers of a killed call would wait for work for good."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
