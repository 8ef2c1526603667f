"""UCF101: 101 human actions, 13,320 clips (arXiv 1212.0402), as it is unpacked.

Public names: ``load_ucf101``, ``read_classes``, ``read_list``, ``SPLITS``,
``OFFICIAL_SPLITS``.

The layout::

    root/UCF-101/<Class>/v_<Class>_gNN_cNN.avi
    root/ucfTrainTestlist/classInd.txt, trainlist0{1,2,3}.txt, testlist0{1,2,3}.txt

``root`` may also be the folder UCF-101 itself with the lists inside or beside it,
or a folder that holds the class folders directly.

Three traps of the original files. The order of labels is that of ``classInd.txt``
(1-based there), and it is not alphabetical: Hammering, HammerThrow and
JumpingJack, JumpRope. The folder HandstandPushups holds files named
v_HandStandPushups_..., and some copies rename it: names are compared without
regard to case. The test lists carry no label; the folder gives it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from ..errors import DatasetError
from .base import SUBSETS, VideoDataset
from .disk import marked_standin, need_folder, packed_in
from .listed_clips import (
    ListedClip,
    locate,
    nearby,
    read_lines,
    refuse_twice,
    scan_classes,
    with_parent,
)
from .ucf_names import authors_from_disk, group_of, straddling_groups

OFFICIAL_SPLITS = ("1", "2", "3")
SPLITS = (*OFFICIAL_SPLITS, "authors")

_VIDEOS = "UCF-101"
_LISTS = "ucfTrainTestlist"
_WHERE = (
    "UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip are at "
    "https://www.crcv.ucf.edu/data/UCF101.php"
)


def read_classes(file: Path) -> tuple[str, ...]:
    """The classes of ``classInd.txt`` in the order of their numbers.

    Raises:
        DatasetError: unreadable, or numbers that are not 1, 2, 3 ...
    """
    pairs = [line.split() for line in read_lines(file, _WHERE)]
    for pair in pairs:
        if len(pair) != 2 or not re.fullmatch(r"[0-9]{1,6}", pair[0]):
            raise DatasetError(f"{file}: expected '<number> <class>', found {pair}")
    pairs.sort(key=lambda pair: int(pair[0]))
    numbers = [int(number) for number, _ in pairs]
    names = [name for _, name in pairs]
    if not pairs or numbers != list(range(1, len(pairs) + 1)):
        raise DatasetError(f"{file}: its class numbers are not 1, 2, 3, ...")
    if len({name.lower() for name in names}) != len(names):
        raise DatasetError(f"{file}: names a class twice")
    return tuple(names)


def read_list(file: Path, classes: Iterable[str]) -> list[ListedClip]:
    """The clips of a train or test list, with or without numbers in it.

    Raises:
        DatasetError: unreadable; an unknown class; a number that contradicts
            ``classes``; a name of another form; a clip named twice.
    """
    label_of = {name.lower(): label for label, name in enumerate(classes)}
    clips = []
    for line in read_lines(file, _WHERE):
        name, *number = line.rsplit(maxsplit=1)
        name = name.replace("\\", "/")
        label = label_of.get(name.partition("/")[0].lower())
        if label is None or "/" not in name:
            raise DatasetError(f"{file}: {name!r} is of no class of classInd.txt")
        if number and number[0] != str(label + 1):
            raise DatasetError(
                f"{file}: {name!r} has the number {number[0]}, but classInd.txt gives "
                f"its class {label + 1}. The two files are of different versions: "
                f"take both from the official archive. {_WHERE}"
            )
        try:
            group_of(name)
        except DatasetError as error:
            raise DatasetError(f"{file}: {error}") from None
        clips.append(ListedClip(name, label))
    refuse_twice(file, (clip.name for clip in clips), _WHERE)
    return clips


def load_ucf101(
    root: str | os.PathLike[str],
    split: str | int = "1",
    subset: str = "train",
    frames: int = 8,
) -> VideoDataset:
    """One subset of one split of UCF101. See the module's docstring for the layout.

    Args:
        split: "1", "2", "3" (official), or "authors": the 80/20 cut of the
            DVFL-Net repository, which warns that groups straddle it.
        frames: T of the clips that ``__getitem__`` shows.

    Raises:
        DatasetError: unknown split or subset; folders or lists missing; files that
            a list names and the disk does not have; lists that contradict.
    """
    split = str(split).lower()
    if split not in SPLITS:
        raise DatasetError(f"UCF101 has the splits {', '.join(SPLITS)}, not {split!r}")
    if subset not in SUBSETS:
        raise DatasetError(f"subset must be 'train' or 'test', not {subset!r}")
    root = need_folder(root, f"{_VIDEOS} and {_LISTS}. {_WHERE}")
    lists, videos = _find_folders(root)
    classes = read_classes(lists / "classInd.txt")
    disk = scan_classes(videos, classes)
    if split == "authors":
        clips = authors_from_disk("UCF101", disk, classes, "UCF101.rar")[subset]
    else:
        clips = _official(lists, split, subset, classes)
    samples = locate(
        clips,
        disk,
        lambda clip: group_of(f"{classes[clip.label]}/{clip.file}"),
        videos,
        f"unpack UCF101.rar again. {_WHERE}",
    )
    standin = marked_standin(*with_parent(root, _VIDEOS))
    return VideoDataset(
        "ucf101", root, split, subset, classes, samples, frames, standin
    )


def _official(
    lists: Path, split: str, subset: str, classes: tuple[str, ...]
) -> list[ListedClip]:
    """The clips of an official list; its other side may share no recording with it."""
    files = {side: lists / f"{side}list0{split}.txt" for side in SUBSETS}
    clips = read_list(files[subset], classes)
    other = next(side for side in SUBSETS if side != subset)
    if files[other].is_file():
        sides = {subset: clips, other: read_list(files[other], classes)}
        groups, shared = straddling_groups(sides)
        if groups:
            raise DatasetError(
                f"{files['train']} and {files['test'].name} share {groups} groups: "
                f"{shared} test clips come from a recording that is trained on. The "
                f"official lists share none: take both from the archive. {_WHERE}"
            )
    return clips


def _find_folders(root: Path) -> tuple[Path, Path]:
    """(folder of the lists, folder of the class folders)."""
    roots = with_parent(root, _VIDEOS)
    places = [place / name for place in roots for name in (_LISTS, "")]
    lists = next((p for p in places if (p / "classInd.txt").is_file()), None)
    if lists is None:
        hint = nearby(root, lambda f: (f / _LISTS / "classInd.txt").is_file())
        raise DatasetError(
            f"{root}: there is no {_LISTS}/classInd.txt.{hint} Unpack "
            f"UCF101TrainTestSplits-RecognitionTask.zip there. {_WHERE}"
        )
    for videos in (root / _VIDEOS / _VIDEOS, root / _VIDEOS):
        if videos.is_dir():
            return lists, videos
    if any(root.glob("*/v_*_g*_c*.avi")):
        return lists, root
    packed = packed_in([root])
    raise DatasetError(f"{root}: there is no folder {_VIDEOS}.{packed} {_WHERE}")
