"""UCF50: 50 human actions, as it is unpacked.

Public names: ``load_ucf50``, ``fold_group``, ``SPLITS``.

The layout::

    root/UCF50/<Class>/v_<Class>_gNN_cNN.avi

``root`` may also be the folder UCF50 itself. There is no list, neither of classes
nor of splits. The labels are the places of the folders in the order of a plain sort,
which is also that of the DVFL-Net repository; JumpRope stands before JumpingJack.
Two folders hold files of another prefix: Billiards v_Billards_, PullUps v_Pullup_.
So the folder gives the label, never the file name.

Splits keep the groups whole. "group01" ... "group25" test on one group of every class
and train on the rest; the mean over the 25 is the data set's usual number. "fold1"
... "fold5" test on five groups each, 1-5, 6-10 and so on: a cheaper choice of this
project, for which there is no published protocol.

Six classes have more than 25 groups, up to 30. Here group 26 goes where group 1
goes, 27 where 2 goes, and so on: every clip is tested exactly once, and no group is
torn. Of the 6,681 clips that the DVFL-Net repository lists, 63 are of such groups;
without them 6,618 remain, a count that is also met in the literature, so numbers that
others report may leave these clips out.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..errors import DatasetError
from ..standins.scenes import ACTIONS
from .base import SUBSETS, VideoDataset, first_few
from .disk import is_folder, list_folder, marked_standin, need_folder, packed_in
from .listed_clips import (
    Disk,
    ListedClip,
    locate,
    nearby,
    official_classes,
    scan_classes,
    with_parent,
)
from .ucf_names import authors_from_disk, group_number, group_of

GROUPS = 25  # that every class has
FOLDS = 5
SPLITS = (
    *(f"group{number:02d}" for number in range(1, GROUPS + 1)),
    *(f"fold{number}" for number in range(1, FOLDS + 1)),
    "authors",
)

_VIDEOS = "UCF50"
_WHERE = "UCF50.rar is at https://www.crcv.ucf.edu/data/UCF50.php"
# Prefixes of file names, in lower case, that are not their folder's name.
_PREFIXES = {"billards": "billiards", "pullup": "pullups"}
# Clips by the lists of the DVFL-Net repository, and by the project page of CRCV.
_COUNTS = (6681, 6676)


def fold_group(number: int) -> int:
    """The group, 1 to 25, with which a group is tested: its own, or 25 less.

    Raises:
        DatasetError: a number below 1.
    """
    if number < 1:
        raise DatasetError(f"groups of UCF50 count from 1; there is no group {number}")
    return (number - 1) % GROUPS + 1


def load_ucf50(
    root: str | os.PathLike[str],
    split: str = "group01",
    subset: str = "train",
    frames: int = 8,
) -> VideoDataset:
    """One subset of one split of UCF50. See the module's docstring for the layout.

    Args:
        split: "group01" to "group25" (leave one group out), "fold1" to "fold5" (five
            groups each), or "authors": the 80/20 cut of the DVFL-Net repository,
            which warns that groups straddle it.
        frames: T of the clips that ``__getitem__`` shows.

    Raises:
        DatasetError: unknown split or subset; folders missing; a folder that is of
            no class; a class that lacks a group; a file of another class.
    """
    split = str(split).lower()
    if split not in SPLITS:
        raise DatasetError(
            f"UCF50 has no official list and no split {split!r}. Its splits are "
            f"{SPLITS[0]} to {SPLITS[GROUPS - 1]} (leave one group out), fold1 to "
            f"fold{FOLDS} (five groups each) and authors"
        )
    if subset not in SUBSETS:
        raise DatasetError(f"subset must be 'train' or 'test', not {subset!r}")
    root = need_folder(root, f"{_VIDEOS}. {_WHERE}")
    videos = _find_videos(root)
    standin = marked_standin(*with_parent(root, _VIDEOS))
    classes = tuple(sorted(ACTIONS)) if standin else official_classes("ucf50")
    _refuse_strangers(videos, classes)
    disk = scan_classes(videos, classes)
    _check_whole(videos, disk, classes, standin)
    if split == "authors":
        clips = authors_from_disk("UCF50", disk, classes, "UCF50.rar")[subset]
    else:
        clips = _by_group(disk, classes, split, subset)
    samples = locate(
        clips,
        disk,
        lambda clip: group_of(clip.name),
        videos,
        f"unpack UCF50.rar again. {_WHERE}",
    )
    return VideoDataset("ucf50", root, split, subset, classes, samples, frames, standin)


def _find_videos(root: Path) -> Path:
    """The folder of the class folders."""
    for videos in (root / _VIDEOS / _VIDEOS, root / _VIDEOS):
        if videos.is_dir():
            return videos
    known = {name.lower() for name in (*official_classes("ucf50"), *ACTIONS)}
    if any(e.name.lower() in known and is_folder(e) for e in list_folder(root)):
        return root
    hint = nearby(root, lambda folder: (folder / _VIDEOS).is_dir())
    packed = packed_in([root])
    raise DatasetError(f"{root}: there is no folder {_VIDEOS}.{hint}{packed} {_WHERE}")


def _refuse_strangers(videos: Path, classes: Sequence[str]) -> None:
    """A folder of videos that is of no class: another data set, or a renamed one."""
    known = {name.lower() for name in classes}
    strange = [
        folder.name
        for folder in list_folder(videos)
        if folder.name.lower() not in known
        and is_folder(folder)
        and any(e.name.lower().endswith(".avi") for e in list_folder(Path(folder.path)))
    ]
    if strange:
        raise DatasetError(
            f"{videos}: {first_few(strange)} are not among the {len(classes)} classes "
            f"of UCF50. Is it another data set, or a renamed folder? {_WHERE}"
        )


def _check_whole(
    videos: Path, disk: Disk, classes: Sequence[str], standin: bool
) -> None:
    """No list says what should be there; that every class has 25 groups does."""
    owner = {name.lower(): name for name in classes}
    for name in classes:
        groups = set()
        for path in disk[name.lower()].values():
            groups.add(group_number(str(path)))
            prefix = path.name.removeprefix("v_").partition("_")[0].lower()
            other = owner.get(_PREFIXES.get(prefix, prefix), name)
            if other != name:
                raise DatasetError(
                    f"{path}: lies in the folder of {name}, and its name says {other}. "
                    f"Move it where it belongs, or unpack UCF50.rar again"
                )
        lacking = sorted(set(range(1, GROUPS + 1)) - groups)
        if lacking:
            raise DatasetError(
                f"{videos}: {name} lacks the groups {first_few(lacking)}, and every "
                f"class has {GROUPS}. The archive may be half unpacked: unpack "
                f"UCF50.rar again. {_WHERE}"
            )
    count = sum(map(len, disk.values()))
    if not standin and count not in _COUNTS:
        warnings.warn(
            f"{videos} holds {count} clips; UCF50 has {_COUNTS[0]} in the lists of "
            f"the DVFL-Net repository and {_COUNTS[1]} by its project page. It may be "
            "half unpacked, or another version: state the number with your results",
            stacklevel=4,
        )


def _by_group(
    disk: Disk, classes: Sequence[str], split: str, subset: str
) -> list[ListedClip]:
    """The clips of a group's or a fold's test side, or all others."""
    if split.startswith("group"):
        tested = {int(split.removeprefix("group"))}
    else:
        share = GROUPS // FOLDS
        last = share * int(split.removeprefix("fold"))
        tested = set(range(last - share + 1, last + 1))
    return [
        ListedClip(f"{name}/{path.name}", label)
        for label, name in enumerate(classes)
        for path in disk[name.lower()].values()
        if (fold_group(group_number(path.name)) in tested) == (subset == "test")
    ]
