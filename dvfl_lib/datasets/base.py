"""What every data set gives, how one is found by name, and how its files are read.

Public names: ``VideoDataset``, ``MissingVideos``, ``create_dataset``,
``list_datasets``, ``dataset_info``, ``protocols_of``, ``DatasetInfo``, ``register``,
``need_folder``, ``find_folder``, ``list_folder``, ``is_video``, ``packed_in``,
``read_text``, ``read_lines``, ``refuse_twice``, ``official_classes``,
``scan_classes``, ``find_videos``, ``Clips``, ``Disk``, ``marked_standin``,
``first_few``, ``SUBSETS``, ``STANDIN_FILE``, ``VIDEO_SUFFIXES``.

A loader is a function ``load(root, split, subset)`` under ``@register(...)``.
``create_dataset`` is the door: it checks name, folder, split and subset for all.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DatasetError
from ..seeding import derive_seed
from ..video.clips import Sample
from ..video.reading import VIDEO_SUFFIXES, open_video
from ..video.sampling import segment_indices

SUBSETS = ("train", "test")
# A generated data set carries this file; results computed on it must say so.
STANDIN_FILE = "STANDIN.json"
_ARCHIVES = (".zip", ".rar", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".zst", ".7z")


def first_few(names: Iterable[object], count: int = 3) -> str:
    """The first names of a list, and how many more there are, for messages."""
    names = list(names)
    rest = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(str(name) for name in names[:count]) + rest


class MissingVideos(DatasetError):
    """Videos that a list names and the disk lacks.

    Attributes:
        names: all of them.
        samples: the others, which are there.
    """

    def __init__(
        self, message: str, names: Iterable[str], samples: Iterable[Sample]
    ) -> None:
        super().__init__(message)
        self.names, self.samples = tuple(names), tuple(samples)


class VideoDataset(Dataset):
    """One subset of one split of a data set.

    Attributes:
        name, root, split, subset: what was asked for.
        classes: names of the classes, in the order of the labels.
        samples: the videos, in the order of the official list.
        standin: whether the data were generated to stand in for the benchmark.
        flip_labels: what a horizontal flip makes of a label; see
            ``ssv2.flip_labels``. None where no class changes.
        missing: how many videos the list names and the disk lacks, where the loader
            leaves them out; None where no list says what there should be.

    Item ``i`` is (uint8 clip (T, 3, H, W) of the frames at the centres of
    ``frames`` equal parts, label): a quick look, not the training pipeline, which
    is ``video.clips``.
    """

    frames = 8

    def __init__(
        self,
        name: str,
        root: Path,
        split: str,
        subset: str,
        classes: Sequence[str],
        samples: Sequence[Sample],
        flip_labels: Mapping[int, int | None] | None = None,
        missing: int | None = 0,
    ) -> None:
        if not samples:
            raise DatasetError(
                f"{name}, split {split}, {subset}: the list names no video ({root})"
            )
        self.name, self.root, self.split, self.subset = name, root, split, subset
        self.classes, self.samples = tuple(classes), list(samples)
        self.flip_labels, self.missing = flip_labels, missing
        self.standin = marked_standin(root)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = self.samples[index]
        with open_video(sample.path) as video:
            clip = video.read(segment_indices(video.num_frames, self.frames))
        return clip, sample.label

    def __repr__(self) -> str:
        kind = " (stand-in)" if self.standin else ""
        return (
            f"{self.name}{kind}, split {self.split}, {self.subset}: "
            f"{len(self.samples)} videos of {len(self.classes)} classes in {self.root}"
        )

    def hold_out_groups(
        self, share: float, seed: int
    ) -> tuple[list[Sample], list[Sample]]:
        """Divide the samples by whole groups: (to fit on, to choose by).

        Every class gives the same number of its groups, at least one: ``share`` of
        the groups of the class that has fewest. One draw of positions among a
        class's sorted groups serves all classes, the way the official splits of
        UCF101 take the same group numbers from every class. A fixed function of
        the samples, ``share`` and ``seed``; both parts keep the list's order.

        Raises:
            DatasetError: a class has one group only.
        """
        groups: dict[int, set[str]] = {}
        for sample in self.samples:
            groups.setdefault(sample.label, set()).add(sample.group)
        fewest = min(len(names) for names in groups.values())
        if fewest < 2:
            lone = [self.classes[k] for k in sorted(groups) if len(groups[k]) < 2]
            raise DatasetError(
                f"{self.name}, split {self.split}: cannot hold out groups, because "
                f"these classes have one group only: {first_few(lone)}. Give each "
                "class videos of two groups or more"
            )
        count = min(max(1, round(share * fewest)), fewest - 1)
        generator = torch.Generator().manual_seed(derive_seed(seed, "hold out"))
        places = torch.randperm(fewest, generator=generator)[:count].tolist()
        held = {
            (label, sorted(names)[place])
            for label, names in groups.items()
            for place in places
        }
        fit = [s for s in self.samples if (s.label, s.group) not in held]
        rest = [s for s in self.samples if (s.label, s.group) in held]
        return fit, rest


# --- from a name to a data set ---------------------------------------------------


@dataclass(frozen=True)
class DatasetInfo:
    """A data set's loader, and what other rooms need to know of it."""

    load: Callable[[Path, str, str], VideoDataset]
    holds: str  # what its folder should hold, and where that is from
    splits: tuple[str, ...] = ("1",)  # the first is meant where none is named
    more_splits: str = "(?!)"  # a pattern of further names
    about_splits: str = ""  # they in words, where a list does not do
    # The sets of splits whose mean is the data set's number; empty for one official
    # division. A split that is in none stands by itself.
    protocols: tuple[tuple[str, ...], ...] = ()
    # Those on which a stand-in is scored where none is named; else the first protocol.
    standin_splits: tuple[str, ...] = ()
    # Classes -> the order of the outputs of the checkpoints that the authors released;
    # None where it is not known (then ``no_order`` says why), or there are none.
    released_order: Callable[[Sequence[str]], Sequence[str]] | None = None
    no_order: str = ""


_DATASETS: dict[str, DatasetInfo] = {}


def register(name: str, **facts: Any) -> Callable:
    """Make a loader known under a name; ``facts`` are fields of ``DatasetInfo``."""

    def keep(load: Callable[..., VideoDataset]) -> Callable[..., VideoDataset]:
        _DATASETS[name] = DatasetInfo(load, **facts)
        return load

    return keep


def list_datasets() -> list[str]:
    """The names that ``create_dataset`` knows."""
    return sorted(_DATASETS)


def dataset_info(name: str) -> DatasetInfo:
    """What is known of a data set; ``DatasetError`` for an unknown name."""
    info = _DATASETS.get(name.lower())
    if info is None:
        near = get_close_matches(name.lower(), _DATASETS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DatasetError(
            f"there is no benchmark {name!r}.{hint} Known: {', '.join(list_datasets())}"
        )
    return info


def protocols_of(name: str) -> tuple[tuple[str, ...], ...]:
    """``DatasetInfo.protocols`` of a data set; none for names that are not known."""
    return _DATASETS[name].protocols if name in _DATASETS else ()


def create_dataset(
    name: str,
    root: str | os.PathLike[str],
    split: str | int | None = None,
    subset: str = "train",
) -> VideoDataset:
    """One subset of one split of a data set, read from its original files.

    Args:
        name: see ``list_datasets``.
        root: the folder of the unpacked data set.
        split: the data set's name of a split, see its loader; None: the first
            official one, for UCF50, which has none, its first group left out, for
            "folder" the division that the folder has.
        subset: ``"train"`` or ``"test"``; the latter is the validation list of
            Something-Something V2 and Kinetics-400.

    Raises:
        DatasetError: unknown name, split or subset; missing or incomplete files.
    """
    info = dataset_info(name)
    split = info.splits[0] if split is None else str(split).lower()
    if split not in info.splits and not re.fullmatch(info.more_splits, split):
        raise DatasetError(
            f"{name} has no split {split!r}. Its splits: "
            f"{info.about_splits or ', '.join(info.splits)}"
        )
    if subset not in SUBSETS:
        raise DatasetError(
            f"subset must be 'train' or 'test' (the validation list, where the "
            f"official test list has no labels), not {subset!r}"
        )
    return info.load(need_folder(root, info.holds), split, subset)


# --- folders and lists -----------------------------------------------------------
# Folders are listed and never searched by pattern: names of HMDB51 hold brackets.


def marked_standin(root: Path) -> bool:
    """Whether a folder carries the mark of generated data."""
    return (root / STANDIN_FILE).is_file()


def need_folder(root: str | os.PathLike[str], holds: str) -> Path:
    """The folder that the user named; ``holds``, for the message, says of what."""
    path = Path(root).expanduser()
    if not path.is_dir():
        is_file = " It is a file: unpack it." if path.is_file() else ""
        raise DatasetError(
            f"{path}: there is no such folder.{is_file} Give the folder that holds "
            f"{holds}"
        )
    return path


def find_folder(root: Path, name: str, where: str) -> Path:
    """``root/name``, or the folder of the same name in it, as some programs unpack.

    Where there is none, the message says what is packed, and ``where`` it is from.
    """
    for folder in (root / name / name, root / name):
        if folder.is_dir():
            return folder
    above = f" Give the folder above: {root.parent}." if root.name == name else ""
    packed = packed_in(root, prefix=name)
    raise DatasetError(f"{root}: there is no folder {name}.{above}{packed} {where}")


def list_folder(folder: Path) -> list[os.DirEntry]:
    """Its entries by name, without leftovers of copying, which begin with a dot."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror})") from error
    return sorted(found, key=lambda entry: entry.name)


def is_video(name: str) -> bool:
    """Whether a file's name has a video's suffix."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def packed_in(*folders: Path, prefix: str = "\0") -> str:
    """Words for a message where archives lie in folders, or "".

    ``prefix`` is how names of archives begin that have no suffix of their own.
    """
    names = [
        entry.name
        for folder in folders
        for entry in list_folder(folder)
        if entry.name.lower().endswith(_ARCHIVES)
        or (entry.is_file() and entry.name.startswith(prefix))
    ]
    return f" Still packed there: {first_few(names)}; unpack it." if names else ""


def read_text(file: Path, advice: str = "") -> str:
    """The text of a list, without the mark that some editors put first."""
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        missing = isinstance(error, FileNotFoundError)
        told = "is missing" if missing else f"cannot be read as UTF-8 text ({error})"
        raise DatasetError(f"{file}: {told}. {advice}") from None


def read_lines(file: Path, advice: str = "") -> list[str]:
    """The lines of a list that are not empty, without the blanks around them."""
    # Official files end their lines with CR LF or a blank; both go here.
    lines = [line.strip() for line in read_text(file, advice).splitlines()]
    if not any(lines):
        raise DatasetError(f"{file}: is empty. {advice}")
    return [line for line in lines if line]


def refuse_twice(file: Path, names: Iterable[str], advice: str) -> None:
    """Refuse a list that names a clip more than once, whatever the case."""
    counts = Counter(name.lower() for name in names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise DatasetError(f"{file}: names clips twice: {first_few(twice)}. {advice}")


@lru_cache
def official_classes(name: str) -> tuple[str, ...]:
    """The classes of ``classes/<name>.txt``, in the order of their labels.

    For data sets without a numbered list of their own: a missing folder must not
    move the labels of the others.
    """
    file = files("dvfl_lib.datasets").joinpath(f"classes/{name}.txt")
    return tuple(file.read_text("utf-8").splitlines())


# --- a folder for each class -----------------------------------------------------

Clips = dict[str, int]  # "<Class>/<file>.avi" -> label, in the order of a list
Disk = list[dict[str, Path]]  # of each class, file name in lower case -> path


def scan_classes(videos: Path, classes: Sequence[str]) -> Disk:
    """The AVI files in the folders of the classes."""
    label_of = {name.lower(): label for label, name in enumerate(classes)}
    disk: Disk = [{} for _ in classes]
    for folder in list_folder(videos):
        label = label_of.get(folder.name.lower())
        if label is not None and folder.is_dir():
            for entry in list_folder(Path(folder.path)):
                if entry.name.lower().endswith(".avi"):
                    disk[label][entry.name.lower()] = Path(entry.path)
    return disk


def find_videos(
    clips: Clips, disk: Disk, group_of: Callable[[str], str], videos: Path, advice: str
) -> list[Sample]:
    """The files of the clips, in their order; ``MissingVideos`` if one is not there.

    ``videos`` is the folder, and ``advice`` what to do, for the message.
    """
    samples, missing = [], []
    for name, label in clips.items():
        path = disk[label].get(name.partition("/")[2].lower())
        if path is None or not path.is_file() or path.stat().st_size == 0:
            missing.append(name)
        else:
            samples.append(Sample(path, label, group_of(name), name))
    if missing:
        raise MissingVideos(
            f"{videos}: {len(missing)} of {len(clips)} videos of the list are missing "
            f"or empty: {first_few(missing)}. The archive may be half unpacked: "
            f"{advice}",
            missing,
            samples,
        )
    return samples
