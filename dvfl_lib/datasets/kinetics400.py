"""Kinetics-400: clips of ten seconds from YouTube, as ``data/README.md`` shows them.

Public names: ``load_kinetics400``, ``read_csv``, ``class_key``.

The order of the labels is the alphabetical one of the full names, kept in
``classes/kinetics400.txt``. It must not depend on a spelling for folders: without
parentheses "skiing (not slalom or crosscountry)", 308, and "skiing crosscountry", 309,
change places. Nor on the list: a short one names a few classes of the 400.

No copy is whole. A clip that the list names and the disk lacks is left out, and a
warning says how many there are; at least half must be there. The test side is the
*validation* list; its copies differ in size (19,404 to 19,881 videos are known), so
state yours. A group is a YouTube id.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DatasetError
from ..standins.scenes import KINETICS_NAMES
from ..video.clips import Sample
from .base import (
    SUBSETS,
    VideoDataset,
    first_few,
    is_video,
    keep_found,
    list_folder,
    marked_standin,
    official_classes,
    packed_in,
    read_table,
    register,
    tell_left_out,
)
from .leakage import refuse_shared

# Folders, lists and what lists write in the column "split".
_NAMES = {"train": ("train",), "test": ("val", "validate", "validation")}
_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_STEM = re.compile(r"[A-Za-z0-9_-]{11}_\d{6}_\d{6}")
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
    ``subset`` is "train" or "test", with which a column ``split`` must agree.
    """
    label_of = {class_key(name): label for label, name in enumerate(classes)}
    lines = read_table(file)
    head = [cell.lower() for cell in lines[0][1]] if lines else []
    if lacking := sorted(set(_COLUMNS) - set(head)):
        raise DatasetError(
            f"{file}: has no column {', '.join(lacking)}; its first line is "
            f"{','.join(head)!r}, and that of a list of Kinetics-400 is "
            f"{','.join(_COLUMNS)},split. Other lists are for the data set 'folder'"
        )
    clips: dict[str, set[int]] = {}
    for number, cells in lines[1:]:
        row = dict(zip(head, cells, strict=False))
        label = label_of.get(class_key(row.get("label", "")))
        side, stem = row.get("split", "").lower(), _stem(row)
        if len(cells) != len(head):
            told = "has not as many columns as the first one"
        elif label is None:
            told = (
                f"{row['label']!r} is not one of the {len(classes)} classes. Is it a "
                "list of another Kinetics, such as 600 or 700?"
            )
        elif side and side not in _NAMES[subset]:
            told = f"is of the split {side!r}, in a list of {_NAMES[subset][0]}"
        elif not stem:
            told = (
                "no YouTube id of 11 signs and two times in seconds. A spreadsheet "
                "program may have changed it: download the list again"
            )
        else:
            clips.setdefault(stem, set()).add(label)
            continue
        raise DatasetError(f"{file}, line {number}: {told}")
    doubtful = [stem for stem, labels in clips.items() if len(labels) > 1]
    if doubtful:
        warnings.warn(
            f"{file}: {len(doubtful)} clips are listed under two classes and left out: "
            f"{first_few(doubtful)}",
            stacklevel=4,
        )
    return {stem: min(labels) for stem, labels in clips.items() if len(labels) == 1}


def _stem(row: Mapping[str, str]) -> str:
    """How the file of a line is called, without suffix; "" where it tells none."""
    try:
        start, end = (int(float(row[name])) for name in _COLUMNS[2:])
        stem = f"{row['youtube_id']}_{start:06d}_{end:06d}"
    except (KeyError, ValueError, OverflowError):
        return ""
    return stem if start < end and _STEM.fullmatch(stem) else ""


# Name without suffix -> (path, label of the folder of a class that it lies in).
_Disk = dict[str, tuple[Path, int | None]]


def _scan(videos: Path, classes: Sequence[str], listed: bool) -> _Disk:
    """All videos of a side, directly in its folder or one below.

    Files of the archive of replacements take the place of their namesakes.
    """
    label_of = {class_key(name): label for label, name in enumerate(classes)}
    disk: _Disk = {}
    left_out: list[str] = []
    for entry in list_folder(videos):
        folder = entry.is_dir()
        label = label_of.get(class_key(entry.name)) if folder else None
        for inner in list_folder(Path(entry.path)) if folder else [entry]:
            path = Path(inner.path)
            if not is_video(inner.name):
                left_out += [inner.name] if label is not None else []
                continue
            other, its_label = disk.get(path.stem, (path, label))
            if its_label != label:
                raise DatasetError(
                    f"{other} and {path} are both there. Keep the one that is meant"
                )
            disk[path.stem] = path, label
    tell_left_out(videos, () if listed else left_out)
    for path in sorted((videos.parent / "replacement").rglob("[!.]*")):
        if is_video(path.name) and (listed or path.stem in disk):
            disk[path.stem] = path, disk.get(path.stem, (path, None))[1]
    return disk


def _labels_of_folders(disk: _Disk, videos: Path) -> dict[str, int]:
    """What the folders of classes say, where there is no list."""
    strange = [path for path, label in disk.values() if label is None]
    if strange or not disk:
        packed = packed_in(videos, videos.parent)
        raise DatasetError(
            f"{first_few(strange) or videos}: no video in a folder of a class, and "
            f"there is no list.{packed} Put train.csv and val.csv into "
            f"{videos.parent / 'annotations'}. {_WHERE}"
        )
    warnings.warn(
        f"{videos.parent} has no list of this side: all {len(disk)} videos of the "
        "class folders are taken, and nobody can say how many are missing",
        stacklevel=4,
    )
    return {stem: label for stem, (_, label) in disk.items()}


@register(
    "kinetics400", holds=f"train, val, annotations. {_WHERE}", released_order=tuple
)
def load_kinetics400(root: Path, split: str, subset: str) -> VideoDataset:
    """The training list, or as "test" the validation list.

    Without a list, the folders of the classes say what there is.
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
        if file := next((file for file in files if file.is_file()), None):
            lists[side] = read_csv(file, classes, side)
    refuse_shared(lists, "clips", root / "annotations", _WHERE)
    listed = lists.get(subset)
    disk = _scan(videos, classes, listed is not None)
    if listed is None:
        listed = _labels_of_folders(disk, videos)
    samples = []
    for stem, label in listed.items():
        path, folder_label = disk.get(stem, (videos / stem, None))
        if folder_label not in (None, label):
            raise DatasetError(
                f"{path}: lies in the folder of {classes[folder_label]!r}, but the "
                f"list says {classes[label]!r}. One of them is wrong"
            )
        group = stem[:11] if _STEM.fullmatch(stem) else stem
        samples.append(Sample(path, label, group, path.name))
    advice = f"{packed_in(videos, root)} Half of the list must be there. {_WHERE}"
    found = keep_found(samples, videos, advice, lambda s: s.path.stem in disk, 0.5)
    missing = len(samples) - len(found) if subset in lists else None
    seen = len({sample.label for sample in found})
    if seen < len(classes):
        warnings.warn(
            f"{videos}: only {seen} of the {len(classes)} classes occur among the "
            f"{len(found)} clips; their labels are still those of all {len(classes)}",
            stacklevel=3,
        )
    return VideoDataset(
        "kinetics400", root, split, subset, classes, found, missing=missing
    )
