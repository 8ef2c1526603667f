"""Something-Something V2: 174 classes, 220,847 clips, as it is unpacked.

Public names: ``load_ssv2``, ``read_labels``, ``read_list``.

The layout::

    root/20bn-something-something-v2/<id>.webm
    root/labels.json, train.json, validation.json

The lists may lie in a folder ``labels``.

Three traps of the original files. A clip's class is its ``template`` without the
brackets, looked up in ``labels.json``, whose values are numbers written as text.
Some templates contain commas. And six classes name a side: a horizontal flip turns
"from left to right" into "from right to left", so ``VideoDataset.flip_labels``
names these pairs, and training swaps the label where it flips the clip.

There is one division: ``subset="train"`` is the training list, ``subset="test"`` the
*validation* list, on which results are reported, because the official test list
has no labels. Nothing says which clips were recorded together: each is a group of
its own, so held-out groups are held-out clips.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..video.clips import Sample
from .base import SUBSETS, MissingVideos, VideoDataset, first_few, register
from .flip_labels import flip_labels
from .listing import (
    find_folder,
    list_folder,
    packed_in,
    read_text,
    refuse_shared,
    refuse_twice,
)

_VIDEOS = "20bn-something-something-v2"
_FILES = {"train": "train.json", "test": "validation.json"}
_WHERE = (
    "The data set is given out by Qualcomm: 20 parts 20bn-something-something-v2-00 "
    "to -19 with the videos (one archive: cat 20bn-something-something-v2-?? | tar "
    "zx), and a package of labels with the lists"
)


def _plain(template: str) -> str:
    return template.replace("[", "").replace("]", "")


def _read_json(file: Path, kind: type) -> Any:
    try:
        content = json.loads(read_text(file, _WHERE))
        if isinstance(content, kind):
            return content
        error: object = f"it is no {kind.__name__}"
    except ValueError as found:
        error = found
    raise DatasetError(
        f"{file}: is not the whole official JSON ({error}). Download it again. {_WHERE}"
    )


def read_labels(file: Path) -> tuple[str, ...]:
    """The classes of ``labels.json`` in the order of their numbers.

    Raises:
        DatasetError: unreadable; not names with numbers 0, 1, 2, ...
    """
    content = _read_json(file, dict)
    of_number = {str(number): _plain(name) for name, number in content.items()}
    wanted = [str(number) for number in range(len(content))]
    if {*of_number} != {*wanted} or len({*of_number.values()}) != len(content):
        raise DatasetError(
            f"{file}: its {len(content)} classes do not have the numbers 0, 1, 2, ..., "
            "each once. Take the official file"
        )
    return tuple(of_number[number] for number in wanted)


def read_list(file: Path, classes: Sequence[str]) -> dict[str, int]:
    """The clips of ``train.json`` or ``validation.json``: id -> label.

    Raises:
        DatasetError: unreadable; an entry without a template, as in the test list; a
            template that is not among ``classes``; a clip named twice.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    clips = []
    for place, entry in enumerate(_read_json(file, list), start=1):
        entry = entry if isinstance(entry, dict) else {}
        number, template = str(entry.get("id", "")), entry.get("template")
        if not number.isdecimal():  # it becomes the name of a file
            told = "has no id of digits. Is it of version 2?"
        elif template is None:
            told = (
                f"(id {number}): has no template. The official test list is "
                "unlabelled; results are reported on validation.json"
            )
        elif _plain(str(template)) not in label_of:
            told = (
                f"(id {number}): {template!r} is no class of labels.json. The two "
                f"are of different versions: take both from one package. {_WHERE}"
            )
        else:
            clips.append((number, label_of[_plain(template)]))
            continue
        raise DatasetError(f"{file}, entry {place} {told}")
    refuse_twice(file, (number for number, _ in clips), _WHERE)
    return dict(clips)


@register(
    "ssv2",
    holds=f"{_VIDEOS} and the lists. {_WHERE}",
    about_splits="1. Its subset 'test' is the validation list: the official test list "
    "is unlabelled",
    released_order=tuple,
)
def load_ssv2(root: Path, split: str, subset: str) -> VideoDataset:
    """Something-Something V2. See the module's docstring for the layout.

    Args:
        split: "1", the only one.
        subset: "train", or "test" for the official validation list.

    Raises:
        DatasetError: folders or lists missing; clips that a list names and the disk
            does not have; lists that contradict.
    """
    inner = root / "labels"
    lists = inner if (inner / "labels.json").is_file() else root
    classes = read_labels(lists / "labels.json")
    clips = {
        side: read_list(lists / name, classes)
        for side, name in _FILES.items()
        if side == subset or (lists / name).is_file()
    }
    if len(clips) == len(SUBSETS):
        refuse_shared(clips["train"], clips["test"], "clips", lists, _WHERE)
    videos = find_folder(root, _VIDEOS, _WHERE)
    disk = {entry.name for entry in list_folder(videos)}
    samples, missing = [], []
    for number, label in clips[subset].items():
        name = f"{number}.webm"
        if name in disk:
            samples.append(Sample(videos / name, label, number, name))
        else:
            missing.append(name)
    if missing:
        raise MissingVideos(
            f"{videos}: {len(missing)} of {len(clips[subset])} videos of the list are "
            f"missing: {first_few(missing)}.{packed_in(videos, root, prefix=_VIDEOS)} "
            f"The archive may be half unpacked. {_WHERE}",
            missing,
            samples,
        )
    swapped = flip_labels(classes)
    return VideoDataset("ssv2", root, split, subset, classes, samples, swapped)
