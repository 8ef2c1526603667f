"""From the plan of a stand-in to files on the disk.

Public names: ``write_plan``.

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
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from ..datasets.base import STANDIN_FILE
from ..errors import DatasetError
from ..files import write_whole
from ..video.writing import SUFFIXES, encode_clip
from .layouts import StandinPlan
from .scenes import StandinSize, clip_frames

_FORMAT = 1  # raised whenever the same seed would give other frames
_UNFINISHED = "UNFINISHED.json"


def write_plan(
    root: str | os.PathLike[str],
    plan: StandinPlan,
    seed: int,
    size: StandinSize,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Write the files of a plan; see ``write_standin``.

    Raises:
        DatasetError: the folder holds something else, or cannot be written.
    """
    root = Path(root).expanduser()
    what = {"standin_for": plan.benchmark, "format": _FORMAT, "seed": seed}
    what |= asdict(size)
    lost = [clip for clip in plan.clips if not _is_whole(root / clip.path)]
    lists_are_there = all(_is_whole(root / name) for name in plan.lists)
    if _is_ours(root, what, plan) and lists_are_there and not lost:
        return root
    write_whole(root / _UNFINISHED, json.dumps(what).encode())
    folders = {(root / clip.path).parent for clip in plan.clips}
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    shape = (plan.frame_size, plan.frame_rate)
    jobs = [
        (root / clip.path, shape, seed, size, clip.action, clip.group, clip.clip)
        for clip in lost
    ]
    _write_clips(jobs, workers, progress)
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
        paths = [*(clip.path for clip in plan.clips), *plan.lists]
        if any((root / top).exists() for top in {path.split("/")[0] for path in paths}):
            raise DatasetError(
                f"{root} holds a data set that is not a stand-in; it is left "
                "untouched. Choose another folder for the stand-in."
            )
        return False
    found = json.loads(mark.read_text("utf-8"))
    if found != what:
        raise DatasetError(
            f"{root} holds another stand-in ({found}); this run asks for {what}. "
            "Choose another data_root, or delete that folder."
        )
    return mark.name == STANDIN_FILE


def _write_one(job: tuple) -> None:
    path, (frame_size, frame_rate), *what = job
    encode_clip(path, clip_frames(*what), frame_size, frame_rate)


def _end_with_parent() -> None:
    """Else workers of a killed call would wait for work for good."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _write_clips(jobs: list[tuple], workers: int, progress: bool) -> None:
    """In processes of their own, or in this one where ``workers`` is 1."""
    bar = tqdm(
        total=len(jobs), desc="writing stand-in", unit="clip", disable=not progress
    )
    if workers == 1:
        with bar:
            for job in jobs:
                _write_one(job)
                bar.update()
        return
    # New interpreters: a fork of a process with running threads can hang.
    spawn = multiprocessing.get_context("spawn")
    with bar, ProcessPoolExecutor(workers, spawn, _end_with_parent) as pool:
        for _ in pool.map(_write_one, jobs, chunksize=2):
            bar.update()
