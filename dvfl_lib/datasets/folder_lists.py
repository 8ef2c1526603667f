"""The lists of a user's own videos: ``classes.txt`` and ``path,label`` files.

Public names: ``samples_of_lists``, ``read_class_names``, ``check_class_names``,
``read_rows``, ``Row``, ``label_in``, ``plain_name``.

Unicode writes an accented letter in two ways, as one sign or as two, and systems
differ in which they prefer. Names of classes are compared in the first.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import SUBSETS, MissingVideos, first_few
from .disk import is_video, read_text

_HEADER = ("path", "label", "group")
_NUMBER = re.compile(r"-?[0-9]{1,9}")
_LIKE_A_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?")


@dataclass(frozen=True)
class Row:
    """One line of a list."""

    line: int
    path: str  # as written, with "/"
    label: str  # the name of a class, or a number
    group: str  # "" where the list says nothing


def plain_name(name: str) -> str:
    """The name of a class, its accented letters written as one sign each."""
    return unicodedata.normalize("NFC", name)


def check_class_names(names: Sequence[str], where: Path) -> tuple[str, ...]:
    """The names, if they can be told apart.

    Raises:
        DatasetError: none, one that is empty, or two that differ in case or in
            blanks alone: most likely one class in two spellings.
    """
    plain: dict[str, str] = {}
    for name in names:
        key = " ".join(plain_name(name).split()).casefold()
        if not key or key in plain:
            raise DatasetError(
                f"{where}: the class {name!r} is "
                + (f"also there as {plain[key]!r}" if key else "without a name")
                + ". Give each class one name"
            )
        plain[key] = name
    if not names:
        raise DatasetError(f"{where}: names no class")
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
    lines = map(str.strip, read_text(file).splitlines())
    names = [plain_name(line) for line in lines if line]
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
        DatasetError: unreadable, too few or too many columns, a column named twice,
            an empty path or label, or a label of several lines.
    """
    # The csv module ends lines itself, also those within quotes.
    text = io.StringIO(read_text(file), newline="")
    reader = csv.reader(text, strict=True, skipinitialspace=True)
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
                if len(set(columns) & set(_HEADER)) < sum(
                    c in _HEADER for c in columns
                ):
                    raise DatasetError(f"{file}: names a column twice: {cells}")
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
            if len(row["label"].splitlines()) > 1:
                raise DatasetError(
                    f"{file}, line {reader.line_num}: its label holds several lines. "
                    f"A quote above is not closed: {first_few([row['label'][:40]])!r}"
                )
            path, label = row["path"].replace("\\", "/"), plain_name(row["label"])
            rows.append(Row(reader.line_num, path, label, row.get("group", "")))
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
        labels = sorted({row.label for row in rows["train"]})
        numbered = list(filter(_LIKE_A_NUMBER.fullmatch, labels))
        if numbered:
            few = "some of " if len(numbered) < len(labels) else ""
            raise DatasetError(
                f"{lists['train']}: {few}its labels are numbers"
                + (f", such as {numbered[0]}" if few else "")
                + f". Write {root}/classes.txt, a name in each line, the first for "
                "label 0"
            )
        names = check_class_names(labels, lists["train"])
    label_of = {name: label for label, name in enumerate(names)}
    seen: dict[Path, str] = {}
    sides = {
        side: [_sample(root, row, file, numbers, label_of, seen) for row in rows[side]]
        for side, file in lists.items()
    }
    for side, samples in sides.items():
        _refuse_missing(root, lists[side], samples)
    _warn_of_shared_groups(lists, rows)
    return names, sides


def _refuse_missing(root: Path, file: Path, samples: Sequence[Sample]) -> None:
    there = [sample for sample in samples if os.path.isfile(sample.path)]
    if len(there) < len(samples):
        missing = [s.name for s in samples if not os.path.isfile(s.path)]
        header = missing[0] == samples[0].name and not is_video(missing[0])
        raise MissingVideos(
            f"{file}: {len(missing)} of {len(samples)} videos are not there: "
            f"{first_few(missing)}. Paths are below {root}"
            + (". A first line with names of columns calls them path,label" * header),
            missing,
            there,
        )


def _warn_of_shared_groups(lists: dict[str, Path], rows: dict[str, list[Row]]) -> None:
    train, test = ({row.group for row in rows[side]} for side in SUBSETS)
    both = train & test - {""}
    if both:
        count = sum(row.group in both for row in rows["test"])
        warnings.warn(
            f"{lists['train']} and {lists['test'].name} share {len(both)} groups: "
            f"{first_few(sorted(both))}. So {count} test videos come from a recording "
            "that is trained on, and the score comes out too high: keep a group on one "
            "side",
            stacklevel=6,
        )


def _find(root: Path, listed: str) -> Path:
    """The file of a list's path, whichever way the disk writes accented letters."""
    plain = Path(os.path.normpath(root / listed))
    if listed.isascii():
        return plain
    forms = [unicodedata.normalize(form, listed) for form in ("NFC", "NFD")]
    paths = [plain, *(Path(os.path.normpath(root / name)) for name in forms)]
    return next((path for path in paths if os.path.isfile(path)), plain)


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
    path = _find(root, row.path)
    if path in seen:
        raise DatasetError(
            f"{where}: {row.path} is listed twice, also in {seen[path]}. A video has "
            "one label and is on one side"
        )
    seen[path] = where
    folder = plain_name(path.parent.name)
    if label_of.get(folder, label) != label:
        raise DatasetError(
            f"{where}: says {row.label!r}, but {row.path} lies in the folder of class "
            f"{folder!r}. One of them is wrong: correct the list, or move the video"
        )
    return Sample(path, label, row.group or row.path, row.path)
