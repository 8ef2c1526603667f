"""Kinetics-400: clips of ten seconds from YouTube, 400 actions, as it is unpacked.

Public names: ``load_kinetics400``, ``read_csv``, ``class_key``.

The layout of the CVDF's copy::

    root/train/<youtube id>_<start>_<end>.mp4     both times with six digits
    root/val/...
    root/annotations/train.csv, val.csv
    root/replacement/...                          optional, see below

A list is a CSV file with the header ``label,youtube_id,time_start,time_end,split``
(older ones add ``is_cc``). It may also lie in ``root``, and Deepmind's name for the
second is ``validate.csv``; the first that is found is taken. ``train`` and ``val`` may
instead hold a folder for each class, written with spaces or with underscores; a folder
that contradicts the list is refused. Without a list, such folders give the labels.

The order of the labels is the alphabetical one of the full names. It must not depend
on a spelling for folders: without parentheses "skiing (not slalom or crosscountry)",
308, and "skiing crosscountry", 309, change places. Nor may it depend on the list: a
short list names a few classes, and their numbers are still those of 400. So the
names are kept in ``classes/kinetics400.txt``; they are the labels of the official
lists, and equal the label map of MMAction2.

No copy is whole: videos vanish from YouTube, and about 1,400 files of the archives
are damaged. The CVDF gives whole ones for these in an archive of their own; unpacked
into ``replacement``, they are taken in place of the others. A clip that the list
names and the disk lacks is left out, and a warning says how many there are. Files
that are there and cannot be read are noticed by whatever reads them
(``data.max_unreadable``).

There is one division. ``subset="test"`` is the *validation* list, on which results
are reported. Its copies differ in size (19,404 to 19,881 videos are known), so state
yours. A group is a YouTube id: clips of one video stay together.
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import (
    SUBSETS,
    MissingVideos,
    VideoDataset,
    first_few,
    marked_standin,
    register,
)
from .listing import (
    is_video,
    list_folder,
    official_classes,
    packed_in,
    read_text,
    refuse_shared,
)

# Folders, lists and what lists write in the column "split".
_NAMES = {"train": ("train",), "test": ("val", "validate", "validation")}
_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_STEM = re.compile(r"([A-Za-z0-9_-]{11})_\d{6}_\d{6}")
_WHERE = (
    "Archives and lists: https://github.com/cvdfoundation/kinetics-dataset; each "
    "part_N.tar.gz of a side is unpacked into the folder of that side"
)
Clip = tuple[str, int, str]  # name without suffix, label, YouTube id
# stem -> (path, label of its class folder or None)
_Disk = dict[str, tuple[Path, int | None]]


def class_key(name: str) -> str:
    """The name in a spelling that folders share, unique among the 400.

    Folders write underscores for spaces, and some leave out parentheses and the
    apostrophe.
    """
    return re.sub(r"[()']", "", name).replace("_", " ").strip().lower()


# --- lists ---------------------------------------------------------------------------


def _rows(file: Path) -> list[tuple[str, dict[str, str]]]:
    """(file and line, column -> text) of a list."""
    reader = csv.DictReader(read_text(file).splitlines(), strict=True)
    if lacking := set(_COLUMNS) - set(reader.fieldnames or ()):
        raise DatasetError(
            f"{file}: has no column {first_few(sorted(lacking), 4)}. The first line of "
            f"a list of Kinetics-400 is {','.join(_COLUMNS)},split"
        )
    rows = []
    try:
        for row in reader:
            where = f"{file}, line {reader.line_num}"
            if None in row or None in row.values():
                raise csv.Error("has not as many columns as the first one")
            rows.append((where, row))
    except csv.Error as error:  # or a quote that is not closed
        raise DatasetError(
            f"{file}, line {reader.line_num}: {error}. Download the list again"
        ) from None
    return rows


def read_csv(file: Path, classes: Sequence[str], subset: str) -> list[Clip]:
    """The clips of a list, in its order: (name without suffix, label, YouTube id).

    Args:
        classes: names in the order of the labels.
        subset: "train" or "test" (the validation list); a column ``split`` must agree.

    Raises:
        DatasetError: unreadable; columns missing; a label that is not among
            ``classes``; an id or a time that is none; a line of another split.
    """
    label_of = {class_key(name): label for label, name in enumerate(classes)}
    clips = []
    for where, row in _rows(file):
        video, label = row["youtube_id"].strip(), label_of.get(class_key(row["label"]))
        if label is None:
            raise DatasetError(
                f"{where}: {row['label']!r} is not one of the {len(classes)} classes. "
                "Is it a list of another Kinetics, such as 600 or 700?"
            )
        side = (row.get("split") or "").strip().lower()
        if side and side not in _NAMES[subset]:
            raise DatasetError(
                f"{where}: is of the split {side!r}, in a list of {_NAMES[subset][0]}. "
                "Does the file bear the name of another one?"
            )
        try:
            start, end = (int(float(row[name])) for name in _COLUMNS[2:])
        except (ValueError, OverflowError):
            start, end = 0, 0
        stem = f"{video}_{start:06d}_{end:06d}"
        if start >= end or not _STEM.fullmatch(stem):
            raise DatasetError(
                f"{where}: no YouTube id of 11 signs and two times in seconds. A "
                "spreadsheet program may have changed it: download the list again"
            )
        clips.append((stem, label, video))
    return clips


def _once(clips: Sequence[Clip], file: Path) -> list[Clip]:
    """Each clip once; one under two classes is left out: its label is not known."""
    labels: dict[str, set[int]] = {}
    for stem, label, _ in clips:
        labels.setdefault(stem, set()).add(label)
    doubtful = [stem for stem, found in labels.items() if len(found) > 1]
    if doubtful:
        warnings.warn(
            f"{file}: {len(doubtful)} clips are listed under two classes and left out: "
            f"{first_few(doubtful)}",
            stacklevel=4,
        )
    return [clip for clip in dict.fromkeys(clips) if len(labels[clip[0]]) == 1]


# --- the data set --------------------------------------------------------------------


@register(
    "kinetics400", holds=f"train, val, annotations. {_WHERE}", released_order=tuple
)
def load_kinetics400(
    root: Path, split: str, subset: str, min_present: float = 0.5
) -> VideoDataset:
    """Kinetics-400. See the module's docstring for the layout.

    Args:
        split: "1", the only one.
        subset: "train", or "test" for the official validation list.
        min_present: the share of the list that must be on disk.

    Raises:
        DatasetError: folders missing; fewer clips there than ``min_present``; a list
            of another data set; a folder of no class, or one that contradicts the
            list; a clip in both lists.
    """
    lists: dict[str, Path] = {}
    for side in SUBSETS:
        places = [root / "annotations", root]
        files = [place / f"{name}.csv" for place in places for name in _NAMES[side]]
        if found := [file for file in files if file.is_file()]:
            lists[side] = found[0]
    folders = [root / name for name in _NAMES[subset] if (root / name).is_dir()]
    if not folders:
        raise DatasetError(
            f"{root}: there is no folder {_NAMES[subset][0]}.{packed_in(root)} {_WHERE}"
        )
    videos = folders[0]
    classes = official_classes("kinetics400")
    if marked_standin(root):  # it has classes of its own, all of them in its lists
        rows = [row for file in lists.values() for _, row in _rows(file)]
        classes = tuple(sorted({row["label"] for row in rows}))
    disk = _scan(videos, classes, subset in lists)
    missing: int | None = None
    if subset in lists:
        clips = {side: read_csv(file, classes, side) for side, file in lists.items()}
        stems = [{clip[0] for clip in found} for found in clips.values()]
        if len(stems) == len(SUBSETS):
            refuse_shared(*stems, "clips", root / "annotations", _WHERE)
        kept = _once(clips[subset], lists[subset])
        samples = _locate(kept, disk, classes, videos, min_present)
        missing = len(kept) - len(samples)
    else:
        samples = _samples_of_folders(disk, videos)
    return VideoDataset(
        "kinetics400", root, split, subset, classes, samples, missing=missing
    )


def _scan(videos: Path, classes: Sequence[str], listed: bool) -> _Disk:
    """All videos of a side, directly in its folder or in folders of classes.

    With a list, folders that are no class (parts of an archive) are looked into too.
    Files of the archive of replacements take the place of their namesakes.
    """
    label_of = {class_key(name): label for label, name in enumerate(classes)}
    disk: _Disk = {}
    for entry in list_folder(videos):
        folder = entry.is_dir()
        label = label_of.get(class_key(entry.name)) if folder else None
        if label is None and not listed and (folder or is_video(entry.name)):
            raise DatasetError(
                f"{entry.path}: is no folder of a class of Kinetics-400, and there is "
                f"no list that says what it shows. Put train.csv and val.csv into "
                f"{videos.parent / 'annotations'}. {_WHERE}"
            )
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


def _samples_of_folders(disk: _Disk, videos: Path) -> list[Sample]:
    """Everything that class folders hold, where there is no list."""
    if not disk:
        raise DatasetError(
            f"{videos}: holds no video.{packed_in(videos, videos.parent)} {_WHERE}"
        )
    warnings.warn(
        f"{videos.parent} has no list of this side: all {len(disk)} videos of the "
        "class folders are taken, and nobody can say how many are missing",
        stacklevel=4,
    )
    samples = []
    for stem, (path, label) in disk.items():
        match = _STEM.fullmatch(stem)
        samples.append(Sample(path, label, match[1] if match else stem, path.name))
    return samples


def _locate(
    clips: Sequence[Clip],
    disk: _Disk,
    classes: Sequence[str],
    videos: Path,
    min_present: float,
) -> list[Sample]:
    """The files of the clips of a list; says how many are missing."""
    samples = []
    for stem, label, video in clips:
        path, folder_label = disk.get(stem, (None, None))
        if path is None:
            continue
        if folder_label not in (None, label):
            raise DatasetError(
                f"{path}: lies in the folder of {classes[folder_label]!r}, but the "
                f"list says {classes[label]!r}. One of them is wrong: move the "
                "video, or take the official list"
            )
        samples.append(Sample(path, label, video, path.name))
    if missing := [stem for stem, *_ in clips if stem not in disk]:
        told = (
            f"{videos}: {len(clips)} clips are listed, {len(samples)} are there and "
            f"{len(missing)} ({len(missing) / len(clips):.1%}) are missing, such as "
            f"{first_few(missing)}"
        )
        if not samples or len(samples) < min_present * len(clips):
            raise MissingVideos(
                f"{told}. That is less than min_present={min_present:g} of the list."
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
