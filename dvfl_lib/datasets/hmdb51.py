"""HMDB51: 51 human actions, 6,766 clips, as ``data/README.md`` shows them.

Public names: ``load_hmdb51``, ``read_list``, ``source_of``, ``SPLITS``.

Traps. Names of classes begin like one another (kick and kick_ball, push and pushup): a
list's class is its name without ``_test_splitN.txt``. Names of clips hold ! # & ( ) +
; @ [ ] ~. Labels are the places of the classes in the alphabet, as in torchvision.

A clip is named ``<source>_<class>_<attributes>_<n>.avi``; its group is class and
source. This fits all 6,766 names, and no such group is on both sides of an official
split; the same source may serve another class on the other side.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import DatasetError
from ..standins.scenes import HMDB51_NAMES
from ..video.clips import Sample
from .base import (
    VideoDataset,
    find_folder,
    is_whole,
    keep_found,
    marked_standin,
    official_classes,
    packed_in,
    read_lines,
    register,
    scan_folders,
)
from .leakage import refuse_shared, refuse_twice

SPLITS = ("1", "2", "3")

_VIDEOS = "hmdb51_org"
_LISTS = "testTrainMulti_7030_splits"
_FLAGS = {"1": "train", "2": "test", "0": "neither"}
_WHERE = (
    "hmdb51_org.rar and test_train_splits.rar are at "
    "https://huggingface.co/datasets/Serrelab/hmdb51"
)


def source_of(name: str, class_name: str) -> str:
    """What the clip was cut from: its name up to ``_<class>_<attributes>_<n>.avi``."""
    attributes = r"[a-z]+_(?:cm|nm)_np\d+_[a-z]+_[a-z]+_\d+\.avi"
    form = rf"(.+)_{re.escape(class_name)}_{attributes}"
    match = re.fullmatch(form, name, re.IGNORECASE)
    if match is None:
        raise DatasetError(
            f"{name!r} is no name of HMDB51's class {class_name}: expected "
            f"<source>_{class_name}_<body>_<cm|nm>_np<N>_<view>_<quality>_<n>.avi"
        )
    return match[1]


def read_list(file: Path, class_name: str) -> dict[str, dict[str, str]]:
    """The list of one class: "train", "test", "neither" -> {file name: source}.

    A line is ``<name>.avi <flag>`` with a blank behind; the flag is 1 for training, 2
    for testing and 0 for neither.
    """
    clips: dict[str, dict[str, str]] = {side: {} for side in _FLAGS.values()}
    names = []
    for line in read_lines(file, _WHERE):
        name, _, flag = line.rpartition(" ")
        if flag not in _FLAGS:
            raise DatasetError(
                f"{file}: expected '<name>.avi <0, 1 or 2>', found {line!r}. {_WHERE}"
            )
        names.append(name.strip())
        clips[_FLAGS[flag]][names[-1]] = source_of(names[-1], class_name)
    refuse_twice(file, names, _WHERE)
    sources = {side: mine.values() for side, mine in clips.items()}
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
    """HMDB51, one of its official splits "1", "2", "3"."""
    videos = find_folder(root, _VIDEOS, _WHERE)
    lists = find_folder(root, _LISTS, _WHERE)
    drawn, official = sorted(HMDB51_NAMES.values()), official_classes("hmdb51")
    classes = tuple(drawn) if marked_standin(root) else official
    disk = scan_folders(videos)
    samples = []
    for label, name in enumerate(classes):
        listed = read_list(lists / f"{name}_test_split{split}.txt", name)[subset]
        for file, source in listed.items():
            path = disk.get(f"{name}/{file}".lower(), videos / name / file)
            samples.append(Sample(path, label, f"{name}/{source}", f"{name}/{file}"))
    advice = (
        f"{packed_in(videos)} Unpack the archives of classes too (unrar x). {_WHERE}"
    )
    there = set(disk.values())
    samples = keep_found(
        samples, videos, advice, lambda s: s.path in there and is_whole(s)
    )
    return VideoDataset("hmdb51", root, split, subset, classes, samples)
