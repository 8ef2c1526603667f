"""Anybody's own videos, in the layouts that ``data/README.md`` shows.

Public names: ``load_folder``.

The first line of a list may name its columns, in any order; others are passed over.
Its paths are below ``root`` or absolute, and may lack the suffix of the video. A label
is the name of a class, or, if there is a file ``root/classes.txt`` with a name in each
line, its number from 0. The order of the labels is that of ``classes.txt``; without
one, the names of the training side sorted as Python sorts text (capitals first).

A *group* is what was recorded together, and is never divided: the column ``group``
of a list, or a folder below that of the class (``Walk/monday/1.mp4``: the group
"Walk/monday"). Where neither is given, each video is a group of its own, and clips cut
from one recording can land on both sides: the score comes out too high.

Where names say left or right, or clockwise, a horizontal flip swaps the labels
(``ssv2.flip_labels``). Set ``augment.flip`` to 0 if other classes change in a mirror.
"""

from __future__ import annotations

import os
import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import DatasetError
from ..seeding import derive_seed
from ..video.clips import Sample
from .base import (
    SUBSETS,
    VideoDataset,
    first_few,
    is_video,
    keep_found,
    list_folder,
    packed_in,
    read_lines,
    read_table,
    register,
    tell_left_out,
)
from .leakage import refuse_copies
from .ssv2 import flip_labels

_SIDES = {"train": ("train",), "test": ("test", "val", "validate", "validation")}
_SHARE = r"(0?\.\d*[1-9]\d*)(?:-seed(\d+))?"
_LAYOUTS = (
    "It should hold train.csv and test.csv, or train/<class>/ and test/<class>/, or "
    "<class>/ with split='0.2'"
)
# What columns are called, the best name first: a path says more than a name, the name
# of a class more than its number.
_COLUMNS = {
    "path": (
        "path clip_path video_path file_path filepath rel_path relative_path file "
        "filename file_name video_file video videos video_name clip clip_name name "
        "video_id clip_id id"
    ).split(),
    "label": (
        "class_name label_name action_name label labels class action activity category "
        "class_label action_label target label_id class_id"
    ).split(),
    "group": ["group", "group_id"],
}
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
# Suffixes of lists, by which a message says that one is called otherwise.
_LISTS = (".csv", ".tsv", ".txt", ".lst", ".list", ".json", ".jsonl", ".xlsx", ".pkl")
Sides = dict[str, list[Sample]]  # "train" and "test" -> videos
Row = tuple[str, str, str, str]  # of a list: path, label, group or "", file and line


@register(
    "folder",
    holds=f"your videos. {_LAYOUTS}",
    more_splits=_SHARE,
    about_splits="'1' for a folder that is divided into train and test, or a share for "
    "testing such as '0.2', or '0.2-seed7'",
)
def load_folder(root: Path, split: str, subset: str) -> VideoDataset:
    """A user's own videos. See the module's docstring for the layouts.

    Args:
        split: "1" is the division that ``root`` has: its lists, or its folders
            ``train`` and ``test``. "0.2" divides class folders that are not divided:
            of each class a fifth of the groups, at least one, is for testing. Which,
            follows from the names and a seed: "0.2-seed7", or 0 for "0.2".
    """
    given = root / "classes.txt"
    names = _check_names(read_lines(given), given) if given.is_file() else None
    lists, folders = _sides(root, ".csv"), _sides(root, "")
    if share := re.fullmatch(_SHARE, split):
        if lists or "test" in folders:
            raise DatasetError(
                f"{root} is divided already, and split {split!r} would divide it "
                "again. Ask for split '1'"
            )
        classes, every = _from_folders(root, {"all": root}, names)
        sides = _divide(every["all"], classes, float(share[1]), int(share[2] or 0))
    else:
        found = lists or folders
        if len(found) < len(SUBSETS):
            raise DatasetError(f"{root}: {_why_not_divided(root, found)}")
        read = _from_lists if lists else _from_folders
        classes, sides = read(root, found, names)
    refuse_copies(sides)
    empty = set(range(len(classes))) - {sample.label for sample in sides[subset]}
    if empty and sides[subset]:
        warnings.warn(
            f"{root}: no video of subset {subset!r} shows "
            f"{first_few(classes[label] for label in sorted(empty))}",
            stacklevel=3,
        )
    swapped = flip_labels(classes)
    return VideoDataset("folder", root, split, subset, classes, sides[subset], swapped)


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
            told = f"{root}: {paths[0].name} is read, {others} is not"
            warnings.warn(told, stacklevel=4)
    return found


def _why_not_divided(root: Path, found: dict[str, Path]) -> str:
    """What to say where there are not both sides."""
    names = [e.name for e in list_folder(root) if e.is_file()]
    read = {"classes.txt", *(path.name for path in found.values())}
    lists = [n for n in names if n.lower().endswith(_LISTS) and n not in read]
    hint = f" A list is called train.csv or test.csv; here is {first_few(lists)}."
    hint = hint if lists else ""
    for side, here in found.items():
        other = "test" if side == "train" else "train"
        wanted = [name + (here.suffix or "/<class>") for name in _SIDES[other]]
        return f"has {here.name}, but no {' or '.join(wanted)}.{hint}"
    if any(map(is_video, names)):
        hint += " Videos lie directly in it: give each class a folder."
    return f"is not divided. {_LAYOUTS}.{hint}{packed_in(root)}"


def _check_names(names: Sequence[str], where: Path) -> tuple[str, ...]:
    """Two names of classes or more; two alike but for case and blanks are refused."""
    first: dict[str, str] = {}
    for name in names:
        plain = " ".join(name.split()).casefold()
        if plain in first:
            raise DatasetError(
                f"{where}: the class {name!r} is also there as {first[plain]!r}. Give "
                "each class one name"
            )
        first[plain] = name
    if len(names) < 2:
        packed = packed_in(where) if where.is_dir() else ""
        raise DatasetError(
            f"{where}: names {len(names)} classes; it takes two to tell apart. Is it "
            f"the right folder?{packed}"
        )
    return tuple(names)


# --- a folder for each class ---------------------------------------------------


def _from_folders(
    root: Path, folders: dict[str, Path], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Sides]:
    """What folders show that hold a folder for each class; the first knows them all."""
    left_out: list[str] = []
    classes, known, sides = names, "classes.txt", {}
    for side, folder in folders.items():
        entries = list_folder(folder)
        loose = [e.name for e in entries if is_video(e.name) and not e.is_dir()]
        if loose:
            raise DatasetError(
                f"{folder}: {first_few(loose)} lies in no class's folder, so its label "
                "is not known. Move it, or write train.csv and test.csv"
            )
        mine = {e.name: Path(e.path) for e in entries if e.is_dir()}
        if classes is None:
            classes, known = _check_names(sorted(mine), folder), "the training side"
        if strange := [name for name in mine if name not in classes]:
            raise DatasetError(
                f"{folder}: {known} does not know {first_few(strange)}; it has "
                f"{first_few(classes)}. Are names spelled alike?"
            )
        sides[side] = []
        for label, name in enumerate(classes):
            before = len(left_out)
            videos = _videos_below(mine[name], set(), left_out) if name in mine else []
            if name in mine and not videos:
                packed = packed_in(mine[name])
                only = f" but {first_few(left_out[before:]) or 'nothing'}"
                told = f"{mine[name]}: holds no video{only}.{packed}"
                raise DatasetError(f"{told} Fill it, or take it away")
            for path in videos:
                group = f"{name}/{path.relative_to(mine[name]).parts[0]}"
                listed = path.relative_to(root).as_posix()
                sides[side].append(Sample(path, label, group, listed))
    tell_left_out(root, left_out, ", or are dead links")
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
    """Of each class, ``share`` of its groups to the test side, at least one."""
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


# --- lists ---------------------------------------------------------------------


def _from_lists(
    root: Path, lists: dict[str, Path], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Sides]:
    """What the lists of both sides name, in the order of the lists."""
    shelves: _Shelves = {}
    rows = {side: _read_list(lists[side], root, shelves) for side in SUBSETS}
    classes = names or _classes_of(rows["train"], lists["train"])
    meant: dict[str, set[int]] = {}  # what a list may write for a class -> its label
    for label, name in enumerate(classes):
        for told in (name, str(label)) if names else (name,):
            meant.setdefault(told, set()).add(label)
    seen: dict[Path, str] = {}
    sides: Sides = {}
    for side, mine in rows.items():
        samples = []
        for listed, told, group, where in mine:
            path, labels = _find(root, listed, shelves), meant.get(told, set())
            folder = path.parent.name
            if len(labels) != 1:
                of = "more than one" if labels else "none"
                upto = f", numbered from 0 to {len(classes) - 1}" if names else ""
                trouble = (
                    f"{told!r} is {of} of the {len(classes)} classes: "
                    f"{first_few(classes)}{upto}"
                )
            elif path in seen:
                trouble = f"{listed} is listed twice, also in {seen[path]}"
            elif folder in classes and labels != {classes.index(folder)}:
                trouble = f"says {told!r}, but {listed} is in the folder of {folder!r}"
            else:
                seen[path] = where
                samples.append(Sample(path, min(labels), group or listed, listed))
                continue
            raise DatasetError(f"{where}: {trouble}")
        advice = f" Paths are below {root}; change how those of another machine begin"
        sides[side] = keep_found(
            samples, lists[side], advice, lambda s: os.path.isfile(s.path)
        )
    groups = [{group for *_, group, _ in rows[side]} - {""} for side in SUBSETS]
    if both := sorted(groups[0] & groups[1]):
        count = sum(group in both for *_, group, _ in rows["test"])
        warnings.warn(
            f"{lists['train']} and {lists['test'].name} share {len(both)} groups: "
            f"{first_few(both)}. So {count} test videos come from a recording that is "
            "trained on, and the score comes out too high: keep a group on one side",
            stacklevel=4,
        )
    return classes, sides


def _read_list(file: Path, root: Path, shelves: _Shelves) -> list[Row]:
    lines = read_table(file)
    first = lines[0][1] if lines else []
    head = [re.sub(r"\W+", "_", cell).strip("_").lower() for cell in first]
    places = [
        next((head.index(name) for name in names if name in head), None)
        for names in _COLUMNS.values()
    ]
    if None not in places[:2]:
        lines = lines[1:]
    elif lines:
        cells = [cell.replace("\\", "/") for _, row in lines[:2] for cell in row]
        there = [os.path.isfile(_find(root, cell, shelves)) for cell in cells]
        numbered = len(first) == 3 and _NUMBER.fullmatch(first[1])
        if len(first) not in (2, 3) or numbered or there[0] < any(there):
            known = [f"{kind}: {', '.join(names)}" for kind, names in _COLUMNS.items()]
            why = ", and column 2 may be labels or numbers of frames"
            raise DatasetError(
                f"{file}: its first line is {','.join(first)!r}{why * bool(numbered)}. "
                "Expected path,label or path,label,group of a video, or a line with "
                f"names of columns. Known are {'; '.join(known)}. Put what contains a "
                "comma in quotes"
            )
        head = ["path", "label", "group"][: len(first)]
        places = [0, 1, 2 if len(head) == 3 else None]
    rows = []
    for number, cells in lines:
        where = f"{file}, line {number}"
        whole = len(cells) == len(head)
        path, label, group = (
            cells[place] if whole and place is not None else "" for place in places
        )
        if not path or not label:
            raise DatasetError(
                f"{where}: expected {','.join(head)}, found {cells}. Put what contains "
                "a comma in double quotes"
            )
        rows.append((path.replace("\\", "/"), label, group, where))
    return rows


def _classes_of(rows: list[Row], file: Path) -> tuple[str, ...]:
    """The classes that the training list names, where there is no ``classes.txt``."""
    classes = sorted({label for _, label, *_ in rows})
    if numbers := list(filter(_NUMBER.fullmatch, classes)):
        raise DatasetError(
            f"{file}: labels are numbers, such as {numbers[0]}. Write "
            f"{file.parent}/classes.txt, a name in each line, the first for label 0"
        )
    return _check_names(classes, file)


# Folder -> name of a video without suffix -> its files there.
_Shelves = dict[Path, dict[str, list[Path]]]


def _find(root: Path, listed: str, shelves: _Shelves) -> Path:
    """The file of a list's path: as written, below the root, or with a suffix."""
    for name in (listed, listed.lstrip("/")):
        path = Path(os.path.normpath(root / name))
        if os.path.isfile(path):
            return path
        if path.parent not in shelves:
            shelf = shelves[path.parent] = defaultdict(list)
            there = list_folder(path.parent) if os.path.isdir(path.parent) else []
            for file in (Path(entry.path) for entry in there if is_video(entry.name)):
                shelf[file.stem].append(file)
        found = shelves[path.parent].get(path.name, ())
        if len(found) == 1 and not is_video(path.name):
            return found[0]
    return Path(os.path.normpath(root / listed))
