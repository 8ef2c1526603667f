"""Look a data set over: is all of it there, can it be read, is anything there twice?

Public names: ``check_dataset``, ``CheckReport``, ``Side``, ``walk_data``.

The loaders say what each side of each split is; their numbers are compared with the
published ones, or, for a stand-in, with what its own ``STANDIN.json`` promises. Then
the files: unreadable ones, equal ones on both sides of a split, and those that are of
no list.
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
from ..video.frame_index import index_frames
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

_PAPERS = (".txt", ".csv", ".json", ".md", ".pdf", ".html")


# --- the report


@dataclass
class Side:
    """One side of one split."""

    split: str
    subset: str
    found: int | None = None  # clips; None where it could not be read at all
    expected: int | None = None  # None where no number is published
    trouble: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong with it in few words, or ""."""
        if self.trouble:
            return self.trouble
        if self.expected is not None and self.found != self.expected:
            return f"{self.found:,} clips, and {self.expected:,} are published"
        return ""


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
            if side.wrong:
                told.setdefault(side.wrong, []).append(f"{side.split} {side.subset}")
        lines += [f"split {first_few(where)}: {what}" for what, where in told.items()]
        expected = self.clips_expected
        if expected and self.clips is not None and self.clips not in expected:
            right = " or ".join(f"{number:,}" for number in expected)
            lines.append(f"{self.clips:,} clips are there, and it should be {right}")
        unreadable = [f"{path} ({why})" for path, why in self.unreadable.items()]
        return lines + _counted(
            ("missing or empty", self.missing),
            ("cannot be read", unreadable),
            ("equal files for training and for testing", _joined(self.on_both_sides)),
            ("equal files under two labels", _joined(self.two_labels)),
            ("name that occurs more than once", _joined(self.same_name)),
            ("video of no list", self.stray_videos),
        )

    @property
    def good(self) -> bool:
        """Whether nothing is wrong. Remarks do not count."""
        return not self.troubles()

    def remarks(self) -> list[str]:
        """What is worth knowing, and not wrong."""
        return self.notes + _counted(
            ("equal files on one side", _joined(self.equal)),
            ("other files", self.stray_files),
        )

    def text(self) -> str:
        """For people."""
        kind = ", a STAND-IN: generated data, not the benchmark" if self.standin else ""
        lines = [f"{self.name} in {self.root}{kind}"]
        for side in self.sides:
            found = "?" if side.found is None else f"{side.found:,}"
            of = "" if side.expected is None else f" of {side.expected:,}"
            mark = "  <-" if side.wrong else ""
            lines.append(f"  split {side.split:<8} {side.subset:<6}{found}{of}{mark}")
        how = (
            "by the first frame of each; contents were not compared"
            if self.quick
            else "every frame counted, contents compared"
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


def _joined(groups: list[list[str]]) -> list[str]:
    return [" = ".join(group) for group in groups]


def _counted(*kinds: tuple[str, list[str]]) -> list[str]:
    """One line for each kind of which there are any; the JSON has all names."""
    return [f"{k}: {len(n):,}: {first_few(n, 5)}" for k, n in kinds if n]


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
            otherwise the frames of every file are counted, which reads all of it.
        splits: which ones to look at; all that have published counts, if not given.
        progress: show bars.

    Raises:
        DatasetError: no such data set or folder. What is wrong inside the folder is
            in the report.
    """
    name = name.lower()
    root = need_folder(root, f"the data set {name}")
    report = CheckReport(name, str(root), quick)
    plan = _expect_standin(name, root, report)
    source = SOURCES.get(name)
    known = tuple(source.counts) if source else ()
    sides = _load(name, root, splits or known or ("1",), report)
    listed = {sample.path for _, _, samples in sides for sample in samples}
    _count(name, listed, plan, report)
    _read_all(listed, root, quick, progress, report)
    if plan is not None:  # some are damaged on purpose, as the archives' files are
        for path in sorted(set(report.unreadable) & set(plan.lists)):
            why = report.unreadable.pop(path)
            report.notes.append(f"{path} {why}: this stand-in means it to be damaged")
    if not quick:
        unread = {root / shown for shown in report.unreadable}
        found = [report.on_both_sides, report.two_labels, report.equal]
        for kind, groups in zip(found, sort_copies(sides, unread), strict=True):
            kind += [_shown(paths, root) for paths in groups]
    if name != "folder":  # one's own videos may be called what one likes
        _compare_names(root, report)
    if all(side.found for side in report.sides):
        _find_strays(name, root, listed, report)
    return report


_Loaded = tuple[str, str, tuple[Sample, ...]]  # split, subset, the clips there


def _shown(paths: Iterable[Path], root: Path) -> list[str]:
    """Paths as seen from the root."""
    return sorted(Path(os.path.relpath(path, root)).as_posix() for path in paths)


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
        plan = plan_standin(told["standin_for"], size)
    except (ValueError, KeyError, TypeError) as error:
        report.wrong.append(f"{STANDIN_FILE} cannot be understood ({error})")
        return None
    if told["standin_for"] != name:
        report.wrong.append(f"this stands in for {told['standin_for']}, not for {name}")
        return None
    for path, content in plan.lists.items():
        if not (root / path).is_file() or (root / path).read_bytes() != content:
            report.wrong.append(f"{path} is not what the stand-in was written with")
    return plan


def _load(
    name: str, root: Path, splits: Iterable[str], report: CheckReport
) -> list[_Loaded]:
    """Both sides of every split; what a loader refuses goes into the report."""
    source, found = SOURCES.get(name), []
    for split, subset in product(map(str, splits), SUBSETS):
        side = Side(split, subset)
        side.expected = source.count(split, subset) if source else None
        report.sides.append(side)
        samples: Iterable[Sample] = ()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                samples = create_dataset(name, root, split, subset).samples
            except MissingVideos as error:
                side.trouble, samples = str(error), error.samples
                report.missing += error.names
            except DatasetError as error:
                side.trouble = str(error)
        if samples:
            found.append((split, subset, tuple(samples)))
            side.found = len(found[-1][2])
        report.notes += [str(warning.message) for warning in told]
    for side in report.sides if report.standin else ():
        side.expected = None  # the published numbers are not its own
    report.missing = sorted(set(report.missing))
    report.notes = list(dict.fromkeys(report.notes))
    return found


def _count(
    name: str, listed: set[Path], plan: StandinPlan | None, report: CheckReport
) -> None:
    if plan is not None:
        promised = {clip.path for clip in plan.clips}
        promised |= set(filter(is_video, plan.lists))
        here = {path for path in promised if (Path(report.root) / path).is_file()}
        report.clips, report.clips_expected = len(here), [len(promised)]
        # These are paths; a loader tells the names that are in its list.
        report.missing = sorted(promised - here) or report.missing
        return
    report.clips = len(listed) if listed else None
    source = SOURCES.get(name)
    if source and not (source.official or report.standin):
        # Without official lists, only the total can tell.
        report.clips_expected = [source.clips or 0, *source.also]


def _read_all(
    listed: set[Path], root: Path, quick: bool, progress: bool, report: CheckReport
) -> None:
    """Note every file that cannot be read."""
    paths = sorted(listed)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda path: _trouble_with(path, quick), paths)
        looks = dict(total=len(paths), desc="reading", unit="file")
        bar = tqdm(found, **looks, disable=not progress)
        for path, trouble in zip(paths, bar, strict=True):
            if trouble:
                report.unreadable[_shown([path], root)[0]] = trouble


def _trouble_with(path: Path, quick: bool) -> str:
    """Why a file cannot be read; by its first frame only, if ``quick``."""
    try:
        if not quick:
            index_frames(path)
            return ""
        with open_video(path, "pyav") as video:
            video.read([0])
    except VideoError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


# --- the same thing twice ----------------------------------------------------------


def _compare_names(root: Path, report: CheckReport) -> None:
    """A file name that occurs in two folders."""
    # Replacements of damaged clips of Kinetics-400 have their names.
    videos = [
        path
        for path in walk_data(root)
        if is_video(path.name) and path.relative_to(root).parts[0] != "replacement"
    ]
    groups = alike([videos], lambda path: path.name.lower())
    report.same_name += [_shown(paths, root) for paths in groups]


# --- what is of no list --------------------------------------------------------------


def walk_data(root: Path) -> Iterator[Path]:
    """Every file below the root but hidden ones, caches and archives."""
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        passed = {ARCHIVES} if here == root else set()
        folders[:] = sorted(n for n in folders if n[0] != "." and n not in passed)
        yield from (here / name for name in sorted(names) if name[0] != ".")


def _find_strays(
    name: str, root: Path, listed: Collection[Path], report: CheckReport
) -> None:
    """Files that no list accounts for. Lists and papers do not count.

    Not every clip that belongs to a data set is on a side of a split: HMDB51 lists
    some that it leaves out, the test clips of Something-Something V2 and Kinetics-400
    come without labels. So a video whose name, number or YouTube key (11 letters)
    stands in any list of the folder is known.
    """
    words: set[str] = set()
    if name != "folder":
        for path in walk_data(root):
            if path.suffix in (".txt", ".csv", ".json") and path.name != STANDIN_FILE:
                text = path.read_text("utf-8", "replace")
                words.update(re.findall(r"[^\s,\"]+", text))
    known = {path.name for path in listed}  # one clip may be there damaged and whole
    videos, others = [], []
    for path in walk_data(root):
        if path in listed or path.name in (STANDIN_FILE, "UNFINISHED.json"):
            continue
        if not is_video(path.name):
            if path.suffix.lower() not in _PAPERS:
                others.append(path)
        elif not ({path.name, path.stem, path.name[:11]} & words) and (
            name != "kinetics400" or path.name not in known
        ):
            videos.append(path)
    report.stray_videos += _shown(videos, root)
    report.stray_files += _shown(others, root)
