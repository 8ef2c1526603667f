"""Look a data set over: is all of it there, can it be read, is anything there twice?

Public names: ``check_dataset``, ``CheckReport``, ``Side``, ``walk_data``.

The loaders say what each side of each split is; their numbers are compared with the
published ones, or, for a stand-in, with what its own ``STANDIN.json`` promises.
"""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..errors import DatasetError, VideoError
from ..standins import StandinPlan, StandinSize, plan_standin
from ..video.clips import Sample
from ..video.frame_index import check_frames
from ..video.reading import open_video
from .base import (
    STANDIN_FILE,
    SUBSETS,
    MissingVideos,
    create_dataset,
    first_few,
    is_video,
    need_folder,
)
from .get import ARCHIVES
from .leakage import alike, sort_copies
from .sources import SOURCES

_UNFINISHED = "UNFINISHED.json"
_PAPERS = (".txt", ".csv", ".json", ".md", ".pdf", ".html")


@dataclass
class Side:
    """One side of one split."""

    split: str
    subset: str
    found: int | None = None  # clips; None where it could not be read at all
    expected: int | None = None  # None where no number is published
    trouble: str = ""  # what is wrong with it in few words


@dataclass
class CheckReport:
    """Everything found; paths are as seen from ``root``."""

    name: str
    root: str
    quick: bool
    standin: bool = False
    sides: list[Side] = field(default_factory=list)
    clips: int | None = None
    clips_expected: list[int] = field(default_factory=list)  # any of these is right
    wrong: list[str] = field(default_factory=list)  # what fits nowhere else
    missing: list[str] = field(default_factory=list)  # or empty
    unreadable: dict[str, str] = field(default_factory=dict)  # path -> why
    on_both_sides: list[list[str]] = field(default_factory=list)  # equal files
    two_labels: list[list[str]] = field(default_factory=list)
    equal: list[list[str]] = field(default_factory=list)  # on one side, one label
    same_name: list[list[str]] = field(default_factory=list)
    stray_videos: list[str] = field(default_factory=list)  # of no list
    stray_files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def troubles(self) -> list[str]:
        """One line for each kind of trouble; none means that all is well."""
        lines = list(self.wrong)
        told: dict[str, list[str]] = {}
        for side in self.sides:
            if side.trouble:
                told.setdefault(side.trouble, []).append(f"{side.split} {side.subset}")
        lines += [f"split {first_few(where)}: {what}" for what, where in told.items()]
        if self.clips_expected and self.clips not in (None, *self.clips_expected):
            right = " or ".join(f"{number:,}" for number in self.clips_expected)
            lines.append(f"{self.clips:,} clips are there, and it should be {right}")
        unreadable = [f"{path} ({why})" for path, why in self.unreadable.items()]
        return lines + _counted(
            ("missing or empty", self.missing),
            ("cannot be read", unreadable),
            ("equal files for training and for testing", self.on_both_sides),
            ("equal files under two labels", self.two_labels),
            ("name that occurs more than once", self.same_name),
            ("video of no list", self.stray_videos),
        )

    @property
    def good(self) -> bool:
        """Whether nothing is wrong. Remarks do not count."""
        return not self.troubles()

    def remarks(self) -> list[str]:
        """What is worth knowing, and not wrong."""
        return self.notes + _counted(
            ("equal files on one side", self.equal), ("other files", self.stray_files)
        )

    def text(self) -> str:
        """For people."""
        kind = ", a STAND-IN: generated data, not the benchmark" if self.standin else ""
        lines = [f"{self.name} in {self.root}{kind}"]
        for side in self.sides:
            found = "?" if side.found is None else f"{side.found:,}"
            of = "" if side.expected is None else f" of {side.expected:,}"
            mark = "  <-" if side.trouble else ""
            lines.append(f"  split {side.split:<8} {side.subset:<6}{found}{of}{mark}")
        how = (
            "by the first frame of each; contents were not compared"
            if self.quick
            else "every frame decoded, contents compared"
        )
        if self.clips is not None:
            lines.append(f"  {self.clips:,} clips, {how}")
        lines += [f"remark: {line}" for line in self.remarks()]
        lines += [f"TROUBLE: {line}" for line in self.troubles()]
        lines.append("Good." if self.good else "Not good.")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """All of it, for a JSON file."""
        return {**asdict(self), "good": self.good, "troubles": self.troubles()}


def _counted(*kinds: tuple[str, list]) -> list[str]:
    """One line for each kind of which there are any; the JSON has all names."""
    lines = []
    for kind, found in kinds:
        names = [each if isinstance(each, str) else " = ".join(each) for each in found]
        if names:
            lines.append(f"{kind}: {len(names):,}: {first_few(names, 5)}")
    return lines


def check_dataset(
    name: str,
    root: str | os.PathLike[str],
    quick: bool = False,
    splits: Iterable[str] | None = None,
    progress: bool = True,
) -> CheckReport:
    """Compare what lies in a folder with what the data set should be.

    Args:
        name: see ``list_datasets``.
        root: the folder of the unpacked data set.
        quick: decode the first frame of each file only, and compare no contents;
            otherwise all frames of every file are decoded.
        splits: which ones to look at; all that have published counts, if not given.
        progress: show bars.

    Raises:
        DatasetError: no such folder. What is wrong inside it is in the report.
    """
    name = name.lower()
    root = need_folder(root, f"the data set {name}")
    report = CheckReport(name, str(root), quick)
    plan = _expect_standin(report)
    source = SOURCES.get(name)
    sides = _load(report, splits or (source and source.counts) or ("1",))
    listed = {sample.path for _, _, samples in sides for sample in samples}
    if plan is not None:
        promised = {clip.path for clip in plan.clips}
        promised |= set(filter(is_video, plan.lists))
        here = {path for path in promised if (root / path).is_file()}
        report.clips, report.clips_expected = len(here), [len(promised)]
        # These are paths; a loader tells the names that are in its list.
        report.missing = sorted(promised - here) or report.missing
    else:
        report.clips = len(listed) or None
        if source and not (source.official or report.standin):
            # Without official lists, only the total can tell.
            report.clips_expected = [source.clips or 0, *source.also]
    _read_all(listed, report, progress)
    for path in sorted(set(report.unreadable) & set(plan.lists if plan else ())):
        why = report.unreadable.pop(path)
        report.notes.append(f"{path} {why}: this stand-in means it to be damaged")
    if not quick:
        groups = sort_copies(sides, {root / shown for shown in report.unreadable})
        report.on_both_sides, report.two_labels, report.equal = (
            [_shown(paths, root) for paths in each] for each in groups
        )
    files = list(walk_data(root))
    if name != "folder":  # one's own videos may be called what one likes
        report.same_name = _find_same_names(files, root)
    if all(side.found for side in report.sides):
        _find_strays(files, listed, report)
    return report


def _shown(paths: Iterable[Path], root: Path) -> list[str]:
    """Paths as seen from the root."""
    return sorted(Path(os.path.relpath(path, root)).as_posix() for path in paths)


def _expect_standin(report: CheckReport) -> StandinPlan | None:
    """The files that a stand-in promises, or None for real data."""
    root = Path(report.root)
    mark = root / STANDIN_FILE
    report.standin = mark.is_file() or (root / _UNFINISHED).is_file()
    if not mark.is_file():
        if report.standin:
            report.wrong.append(
                "this is a stand-in that was not written to its end: the same command "
                "that began it goes on"
            )
        return None
    try:
        told = json.loads(mark.read_text("utf-8"))
        size = StandinSize(**{k: told[k] for k in StandinSize.__dataclass_fields__})
        plan = plan_standin(told["standin_for"], size)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        report.wrong.append(f"{STANDIN_FILE} cannot be understood ({error})")
        return None
    if plan.benchmark != report.name:
        report.wrong.append(
            f"this stands in for {plan.benchmark}, not for {report.name}"
        )
        return None
    for path, content in plan.lists.items():
        if not (root / path).is_file() or (root / path).read_bytes() != content:
            report.wrong.append(f"{path} is not what the stand-in was written with")
    return plan


def _load(
    report: CheckReport, splits: Iterable[str]
) -> list[tuple[str, str, tuple[Sample, ...]]]:
    """(split, subset, the clips there) of both sides of every split.

    What a loader refuses goes into the report.
    """
    source, found = SOURCES.get(report.name), []
    for split, subset in product(map(str, splits), SUBSETS):
        side = Side(split, subset)
        report.sides.append(side)
        samples: Iterable[Sample] = ()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                data = create_dataset(report.name, report.root, split, subset)
                samples = data.samples
            except MissingVideos as error:
                side.trouble, samples = str(error), error.samples
                report.missing += error.names
            except DatasetError as error:
                side.trouble = str(error)
        if samples:
            found.append((split, subset, tuple(samples)))
            side.found = len(found[-1][2])
        if source and not report.standin:  # the published numbers are not its own
            side.expected = source.count(split, subset)
        if not side.trouble and side.expected not in (None, side.found):
            side.trouble = f"{side.found:,} clips, and {side.expected:,} are published"
        report.notes += [str(warning.message) for warning in told]
    report.missing = sorted(set(report.missing))
    report.notes = list(dict.fromkeys(report.notes))
    return found


def _read_all(listed: set[Path], report: CheckReport, progress: bool) -> None:
    """Note every file that cannot be read; only its first frame is, if ``quick``."""

    def trouble_with(path: Path) -> str:
        try:
            if report.quick:
                with open_video(path, "pyav") as video:
                    video.read([0])
            else:
                check_frames(path)
        except VideoError as error:
            return str(error).removeprefix(f"{path}: ")
        return ""

    paths, root = sorted(listed), Path(report.root)
    words: dict[str, list[str]] = {}
    with (
        warnings.catch_warnings(record=True) as told,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        warnings.simplefilter("always")
        looks = dict(total=len(paths), desc="reading", unit="file")
        found = tqdm(pool.map(trouble_with, paths), **looks, disable=not progress)
        for path, trouble in zip(paths, found, strict=True):
            if trouble:
                report.unreadable[_shown([path], root)[0]] = trouble
    for warning in told:
        path, _, word = str(warning.message).rpartition(": ")
        words.setdefault(word, []).extend(_shown([Path(path)], root))
    report.notes += _counted(*words.items())


def walk_data(root: Path) -> Iterator[Path]:
    """Every file below the root but hidden ones, caches and archives."""
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        passed = {ARCHIVES} if here == root else set()
        folders[:] = sorted(n for n in folders if n[0] != "." and n not in passed)
        yield from (here / name for name in sorted(names) if name[0] != ".")


def _find_same_names(files: Iterable[Path], root: Path) -> list[list[str]]:
    """Names of videos that occur in two folders."""
    # Replacements of damaged clips of Kinetics-400 have their names.
    own = (path for path in files if path.relative_to(root).parts[0] != "replacement")
    videos = [path for path in own if is_video(path.name)]
    groups = alike([videos], lambda path: path.name.lower())
    return [_shown(paths, root) for paths in groups]


def _find_strays(
    files: Iterable[Path], listed: Collection[Path], report: CheckReport
) -> None:
    """Files that no list accounts for. Lists and papers do not count.

    Not every clip that belongs to a data set is on a side of a split: HMDB51 lists
    some that it leaves out, the test clips of Something-Something V2 and Kinetics-400
    come without labels. So a video whose name, number or YouTube key (11 letters)
    stands in any list of the folder is known.
    """
    root, words = Path(report.root), set()
    for path in files if report.name != "folder" else ():
        if path.suffix in (".txt", ".csv", ".json") and path.name != STANDIN_FILE:
            words.update(re.findall(r"[^\s,\"]+", path.read_text("utf-8", "replace")))
    if report.name == "kinetics400":  # a clip may be there damaged and whole
        words.update(path.name for path in listed)
    videos, others = [], []
    for path in files:
        if path in listed or path.name in (STANDIN_FILE, _UNFINISHED):
            continue
        if not is_video(path.name):
            if path.suffix.lower() not in _PAPERS:
                others.append(path)
        elif not {path.name, path.stem, path.name[:11]} & words:
            videos.append(path)
    report.stray_videos, report.stray_files = _shown(videos, root), _shown(others, root)
