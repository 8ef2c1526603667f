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
import os
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
    marked_standin,
    need_folder,
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


def _read_json(file: Path, kind: type, looks: str) -> Any:
    text = read_text(file, _WHERE)
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DatasetError(
            f"{file}: is not whole JSON ({error}). Download it again. {_WHERE}"
        ) from error
    if not isinstance(content, kind):
        raise DatasetError(f"{file}: expected {looks}")
    return content


def read_labels(file: Path) -> tuple[str, ...]:
    """The classes of ``labels.json`` in the order of their numbers.

    Raises:
        DatasetError: unreadable; not names with numbers 0, 1, 2, ...
    """
    content = _read_json(file, dict, '{"<class>": "<number>", ...}')
    of_number = {str(number): _plain(name) for name, number in content.items()}
    wanted = [str(number) for number in range(len(content))]
    in_order = set(of_number) == set(wanted)
    if not content or not in_order or len(set(of_number.values())) != len(content):
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
    entries = _read_json(file, list, '[{"id": ..., "template": ...}, ...]')
    clips = []
    for place, entry in enumerate(entries, start=1):
        number, template = str(entry.get("id", "")), entry.get("template")
        if not number.isdecimal():  # it becomes the name of a file
            raise DatasetError(
                f"{file}, entry {place}: has no id of digits. Is it of version 2?"
            )
        if template is None:
            raise DatasetError(
                f"{file}, entry {place} (id {number}): has no template. The official "
                "test list is unlabelled; results are reported on validation.json"
            )
        if _plain(template) not in label_of:
            raise DatasetError(
                f"{file}, entry {place} (id {number}): {template!r} is no class of "
                "labels.json. The two files are of different versions: take both from "
                f"one package. {_WHERE}"
            )
        clips.append((number, label_of[_plain(template)]))
    refuse_twice(file, (number for number, _ in clips), _WHERE)
    return dict(clips)


@register("ssv2", released_order=tuple)
def load_ssv2(
    root: str | os.PathLike[str],
    split: str | int = "1",
    subset: str = "train",
    frames: int = 8,
) -> VideoDataset:
    """Something-Something V2. See the module's docstring for the layout.

    Args:
        split: "1", the only one.
        subset: "train", or "test" for the official validation list.
        frames: T of the clips that ``__getitem__`` shows.

    Raises:
        DatasetError: another split; folders or lists missing; clips that a list names
            and the disk does not have; lists that contradict.
    """
    if str(split) != "1":
        raise DatasetError(
            f"Something-Something V2 has one split, '1', and no {split!r}. Its subset "
            "'test' is the validation list: the official test list is unlabelled"
        )
    root = need_folder(root, f"{_VIDEOS} and the lists. {_WHERE}")
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
    if not (root / _VIDEOS).is_dir() and (packed := packed_in(root, prefix=_VIDEOS)):
        raise DatasetError(f"{root}: there is no folder {_VIDEOS}.{packed} {_WHERE}")
    videos = find_folder(root, _VIDEOS, _WHERE)
    disk = {entry.name for entry in list_folder(videos)}
    missing = [f"{number}.webm" for number in clips[subset]]
    missing = [name for name in missing if name not in disk]
    samples = [
        Sample(videos / f"{number}.webm", label, number, f"{number}.webm")
        for number, label in clips[subset].items()
        if f"{number}.webm" in disk
    ]
    if missing:
        raise MissingVideos(
            f"{videos}: {len(missing)} of {len(clips[subset])} videos of the list are "
            f"missing: {first_few(missing)}.{packed_in(videos, root, prefix=_VIDEOS)} "
            f"The archive may be half unpacked. {_WHERE}",
            missing,
            samples,
        )
    return VideoDataset(
        "ssv2",
        root,
        "1",
        subset,
        classes,
        samples,
        frames,
        marked_standin(root),
        flip_labels(classes),
    )
