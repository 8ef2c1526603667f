"""Kinetics-400: clips of ten seconds from YouTube, 400 actions, as it is unpacked.

Public names: ``load_kinetics400``, ``read_csv``, ``class_key``.

The layout of the CVDF's copy::

    root/train/<youtube id>_<start>_<end>.mp4     both times with six digits
    root/val/...
    root/annotations/train.csv, val.csv
    root/replacement/...                          optional, see below

A list is a CSV file with the header ``label,youtube_id,time_start,time_end,split``
(older ones add ``is_cc``). It may also lie in ``root``, and Deepmind's name for the
second is ``validate.csv``. ``train`` and ``val`` may instead hold a folder for each
class, written with spaces or with underscores; a folder that contradicts the list is
refused. Without a list, such folders give the labels.

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
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import SUBSETS, MissingVideos, VideoDataset, first_few, register
from .listing import (
    is_video,
    list_folder,
    marked_standin,
    need_folder,
    official_classes,
    packed_in,
    read_text,
    refuse_shared,
)

_NAMES = {"train": ("train",), "test": ("val", "validate")}
# What the lists of each side write in the column "split".
_SPLIT_NAMES = {"train": ("train",), "test": ("val", "validate", "validation")}
_COLUMNS = ("label", "youtube_id", "time_start", "time_end")
_STEM = re.compile(r"([A-Za-z0-9_-]{11})_\d{6}_\d{6}")
_WHERE = (
    "Archives and lists: https://github.com/cvdfoundation/kinetics-dataset; each "
    "part_N.tar.gz of a side is unpacked into the folder of that side"
)
# stem -> (path, label of its class folder or None)
_Disk = dict[str, tuple[Path, int | None]]


def class_key(name: str) -> str:
    """The name in a spelling that folders share, unique among the 400.

    Folders write underscores for spaces, and some leave out parentheses and the
    apostrophe.
    """
    return re.sub(r"[()']", "", name).replace("_", " ").strip().lower()


def _rows(file: Path) -> list[tuple[int, dict[str, str]]]:
    """(line, column -> text) of a list."""
    reader = csv.DictReader(read_text(file).splitlines(), strict=True)
    lacking = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if lacking:
        raise DatasetError(
            f"{file}: has no column {', '.join(lacking)}. The first line of a list "
            f"of Kinetics-400 is {','.join(_COLUMNS)},split"
        )
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:  # a quote that is not closed
        raise DatasetError(f"{file}, line {reader.line_num}: {error}") from None
    for line, row in rows:
        if None in row or None in row.values():
            raise DatasetError(
                f"{file}, line {line}: has not as many columns as the first one. The "
                "file may be cut short: download it again"
            )
    return rows


def read_csv(
    file: Path, classes: Sequence[str], subset: str
) -> list[tuple[str, int, str]]:
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
    for line, row in _rows(file):
        where, video = f"{file}, line {line}", row["youtube_id"].strip()
        label = label_of.get(class_key(row["label"]))
        if label is None:
            raise DatasetError(
                f"{where}: {row['label']!r} is not one of the {len(classes)} classes. "
                "Is it a list of another Kinetics, such as 600 or 700?"
            )
        side = (row.get("split") or "").strip().lower()
        if side and side not in _SPLIT_NAMES[subset]:
            raise DatasetError(
                f"{where}: is of the split {side!r}, in a list of "
                f"{' or '.join(_SPLIT_NAMES[subset])}. Does the file bear the name of "
                "another one?"
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


@register("kinetics400", released_order=tuple)
def load_kinetics400(
    root: str | os.PathLike[str],
    split: str | int = "1",
    subset: str = "train",
    frames: int = 8,
    min_present: float = 0.5,
) -> VideoDataset:
    """Kinetics-400. See the module's docstring for the layout.

    Args:
        split: "1", the only one.
        subset: "train", or "test" for the official validation list.
        frames: T of the clips that ``__getitem__`` shows.
        min_present: the share of the list that must be on disk.

    Raises:
        DatasetError: another split; folders missing; fewer clips there than
            ``min_present``; a list of another data set; a folder of no class, or one
            that contradicts the list; a clip in both lists.
    """
    if str(split) != "1":
        raise DatasetError(f"Kinetics-400 has one split, '1', and no {split!r}")
    root = need_folder(root, f"train, val and annotations. {_WHERE}")
    standin = marked_standin(root)
    lists = {side: _find_list(root, side) for side in SUBSETS}
    videos = next((root / n for n in _NAMES[subset] if (root / n).is_dir()), None)
    if videos is None:
        raise DatasetError(
            f"{root}: there is no folder {' or '.join(_NAMES[subset])}."
            f"{packed_in(root)} {_WHERE}"
        )
    there = {side: file for side, file in lists.items() if file is not None}
    classes = official_classes("kinetics400")
    if standin:  # it has classes of its own, all of them in its lists
        names = {row["label"] for file in there.values() for _, row in _rows(file)}
        classes = tuple(sorted(names))
    disk = _scan(videos, classes, subset in there)
    _replace(disk, root / "replacement", subset in there)
    missing: int | None = None
    if subset not in there:
        samples = _samples_of_folders(disk, videos)
    else:
        clips = {side: read_csv(file, classes, side) for side, file in there.items()}
        if len(clips) == len(SUBSETS):
            stems = ([clip[0] for clip in clips[side]] for side in SUBSETS)
            refuse_shared(*stems, "clips", root / "annotations", _WHERE)
        kept = _once(clips[subset], there[subset])
        samples = _locate(kept, disk, classes, videos, subset, min_present)
        missing = len(kept) - len(samples)
    about = {"standin": standin, "missing": missing}
    return VideoDataset(
        "kinetics400", root, "1", subset, classes, samples, frames, **about
    )


def _find_list(root: Path, side: str) -> Path | None:
    paths = [root / f / f"{n}.csv" for f in ("annotations", "") for n in _NAMES[side]]
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        raise DatasetError(
            f"{root}: holds {first_few(found)}, which are both for subset {side!r}. "
            "Keep the one that is meant"
        )
    return found[0] if found else None


def _take(disk: _Disk, path: Path, label: int | None) -> None:
    if path.stem in disk:
        raise DatasetError(
            f"{disk[path.stem][0]} and {path} are both there. Keep the one that is "
            "meant"
        )
    disk[path.stem] = path, label


def _scan(videos: Path, classes: Sequence[str], listed: bool) -> _Disk:
    """All videos of a side, directly in its folder or in folders of classes.

    With a list, folders that are no class (parts of an archive) are looked into too.
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
            if is_video(inner.name):
                _take(disk, Path(inner.path), label)
    return disk


def _replace(disk: _Disk, folder: Path, listed: bool) -> None:
    """Put the files of the archive of replacements in place of their namesakes."""
    found: _Disk = {}
    for path in sorted(folder.rglob("*")):
        if is_video(path.name) and not path.name.startswith("."):
            _take(found, path, disk.get(path.stem, (None, None))[1])
    disk.update({stem: v for stem, v in found.items() if listed or stem in disk})


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


def _once(
    clips: Sequence[tuple[str, int, str]], file: Path
) -> list[tuple[str, int, str]]:
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


def _locate(
    clips: Sequence[tuple[str, int, str]],
    disk: _Disk,
    classes: Sequence[str],
    videos: Path,
    subset: str,
    min_present: float,
) -> list[Sample]:
    samples, missing = [], []
    for stem, label, video in clips:
        path, folder_label = disk.get(stem, (None, None))
        if path is None:
            missing.append(stem)
            continue
        if folder_label not in (None, label):
            raise DatasetError(
                f"{path}: lies in the folder of {classes[folder_label]!r}, but the "
                f"list says {classes[label]!r}. One of them is wrong: move the "
                "video, or take the official list"
            )
        samples.append(Sample(path, label, video, path.name))
    if missing:
        told = (
            f"{videos}: {len(clips)} clips are listed, {len(samples)} are there and "
            f"{len(missing)} ({len(missing) / len(clips):.1%}) are missing, such as "
            f"{first_few(missing)}"
        )
        if not samples or len(samples) < min_present * len(clips):
            raise MissingVideos(
                f"{told}. That is less than min_present={min_present:g} of the list."
                f"{packed_in(videos, videos.parent)} Unpack the rest, or, if so few "
                "are meant, cut the list to them: the labels stay those of the 400 "
                f"classes. {_WHERE}",
                missing,
                samples,
            )
        warnings.warn(f"{told}. The missing ones are left out", stacklevel=4)
    seen = {sample.label for sample in samples}
    if samples and len(seen) < len(classes):
        warnings.warn(
            f"{videos}: only {len(seen)} of the {len(classes)} classes occur among the "
            f"{len(samples)} clips of subset {subset!r}; their labels are still those "
            f"of all {len(classes)}",
            stacklevel=4,
        )
    return samples
