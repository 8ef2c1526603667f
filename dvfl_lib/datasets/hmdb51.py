"""HMDB51: 51 human actions, 6,766 clips, as it is unpacked.

Public names: ``load_hmdb51``, ``read_list``, ``source_of``, ``SPLITS``.

The layout::

    root/hmdb51_org/<class>/<source>_<class>_<attributes>_<n>.avi
    root/testTrainMulti_7030_splits/<class>_test_split{1,2,3}.txt

The archive holds one archive per class, each of which must be unpacked too.

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

import re
from pathlib import Path

from ..errors import DatasetError
from ..standins.scenes import HMDB51_NAMES
from .base import VideoDataset, marked_standin, register
from .listing import (
    ListedClip,
    find_folder,
    match_list_to_files,
    official_classes,
    packed_in,
    read_lines,
    refuse_shared,
    refuse_twice,
    scan_classes,
)

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
    refuse_shared(sources["train"], sources["test"], "sources", file, _WHERE)
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
    """One subset of one split of HMDB51. See the module's docstring for the layout.

    Args:
        split: "1", "2", "3" (official: 70 training and 30 test clips of each class).

    Raises:
        DatasetError: folders or lists missing; archives still packed; a contradictory
            list; files that a list names and the disk does not have.
    """
    videos = find_folder(root, _VIDEOS, _WHERE)
    lists = find_folder(root, _LISTS, _WHERE)
    drawn, official = sorted(HMDB51_NAMES.values()), official_classes("hmdb51")
    classes = tuple(drawn) if marked_standin(root) else official
    disk = scan_classes(videos, classes)
    if not all(disk.values()) and (packed := packed_in(videos)):
        raise DatasetError(f"{videos}: classes have no videos.{packed} (unrar x)")
    clips = [
        ListedClip(f"{name}/{file}", label)
        for label, name in enumerate(classes)
        for file in read_list(lists / f"{name}_test_split{split}.txt", name)[subset]
    ]
    samples = match_list_to_files(
        clips,
        disk,
        lambda clip: f"{clip.folder}/{source_of(clip.file, clip.folder)}",
        videos,
        f"unpack hmdb51_org.rar and the archives of the classes in it again. {_WHERE}",
    )
    return VideoDataset("hmdb51", root, split, subset, classes, samples)
