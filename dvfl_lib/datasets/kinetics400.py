"""Kinetics-400: clips of ten seconds from YouTube, 400 actions, as it is unpacked.

Public names: ``load_kinetics400``.

The layout of the CVDF's copy::

    root/train/<youtube id>_<start>_<end>.mp4     both times with six digits
    root/val/...
    root/annotations/train.csv, val.csv
    root/replacement/...                          optional, see below

The lists may also lie in ``root`` or in ``root/kinetics400``, and Deepmind's name
for the second is ``validate.csv``. ``train`` and ``val`` may instead hold a folder
for each class, written with spaces or with underscores; a folder that contradicts
the list is refused. Without a list, such folders give the labels.

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

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import SUBSETS, MissingVideos, VideoDataset, first_few
from .disk import (
    is_folder,
    is_video,
    list_folder,
    marked_standin,
    need_folder,
    packed_in,
)
from .kinetics_lists import (
    ListedClip,
    class_key,
    csv_labels,
    kinetics_classes,
    read_csv,
)
from .listed_clips import nearby

_NAMES = {"train": ("train",), "test": ("val", "validate")}
_LIST_FOLDERS = ("annotations", "", "kinetics400")
_STEM = re.compile(r"([A-Za-z0-9_-]{11})_\d{6}_\d{6}")
_WHERE = (
    "Archives and lists: https://github.com/cvdfoundation/kinetics-dataset; each "
    "part_N.tar.gz of a side is unpacked into the folder of that side"
)
# stem -> (path, label of its class folder or None)
_Disk = dict[str, tuple[Path, int | None]]


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
        DatasetError: another split or subset; folders missing; fewer clips there than
            ``min_present``; a list of another data set; a folder of no class, or one
            that contradicts the list; a clip in both lists.
    """
    if str(split) != "1":
        raise DatasetError(f"Kinetics-400 has one split, '1', and no {split!r}")
    if subset not in SUBSETS:
        raise DatasetError(
            "subset must be 'train' or 'test', and 'test' reads the validation list: "
            f"not {subset!r}"
        )
    root = need_folder(root, f"train, val and annotations. {_WHERE}")
    standin = marked_standin(root)
    lists = {side: _find(root, side, ".csv", _LIST_FOLDERS) for side in SUBSETS}
    videos = _find(root, subset, "", ("",))
    if videos is None:
        raise DatasetError(
            f"{root}: there is no folder {' or '.join(_NAMES[subset])}."
            f"{packed_in([root])}{nearby(root, _is_root)} {_WHERE}"
        )
    classes = _standin_classes(lists) if standin else kinetics_classes()
    listed = lists[subset] is not None
    disk = _scan(videos, classes, listed)
    _replace(disk, root / "replacement", listed)
    if lists[subset] is None:
        samples, missing = _samples_of_folders(disk, videos), None
    else:
        clips = _read(lists, classes, subset)
        samples = _locate(clips, disk, classes, videos, subset, min_present)
        missing = len(clips) - len(samples)
    about = {"standin": standin, "missing": missing}
    return VideoDataset(
        "kinetics400", root, "1", subset, classes, samples, frames, **about
    )


def _find(root: Path, side: str, suffix: str, folders: Sequence[str]) -> Path | None:
    """The one file (or, with no suffix, folder) of a side; None if there is none."""
    paths = [root / f / f"{name}{suffix}" for f in folders for name in _NAMES[side]]
    found = [p for p in paths if (p.is_file() if suffix else p.is_dir())]
    if len(found) > 1:
        raise DatasetError(
            f"{root}: holds {first_few(found)}, which are both for subset {side!r}. "
            "Keep the one that is meant"
        )
    return found[0] if found else None


def _is_root(folder: Path) -> bool:
    sides = _NAMES.values()
    return all(any(os.path.isdir(folder / n) for n in names) for names in sides)


def _standin_classes(lists: dict[str, Path | None]) -> tuple[str, ...]:
    """A stand-in has classes of its own, all of them in its lists."""
    there = [file for file in lists.values() if file is not None]
    names = sorted({name for file in there for name in csv_labels(file)})
    if not names:
        raise DatasetError("this stand-in of Kinetics-400 has lost its lists")
    return tuple(names)


def _scan(videos: Path, classes: Sequence[str], listed: bool) -> _Disk:
    """All videos of a side, directly in its folder or in folders of classes.

    With a list, folders that are no class (parts of an archive) are looked into too.
    """
    label_of = {class_key(name): label for label, name in enumerate(classes)}
    disk: _Disk = {}

    def take(entry: os.DirEntry, label: int | None) -> None:
        stem = os.path.splitext(entry.name)[0]
        if stem in disk:
            raise DatasetError(
                f"{disk[stem][0]} and {entry.path} are both there. Keep the one that "
                "is meant"
            )
        disk[stem] = Path(entry.path), label

    for entry in list_folder(videos):
        folder = is_folder(entry)
        label = label_of.get(class_key(entry.name)) if folder else None
        if label is None and not listed and (folder or is_video(entry.name)):
            raise DatasetError(
                f"{entry.path}: is no folder of a class of Kinetics-400, and there is "
                f"no list that says what it shows. Put {_NAMES['train'][0]}.csv and "
                f"{_NAMES['test'][0]}.csv into {videos.parent / _LIST_FOLDERS[0]}. "
                f"{_WHERE}"
            )
        if folder:
            for inner in list_folder(Path(entry.path)):
                if is_video(inner.name):
                    take(inner, label)
        elif is_video(entry.name):
            take(entry, None)
    return disk


def _replace(disk: _Disk, folder: Path, listed: bool) -> None:
    """Put the files of the archive of replacements in place of their namesakes."""
    found: dict[str, Path] = {}
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            stem = os.path.splitext(name)[0]
            if name.startswith(".") or not is_video(name):
                continue
            if stem in found:
                raise DatasetError(
                    f"{found[stem]} and {Path(place, name)} are both there. Keep the "
                    "one that is meant"
                )
            found[stem] = Path(place, name)
    for stem, path in found.items():
        if listed or stem in disk:
            disk[stem] = path, disk.get(stem, (None, None))[1]


def _samples_of_folders(disk: _Disk, videos: Path) -> list[Sample]:
    """Everything that class folders hold, where there is no list."""
    if not disk:
        raise DatasetError(
            f"{videos}: holds no video.{packed_in([videos, videos.parent])} {_WHERE}"
        )
    warnings.warn(
        f"{videos.parent} has no list of this side: all {len(disk)} videos of the "
        "class folders are taken, and nobody can say how many are missing",
        stacklevel=4,
    )
    samples = []
    for stem, (path, label) in disk.items():
        assert label is not None  # without a list, _scan lets nothing else in
        match = _STEM.fullmatch(stem)
        samples.append(Sample(path, label, match[1] if match else stem, path.name))
    return samples


def _read(
    lists: dict[str, Path | None], classes: Sequence[str], subset: str
) -> list[ListedClip]:
    """The clips of one list, each once; refuses clips that are on both.

    A clip under two classes is left out with a warning: its label is not known.
    """
    clips = {s: read_csv(f, classes, s) for s, f in lists.items() if f is not None}
    stems = {s: {clip.stem for clip in mine} for s, mine in clips.items()}
    both = set.intersection(*stems.values()) if len(stems) > 1 else set()
    if both:
        raise DatasetError(
            f"{len(both)} clips are in {lists['train']} and in {lists['test']}: "
            f"{first_few(sorted(both))}. Take both lists from one official copy"
        )
    labels: dict[str, set[int]] = {}
    for clip in clips[subset]:
        labels.setdefault(clip.stem, set()).add(clip.label)
    doubtful = [stem for stem, found in labels.items() if len(found) > 1]
    if doubtful:
        warnings.warn(
            f"{lists[subset]}: {len(doubtful)} clips are listed under two classes and "
            f"left out: {first_few(doubtful)}",
            stacklevel=4,
        )
    kept = {clip.stem: clip for clip in clips[subset] if len(labels[clip.stem]) == 1}
    return list(kept.values())


def _locate(
    clips: list[ListedClip],
    disk: _Disk,
    classes: Sequence[str],
    videos: Path,
    subset: str,
    min_present: float,
) -> list[Sample]:
    samples, missing = [], []
    for clip in clips:
        path, folder_label = disk.get(clip.stem, (None, None))
        if path is None:
            missing.append(clip.stem)
            continue
        if folder_label not in (None, clip.label):
            raise DatasetError(
                f"{path}: lies in the folder of {classes[folder_label]!r}, but the "
                f"list says {classes[clip.label]!r}. One of them is wrong: move the "
                "video, or take the official list"
            )
        samples.append(Sample(path, clip.label, clip.youtube_id, path.name))
    if missing:
        told = (
            f"{videos}: {len(clips)} clips are listed, {len(samples)} are there and "
            f"{len(missing)} ({len(missing) / len(clips):.1%}) are missing, such as "
            f"{first_few(missing)}"
        )
        if not samples or len(samples) < min_present * len(clips):
            raise MissingVideos(
                f"{told}. That is less than min_present={min_present:g} of the list."
                f"{packed_in([videos, videos.parent])} Unpack the rest, or, if so few "
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
