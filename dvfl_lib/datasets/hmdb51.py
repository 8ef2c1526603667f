"""HMDB51: 51 human actions, 6,766 clips, as it is unpacked.

Public names: ``load_hmdb51``, ``read_list``, ``source_of``, ``SPLITS``.

The layout, the archives of the classes inside the one of the videos unpacked too::

    root/hmdb51_org/<class>/<source>_<class>_<attributes>_<n>.avi
    root/testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt

Traps. A line is ``<name>.avi <flag>`` with a blank behind; the flag is 1 for training,
2 for testing and 0 for neither. Names of classes begin like one another (kick and
kick_ball, push and pushup): a list's class is its name without ``_test_splitN.txt``.
Names of clips hold ! # & ( ) + ; @ [ ] ~. Labels are the places of the classes in the
alphabet, as in torchvision and MMAction2.

The group of a clip is its class and the source: what stands before the class in its
name. This fits all 6,766 names, and no such group is on both sides of an official
split; the same source may serve another class on the other side.

The lists of the DVFL-Net repository are no split here, because no rule gives them: the
walk through the classes was drawn at random, and 56 of the clips are left out.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import DatasetError
from ..standins.scenes import HMDB51_NAMES
from .base import (
    VideoDataset,
    find_folder,
    find_videos,
    marked_standin,
    official_classes,
    packed_in,
    read_lines,
    refuse_twice,
    register,
    scan_classes,
)
from .leakage import refuse_shared

SPLITS = ("1", "2", "3")

_VIDEOS = "hmdb51_org"
_LISTS = "testTrainMulti_7030_splits"
_FLAGS = {"1": "train", "2": "test", "0": "neither"}
_WHERE = (
    "hmdb51_org.rar and test_train_splits.rar are at "
    "https://huggingface.co/datasets/Serrelab/hmdb51"
)


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


def _group_of(clip: str) -> str:
    class_name, _, file = clip.partition("/")
    return f"{class_name}/{source_of(file, class_name)}"


def read_list(file: Path, class_name: str) -> dict[str, list[str]]:
    """The clips of the list of one class: "train", "test", "neither" -> file names.

    Raises:
        DatasetError: missing or unreadable; a flag that is not 0, 1 or 2; a clip of
            another class, or named twice; a source on both sides.
    """
    clips: dict[str, list[str]] = {side: [] for side in _FLAGS.values()}
    for line in read_lines(file, _WHERE):
        name, _, flag = line.rpartition(" ")
        if flag not in _FLAGS:
            raise DatasetError(
                f"{file}: expected '<name>.avi <0, 1 or 2>', found {line!r}. {_WHERE}"
            )
        clips[_FLAGS[flag]].append(name.strip())
    refuse_twice(file, sum(clips.values(), []), _WHERE)
    sources = {
        side: [source_of(name, class_name) for name in names]
        for side, names in clips.items()
    }
    refuse_shared(sources, "sources", file, _WHERE)
    return clips


@register(
    "hmdb51",
    holds=f"{_VIDEOS} and {_LISTS}. {_WHERE}",
    splits=SPLITS,
    about_splits="1, 2, 3. The authors' lists follow no rule and cannot be remade",
    protocols=(SPLITS,),
    no_order="the DVFL-Net repository's lists of HMDB51 number 51 classes from 2 to 52 "
    "in the order of a walk through folders, and its file of labels says otherwise: "
    "nobody can tell which order its checkpoints have",
)
def load_hmdb51(root: Path, split: str, subset: str) -> VideoDataset:
    """One subset of one official split of HMDB51: "1", "2" or "3".

    Raises:
        DatasetError: folders or lists missing; archives still packed; a contradictory
            list; files that a list names and the disk does not have.
    """
    videos = find_folder(root, _VIDEOS, _WHERE)
    lists = find_folder(root, _LISTS, _WHERE)
    drawn, official = sorted(HMDB51_NAMES.values()), official_classes("hmdb51")
    classes = tuple(drawn) if marked_standin(root) else official
    disk = scan_classes(videos, classes)
    if not all(disk) and (packed := packed_in(videos)):
        raise DatasetError(f"{videos}: classes have no videos.{packed} (unrar x)")
    clips = {
        f"{name}/{file}": label
        for label, name in enumerate(classes)
        for file in read_list(lists / f"{name}_test_split{split}.txt", name)[subset]
    }
    advice = (
        f"unpack hmdb51_org.rar and the archives of the classes in it again. {_WHERE}"
    )
    samples = find_videos(clips, disk, _group_of, videos, advice)
    return VideoDataset("hmdb51", root, split, subset, classes, samples)
