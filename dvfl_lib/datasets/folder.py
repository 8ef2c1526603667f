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

The first line of a list may name its columns, in any order; others are passed over.
A path may lack the suffix of its video. Files whose suffix is of no video are left out
of folders, and a warning says how many.

A *group* is what was recorded together, and is never divided: the column ``group``
of a list, or a folder below that of the class (``Walk/monday/1.mp4``: the group
"Walk/monday"). Where neither is given, each video is a group of its own. Then a
division by groups is one by videos, and clips cut from one recording can land on
both sides: the score comes out too high. A group that several classes share is
divided class by class.

Where names say left or right, or clockwise, a horizontal flip swaps the labels
(``datasets.flip_labels``). Set ``augment.flip`` to 0 if other classes change in a
mirror.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import DatasetError
from ..seeding import derive_seed
from ..video.clips import Sample
from .base import SUBSETS, VideoDataset, first_few, register
from .duplicates import refuse_copies
from .flip_labels import flip_labels
from .folder_lists import Sides, check_names, samples_of_lists
from .listing import (
    is_video,
    list_folder,
    marked_standin,
    need_folder,
    packed_in,
    read_lines,
)

_SIDES = {"train": ("train",), "test": ("test", "val", "validate", "validation")}
_SHARE = re.compile(r"(0?\.\d*[1-9]\d*)(?:-seed(\d+))?")
_LAYOUTS = (
    "It should hold train.csv and test.csv, or train/<class>/ and test/<class>/, or "
    "<class>/ with split='0.2'"
)


@register("folder")
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
        DatasetError: a layout that is none of these; videos missing; a label out of
            range; a video on both sides or under two labels, by path or by content; a
            class that cannot be divided.
    """
    root = need_folder(root, f"your videos. {_LAYOUTS}")
    share = _SHARE.fullmatch(str(split))
    if share is None and str(split) != "1":
        raise DatasetError(
            "split must be '1' for a folder that is divided into train and test, or "
            f"a share for testing such as '0.2', or '0.2-seed7': not {split!r}"
        )
    given = root / "classes.txt"
    names = check_names(read_lines(given, ""), given) if given.is_file() else None
    lists, folders = _sides(root, ".csv"), _sides(root, "")
    if share is not None:
        if lists or "test" in folders:
            raise DatasetError(
                f"{root} is divided already, and split {share[0]!r} would divide it "
                "again. Ask for split '1'"
            )
        classes, every = _from_folders(root, {"all": root}, names)
        seed = int(share[2] or 0)
        sides = _divide(every["all"], classes, float(share[1]), seed)
    elif lists:
        classes, sides = samples_of_lists(root, _both(root, lists), names)
    else:
        classes, sides = _from_folders(root, _both(root, folders), names)
    refuse_copies(sides)
    empty = set(range(len(classes))) - {sample.label for sample in sides[subset]}
    if empty and sides[subset]:
        warnings.warn(
            f"{root}: no video of subset {subset!r} shows "
            f"{first_few(classes[label] for label in sorted(empty))}",
            stacklevel=3,
        )
    return VideoDataset(
        "folder",
        root,
        str(split),
        subset,
        classes,
        sides[subset],
        frames,
        marked_standin(root),
        flip_labels(classes),
    )


def _sides(root: Path, suffix: str) -> dict[str, Path]:
    """The list (or, without suffix, the folder) of each side that is there."""
    entries = {e.name.lower(): e for e in list_folder(root)}
    found = {}
    for side, names in _SIDES.items():
        there = [entries.get(name + suffix) for name in names]
        paths = [Path(e.path) for e in there if e and e.is_file() == bool(suffix)]
        if paths:
            found[side] = paths[0]
        if len(paths) > 1:
            others = first_few(path.name for path in paths[1:])
            warnings.warn(
                f"{root}: {paths[0].name} is read, {others} is not", stacklevel=4
            )
    return found


def _both(root: Path, found: dict[str, Path]) -> dict[str, Path]:
    """Both sides, or an error that names the missing one."""
    if len(found) == len(SUBSETS):
        return found
    if found:
        lacking = next(side for side in SUBSETS if side not in found)
        here = next(iter(found.values()))
        end = here.suffix or "/<class>"
        names = " or ".join(name + end for name in _SIDES[lacking])
        raise DatasetError(f"{root}: has {here.name}, but no {names}. Add it")
    loose = any(is_video(entry.name) for entry in list_folder(root))
    hint = " Videos lie directly in it: give each class a folder." if loose else ""
    raise DatasetError(f"{root}: is not divided. {_LAYOUTS}.{hint}{packed_in(root)}")


# --- a folder for each class ---------------------------------------------------


def _from_folders(
    root: Path, folders: dict[str, Path], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Sides]:
    """What folders show that hold a folder for each class; the first knows them all."""
    found = {}
    left_out: list[str] = []
    for side, folder in folders.items():
        entries = list_folder(folder)
        loose = [entry.name for entry in entries if is_video(entry.name)]
        loose = [name for name in loose if not (folder / name).is_dir()]
        if loose:
            raise DatasetError(
                f"{folder}: {first_few(loose)} lies in no class's folder, so its label "
                "is not known. Move it, or write train.csv and test.csv"
            )
        found[side] = {e.name: Path(e.path) for e in entries if e.is_dir()}
    first = next(iter(folders))
    classes = names or check_names(sorted(found[first]), folders[first])
    label_of = {name: label for label, name in enumerate(classes)}
    sides: Sides = {}
    for side, mine in found.items():
        strange = [name for name in mine if name not in label_of]
        if strange:
            known = "classes.txt" if names else "the training side"
            raise DatasetError(
                f"{folders[side]}: {known} does not know {first_few(strange)}; it has "
                f"{first_few(classes)}. Are names spelled alike?"
            )
        sides[side] = []
        for name in sorted(mine, key=label_of.__getitem__):
            videos = _videos_below(mine[name], set(), left_out)
            if not videos:
                raise DatasetError(
                    f"{mine[name]}: holds no video, so the class {name!r} would be "
                    f"empty.{packed_in(mine[name])} Fill it or take it away"
                )
            for path in videos:
                group = f"{name}/{path.relative_to(mine[name]).parts[0]}"
                listed = path.relative_to(root).as_posix()
                sides[side].append(Sample(path, label_of[name], group, listed))
    if left_out:
        warnings.warn(
            f"{root}: {len(left_out)} files are left out, which by their suffix are no "
            f"videos, or are dead links: {first_few(left_out)}",
            stacklevel=4,
        )
    return classes, sides


def _videos_below(folder: Path, seen: set[str], left_out: list[str]) -> list[Path]:
    """The videos of a folder and then those of its folders, links among them."""
    place = os.path.realpath(folder)
    if place in seen:  # by a link to a folder above
        return []
    seen.add(place)
    entries = list_folder(folder)
    videos = [Path(e.path) for e in entries if e.is_file() and is_video(e.name)]
    for entry in entries:
        if entry.is_dir():
            videos += _videos_below(Path(entry.path), seen, left_out)
        elif not entry.is_file() or not is_video(entry.name):
            left_out.append(entry.name)
    return videos


def _divide(
    samples: Sequence[Sample], classes: Sequence[str], share: float, seed: int
) -> Sides:
    """Of each class, ``share`` of its groups to the test side, at least one.

    Which, is a fixed function of the names and of ``seed``.
    """
    held: set[tuple[int, str]] = set()
    for label, name in enumerate(classes):
        groups = sorted({s.group for s in samples if s.label == label})
        if len(groups) < 2:
            raise DatasetError(
                f"the class {name!r} has {len(groups)} groups, and a division takes "
                "two or more: a group stays on one side"
            )
        count = min(max(1, round(share * len(groups))), len(groups) - 1)
        generator = torch.Generator().manual_seed(derive_seed(seed, "divide", name))
        order = torch.randperm(len(groups), generator=generator).tolist()
        held.update((label, groups[place]) for place in order[:count])
    return {
        "train": [s for s in samples if (s.label, s.group) not in held],
        "test": [s for s in samples if (s.label, s.group) in held],
    }
