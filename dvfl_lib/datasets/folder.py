"""Anybody's own videos, sorted into folders or named in CSV files.

Public names: ``load_folder``.

One of three layouts; the first that fits is taken::

    root/train.csv, test.csv            lines "path,label" or "path,label,group"
    root/train/<class>/..., test/<class>/...
    root/<class>/...                    with split="0.2", see below

Instead of ``test``, a name may be ``val``, ``validate`` or ``validation``. Paths of a
list are below ``root`` or absolute. A label is the name of a class, or, if there is a
file ``root/classes.txt`` with a name in each line, its number from 0.

The order of the labels is that of ``classes.txt``; without one, the names of the
training side sorted as Python sorts text (capitals first). A class of the test side
that the training side lacks is refused.

A *group* is what was recorded together, and is never divided: the column ``group``
of a list, or a folder below that of the class (``Walk/monday/1.mp4``: the group
"Walk/monday"). Where neither is given, each video is a group of its own. Then a
division by groups is one by videos, and clips cut from one recording can land on
both sides: the score comes out too high. A group that several classes share is
divided class by class.

Where names say left or right, or clockwise, a horizontal flip swaps the labels
(``benchmarks.mirror``). Set ``augment.flip`` to 0 if other classes change in a mirror.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import SUBSETS, VideoDataset, first_few
from .disk import (
    is_folder,
    is_video,
    list_folder,
    marked_standin,
    need_folder,
    packed_in,
)
from .duplicates import refuse_copies
from .flip_labels import mirror_labels
from .folder_lists import read_class_names, samples_of_lists
from .listed_clips import nearby
from .own_folders import divide, samples_of_folders

_SIDES = {"train": ("train",), "test": ("test", "val", "validate", "validation")}
_SHARE = re.compile(r"(0?\.\d+)(?:-seed(\d+))?")
_LAYOUTS = (
    "It should hold train.csv and test.csv, or train/<class>/ and test/<class>/, or "
    "<class>/ with split='0.2'"
)


def load_folder(
    root: str | os.PathLike[str],
    split: str | int | float = "1",
    subset: str = "train",
    frames: int = 8,
) -> VideoDataset:
    """A user's own videos. See the module's docstring for the layouts.

    Args:
        split: "1" is the division that ``root`` has: its lists, or its folders
            ``train`` and ``test``. "0.2" divides class folders that are not divided:
            of each class a fifth of the groups, at least one, is for testing. Which,
            follows from the names and a seed: "0.2-seed7", or 0 for "0.2".
        subset: "train" or "test".
        frames: T of the clips that ``__getitem__`` shows.

    Raises:
        DatasetError: a layout that is none of these, or that leaves open which file,
            class or side is meant; videos missing; a label out of range; a video on
            both sides or under two labels, by path or by content; a class that cannot
            be divided.
    """
    if subset not in SUBSETS:
        raise DatasetError(f"subset must be 'train' or 'test', not {subset!r}")
    root = need_folder(root, f"your videos. {_LAYOUTS}")
    share = _SHARE.fullmatch(str(split))
    if (share is None or float(share[1]) == 0) and str(split) != "1":
        raise DatasetError(
            "split must be '1' for a folder that is divided into train and test, or "
            f"a share for testing such as '0.2', or '0.2-seed7': not {split!r}"
        )
    classes, sides = _read(root, share)
    refuse_copies(sides)
    dataset = VideoDataset(
        "folder",
        root,
        str(split),
        subset,
        classes,
        sides[subset],
        frames,
        marked_standin(root),
        mirror_labels(classes),
    )
    _warn_of_empty(dataset)
    return dataset


def _read(
    root: Path, share: re.Match[str] | None
) -> tuple[tuple[str, ...], dict[str, list[Sample]]]:
    """Classes, and side -> videos, of whichever layout ``root`` has."""
    given = root / "classes.txt"
    names = read_class_names(given) if given.is_file() else None
    lists = {side: _side(root, side, ".csv") for side in SUBSETS}
    if share is None and any(lists.values()):
        return samples_of_lists(root, _both(root, lists, ".csv"), names)
    folders = {side: _side(root, side, "") for side in SUBSETS}
    if share is None:
        both = _both(root, folders, "/<class>")
        return samples_of_folders(root, both, names)
    if any(lists.values()) or folders["test"] is not None:
        raise DatasetError(
            f"{root} is divided already, and split {share[0]!r} would divide it again. "
            "Ask for split '1'"
        )
    classes, every = samples_of_folders(root, {"all": root}, names)
    seed = int(share[2] or 0)
    return classes, divide(every["all"], classes, float(share[1]), seed)


def _side(root: Path, side: str, suffix: str) -> Path | None:
    """The list (or, without suffix, the folder) of a side; None if there is none."""
    wanted = [name + suffix for name in _SIDES[side]]
    found = [
        Path(entry.path)
        for entry in list_folder(root)
        if entry.name.lower() in wanted
        and (entry.is_file() if suffix else is_folder(entry))
    ]
    named_test = [path for path in found if path.name.lower() == wanted[0]]
    if len(found) > 1 and len(named_test) == 1:
        others = [path.name for path in found if path != named_test[0]]
        warnings.warn(
            f"{root}: {named_test[0].name} is read, {first_few(others)} is not",
            stacklevel=6,
        )
        return named_test[0]
    if len(found) > 1:
        raise DatasetError(
            f"{root}: holds {first_few(path.name for path in found)}. Which of them is "
            f"the {side} side? Keep that one there"
        )
    return found[0] if found else None


def _both(root: Path, found: dict[str, Path | None], suffix: str) -> dict[str, Path]:
    """Both sides, or an error that names the missing one."""
    there = {side: path for side, path in found.items() if path is not None}
    if len(there) == len(found):
        return there
    if not there:
        raise DatasetError(f"{root}: is not divided. {_LAYOUTS}.{_hint(root)}")
    lacking = next(side for side in found if side not in there)
    names = " or ".join(name + suffix for name in _SIDES[lacking])
    raise DatasetError(
        f"{root}: has {next(iter(there.values())).name}, but no {names}. Add it"
    )


def _hint(root: Path) -> str:
    entries = list_folder(root)
    if any(is_video(entry.name) for entry in entries):
        return (
            " Videos lie directly in it: give each class a folder, or is "
            f"{root.parent} meant?"
        )
    return packed_in([root]) + nearby(root, _has_sides)


def _has_sides(folder: Path) -> bool:
    def there(name: str) -> bool:
        return os.path.isdir(folder / name) or os.path.isfile(folder / f"{name}.csv")

    return all(any(map(there, names)) for names in _SIDES.values())


def _warn_of_empty(dataset: VideoDataset) -> None:
    there = {sample.label for sample in dataset.samples}
    empty = [name for k, name in enumerate(dataset.classes) if k not in there]
    if empty:
        warnings.warn(
            f"{dataset.root}: no video of subset {dataset.subset!r} shows "
            f"{first_few(empty)}",
            stacklevel=4,
        )
