"""The lists of a user's own videos: ``classes.txt`` and ``path,label`` files.

Public names: ``samples_of_lists``, ``read_class_names``, ``check_class_names``,
``read_rows``, ``Row``, ``label_in``.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import MissingVideos, first_few
from .disk import read_text

_HEADER = ("path", "label", "group")
_NUMBER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True)
class Row:
    """One line of a list."""

    line: int
    path: str  # as written, with "/"
    label: str  # the name of a class, or a number
    group: str  # "" where the list says nothing


def check_class_names(names: Sequence[str], where: Path) -> tuple[str, ...]:
    """The names, if they can be told apart.

    Raises:
        DatasetError: none, one that is empty, or two that differ in case or in
            blanks alone: most likely one class in two spellings.
    """
    plain: dict[str, str] = {}
    for name in names:
        key = " ".join(name.split()).casefold()
        if not key or key in plain:
            raise DatasetError(
                f"{where}: the class {name!r} is "
                + (f"also there as {plain[key]!r}" if key else "without a name")
                + ". Give each class one name"
            )
        plain[key] = name
    if len(names) < 2:
        raise DatasetError(
            f"{where}: there is only the class {first_few(names)}; it takes two to "
            "tell apart. Is it the right folder?"
        )
    return tuple(names)


def read_class_names(file: Path) -> tuple[str, ...]:
    """The lines of ``classes.txt``: one name each, the first with the label 0.

    Raises:
        DatasetError: unreadable, names that cannot be told apart, or lines that begin
            with numbers of their own.
    """
    names = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    numbered = [re.match(r"\d+[\s.,:;)]", name) for name in names]
    if names and all(numbered):
        raise DatasetError(
            f"{file}: its lines begin with numbers ({names[0]!r}). Write the names "
            "alone; the first has the label 0"
        )
    return check_class_names(names, file)


def read_rows(file: Path) -> list[Row]:
    """The lines of a CSV file ``path,label`` or ``path,label,group``.

    The first line may name the columns; then they may be in any order, and others
    are passed over.

    Raises:
        DatasetError: unreadable, too few or too many columns, an empty path or label.
    """
    # The csv module ends lines itself, also those within quotes.
    reader = csv.reader(io.StringIO(read_text(file), newline=""), strict=True)
    rows: list[Row] = []
    columns: Sequence[str] | None = None
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if not any(cells):
                continue
            if columns is None:
                lower = [cell.lower() for cell in cells]
                named = {"path", "label"} <= set(lower)
                columns = lower if named else _HEADER[: max(2, len(cells))]
                if named:
                    continue
            if len(cells) != len(columns):
                raise DatasetError(
                    f"{file}, line {reader.line_num}: expected {','.join(columns)}, "
                    f"found {len(cells)} columns: {cells}. Separate by commas, and put "
                    "what contains one in double quotes"
                )
            row = dict(zip(columns, cells, strict=True))
            if not row["path"] or not row["label"]:
                raise DatasetError(
                    f"{file}, line {reader.line_num}: has no path or no label: {cells}"
                )
            path = row["path"].replace("\\", "/")
            rows.append(Row(reader.line_num, path, row["label"], row.get("group", "")))
    except csv.Error as error:
        raise DatasetError(f"{file}, line {reader.line_num}: {error}") from error
    return rows


def label_in(row: Row, label_of: Mapping[str, int], numbers: bool, file: Path) -> int:
    """The label of a line.

    Args:
        label_of: name -> label.
        numbers: whether a number may stand for a name: with a ``classes.txt``.

    Raises:
        DatasetError: unknown name, a number out of range, or one that is also the
            name of another class.
    """
    where = f"{file}, line {row.line}"
    by_name = label_of.get(row.label)
    number = None
    if numbers and _NUMBER.fullmatch(row.label):
        number = int(row.label)
    in_range = number is not None and 0 <= number < len(label_of)
    if by_name is not None and in_range and by_name != number:
        raise DatasetError(
            f"{where}: {row.label!r} is the name of class {by_name} and the number of "
            "another. Write names, or give the classes names that are no numbers"
        )
    if by_name is not None:
        return by_name
    if number is None:
        raise DatasetError(
            f"{where}: {row.label!r} is none of the {len(label_of)} classes: "
            f"{first_few(label_of)}"
        )
    if not in_range:
        raise DatasetError(
            f"{where}: label {number}, but classes.txt has {len(label_of)} classes, "
            f"numbered from 0 to {len(label_of) - 1}"
        )
    return number


def samples_of_lists(
    root: Path, lists: dict[str, Path], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], dict[str, list[Sample]]]:
    """What the lists of both sides name.

    Args:
        root: paths of the lists are below it.
        lists: "train" and "test" -> file.
        names: the classes in the order of their labels, if there is a list of them.

    Returns:
        The classes, and side -> videos in the order of its list.

    Raises:
        DatasetError: see ``read_rows`` and ``label_in``; numbers for labels without
            ``classes.txt``; videos that are missing or listed twice; a label that
            contradicts the folder in which its video lies.
    """
    rows = {side: read_rows(file) for side, file in lists.items()}
    numbers = names is not None
    if names is None:
        labels = {row.label for row in rows["train"]}
        if labels and all(map(_NUMBER.fullmatch, labels)):
            raise DatasetError(
                f"{lists['train']}: its labels are numbers. Write {root}/classes.txt, "
                "a name in each line, the first for label 0"
            )
        names = check_class_names(sorted(labels), lists["train"])
    label_of = {name: label for label, name in enumerate(names)}
    seen: dict[Path, str] = {}
    sides = {
        side: [_sample(root, row, file, numbers, label_of, seen) for row in rows[side]]
        for side, file in lists.items()
    }
    for side, samples in sides.items():
        missing = [s.name for s in samples if not s.path.is_file()]
        if missing:
            raise MissingVideos(
                f"{lists[side]}: {len(missing)} of {len(samples)} videos are not "
                f"there: {first_few(missing)}. Paths are below {root}",
                missing,
                [s for s in samples if s.path.is_file()],
            )
    return names, sides


def _sample(
    root: Path,
    row: Row,
    file: Path,
    numbers: bool,
    label_of: Mapping[str, int],
    seen: dict[Path, str],
) -> Sample:
    """One video of a list; notes its path in ``seen``."""
    where = f"{file}, line {row.line}"
    label = label_in(row, label_of, numbers, file)
    path = Path(os.path.normpath(root / row.path))
    if path in seen:
        raise DatasetError(
            f"{where}: {row.path} is listed twice, also in {seen[path]}. A video has "
            "one label and is on one side"
        )
    seen[path] = where
    folder = path.parent.name
    if label_of.get(folder, label) != label:
        raise DatasetError(
            f"{where}: says {row.label!r}, but {row.path} lies in the folder of class "
            f"{folder!r}. One of them is wrong: correct the list, or move the video"
        )
    return Sample(path, label, row.group or row.path, row.path)
