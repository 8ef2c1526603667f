"""Something-Something V2: 174 classes, 220,847 clips, as ``data/README.md`` shows them.

Public names: ``load_ssv2``, ``read_labels``, ``read_list``, ``flip_labels``.

Traps. A clip's class is its ``template`` without the brackets, looked up in
``labels.json``, whose values are numbers written as text. Some templates contain
commas. Six classes name a side, which a horizontal flip changes; see ``flip_labels``.

The test side is the *validation* list, because the official test list has no labels.
Nothing says which clips were recorded together: each is a group of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..video.clips import Sample
from .base import (
    VideoDataset,
    find_folder,
    keep_found,
    list_folder,
    packed_in,
    read_text,
    register,
)
from .leakage import refuse_shared, refuse_twice

_VIDEOS = "20bn-something-something-v2"
_FILES = {"train": "train.json", "test": "validation.json"}
_WHERE = (
    "The data set is given out by Qualcomm: 20 parts 20bn-something-something-v2-00 "
    "to -19 with the videos (one archive: cat 20bn-something-something-v2-?? | tar "
    "zx), and a package of labels with the lists"
)


def _read_json(file: Path, kind: type) -> Any:
    text = read_text(file, _WHERE)
    try:
        content = json.loads(text)
        if not isinstance(content, kind):
            raise ValueError(f"it is no {kind.__name__}")
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{file}: is not the whole official JSON ({error}). {_WHERE}"
        ) from None
    return content


def _plain(template: object) -> str:
    return str(template).replace("[", "").replace("]", "")


def read_labels(file: Path) -> tuple[str, ...]:
    """The classes of ``labels.json`` in the order of their numbers, 0, 1, 2, ..."""
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
    """The clips of ``train.json`` or ``validation.json``: id -> label."""
    label_of = {name: label for label, name in enumerate(classes)}
    clips = []
    for place, entry in enumerate(_read_json(file, list), start=1):
        entry = entry if isinstance(entry, dict) else {}
        number, label = (
            str(entry.get("id")),
            label_of.get(_plain(entry.get("template"))),
        )
        # The id becomes the name of a file.
        if not number.isdecimal() or label is None:
            raise DatasetError(
                f"{file}, entry {place}: {str(entry)[:200]} has no id of digits, or no "
                "template of labels.json. The official test list is unlabelled; else "
                f"the files are of two versions: take both from one package. {_WHERE}"
            )
        clips.append((number, label))
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
    """The training list, or as "test" the validation list."""
    inner = root / "labels"
    lists = inner if (inner / "labels.json").is_file() else root
    classes = read_labels(lists / "labels.json")
    clips = {
        side: read_list(lists / name, classes)
        for side, name in _FILES.items()
        if side == subset or (lists / name).is_file()
    }
    refuse_shared(clips, "clips", lists, _WHERE)
    videos = find_folder(root, _VIDEOS, _WHERE)
    samples = [
        Sample(videos / f"{number}.webm", label, number, f"{number}.webm")
        for number, label in clips[subset].items()
    ]
    disk = {entry.name for entry in list_folder(videos)}
    advice = f"{packed_in(videos, root, prefix=_VIDEOS)} {_WHERE}"
    samples = keep_found(samples, videos, advice, lambda s: s.name in disk)
    swapped = flip_labels(classes)
    return VideoDataset("ssv2", root, split, subset, classes, samples, swapped)


# --- labels of mirror images -----------------------------------------------------

# Words that a mirror changes, as words or as parts of turn_left and TurnLeft; not
# the "right" of upright, nor the adverb of "pulling it right out".
_SIDE = re.compile(
    r"(?<![A-Za-z])(?:left|right|Left|Right)(?![a-z])(?! out\b)"
    r"|(?<![A-Za-z])(?:LEFT|RIGHT)(?![A-Za-z])"
    r"|(?<=[a-z])(?:Left|Right)(?![a-z])"
)
_TURN = re.compile(r"(?:(counter|anti)[ _-]?)?clockwise", re.IGNORECASE)


def _spelled(name: str, mirrored: bool = False) -> str:
    """The name, as it is or as a mirror shows it, in one spelling."""

    def side(match: re.Match) -> str:
        return "<left>" if (match[0].lower() == "left") != mirrored else "<right>"

    def turn(match: re.Match) -> str:
        return "<against>" if (match[1] is not None) != mirrored else "<with>"

    return _TURN.sub(turn, _SIDE.sub(side, name)).casefold()


def flip_labels(classes: Sequence[str]) -> dict[int, int | None] | None:
    """Label -> label of the mirror image, for classes that name a side or a turn.

    Left and right change places, and so do clockwise and counterclockwise. A class
    whose mirror image is not among ``classes`` gets None: its clips must not be
    flipped. Of the 174 classes of Something-Something V2 this finds the pairs that
    MMAction2's recipe for TSM swaps: 86 and 87, 93 and 94, 166 and 167.
    None where no label changes.
    """
    labels: dict[str, list[int]] = {}
    for label, name in enumerate(classes):
        labels.setdefault(_spelled(name), []).append(label)
    changed: dict[int, int | None] = {}
    for label, name in enumerate(classes):
        twin = _spelled(name, mirrored=True)
        if twin != _spelled(name):
            found = labels.get(twin, [])
            # Two spellings of one mirror image do not tell which of them is meant.
            changed[label] = found[0] if len(found) == 1 else None
    return changed or None
