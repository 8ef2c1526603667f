"""What UCF50 and UCF101 share: names that tell the group, and the authors' split.

Public names: ``group_of``, ``group_number``, ``authors_split``,
``straddling_groups``, ``authors_from_disk``.

A clip is named ``v_<Class>_gNN_cNN.avi``. The clips of a group were cut from one
recording: an honest split keeps it on one side.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence

from ..errors import DatasetError
from .base import first_few
from .listed_clips import Disk, ListedClip

_GROUP = re.compile(r"_g(\d+)_c\d+\.avi$", re.IGNORECASE)


def _digits(name: str) -> str:
    match = _GROUP.search(name)
    if match is None:
        raise DatasetError(
            f"{name!r} does not end in _gNN_cNN.avi, as names of UCF50 and UCF101 do"
        )
    return match.group(1)


def group_of(name: str) -> str:
    """``"<Class>_gNN"``: the recording from which the clip ``<Class>/<file>`` was cut.

    Raises:
        DatasetError: a name without ``_gNN_cNN.avi``.
    """
    return f"{name.partition('/')[0]}_g{_digits(name)}"


def group_number(name: str) -> int:
    """NN of ``_gNN_``.

    Raises:
        DatasetError: a name without ``_gNN_cNN.avi``.
    """
    return int(_digits(name))


def authors_split(clips: Iterable[ListedClip]) -> dict[str, list[ListedClip]]:
    """The split of the DVFL-Net repository: per class the first 80 % by name.

    Of each class the first ceil(0.8 n) clips in the order of their names are for
    training, the rest for testing (its ``train.csv`` and ``val.csv``). The cut
    falls inside a group; see ``straddling_groups``.
    """
    by_class: dict[int, list[ListedClip]] = {}
    for clip in clips:
        by_class.setdefault(clip.label, []).append(clip)
    split: dict[str, list[ListedClip]] = {"train": [], "test": []}
    for label in sorted(by_class):
        ordered = sorted(by_class[label], key=lambda clip: clip.name)
        cut = math.ceil(len(ordered) * 8 / 10)
        split["train"] += ordered[:cut]
        split["test"] += ordered[cut:]
    return split


def straddling_groups(split: Mapping[str, Iterable[ListedClip]]) -> tuple[int, int]:
    """(groups on both sides, test clips of such groups)."""
    seen = {group_of(clip.name) for clip in split["train"]}
    leaked = [group_of(c.name) for c in split["test"] if group_of(c.name) in seen]
    return len(set(leaked)), len(leaked)


def authors_from_disk(
    title: str, disk: Disk, classes: Sequence[str], archive: str
) -> dict[str, list[ListedClip]]:
    """``authors_split`` of the files on the disk; warns that groups straddle it.

    Args:
        title: name of the data set, for messages.
        archive: what to unpack where a class is empty, for messages.

    Raises:
        DatasetError: a class without a clip; a name without its group.
    """
    empty = [name for name in classes if not disk[name.lower()]]
    if empty:
        raise DatasetError(
            "the split 'authors' is cut from the files on disk, and these classes "
            f"have none: {first_few(empty)}. Unpack {archive} again"
        )
    split = authors_split(
        ListedClip(f"{name}/{path.name}", label)
        for label, name in enumerate(classes)
        for path in disk[name.lower()].values()
    )
    groups, clips = straddling_groups(split)
    warnings.warn(
        f"the authors' split of {title} shares {groups} groups between training and "
        f"test: {clips} of {len(split['test'])} test clips come from a recording "
        "that is trained on. Its accuracies may be too high; compare them with "
        "nothing but each other",
        stacklevel=4,
    )
    return split
