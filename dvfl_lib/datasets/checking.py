"""Look a data set over: is all of it there, can it be read, is anything there twice?

Public names: ``check_dataset``, ``CheckReport``, ``Side``.

The loaders say what each side of each split is; their numbers are compared with the
published ones, or, for a stand-in, with what its own ``STANDIN.json`` promises. Then
the files: unreadable ones, equal ones on both sides of a split, and those that are of
no list.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from ..errors import DatasetError, VideoError
from ..standins import StandinPlan, StandinSize, plan_standin
from ..video.clips import Sample
from ..video.containers import container_trouble
from ..video.frame_index import index_frames
from . import hmdb51, ucf50, ucf101
from .base import STANDIN_FILE, SUBSETS, MissingVideos
from .check_report import CheckReport, Side
from .disk import is_video, need_folder
from .duplicates import equal_files
from .published import PUBLISHED
from .registry import create_dataset
from .unlisted import unlisted_files, walk_data

_SPLITS = {"ucf101": ucf101.SPLITS, "ucf50": ucf50.SPLITS, "hmdb51": hmdb51.SPLITS}


def check_dataset(
    name: str,
    root: str | os.PathLike[str],
    quick: bool = False,
    splits: Iterable[str] | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> CheckReport:
    """Compare what lies in a folder with what the benchmark should be.

    Args:
        name: see ``list_datasets``.
        root: the folder of the unpacked data set.
        quick: believe the length that each file states of itself, and compare no
            contents; otherwise the frames of every file are counted, which reads all
            of it.
        splits: which ones to look at; all, if not given.
        workers: threads that read files.
        progress: show bars.

    Raises:
        DatasetError: no such benchmark or folder. What is wrong inside the folder is
            in the report.
    """
    name = str(name).lower()
    try:
        root = need_folder(root, f"the data set {name}")
        os.stat(root / STANDIN_FILE)
    except FileNotFoundError:
        pass  # real data
    except OSError as error:
        raise DatasetError(f"{root}: cannot be read ({error.strerror})") from error
    report = CheckReport(name, str(root), quick)
    plan = _expect_standin(name, root, report)
    sides = _load(name, root, splits or _SPLITS.get(name, ("1",)), report)
    listed = {sample.path for side in sides for sample in side.samples}
    _count(name, listed, plan, report)
    _read_all(listed, root, quick, workers, progress, report)
    _forgive(plan, report)
    if not quick:
        _compare_contents(sides, listed, root, report)
    if name != "folder":  # one's own videos may be called what one likes
        _compare_names(root, report)
    if all(side.found for side in report.sides):
        strays, others = unlisted_files(name, root, listed)
        report.stray_videos += _shown(strays, root)
        report.stray_files += _shown(others, root)
    return report


class _Loaded(NamedTuple):
    """The clips of one side of a split that are there."""

    split: str
    subset: str
    samples: tuple[Sample, ...]


def _shown(paths: Iterable[Path], root: Path) -> list[str]:
    """Paths as seen from the root."""
    return sorted(Path(os.path.relpath(path, root)).as_posix() for path in paths)


# --- what should be there ------------------------------------------------------


def _expect_standin(name: str, root: Path, report: CheckReport) -> StandinPlan | None:
    """The files that a stand-in promises, or None for real data."""
    mark = root / STANDIN_FILE
    if not mark.is_file():
        if (root / "UNFINISHED.json").is_file():
            report.standin = True
            report.wrong.append(
                "this is a stand-in that was not written to its end: the same command "
                "that began it goes on"
            )
        return None
    report.standin = True
    try:
        told = json.loads(mark.read_text("utf-8"))
        size = StandinSize(**{k: told[k] for k in StandinSize.__dataclass_fields__})
        of = told["standin_for"]
        plan = plan_standin(of, size)
    except (OSError, ValueError, KeyError, TypeError) as error:
        report.wrong.append(f"{STANDIN_FILE} cannot be understood ({error})")
        return None
    if of != name:
        report.wrong.append(f"this stands in for {of}, not for {name}")
        return None
    for path, content in plan.lists.items():
        try:
            same = (root / path).read_bytes() == content
        except OSError:
            same = False
        if not same:
            report.wrong.append(f"{path} is not what the stand-in was written with")
    return plan


def _load(
    name: str, root: Path, splits: Iterable[str], report: CheckReport
) -> list[_Loaded]:
    """Both sides of every split; what a loader refuses goes into the report."""
    published, found = PUBLISHED.get(name), []
    for split, subset in product(map(str, splits), SUBSETS):
        side = Side(split, subset)
        side.expected = published.count(split, subset) if published else None
        report.sides.append(side)
        samples: Iterable[Sample] = ()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                dataset = create_dataset(name, root, split, subset)
                samples = dataset.samples
                # The mark may lie above the folder that was given.
                report.standin |= dataset.standin
            except MissingVideos as error:
                side.trouble, samples = str(error), error.samples
                report.missing += error.names
            except DatasetError as error:
                side.trouble = str(error)
        if samples:
            found.append(_Loaded(split, subset, tuple(samples)))
            side.found = len(found[-1].samples)
        report.notes += [str(warning.message) for warning in told]
    for side in report.sides if report.standin else ():
        side.expected = None  # the published numbers are not its own
    report.missing = sorted(set(report.missing))
    report.notes = list(dict.fromkeys(report.notes))
    return found


def _count(
    name: str,
    listed: set[Path],
    plan: StandinPlan | None,
    report: CheckReport,
) -> None:
    if plan is not None:
        promised = {clip.path for clip in plan.clips} | set(
            filter(is_video, plan.lists)
        )
        here = {path for path in promised if (Path(report.root) / path).is_file()}
        report.clips, report.clips_expected = len(here), [len(promised)]
        # These are paths; a loader tells the names that are in its list.
        report.missing = sorted(promised - here) or report.missing
        return
    report.clips = len(listed) if listed else None
    published = PUBLISHED.get(name)
    if published and not (published.official or report.standin):
        # Without official lists, only the total can tell.
        report.clips_expected = [published.clips or 0, *published.also]


# --- the files -----------------------------------------------------------------


def _read_all(
    listed: set[Path],
    root: Path,
    quick: bool,
    workers: int | None,
    progress: bool,
    report: CheckReport,
) -> None:
    look = container_trouble if quick else _count_frames
    paths = sorted(listed)
    with ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1)) as pool:
        bar = tqdm(
            pool.map(look, paths),
            total=len(paths),
            desc="reading",
            unit="file",
            disable=not progress,
        )
        for path, trouble in zip(paths, bar, strict=True):
            if trouble:
                shown = Path(os.path.relpath(path, root)).as_posix()
                report.unreadable[shown] = trouble


def _forgive(plan: StandinPlan | None, report: CheckReport) -> None:
    """Files that a stand-in has damaged on purpose, as the benchmark's archives do."""
    for path in sorted(report.unreadable):
        if plan is not None and path in plan.lists:
            why = report.unreadable.pop(path)
            report.notes.append(f"{path} {why}: this stand-in means it to be damaged")


def _count_frames(path: Path) -> str:
    try:
        index_frames(path)
    except VideoError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def _compare_contents(
    sides: list[_Loaded], listed: set[Path], root: Path, report: CheckReport
) -> None:
    """Equal files; those on both sides of a split, or under two labels, are worse."""
    places: dict[Path, set[tuple[str, str]]] = {}
    labels: dict[Path, set[int]] = {}
    for side in sides:
        for sample in side.samples:
            places.setdefault(sample.path, set()).add((side.split, side.subset))
            labels.setdefault(sample.path, set()).add(sample.label)
    unread = {root / shown for shown in report.unreadable}
    for paths in equal_files(listed - unread):
        subsets: dict[str, set[str]] = {}
        for split, subset in set().union(*(places[path] for path in paths)):
            subsets.setdefault(split, set()).add(subset)
        names = _shown(paths, root)
        across = any(len(both) > 1 for both in subsets.values())
        two_labels = len(set().union(*(labels[path] for path in paths))) > 1
        if across:
            report.on_both_sides.append(names)
        if two_labels:
            report.two_labels.append(names)
        if not across and not two_labels:
            report.equal.append(names)


def _compare_names(root: Path, report: CheckReport) -> None:
    """A file name that occurs in two folders."""
    seen: dict[str, list[Path]] = {}
    for path in walk_data(root):
        # Replacements of damaged clips have their names.
        if is_video(path.name) and path.relative_to(root).parts[0] != "replacement":
            seen.setdefault(path.name.lower(), []).append(path)
    report.same_name += [_shown(paths, root) for paths in seen.values() if paths[1:]]
