"""Something-Something V2: 174 classes, 220,847 clips, as it is unpacked.

Public names: ``load_ssv2``, ``read_labels``, ``read_list``, ``ListedClip``.

The layout::

    root/20bn-something-something-v2/<id>.webm
    root/labels.json, train.json, validation.json

``root`` may also be the folder of the videos, with the lists inside or beside it, and
the lists may lie in a folder ``labels``. Their older names begin with
``something-something-v2-``.

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
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..video.clips import Sample
from .base import SUBSETS, MissingVideos, VideoDataset, first_few
from .disk import list_folder, marked_standin, need_folder, packed_in, read_text
from .flip_labels import mirror_labels
from .listed_clips import nearby, refuse_twice

_VIDEOS = "20bn-something-something-v2"
_PREFIXES = ("", "something-something-v2-")  # names of today, and before
_FILES = {"train": "train.json", "test": "validation.json"}
_PLACES = ("", "labels", "20bn-something-something-download-package-labels")
_WHERE = (
    "The data set is given out by Qualcomm: 20 parts 20bn-something-something-v2-00 "
    "to -19 with the videos, and a package of labels with the lists"
)
_NUMBER = re.compile(r"[0-9]{1,6}")
_UNPACK = "cat 20bn-something-something-v2-?? | tar zx"


@dataclass(frozen=True)
class ListedClip:
    """One entry of a list."""

    number: str  # the clip's id, digits
    label: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.number}.webm"


def _plain(template: str) -> str:
    return template.replace("[", "").replace("]", "")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two entries of one name none can be trusted."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = [name for name in found if names.count(name) > 1]
        raise ValueError(f"a name is there twice: {first_few(twice)}")
    return found


def _read_json(file: Path) -> Any:
    try:
        return json.loads(read_text(file, _WHERE), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(
            f"{file}: is not whole JSON ({error}). Download it again. {_WHERE}"
        ) from error


def read_labels(file: Path) -> tuple[str, ...]:
    """The classes of ``labels.json`` in the order of their numbers.

    Raises:
        DatasetError: unreadable; not names with numbers 0, 1, 2, ...
    """
    content = _read_json(file)
    if not isinstance(content, dict) or not content:
        raise DatasetError(f'{file}: expected {{"<class>": "<number>", ...}}')
    numbers: dict[int, str] = {}
    for name, number in content.items():
        if isinstance(number, bool) or not _NUMBER.fullmatch(str(number)):
            raise DatasetError(f"{file}: the class {name!r} has no number: {number!r}")
        numbers[int(number)] = _plain(name)
    classes = tuple(numbers[label] for label in sorted(numbers))
    in_order = sorted(numbers) == list(range(len(content)))
    if not in_order or len(set(classes)) != len(classes):
        raise DatasetError(
            f"{file}: its {len(content)} classes do not have the numbers 0, 1, 2, ..., "
            "each once. Take the official file"
        )
    return classes


def read_list(file: Path, classes: Iterable[str]) -> list[ListedClip]:
    """The clips of ``train.json`` or ``validation.json``.

    Raises:
        DatasetError: unreadable; an entry without a template, as in the test list; a
            template that is not among ``classes``; a clip named twice.
    """
    label_of = {name: label for label, name in enumerate(classes)}
    content = _read_json(file)
    if not isinstance(content, list):
        raise DatasetError(f'{file}: expected [{{"id": ..., "template": ...}}, ...]')
    clips = []
    for place, entry in enumerate(content, start=1):
        number = str(entry.get("id", "")) if isinstance(entry, dict) else ""
        if not _NUMBER.fullmatch(number):
            raise DatasetError(
                f"{file}, entry {place}: has no id of digits. Is it of version 2?"
            )
        template = entry.get("template")
        if not isinstance(template, str):
            raise DatasetError(
                f"{file}, entry {place} (id {number}): has no template. The official "
                "test list is unlabelled; results are reported on validation.json"
            )
        label = label_of.get(_plain(template))
        if label is None:
            raise DatasetError(
                f"{file}, entry {place} (id {number}): {template!r} is no class of "
                "labels.json. The two files are of different versions: take both from "
                f"one package. {_WHERE}"
            )
        clips.append(ListedClip(number, label))
    refuse_twice(file, (clip.name for clip in clips), _WHERE)
    return clips


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
        DatasetError: another split or subset; folders or lists missing; clips that a
            list names and the disk does not have; lists that contradict.
    """
    if "test" == str(split).lower() or subset not in SUBSETS:
        raise DatasetError(
            "subset must be 'train' or 'test', and 'test' reads the validation list: "
            "the official test list of Something-Something V2 is unlabelled "
            f"(asked for: split {split!r}, subset {subset!r})"
        )
    if str(split) != "1":
        raise DatasetError(
            f"Something-Something V2 has one split, '1', and no {split!r}"
        )
    root = need_folder(root, f"{_VIDEOS} and the lists. {_WHERE}")
    lists, prefix = _find_lists(root, _FILES[subset])
    videos = _find_videos(root)
    classes = read_labels(lists / f"{prefix}labels.json")
    file = lists / f"{prefix}{_FILES[subset]}"
    clips = read_list(file, classes)
    other = lists / (prefix + next(f for s, f in _FILES.items() if s != subset))
    if other.is_file():
        there = {clip.number for clip in read_list(other, classes)}
        both = [clip.name for clip in clips if clip.number in there]
        if both:
            raise DatasetError(
                f"{len(both)} clips are in {file} and in {other.name}: "
                f"{first_few(both)}. Take both lists from the official package"
            )
    return VideoDataset(
        "ssv2",
        root,
        "1",
        subset,
        classes,
        _locate(clips, videos),
        frames,
        marked_standin(root, lists, videos.parent),
        mirror_labels(classes),
    )


def _find_lists(root: Path, wanted: str) -> tuple[Path, str]:
    """(folder, beginning of the names) of the lists."""
    roots = [root, root.parent] if root.name == _VIDEOS else [root]
    places = [r / name for r in roots for name in _PLACES]
    places += [r / _PLACES[2] / "labels" for r in roots]
    found = [
        (place, prefix)
        for place in places
        for prefix in _PREFIXES
        if (place / f"{prefix}labels.json").is_file()
    ]
    whole = [(p, prefix) for p, prefix in found if (p / f"{prefix}{wanted}").is_file()]
    if whole:
        return whole[0]
    if found:
        place, prefix = found[0]
        raise DatasetError(
            f"{place / (prefix + wanted)}: is missing beside {prefix}labels.json. "
            + (
                "The official test list cannot stand in for it: it is unlabelled. "
                if "validation" in wanted
                else ""
            )
            + _WHERE
        )
    older = next(root.glob("something-something-v1-*"), None)
    if older is not None:
        raise DatasetError(
            f"{older}: belongs to version 1, which has other classes and clips. "
            f"{_WHERE}"
        )
    raise DatasetError(
        f"{root}: there is no labels.json and no {_PREFIXES[1]}labels.json."
        f"{nearby(root, _is_root)}{packed_in([root])} {_WHERE}"
    )


def _is_root(folder: Path) -> bool:
    return os.path.isdir(folder / _VIDEOS)


def _find_videos(root: Path) -> Path:
    videos = root / _VIDEOS
    if videos.is_dir():
        return videos
    if any(entry.name.endswith(".webm") for entry in list_folder(root)):
        return root
    packed = packed_in([root], prefixes=(f"{_VIDEOS}-",))
    how = f" The parts are one archive: {_UNPACK}." if packed else ""
    hint = how or nearby(root, _is_root)
    raise DatasetError(f"{root}: there is no folder {_VIDEOS}.{packed}{hint} {_WHERE}")


def _locate(clips: list[ListedClip], videos: Path) -> list[Sample]:
    disk = {entry.name for entry in list_folder(videos)}
    missing = [clip.name for clip in clips if clip.name not in disk]
    samples = [
        Sample(videos / clip.name, clip.label, clip.number, clip.name)
        for clip in clips
        if clip.name in disk
    ]
    if missing:
        raise MissingVideos(
            f"{videos}: {len(missing)} of {len(clips)} videos of the list are missing: "
            f"{first_few(missing)}."
            f"{packed_in([videos, videos.parent], prefixes=(f'{_VIDEOS}-',))} "
            f"The archive may be half unpacked: {_UNPACK}. {_WHERE}",
            missing,
            samples,
        )
    return samples
