"""Kinetics-400: clips of ten seconds from YouTube, 400 actions, as it is unpacked.

Public names: ``load_kinetics400``, ``read_csv``, ``class_key``.

The layout of the CVDF's copy::

    root/train/<youtube id>_<start>_<end>.mp4     both times with six digits
    root/val/...
    root/annotations/train.csv, val.csv
    root/replacement/...                          optional, see below

A list has the header ``label,youtube_id,time_start,time_end,split`` (older ones add
``is_cc``). It may also lie in ``root``, and Deepmind calls the second ``validate.csv``.
``train`` and ``val`` may instead hold a folder for each class, written with spaces or
with underscores; one that contradicts the list is refused. Without a list, such
folders give the labels.

The order of the labels is the alphabetical one of the full names, kept in
``classes/kinetics400.txt``. It must not depend on a spelling for folders: without
parentheses "skiing (not slalom or crosscountry)", 308, and "skiing crosscountry", 309,
change places. Nor on the list: a short one names a few classes of the 400.

No copy is whole. About 1,400 files of the archives are damaged; the CVDF gives whole
ones in an archive of their own, and what is unpacked into ``replacement`` is taken in
place of the others. A clip that the list names and the disk lacks is left out, and a
warning says how many there are; at least half must be there.

There is one division, whose test side is the *validation* list. Its copies differ in
size (19,404 to 19,881 videos are known), so state yours. A group is a YouTube id.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DatasetError
from ..standins.scenes import KINETICS_NAMES
from ..video.clips import Sample
from .base import (
    SUBSETS,
    MissingVideos,
    VideoDataset,
    first_few,
    is_video,
    list_folder,
    marked_standin,
    official_classes,
    packed_in,
    read_text,
    register,
)
from .leakage import refuse_shared

# Folders, lists and what lists write in the column "split".
_NAMES = {"train": ("train",), "test": ("val", "validate", "validation")}
_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_STEM = re.compile(r"([A-Za-z0-9_-]{11})_\d{6}_\d{6}")
_LEAST = 0.5  # share of a list that must be on disk
_WHERE = (
    "Archives and lists: https://github.com/cvdfoundation/kinetics-dataset; each "
    "part_N.tar.gz of a side is unpacked into the folder of that side"
)


def class_key(name: str) -> str:
    """The name in a spelling that folders share, unique among the 400.

    Folders write underscores for spaces, and some leave out parentheses and the
    apostrophe.
    """
    return re.sub(r"[()']", "", name).replace("_", " ").strip().lower()


def read_csv(file: Path, classes: Sequence[str], subset: str) -> dict[str, int]:
    """The clips of a list, in its order: name without suffix -> label.

    A clip under two classes is left out, with a warning: its label is not known.

    Args:
        classes: names in the order of the labels.
        subset: "train" or "test" (the validation list); a column ``split`` must agree.

    Raises:
        DatasetError: unreadable; columns missing; a label that is not among
            ``classes``; an id or a time that is none; a line of another split.
    """
    label_of = {class_key(name): label for label, name in enumerate(classes)}
    clips: dict[str, set[int]] = {}
    reader = csv.DictReader(read_text(file).splitlines(), strict=True)
    try:
        if lacking := set(_COLUMNS) - set(reader.fieldnames or ()):
            raise DatasetError(
                f"has no column {first_few(sorted(lacking), 4)}. The first line of a "
                f"list of Kinetics-400 is {','.join(_COLUMNS)},split"
            )
        for row in reader:
            stem, label = _clip(row, label_of, subset)
            clips.setdefault(stem, set()).add(label)
    except (csv.Error, DatasetError) as error:  # such as a quote that is not closed
        raise DatasetError(f"{file}, line {reader.line_num}: {error}") from None
    doubtful = [stem for stem, labels in clips.items() if len(labels) > 1]
    if doubtful:
        warnings.warn(
            f"{file}: {len(doubtful)} clips are listed under two classes and left out: "
            f"{first_few(doubtful)}",
            stacklevel=4,
        )
    return {stem: min(labels) for stem, labels in clips.items() if len(labels) == 1}


def _clip(row: Mapping, label_of: Mapping[str, int], subset: str) -> tuple[str, int]:
    """One line of a list: (name without suffix, label)."""
    if None in row or None in row.values():
        raise DatasetError("has not as many columns as the first one")
    label = label_of.get(class_key(row["label"]))
    if label is None:
        raise DatasetError(
            f"{row['label']!r} is not one of the {len(label_of)} classes. Is it a list "
            "of another Kinetics, such as 600 or 700?"
        )
    side = (row.get("split") or "").strip().lower()
    if side and side not in _NAMES[subset]:
        raise DatasetError(
            f"is of the split {side!r}, in a list of {_NAMES[subset][0]}. Does the "
            "file bear the name of another one?"
        )
    try:
        start, end = (int(float(row[name])) for name in _COLUMNS[2:])
    except (ValueError, OverflowError):
        start, end = 0, 0
    stem = f"{row['youtube_id'].strip()}_{start:06d}_{end:06d}"
    if start >= end or not _STEM.fullmatch(stem):
        raise DatasetError(
            "no YouTube id of 11 signs and two times in seconds. A spreadsheet program "
            "may have changed it: download the list again"
        )
    return stem, label


@register(
    "kinetics400", holds=f"train, val, annotations. {_WHERE}", released_order=tuple
)
def load_kinetics400(root: Path, split: str, subset: str) -> VideoDataset:
    """The training list, or as "test" the validation list. See the module's docstring.

    Raises:
        DatasetError: folders missing; less than half of the list there; a list of
            another data set; a folder of no class, or one that contradicts the list;
            a clip in both lists.
    """
    videos = next((root / n for n in _NAMES[subset] if (root / n).is_dir()), None)
    if videos is None:
        raise DatasetError(
            f"{root}: there is no folder {_NAMES[subset][0]}.{packed_in(root)} {_WHERE}"
        )
    drawn, official = sorted(KINETICS_NAMES.values()), official_classes("kinetics400")
    classes = tuple(drawn) if marked_standin(root) else official
    lists = {}
    for side in SUBSETS:
        places = [root / "annotations", root]
        files = [place / f"{name}.csv" for place in places for name in _NAMES[side]]
        if found := [file for file in files if file.is_file()]:
            lists[side] = read_csv(found[0], classes, side)
    refuse_shared(lists, "clips", root / "annotations", _WHERE)
    listed = lists.get(subset)
    disk = _scan(videos, classes, listed is not None)
    named = _labels_of_folders(disk, videos) if listed is None else listed
    samples = _find(named, disk, classes, videos)
    missing = None if listed is None else len(listed) - len(samples)
    return VideoDataset(
        "kinetics400", root, split, subset, classes, samples, missing=missing
    )


# Name without suffix -> (path, label of the folder of a class that it lies in).
_Disk = dict[str, tuple[Path, int | None]]


def _scan(videos: Path, classes: Sequence[str], listed: bool) -> _Disk:
    """All videos of a side, directly in its folder or one below.

    Files of the archive of replacements take the place of their namesakes.
    """
    label_of = {class_key(name): label for label, name in enumerate(classes)}
    disk: _Disk = {}
    for entry in list_folder(videos):
        folder = entry.is_dir()
        label = label_of.get(class_key(entry.name)) if folder else None
        for inner in list_folder(Path(entry.path)) if folder else [entry]:
            path = Path(inner.path)
            if is_video(inner.name):
                if disk.get(path.stem, (path, label))[1] != label:
                    raise DatasetError(
                        f"{disk[path.stem][0]} and {path} are both there. Keep the one "
                        "that is meant"
                    )
                disk[path.stem] = path, label
    for path in sorted((videos.parent / "replacement").rglob("[!.]*")):
        if is_video(path.name) and (listed or path.stem in disk):
            disk[path.stem] = path, disk.get(path.stem, (path, None))[1]
    return disk


def _labels_of_folders(disk: _Disk, videos: Path) -> dict[str, int]:
    """What the folders of classes say, where there is no list."""
    if not disk:
        raise DatasetError(
            f"{videos}: holds no video.{packed_in(videos, videos.parent)} {_WHERE}"
        )
    for path, label in disk.values():
        if label is None:
            raise DatasetError(
                f"{path}: lies in no folder of a class of Kinetics-400, and there is "
                f"no list that says what it shows. Put train.csv and val.csv into "
                f"{videos.parent / 'annotations'}. {_WHERE}"
            )
    warnings.warn(
        f"{videos.parent} has no list of this side: all {len(disk)} videos of the "
        "class folders are taken, and nobody can say how many are missing",
        stacklevel=4,
    )
    return {stem: label for stem, (_, label) in disk.items()}


def _find(
    listed: Mapping[str, int], disk: _Disk, classes: Sequence[str], videos: Path
) -> list[Sample]:
    """The files of the clips; says how many are missing."""
    samples = []
    for stem, label in listed.items():
        path, folder_label = disk.get(stem, (None, None))
        if path is None:
            continue
        if folder_label not in (None, label):
            raise DatasetError(
                f"{path}: lies in the folder of {classes[folder_label]!r}, but the "
                f"list says {classes[label]!r}. One of them is wrong: move the "
                "video, or take the official list"
            )
        group = stem[:11] if _STEM.fullmatch(stem) else stem
        samples.append(Sample(path, label, group, path.name))
    if missing := [stem for stem in listed if stem not in disk]:
        told = (
            f"{videos}: {len(listed)} clips are listed, {len(samples)} are there and "
            f"{len(missing)} ({len(missing) / len(listed):.1%}) are missing, such as "
            f"{first_few(missing)}"
        )
        if len(samples) < _LEAST * len(listed):
            raise MissingVideos(
                f"{told}. That is less than half of the list."
                f"{packed_in(videos, videos.parent)} Unpack the rest, or, if so few "
                f"are meant, cut the list to them. {_WHERE}",
                missing,
                samples,
            )
        warnings.warn(f"{told}. The missing ones are left out", stacklevel=4)
    seen = len({sample.label for sample in samples})
    if seen < len(classes):
        warnings.warn(
            f"{videos}: only {seen} of the {len(classes)} classes occur among the "
            f"{len(samples)} clips; their labels are still those of all {len(classes)}",
            stacklevel=4,
        )
    return samples
