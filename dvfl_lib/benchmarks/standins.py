"""Write a small data set in exactly the layout of a benchmark, to learn and test on.

Public names: ``StandinSize``, ``write_ucf101_standin``, ``standin_pairs``,
``standin_families``.

A stand-in is real video files and real list files, so the same loaders and the
same training run on it. ``STANDIN.json`` marks it, and whatever is computed on it
says so. Its actions are those of ``standin_actions``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from ..errors import DatasetError, RunDirectoryError
from ..files import write_whole
from ..video.seeding import derive_seed
from .base import STANDIN_FILE
from .standin_actions import ACTIONS, FAMILIES, PAIRS, draw_scene, pair_of, render_clip

_FORMAT = 1  # raised whenever the same seed would give other frames
_UNFINISHED = "UNFINISHED.json"
_CLIP_BYTES = 300_000  # about what a clip takes
FRAME_RATE = 25
FRAME_SIZE = (320, 240)  # width, height
TEST_GROUPS = {1: range(1, 8), 2: range(8, 15), 3: range(15, 22)}  # as in UCF101


@dataclass(frozen=True)
class StandinSize:
    """How much to write. UCF101 has 25 groups of 4 to 7 clips per class."""

    groups: int = 25
    clips_per_group: int = 4
    min_frames: int = 32
    max_frames: int = 48

    def __post_init__(self) -> None:
        if not 22 <= self.groups <= 99:
            raise DatasetError("a stand-in needs 22 to 99 groups: 21 serve as tests")
        if not 1 <= self.clips_per_group <= 99:
            raise DatasetError("a stand-in needs 1 to 99 clips per group")
        if not 8 <= self.min_frames <= self.max_frames:
            raise DatasetError("a stand-in's clips need 8 frames or more")


def standin_pairs(classes: Sequence[str]) -> list[tuple[int, int]]:
    """Labels of the actions that are each other's reversal."""
    return [(classes.index(a), classes.index(b)) for a, b in PAIRS]


def standin_families(classes: Sequence[str]) -> dict[str, list[int]]:
    """Labels of the actions that share a kind of change; families overlap."""
    return {
        name: [classes.index(action) for action in family]
        for name, family in FAMILIES.items()
    }


def clip_frames(seed: int, size: StandinSize, action: str, group: int, clip: int):
    """The frames of one clip before encoding: uint8 (T, 120, 160, 3)."""
    pair, _ = pair_of(action)
    looks = np.random.default_rng(derive_seed(seed, "scene", pair[0], group))
    motion = np.random.default_rng(derive_seed(seed, "clip", action, group, clip))
    frames = int(motion.integers(size.min_frames, size.max_frames + 1))
    return render_clip(action, draw_scene(looks), frames, motion)


def encode_avi(path: Path, frames: np.ndarray) -> None:
    """Write uint8 (T, H, W, 3) as 320 x 240 MPEG-4 at 25 frames a second.

    Every frame is coded by itself and at a fixed quality: prediction from earlier
    frames, or a rate control, would leave marks that tell forwards from backwards.

    Raises:
        DatasetError: the folder cannot be written or the disk is full.
    """
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.avi")
    width, height = FRAME_SIZE
    try:
        with av.open(str(unfinished), "w", options={"fflags": "+bitexact"}) as out:
            exact = {"flags": "+bitexact+qscale", "global_quality": str(3 * 118)}
            stream = out.add_stream("mpeg4", rate=FRAME_RATE, options=exact)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.gop_size = 1
            stream.codec_context.thread_count = 1
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture = picture.reformat(width, height, "yuv420p")
                out.mux(stream.encode(picture))
            out.mux(stream.encode())
        os.replace(unfinished, path)
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free some space or choose another folder"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _write_one(job: tuple[Path, int, StandinSize, str, int, int]) -> None:
    path, *what = job
    encode_avi(path, clip_frames(*what))


def _lists(names: dict[str, list[str]]) -> dict[str, str]:
    """File name -> content of the class index and the three pairs of lists."""
    index = [f"{n} {action}" for n, action in enumerate(ACTIONS, start=1)]
    files = {"classInd.txt": index}
    for split, test_groups in TEST_GROUPS.items():
        train, test = [], []
        for number, action in enumerate(ACTIONS, start=1):
            for name in names[action]:
                group = int(name.split("_g")[-1][:2])
                line = f"{action}/{name}"
                if group in test_groups:
                    test.append(line)
                else:
                    train.append(f"{line} {number}")
        files[f"trainlist0{split}.txt"] = train
        files[f"testlist0{split}.txt"] = test
    return {name: "\r\n".join([*lines, ""]) for name, lines in files.items()}


def _is_whole(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _ready(root: Path, what: dict, paths: list[Path]) -> bool:
    """Whether the stand-in is there, complete; refuses to overwrite other data."""
    marks = [root / name for name in (STANDIN_FILE, _UNFINISHED)]
    mark = next((mark for mark in marks if mark.exists()), None)
    if mark is None:
        if (root / "UCF-101").exists():
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
    return mark.name == STANDIN_FILE and all(map(_is_whole, paths))


def _make_room(root: Path, what: dict, clips: int) -> None:
    """Refuse a disk that cannot hold the clips; mark the folder, then fill it.

    The mark comes before the first class folder: a folder without one is never
    taken for ours, and never written to.
    """
    needed = clips * _CLIP_BYTES
    try:
        root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root).free
        if free < needed:
            raise DatasetError(
                f"{root}: the stand-in needs about {needed / 1e6:.0f} MB, "
                f"and {free / 1e6:.0f} MB are free"
            )
        write_whole(root / _UNFINISHED, json.dumps(what).encode())
        for action in ACTIONS:
            (root / "UCF-101" / action).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{root}: cannot be written ({error.strerror})") from error
    except RunDirectoryError as error:
        raise DatasetError(f"stand-in: {error}") from error


def write_ucf101_standin(
    root: str | os.PathLike[str],
    seed: int = 0,
    size: StandinSize | None = None,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Write a UCF101 of twelve generated actions; go on where an earlier call ended.

    The same seed and size give the same files, byte for byte with the same encoder
    and to within rounding of single pixels elsewhere.

    Args:
        root: becomes ``root/UCF-101`` and ``root/ucfTrainTestlist``.
        seed: of scenes and motions.
        size: how many groups, clips and frames.
        workers: processes that draw and encode; changes no file.
        progress: show a bar.

    Returns:
        ``root``.

    Raises:
        DatasetError: the folder holds something else, or cannot be written.
    """
    root, size = Path(root), size or StandinSize()
    what = {"standin_for": "ucf101", "format": _FORMAT, "seed": seed, **asdict(size)}
    names = {
        action: [
            f"v_{action}_g{group:02d}_c{clip:02d}.avi"
            for group in range(1, size.groups + 1)
            for clip in range(1, size.clips_per_group + 1)
        ]
        for action in ACTIONS
    }
    paths = [root / "UCF-101" / a / name for a in ACTIONS for name in names[a]]
    if _ready(root, what, paths):
        return root
    _make_room(root, what, len(paths))
    numbers = [
        (group, clip)
        for group in range(1, size.groups + 1)
        for clip in range(1, size.clips_per_group + 1)
    ]
    jobs = [
        (root / "UCF-101" / action / name, seed, size, action, *number)
        for action in ACTIONS
        for name, number in zip(names[action], numbers, strict=True)
    ]
    _write_clips([job for job in jobs if not _is_whole(job[0])], workers, progress)
    for leftover in (root / "UCF-101").glob("*/.v_*.avi"):
        leftover.unlink(missing_ok=True)  # of a call that was killed while it wrote
    for name, content in _lists(names).items():
        write_whole(root / "ucfTrainTestlist" / name, content.encode("ascii"))
    write_whole(root / STANDIN_FILE, json.dumps(what, indent=2).encode())
    (root / _UNFINISHED).unlink(missing_ok=True)
    return root


def _end_with_parent() -> None:
    """Otherwise the workers of a killed call would wait for work for good."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_clips(jobs: list[tuple], workers: int, progress: bool) -> None:
    bar = tqdm(
        total=len(jobs), desc="writing stand-in", unit="clip", disable=not progress
    )
    with bar:
        if workers < 2:
            for job in jobs:
                _write_one(job)
                bar.update()
            return
        # New interpreters: a fork of a process with running threads can hang.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_end_with_parent
        )
        with pool:
            for _ in pool.map(_write_one, jobs, chunksize=8):
                bar.update()
