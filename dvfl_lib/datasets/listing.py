"""What lies in a folder, and the files that belong to the lines of a list.

Public names: ``find_folder``, ``list_folder``, ``is_video``, ``packed_in``,
``read_text``, ``read_lines``, ``ListedClip``, ``Disk``, ``official_classes``,
``refuse_twice``, ``refuse_shared``, ``scan_classes``, ``match_list_to_files``,
``VIDEO_SUFFIXES``.

Names on the disk are compared without regard to case, because copies differ in it.
Folders are listed and never searched by pattern: names of HMDB51 hold brackets.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

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
