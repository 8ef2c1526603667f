"""From the lines of a list to files in one folder per class.

Public names: ``ListedClip``, ``official_classes``, ``read_lines``, ``scan_classes``,
``refuse_twice``, ``locate``, ``nearby``, ``with_parent``, ``Disk``.

Names on the disk are compared without regard to case, because copies differ in it.
Folders are listed and never searched by pattern: names of HMDB51 hold brackets.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import MissingVideos, first_few
from .disk import is_folder, list_folder, read_text

# {class in lower case: {file name in lower case: path}}
Disk = dict[str, dict[str, Path]]


@dataclass(frozen=True)
class ListedClip:
    """One line of a list."""

    name: str  # <Class>/<file>.avi, as written
    label: int  # 0-based, in the benchmark's order of classes

    @property
    def folder(self) -> str:
        """The class, as written in the line."""
        return self.name.partition("/")[0]

    @property
    def file(self) -> str:
        """The name of the file, as written in the line."""
        return self.name.partition("/")[2]


@lru_cache
def official_classes(benchmark: str) -> tuple[str, ...]:
    """The classes of ``classes/<benchmark>.txt``, in the order of their labels.

    For benchmarks that have no numbered list of their own: a missing folder must
    not move the labels of the others.
    """
    file = files("dvfl_lib.datasets").joinpath(f"classes/{benchmark}.txt")
    return tuple(file.read_text("utf-8").splitlines())


def read_lines(file: Path, advice: str) -> list[str]:
    """The lines of a list without the blanks around them; empty ones are left out.

    Raises:
        DatasetError: missing or unreadable.
    """
    # Official files end their lines with CR LF or a blank; both go here.
    lines = (line.strip() for line in read_text(file, advice).splitlines())
    return [line for line in lines if line]


def refuse_twice(file: Path, names: Iterable[str], advice: str) -> None:
    """Refuse a list that names a clip more than once, whatever the case.

    Raises:
        DatasetError: which file and which clips; ends with ``advice``.
    """
    counts = Counter(name.lower() for name in names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise DatasetError(f"{file}: names clips twice: {first_few(twice)}. {advice}")


def nearby(root: Path, holds: Callable[[Path], bool]) -> str:
    """ " Did you mean X?" where a folder one step below or two above fits, or ""."""
    below = [Path(e.path) for e in list_folder(root) if os.path.isdir(e.path)]
    above = list(root.absolute().parents)[:2]
    for folder in (*below, *above):
        # A neighbour may not be ours to look into: lost+found, for one.
        with suppress(OSError, DatasetError):
            if holds(folder):
                return f" Did you mean {folder}?"
    return ""


def with_parent(root: Path, name: str) -> list[Path]:
    """The root, and the folder above where the user named the inner folder itself."""
    return [root, root.parent] if root.name == name else [root]


def scan_classes(videos: Path, classes: Iterable[str]) -> Disk:
    """The AVI files in the folders of the classes.

    Raises:
        DatasetError: a folder cannot be listed; two folders or two files whose
            names differ in case only; videos one folder too deep.
    """
    disk: Disk = {name.lower(): {} for name in classes}
    seen: dict[str, str] = {}
    for folder in list_folder(videos):
        key = folder.name.lower()
        if key not in disk or not is_folder(folder):
            continue
        if key in seen:
            raise DatasetError(
                f"{videos}: {seen[key]} and {folder.name} are one class. Put all its "
                "videos into one of the two folders, and delete the other"
            )
        seen[key] = folder.name
        disk[key] = _scan_one(Path(folder.path))
    return disk


def _scan_one(folder: Path) -> dict[str, Path]:
    """{file name in lower case: path} of the AVI files of one class."""
    found: dict[str, Path] = {}
    for entry in list_folder(folder):
        key = entry.name.lower()
        if key == folder.name.lower() and is_folder(entry):
            raise DatasetError(
                f"{entry.path}: lies one folder too deep. Move its videos up into "
                f"{folder}, and delete it"
            )
        if not key.endswith(".avi"):
            continue
        if key in found:
            raise DatasetError(
                f"{folder}: {found[key].name} and {entry.name} differ in case only, "
                "so a list can mean either. Delete one of them"
            )
        found[key] = Path(entry.path)
    return found


def locate(
    clips: Sequence[ListedClip],
    disk: Disk,
    group_of: Callable[[ListedClip], str],
    videos: Path,
    advice: str,
) -> list[Sample]:
    """The files of the clips of a list, in its order.

    Args:
        disk: see ``scan_classes``.
        group_of: the recording from which a clip was cut.
        videos: the folder of the class folders, for messages.
        advice: what to do where some are missing, for messages.

    Raises:
        MissingVideos: files missing or empty.
    """
    samples, missing, empty = [], [], []
    for clip in clips:
        path = disk[clip.folder.lower()].get(clip.file.lower())
        if path is None:
            missing.append(clip.name)
        elif not path.is_file() or path.stat().st_size == 0:
            empty.append(clip.name)
        else:
            samples.append(Sample(path, clip.label, group_of(clip), clip.name))
    for names, trouble in ((missing, "missing"), (empty, "dead links or empty files")):
        if names:
            raise MissingVideos(
                f"{videos}: {len(names)} of {len(clips)} videos of the list are "
                f"{trouble}: {first_few(names)}. The archive may be half unpacked: "
                f"{advice}",
                [*missing, *empty],
                samples,
            )
    return samples
