"""The lists of a user's own videos: ``path,label`` files.

Public names: ``samples_of_lists``, ``read_rows``, ``check_names``, ``Sides``.
"""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import SUBSETS, MissingVideos, first_few
from .listing import VIDEO_SUFFIXES, is_video, packed_in, read_text

# What columns are called, the best name first: a path says more than a name.
_COLUMNS = {
    "path": (
        *("path", "clip_path", "video_path", "file_path", "filepath", "file"),
        *("filename", "file_name", "video", "video_name", "clip", "clip_name"),
    ),
    "label": ("label", "class", "class_name", "action", "category"),
    "group": ("group",),
}
Sides = dict[str, list[Sample]]  # "train" and "test" -> videos


def check_names(names: Sequence[str], where: Path) -> tuple[str, ...]:
    """Names of classes that can be told apart, two of them or more.

    Two that differ in case or in blanks alone are most likely one class.
    """
    plain: dict[str, str] = {}
    for name in names:
        key = " ".join(name.split()).casefold()
        if key in plain:
            raise DatasetError(
                f"{where}: the class {name!r} is also there as {plain[key]!r}. Give "
                "each class one name"
            )
        plain[key] = name
    if len(names) < 2:
        raise DatasetError(
            f"{where}: names {len(names)} classes; it takes two to tell apart. Is it "
            f"the right folder?{packed_in(where) if where.is_dir() else ''}"
        )
    return tuple(names)


def read_rows(file: Path) -> list[dict[str, str]]:
    """The lines of a list as {"path": ..., "label": ..., "group": ..., "line": ...}."""
    # Line by line, so that a quote that is not closed swallows no other line.
    lines = enumerate(read_text(file).splitlines(), start=1)
    cells = []
    for number, line in lines:
        try:
            parsed = next(csv.reader([line], strict=True, skipinitialspace=True), [])
        except csv.Error as error:
            raise DatasetError(f"{file}, line {number}: {error}") from None
        if any(cell.strip() for cell in parsed):
            cells.append((number, [cell.strip() for cell in parsed]))
    head = cells[0][1] if cells else ["path", "label"]
    lower = [cell.lower() for cell in head]
    columns = {
        what: next((name for name in names if name in lower), "")
        for what, names in _COLUMNS.items()
    }
    named = columns["path"] and columns["label"]
    if not named and (len(head) not in (2, 3) or set(lower) & set(_COLUMNS["path"])):
        raise DatasetError(
            f"{file}: its first line is {','.join(head)!r}. Expected path,label or "
            "path,label,group, or a line with names of columns. Known are for the "
            f"path {', '.join(_COLUMNS['path'])}; for the label "
            f"{', '.join(_COLUMNS['label'])}. Put what contains a comma in quotes"
        )
    if not named:
        columns = {what: what for what in _COLUMNS}
        lower = ["path", "label", "group"][: len(head)]
    rows = []
    for number, found in cells[bool(named) :]:
        row = dict(zip(lower, found, strict=False))
        path, label = row.get(columns["path"]), row.get(columns["label"])
        if len(found) != len(lower) or not path or not label:
            raise DatasetError(
                f"{file}, line {number}: expected {','.join(lower)}, found {found}. "
                "Put what contains a comma in double quotes"
            )
        group, where = row.get(columns["group"], ""), f"{file}, line {number}"
        path = path.replace("\\", "/")
        rows.append({"path": path, "label": label, "group": group, "line": where})
    return rows


def samples_of_lists(
    root: Path, lists: dict[str, Path], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], Sides]:
    """What the lists of both sides name, in the order of the lists."""
    rows = {side: read_rows(lists[side]) for side in SUBSETS}
    numbers = names is not None
    if names is None:
        found = sorted({row["label"] for row in rows["train"]})
        numbered = [label for label in found if label.lstrip("+-").isdecimal()]
        if numbered:
            raise DatasetError(
                f"{lists['train']}: labels are numbers, such as {numbered[0]}. Write "
                f"{root}/classes.txt, a name in each line, the first for label 0"
            )
        names = check_names(found, lists["train"])
    label_of = {name: label for label, name in enumerate(names)}
    seen: dict[Path, str] = {}
    sides: Sides = {}
    for side, mine in rows.items():
        sides[side] = []
        for row in mine:
            path, label = _find(root, row["path"]), _label(row, label_of, numbers)
            if path in seen:
                raise DatasetError(
                    f"{row['line']}: {row['path']} is listed twice, also in "
                    f"{seen[path]}. A video has one label and is on one side"
                )
            seen[path] = row["line"]
            if label_of.get(path.parent.name, label) != label:
                raise DatasetError(
                    f"{row['line']}: says {row['label']!r}, but {row['path']} lies in "
                    f"the folder of class {path.parent.name!r}. One of them is wrong: "
                    "correct the list, or move the video"
                )
            group = row["group"] or row["path"]
            sides[side].append(Sample(path, label, group, row["path"]))
        _refuse_missing(root, lists[side], sides[side])
    _warn_of_shared_groups(lists, rows)
    return names, sides


def _find(root: Path, listed: str) -> Path:
    """The file of a list's path: as written, below the root, or with a suffix."""
    for path in (root / listed, root / listed.lstrip("/")):
        path = Path(os.path.normpath(path))
        if path.is_file():
            return path
        if not is_video(path.name):
            found = [path.with_name(path.name + end) for end in VIDEO_SUFFIXES]
            found = [path for path in found if path.is_file()]
            if len(found) == 1:
                return found[0]
    return Path(os.path.normpath(root / listed))


def _label(row: dict[str, str], label_of: dict[str, int], numbers: bool) -> int:
    """The label of a line: a name, or, with a ``classes.txt``, its number."""
    label = row["label"]
    by_name = label_of.get(label)
    number = int(label) if numbers and label.isdecimal() else None
    in_range = number is not None and number < len(label_of)
    if by_name is not None and in_range and by_name != number:
        raise DatasetError(
            f"{row['line']}: {label!r} is the name of class {by_name} and the number "
            "of another. Write names, or give the classes names that are no numbers"
        )
    if by_name is None and not in_range:
        upto = f", numbered from 0 to {len(label_of) - 1}" if numbers else ""
        raise DatasetError(
            f"{row['line']}: {label!r} is none of the {len(label_of)} classes: "
            f"{first_few(label_of)}{upto}"
        )
    return number if by_name is None else by_name  # type: ignore[return-value]


def _refuse_missing(root: Path, file: Path, samples: Sequence[Sample]) -> None:
    missing = [sample.name for sample in samples if not sample.path.is_file()]
    if missing:
        known = "; ".join(", ".join(_COLUMNS[what]) for what in ("path", "label"))
        header = missing[0] == samples[0].name and not is_video(missing[0])
        raise MissingVideos(
            f"{file}: {len(missing)} of {len(samples)} videos are not there: "
            f"{first_few(missing)}. Paths are below {root}"
            + f". If the first line names columns, known names are {known}"
            * header,
            missing,
            [sample for sample in samples if sample.path.is_file()],
        )


def _warn_of_shared_groups(
    lists: dict[str, Path], rows: dict[str, list[dict[str, str]]]
) -> None:
    def groups(mine: Iterable[dict[str, str]]) -> set[str]:
        return {row["group"] for row in mine}

    both = groups(rows["train"]) & groups(rows["test"]) - {""}
    if both:
        count = sum(row["group"] in both for row in rows["test"])
        warnings.warn(
            f"{lists['train']} and {lists['test'].name} share {len(both)} groups: "
            f"{first_few(sorted(both))}. So {count} test videos come from a recording "
            "that is trained on, and the score comes out too high: keep a group on one "
            "side",
            stacklevel=5,
        )
