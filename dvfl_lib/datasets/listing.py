"""What lies in a folder, and the files that belong to the lines of a list.

Public names: ``find_folder``, ``list_folder``, ``is_video``, ``packed_in``,
``read_text``, ``read_lines``, ``ListedClip``, ``Disk``, ``official_classes``,
``refuse_twice``, ``refuse_shared``, ``scan_classes``, ``match_list_to_files``,
``refuse_copies``, ``sort_copies``, ``equal_files``, ``alike``, ``VIDEO_SUFFIXES``.

Names on the disk are compared without regard to case, because copies differ in it.
Folders are listed and never searched by pattern: names of HMDB51 hold brackets.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..video.clips import Sample
from ..video.reading import VIDEO_SUFFIXES
from .base import MissingVideos, first_few

_ARCHIVES = (".zip", ".rar", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".zst", ".7z")


def find_folder(root: Path, name: str, where: str) -> Path:
    """``root/name``, or the folder of the same name in it.

    Archives that are unpacked into a folder of their own name lie one deeper.

    Raises:
        DatasetError: there is none; says what is packed, and ``where`` it is from.
    """
    for folder in (root / name / name, root / name):
        if folder.is_dir():
            return folder
    above = f" Give the folder above: {root.parent}." if root.name == name else ""
    packed = packed_in(root, prefix=name)
    raise DatasetError(f"{root}: there is no folder {name}.{above}{packed} {where}")


def list_folder(folder: Path) -> list[os.DirEntry]:
    """Its entries by name, without those that begin with a dot.

    Such names are leftovers of copying and of writing.

    Raises:
        DatasetError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror})") from error
    return sorted(found, key=lambda entry: entry.name)


def is_video(name: str) -> bool:
    """Whether a file's name has a video's suffix."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def packed_in(*folders: Path, prefix: str = "\0") -> str:
    """ " Still packed there: X; unpack it." where archives lie in folders, or "".

    Args:
        prefix: beginning of names of archives without a suffix of their own.
    """
    names = [
        entry.name
        for folder in folders
        for entry in list_folder(folder)
        if entry.name.lower().endswith(_ARCHIVES)
        or (entry.is_file() and entry.name.startswith(prefix))
    ]
    return f" Still packed there: {first_few(names)}; unpack it." if names else ""


def read_text(file: Path, advice: str = "") -> str:
    """The text of an annotation file, without the mark that some editors put first.

    Raises:
        DatasetError: missing, or not UTF-8.
    """
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        missing = isinstance(error, FileNotFoundError)
        told = "is missing" if missing else f"cannot be read as UTF-8 text ({error})"
        raise DatasetError(f"{file}: {told}. {advice}") from None


def read_lines(file: Path, advice: str = "") -> list[str]:
    """The lines of a list without the blanks around them; empty ones are left out.

    Raises:
        DatasetError: missing, unreadable or empty.
    """
    # Official files end their lines with CR LF or a blank; both go here.
    lines = [line.strip() for line in read_text(file, advice).splitlines()]
    if not any(lines):
        raise DatasetError(f"{file}: is empty. {advice}")
    return [line for line in lines if line]


@lru_cache
def official_classes(name: str) -> tuple[str, ...]:
    """The classes of ``classes/<name>.txt``, in the order of their labels.

    For data sets that have no numbered list of their own: a missing folder must not
    move the labels of the others.
    """
    file = files("dvfl_lib.datasets").joinpath(f"classes/{name}.txt")
    return tuple(file.read_text("utf-8").splitlines())


# --- lists that contradict themselves ---------------------------------------------


def refuse_twice(file: Path, names: Iterable[str], advice: str) -> None:
    """Refuse a list that names a clip more than once, whatever the case."""
    counts = Counter(name.lower() for name in names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise DatasetError(f"{file}: names clips twice: {first_few(twice)}. {advice}")


def refuse_shared(
    train: Iterable[str], test: Iterable[str], what: str, lists: object, advice: str
) -> None:
    """Refuse lists that train and test on the same: a leak.

    Args:
        train, test: names of clips, or of the recordings that they are cut from.
        what: what they are, for the message; lists: where they stand.
    """
    both = sorted(set(train) & set(test))
    if both:
        raise DatasetError(
            f"{lists}: train and test share {len(both)} {what}: {first_few(both)}. The "
            f"official lists share none: take both of them from one copy. {advice}"
        )


# --- from the lines of a list to files in one folder per class ----------------------

# {class in lower case: {file name in lower case: path}}
Disk = dict[str, dict[str, Path]]


@dataclass(frozen=True)
class ListedClip:
    """One line of a list."""

    name: str  # <Class>/<file>.avi, as written
    label: int  # 0-based, in the data set's order of classes

    @property
    def folder(self) -> str:
        """The class, as written in the line."""
        return self.name.partition("/")[0]

    @property
    def file(self) -> str:
        """The name of the file, as written in the line."""
        return self.name.partition("/")[2]


def scan_classes(videos: Path, classes: Iterable[str]) -> Disk:
    """The AVI files in the folders of the classes."""
    disk: Disk = {name.lower(): {} for name in classes}
    for folder in list_folder(videos):
        if folder.name.lower() in disk and folder.is_dir():
            disk[folder.name.lower()] |= {
                entry.name.lower(): Path(entry.path)
                for entry in list_folder(Path(folder.path))
                if entry.name.lower().endswith(".avi")
            }
    return disk


def match_list_to_files(
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
    samples, missing = [], []
    for clip in clips:
        path = disk[clip.folder.lower()].get(clip.file.lower())
        if path is None or not path.is_file() or path.stat().st_size == 0:
            missing.append(clip.name)
        else:
            samples.append(Sample(path, clip.label, group_of(clip), clip.name))
    if missing:
        raise MissingVideos(
            f"{videos}: {len(missing)} of {len(clips)} videos of the list are missing "
            f"or empty: {first_few(missing)}. The archive may be half unpacked: "
            f"{advice}",
            missing,
            samples,
        )
    return samples


# --- the same video twice ----------------------------------------------------------


def _hash(path: Path, length: int = -1) -> str:
    with path.open("rb") as file:
        if length > 0:
            return hashlib.sha256(file.read(length)).hexdigest()
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
    there = [path for path in sorted(set(paths)) if path.is_file()]
    size = {path: path.stat().st_size for path in there}
    same = alike([[path for path in size if size[path]]], size.__getitem__)
    return alike(alike(same, lambda path: _hash(path, 65536)), _hash)


def sort_copies(
    sides: Iterable[tuple[str, str, Sequence[Sample]]], unread: Collection[Path] = ()
) -> tuple[list[list[Path]], list[list[Path]], list[list[Path]]]:
    """Files of equal content: on both sides of a split, under two labels, and others.

    Args:
        sides: (split, "train" or "test", its videos).
        unread: files to pass over.
    """
    places: dict[Path, set[tuple[str, str]]] = {}
    labels: dict[Path, set[int]] = {}
    for split, subset, samples in sides:
        for sample in samples:
            places.setdefault(sample.path, set()).add((split, subset))
            labels.setdefault(sample.path, set()).add(sample.label)
    across, double, others = [], [], []
    for paths in equal_files(path for path in places if path not in unread):
        where = set().union(*(places[path] for path in paths))
        if len(where) > len({split for split, _ in where}):
            across.append(paths)
        if len(set().union(*(labels[path] for path in paths))) > 1:
            double.append(paths)
        elif paths not in across:
            others.append(paths)
    return across, double, others


def refuse_copies(sides: Mapping[str, Sequence[Sample]]) -> None:
    """Refuse a video that is on two sides, or under two labels, by its content.

    A copy of a training video among the test videos would make the score too high; a
    video with two labels has a wrong one. Copies on one side under one label are let
    be. Empty files are left to whoever reads them.

    Args:
        sides: "train" and "test", with their videos.
    """
    names = {sample.path: sample.name for mine in sides.values() for sample in mine}
    across, double, _ = sort_copies(("", side, mine) for side, mine in sides.items())
    told = "are among the training videos and among the test videos"
    for groups, trouble in ((across, told), (double, "have two labels")):
        if groups:
            equal = [" = ".join(n for p, n in names.items() if p in g) for g in groups]
            raise DatasetError(
                f"{len(groups)} videos {trouble}, as copies of equal content: "
                f"{first_few(equal)}. Take the wrong ones out"
            )
