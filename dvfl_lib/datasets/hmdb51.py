"""HMDB51: 51 human actions, 6,766 clips, as it is unpacked.

Public names: ``load_hmdb51``, ``read_list``, ``source_of``, ``FlaggedClip``,
``SPLITS``.

The layout::

    root/hmdb51_org/<class>/<source>_<class>_<attributes>_<n>.avi
    root/testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt

``root`` may also be the folder hmdb51_org itself with the lists inside or beside it,
or a folder that holds the class folders directly. The archive holds one archive per
class, each of which must be unpacked too.

Traps of the original files. A line is ``<name>.avi <flag>`` with a blank behind; the
flag is 1 for training, 2 for testing and 0 for neither. Names of classes begin like
one another (kick and kick_ball, climb and climb_stairs, sword and sword_exercise,
push and pushup): a list's class is its name without ``_test_splitN.txt``. Names of
clips hold ! # & ( ) + ; @ [ ] ~. Labels are the places of the classes in the
alphabet, as in torchvision and MMAction2.

The group of a clip is its class and the source: what stands before the class in its
name. This rule fits all 6,766 names, and no such group is on both sides of an
official split. The same source may serve another class on the other side: the
official splits allow that.

The lists of the DVFL-Net repository are no split here, because no rule gives them:
50 classes are cut at ceil(0.8 n) of the names, sorted in capitals, but the class walk
was drawn at random, and 56 of the clips are left out.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from ..standins.scenes import HMDB51_NAMES
from .base import SUBSETS, VideoDataset, first_few
from .disk import list_folder, marked_standin, need_folder, packed_in
from .listed_clips import (
    Disk,
    ListedClip,
    locate,
    nearby,
    official_classes,
    read_lines,
    refuse_twice,
    scan_classes,
    with_parent,
)

SPLITS = ("1", "2", "3")

_VIDEOS = "hmdb51_org"
_LISTS = "testTrainMulti_7030_splits"
_LIST_PLACES = (_LISTS, "test_train_splits", "")
_LIST_NAME = re.compile(r"(.+)_test_split[123]\.txt")
_FLAG_OF = {"train": 1, "test": 2}
_OFFICIAL_COUNT = {"train": 70, "test": 30}  # of every class
_WHERE = (
    "hmdb51_org.rar and test_train_splits.rar are at "
    "https://huggingface.co/datasets/Serrelab/hmdb51"
)


@dataclass(frozen=True)
class FlaggedClip:
    """One line of a list."""

    name: str  # of the file, as written
    flag: int  # 1 train, 2 test, 0 neither


def source_of(name: str, class_name: str) -> str:
    """What the clip was cut from: its name up to ``_<class>_<attributes>_<n>.avi``.

    Raises:
        DatasetError: a name of another form, or of another class.
    """
    match = re.fullmatch(
        rf"(.+)_{re.escape(class_name)}_[a-z]+_(?:cm|nm)_np\d+_[a-z]+_[a-z]+_\d+\.avi",
        name,
        re.IGNORECASE,
    )
    if match is None:
        raise DatasetError(
            f"{name!r} is no name of HMDB51's class {class_name}: expected "
            f"<source>_{class_name}_<body>_<cm|nm>_np<N>_<view>_<quality>_<n>.avi"
        )
    return match[1]


def read_list(file: Path, class_name: str) -> list[FlaggedClip]:
    """The clips of the list of one class.

    Raises:
        DatasetError: missing, unreadable or empty; a flag that is not 0, 1 or 2; a
            clip of another class, or named twice; a source on both sides.
    """
    clips, sides = [], {1: set(), 2: set()}
    for line in read_lines(file, _WHERE):
        name, *flag = line.rsplit(maxsplit=1)
        if not flag or flag[0] not in ("0", "1", "2"):
            raise DatasetError(
                f"{file}: expected '<name>.avi <0, 1 or 2>', found {line!r}. {_WHERE}"
            )
        clips.append(FlaggedClip(name, int(flag[0])))
        try:
            source = source_of(name, class_name)
        except DatasetError as error:
            raise DatasetError(f"{file}: {error}") from None
        sides.get(clips[-1].flag, set()).add(source)
    advice = f"Take the official list. {_WHERE}"
    refuse_twice(file, (clip.name for clip in clips), advice)
    if not clips:
        raise DatasetError(f"{file}: names no clip. {advice}")
    both = sorted(sides[1] & sides[2])
    if both:
        raise DatasetError(
            f"{file}: trains and tests on clips of one source: {first_few(both)}. The "
            f"official lists do not: take them from the archive. {_WHERE}"
        )
    return clips


def load_hmdb51(
    root: str | os.PathLike[str],
    split: str | int = "1",
    subset: str = "train",
    frames: int = 8,
) -> VideoDataset:
    """One subset of one split of HMDB51. See the module's docstring for the layout.

    Args:
        split: "1", "2", "3" (official: 70 training and 30 test clips of each class).
        frames: T of the clips that ``__getitem__`` shows.

    Raises:
        DatasetError: unknown split or subset; folders or lists missing; archives
            still packed; a list that is not the official one; files that a list
            names and the disk does not have.
    """
    split = str(split).lower()
    if split not in SPLITS:
        why = (
            ". The authors' lists follow no rule for all classes: they cannot be remade"
            if split == "authors"
            else ""
        )
        raise DatasetError(
            f"HMDB51 has the splits {', '.join(SPLITS)}, not {split!r}{why}"
        )
    if subset not in SUBSETS:
        raise DatasetError(f"subset must be 'train' or 'test', not {subset!r}")
    root = need_folder(root, f"{_VIDEOS} and {_LISTS}. {_WHERE}")
    lists = _find_lists(root)
    standin = marked_standin(*with_parent(root, _VIDEOS))
    classes = (
        tuple(sorted(HMDB51_NAMES.values())) if standin else official_classes("hmdb51")
    )
    _check_lists(lists, classes)
    videos = _find_videos(root, classes)
    disk = scan_classes(videos, classes)
    _refuse_packed(videos, disk)
    clips = _flagged(lists, classes, split, subset, standin)
    samples = locate(
        clips,
        disk,
        lambda clip: f"{clip.folder}/{source_of(clip.file, clip.folder)}",
        videos,
        f"unpack hmdb51_org.rar and the archives of the classes in it again. {_WHERE}",
    )
    return VideoDataset(
        "hmdb51", root, split, subset, classes, samples, frames, standin
    )


def _list_classes(folder: Path) -> set[str]:
    """The classes that have a list in the folder."""
    if not folder.is_dir():
        return set()
    matches = [_LIST_NAME.fullmatch(entry.name) for entry in list_folder(folder)]
    return {match[1] for match in matches if match}


def _find_lists(root: Path) -> Path:
    roots = with_parent(root, _VIDEOS)
    places = [place / name for place in roots for name in _LIST_PLACES]
    found = next((place for place in places if _list_classes(place)), None)
    if found is None:
        hint = nearby(root, lambda folder: bool(_list_classes(folder / _LISTS)))
        packed = packed_in([root])
        raise DatasetError(
            f"{root}: there are no lists {_LISTS}/<class>_test_split1.txt.{hint}"
            f"{packed} {_WHERE}"
        )
    return found


def _check_lists(lists: Path, classes: Sequence[str]) -> None:
    """A missing or another list would move the labels of the classes behind it."""
    found = _list_classes(lists)
    for names, trouble in (
        (sorted(set(classes) - found), "has no lists of the classes"),
        (sorted(found - set(classes)), "has lists of what is no class of HMDB51:"),
    ):
        if names:
            raise DatasetError(
                f"{lists}: {trouble} {first_few(names)}. Unpack the archive of the "
                f"lists again. {_WHERE}"
            )


def _find_videos(root: Path, classes: Sequence[str]) -> Path:
    for videos in (root / _VIDEOS / _VIDEOS, root / _VIDEOS):
        if videos.is_dir():
            return videos
    if any((root / name).is_dir() for name in classes):
        return root
    packed = packed_in([root])
    raise DatasetError(f"{root}: there is no folder {_VIDEOS}.{packed} {_WHERE}")


def _refuse_packed(videos: Path, disk: Disk) -> None:
    """The archive of a class that has not been unpacked."""
    empty = [name for name, files in disk.items() if not files]
    packed = [
        entry.name
        for folder in (videos, videos.parent)
        for entry in list_folder(folder)
        if entry.name.lower() in {f"{name}.rar" for name in empty}
    ]
    if packed:
        raise DatasetError(
            f"{videos}: {len(packed)} archives of classes are still packed: "
            f"{first_few(packed)}. Unpack each of them into {videos} (unrar x)"
        )


def _flagged(
    lists: Path, classes: Sequence[str], split: str, subset: str, standin: bool
) -> list[ListedClip]:
    """The clips of one side of a split, of all classes in order."""
    clips = []
    odd = []
    for label, name in enumerate(classes):
        file = lists / f"{name}_test_split{split}.txt"
        listed = read_list(file, name)
        chosen = [clip for clip in listed if clip.flag == _FLAG_OF[subset]]
        if len(chosen) != _OFFICIAL_COUNT[subset]:
            odd.append(f"{name} ({len(chosen)})")
        clips += [ListedClip(f"{name}/{clip.name}", label) for clip in chosen]
    if odd and not standin:
        warnings.warn(
            f"{lists}: the official lists of split {split} name "
            f"{_OFFICIAL_COUNT[subset]} {subset} clips of every class; these do not: "
            f"{first_few(odd)}. Results on them are not those of HMDB51",
            stacklevel=4,
        )
    return clips
