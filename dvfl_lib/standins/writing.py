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
import shutil
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ..datasets.base import STANDIN_FILE
from ..errors import DatasetError, RunDirectoryError
from ..files import write_whole
from ..video.writing import encode_clip
from .layouts import StandinPlan
from .scenes import StandinSize, clip_frames

_FORMAT = 1  # raised whenever the same seed would give other frames
_UNFINISHED = "UNFINISHED.json"
_CLIP_BYTES = 300_000  # about what a clip takes


def write_plan(
    root: str | os.PathLike[str],
    plan: StandinPlan,
    seed: int,
    size: StandinSize,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Write the files of a plan; go on where an earlier call ended.

    The same plan, seed and size give the same files, byte for byte with the same
    encoder and to within rounding of single pixels elsewhere.

    Args:
        root: the folder to fill; made if need be.
        plan: which files.
        seed: of scenes and motions.
        size: how many frames a clip has, and what the plan was made from.
        workers: processes that draw and encode; changes no file.
        progress: show a bar.

    Returns:
        ``root``.

    Raises:
        DatasetError: the folder holds something else, or cannot be written.
    """
    root = Path(os.path.expanduser(root))
    what = {
        "standin_for": plan.benchmark,
        "format": _FORMAT,
        "seed": seed,
        **asdict(size),
    }
    if _ready(root, what, plan):
        return root
    _make_room(root, what, plan)
    shape = (plan.frame_size, plan.frame_rate)
    jobs = [
        (root / c.path, shape, seed, size, c.action, c.group, c.clip)
        for c in plan.clips
        if not _is_whole(root / c.path)
    ]
    _write_clips(jobs, workers, progress)
    _clear_leftovers(root, plan)
    for name, content in plan.lists.items():
        write_whole(root / name, content)
    write_whole(root / STANDIN_FILE, json.dumps(what, indent=2).encode())
    (root / _UNFINISHED).unlink(missing_ok=True)
    return root


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _top_names(plan: StandinPlan) -> list[str]:
    """What lies directly in the root."""
    paths = [*(clip.path for clip in plan.clips), *plan.lists]
    return sorted({PurePosixPath(path).parts[0] for path in paths})


def _ready(root: Path, what: dict, plan: StandinPlan) -> bool:
    """Whether the stand-in is there, complete; refuses to overwrite other data."""
    marks = [root / name for name in (STANDIN_FILE, _UNFINISHED)]
    mark = next((mark for mark in marks if os.path.exists(mark)), None)
    if mark is None:
        if any(os.path.exists(root / name) for name in _top_names(plan)):
            raise DatasetError(
                f"{root} holds a data set that is not a stand-in; it is left "
                "untouched. Choose another folder for the stand-in."
            )
        return False
    try:
        found = json.loads(mark.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{mark}: cannot be read ({error})") from error
    if found != what:
        raise DatasetError(
            f"{root} holds another stand-in ({found}); this run asks for {what}. "
            "Choose another data_root, or delete that folder."
        )
    files = [*(clip.path for clip in plan.clips), *plan.lists]
    return mark.name == STANDIN_FILE and all(_is_whole(root / f) for f in files)


def _make_room(root: Path, what: dict, plan: StandinPlan) -> None:
    """Refuse a disk that cannot hold the clips; mark the folder, then fill it.

    The mark comes before the first class folder: a folder without one is never
    taken for ours, and never written to.
    """
    needed = len(plan.clips) * _CLIP_BYTES
    try:
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
        if free < needed:
            raise DatasetError(
                f"{root}: the stand-in needs about {needed / 1e6:.0f} MB, "
                f"and {free / 1e6:.0f} MB are free"
            )
        write_whole(root / _UNFINISHED, json.dumps(what).encode())
        for folder in _clip_folders(root, plan):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{root}: cannot be written ({error.strerror})") from error
    except RunDirectoryError as error:
        raise DatasetError(f"stand-in: {error}") from error


def _clip_folders(root: Path, plan: StandinPlan) -> list[Path]:
    return sorted({(root / clip.path).parent for clip in plan.clips})


def _clear_leftovers(root: Path, plan: StandinPlan) -> None:
    """Remove half-written clips of a call that was killed.

    Not with a pattern: names of HMDB51 hold brackets.
    """
    suffixes = {PurePosixPath(clip.path).suffix for clip in plan.clips}
    for folder in _clip_folders(root, plan):
        for name in os.listdir(folder):
            if name.startswith(".") and Path(name).suffix in suffixes:
                (folder / name).unlink(missing_ok=True)


def _write_one(job: tuple) -> None:
    path, (frame_size, frame_rate), *what = job
    encode_clip(path, clip_frames(*what), frame_size, frame_rate)


def _end_with_parent() -> None:
    """Else workers of a killed call would wait for work for good."""
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _write_clips(jobs: list[tuple], workers: int, progress: bool) -> None:
    """In processes of their own; in this one where there are none or they fail."""
    bar = tqdm(
        total=len(jobs), desc="writing stand-in", unit="clip", disable=not progress
    )
    with bar:
        if workers > 1:
            # New interpreters: a fork of a process with running threads can hang.
            pool = ProcessPoolExecutor(
                workers, multiprocessing.get_context("spawn"), _end_with_parent
            )
            try:
                for _ in pool.map(_write_one, jobs, chunksize=2):
                    bar.update()
                return
            except BrokenProcessPool:
                # For want of memory; or a script without ``if __name__ ==
                # "__main__"``, which new interpreters would begin again.
                jobs = [job for job in jobs if not _is_whole(job[0])]
            finally:
                pool.shutdown(cancel_futures=True)
        for job in jobs:
            _write_one(job)
            bar.update()
