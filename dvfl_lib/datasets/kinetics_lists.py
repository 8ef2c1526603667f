"""The lists of Kinetics-400: which clip is of which class.

Public names: ``kinetics_classes``, ``class_key``, ``csv_labels``, ``read_csv``,
``ListedClip``.

A list is a CSV file with the header ``label,youtube_id,time_start,time_end,split``
(older ones add ``is_cc``); labels of several words are quoted.

The order of the labels is the alphabetical one of the full names. It must not depend
on a spelling for folders: without parentheses "skiing (not slalom or crosscountry)",
308, and "skiing crosscountry", 309, change places. Nor may it depend on the list: a
short list names a few classes, and their numbers are still those of 400. So the
names are kept here, in ``classes/kinetics400.txt``; they are the labels of the
official lists, and equal the label map of MMAction2.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from .base import first_few
from .disk import read_text
from .listed_clips import official_classes

_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
# What the lists of each side write in the column "split".
_SPLIT_NAMES = {"train": ("train",), "test": ("val", "validate", "validation")}
_ID = re.compile(r"[A-Za-z0-9_-]{11}")


@dataclass(frozen=True)
class ListedClip:
    """One line of a list."""

    youtube_id: str
    stem: str  # the name of its file, without the suffix
    label: int


def kinetics_classes() -> tuple[str, ...]:
    """The 400 names in their official order."""
    return official_classes("kinetics400")


def class_key(name: str) -> str:
    """The name in a spelling that folders share, unique among the 400.

    Folders write underscores for spaces, and some leave out parentheses and the
    apostrophe.
    """
    return re.sub(r"[()']", "", name).replace("_", " ").strip().lower()


def csv_labels(file: Path) -> set[str]:
    """The labels that occur in a list, as it writes them.

    Raises:
        DatasetError: unreadable, or without the columns of a Kinetics list.
    """
    return {row["label"] for _, row in _rows(file)}


def read_csv(file: Path, classes: Sequence[str], subset: str) -> list[ListedClip]:
    """The clips of a list, in its order.

    Args:
        classes: names in the order of the labels.
        subset: "train" or "test" (the validation list); a column ``split`` must agree.

    Raises:
        DatasetError: unreadable; columns missing; a label that is not among
            ``classes``; an id or a time that is none; a line of another split.
    """
    label_of = {class_key(name): label for label, name in enumerate(classes)}
    clips = []
    for line, row in _rows(file):
        label = label_of.get(class_key(row["label"]))
        if label is None:
            raise DatasetError(
                f"{file}, line {line}: {row['label']!r} is not one of the "
                f"{len(classes)} classes. Is it a list of another Kinetics, such as "
                "600 or 700?"
            )
        if row.get("split") and row["split"].lower() not in _SPLIT_NAMES[subset]:
            raise DatasetError(
                f"{file}, line {line}: is of the split {row['split']!r}, in a list of "
                f"{' or '.join(_SPLIT_NAMES[subset])}. Does the file bear the name of "
                "another one?"
            )
        clips.append(_clip(file, line, row, label))
    return clips


def _clip(file: Path, line: int, row: dict[str, str], label: int) -> ListedClip:
    if not _ID.fullmatch(row["youtube_id"]):
        raise DatasetError(
            f"{file}, line {line}: {row['youtube_id']!r} is no YouTube id of 11 "
            "letters, digits, - and _. A spreadsheet program may have changed it: "
            "download the list again"
        )
    times = row["time_start"], row["time_end"]
    try:
        start, end = (int(float(time)) for time in times)
    except (ValueError, OverflowError):
        start, end = 0, 0
    if not 0 <= start < end:
        raise DatasetError(
            f"{file}, line {line}: {times[0]!r} to {times[1]!r} is no time in seconds"
        )
    stem = f"{row['youtube_id']}_{start:06d}_{end:06d}"
    return ListedClip(row["youtube_id"], stem, label)


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """(line, column -> text) of a list; blank lines are left out."""
    # The csv module ends lines itself, also those within quotes.
    reader = csv.DictReader(io.StringIO(read_text(file), newline=""), strict=True)
    rows = []
    try:
        lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if lacking:
            raise DatasetError(
                f"{file}: has no column {', '.join(lacking)}. The first line of a list "
                f"of Kinetics-400 is {','.join(_COLUMNS)},split"
            )
        names = reader.fieldnames or ()
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DatasetError(f"{file}: names a column twice: {first_few(twice)}")
        for row in reader:
            if None in row or None in row.values():
                raise DatasetError(
                    f"{file}, line {reader.line_num}: has not as many columns as the "
                    "first line. The file may be cut short: download it again"
                )
            rows.append((reader.line_num, {k: v.strip() for k, v in row.items()}))
    except csv.Error as error:
        raise DatasetError(f"{file}, line {reader.line_num}: {error}") from error
    return rows
