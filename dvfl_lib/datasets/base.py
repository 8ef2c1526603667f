"""What every data set gives, how one is found by name, and how its files are read.

Public names: ``VideoDataset``, ``MissingVideos``, ``create_dataset``,
``list_datasets``, ``dataset_info``, ``split_named``, ``protocols_of``,
``DatasetInfo``, ``register``, ``SUBSETS``, ``STANDIN_FILE``; for loaders, what stands
below "folders and lists".
"""

from __future__ import annotations

import codecs
import csv
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DatasetError
from ..recipes import did_you_mean
from ..seeding import derive_seed
from ..video.clips import Sample
from ..video.reading import VIDEO_SUFFIXES, open_video
from ..video.sampling import segment_indices

SUBSETS = ("train", "test")
# A generated data set carries this file; results computed on it must say so.
STANDIN_FILE = "STANDIN.json"
_LEFT = (".", "__MACOSX", "@eaDir", "$RECYCLE", "System Volume", "lost+found")
_ARCHIVES = (".zip", ".rar", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".zst", ".7z")


@dataclass(eq=False, repr=False)
class VideoDataset(Dataset):
    """One subset of one split of a data set.

    Item ``i`` is (uint8 clip (8, 3, H, W) of the frames at the centres of equal
    parts, label): a quick look, not the training pipeline, which is ``video.clips``.
    """

    name: str
    root: Path
    split: str
    subset: str
    classes: tuple[str, ...]  # in the order of the labels
    samples: list[Sample]  # in the order of the official list
    # What a horizontal flip makes of a label (``ssv2.flip_labels``); None: the same.
    flip_labels: Mapping[int, int | None] | None = None
    # How many videos the list names and the disk lacks, where the loader leaves them
    # out; None where no list says what there should be.
    missing: int | None = 0

    def __post_init__(self) -> None:
        self.standin = marked_standin(self.root)
        if not self.samples:
            raise DatasetError(
                f"{self.name}, split {self.split}, {self.subset}: the list names no "
                f"video ({self.root})"
            )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = self.samples[index]
        with open_video(sample.path) as video:
            return video.read(segment_indices(video.num_frames, 8)), sample.label

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
        the groups of the class that has fewest. One draw of positions among a class's
        sorted groups serves all classes, as the official splits of UCF101 do. A fixed
        function of the samples, ``share`` and ``seed``.
        """
        groups: dict[int, set[str]] = {}
        for sample in self.samples:
            groups.setdefault(sample.label, set()).add(sample.group)
        fewest = min(len(names) for names in groups.values())
        if fewest < 2:
            lone = [self.classes[k] for k in sorted(groups) if len(groups[k]) < 2]
            raise DatasetError(
                f"{self.name}, split {self.split}: cannot hold out groups, because "
                f"these classes have one group only: {first_few(lone)}. The best epoch "
                "is chosen by held-out groups: add videos of another recording, or "
                "take the class out. A group is a folder below that of the class, or "
                "what the column 'group' of a list says; without both, each video"
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

    load: Callable[[Path, str, str], VideoDataset]  # of root, split, subset
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
        raise DatasetError(
            f"there is no benchmark {name!r}.{did_you_mean(name.lower(), _DATASETS)} "
            f"Known: {', '.join(list_datasets())}"
        )
    return info


def split_named(name: str, split: str | int | None) -> str:
    """The data set's name of a split, the first for None; refuses an unknown one."""
    info = dataset_info(name)
    split = info.splits[0] if split is None else str(split).lower()
    if split not in info.splits and not re.fullmatch(info.more_splits, split):
        raise DatasetError(
            f"{name} has no split {split!r}. Its splits: "
            f"{info.about_splits or ', '.join(info.splits)}"
        )
    return split


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
        split: the data set's name of a split, see its loader; None: the first.
        subset: ``"train"`` or ``"test"``; the latter is the validation list of
            Something-Something V2 and Kinetics-400.

    Raises:
        DatasetError: unknown name, split or subset; missing or incomplete files.
    """
    info, split = dataset_info(name), split_named(name, split)
    if subset not in SUBSETS:
        raise DatasetError(
            f"subset must be 'train' or 'test' (the validation list, where the "
            f"official test list has no labels), not {subset!r}"
        )
    return info.load(need_folder(root, info.holds), split, subset)


# --- folders and lists -----------------------------------------------------------
# Folders are listed and never searched by pattern: names of HMDB51 hold brackets.


def first_few(names: Iterable[object], count: int = 3) -> str:
    """The first names of a list, and how many more there are, for messages."""
    names = list(names)
    rest = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(str(name) for name in names[:count]) + rest


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
    """``root/name``, or the folder of that name in it, as some programs unpack."""
    for folder in (root / name / name, root / name):
        if folder.is_dir():
            return folder
    above = f" Give the folder above: {root.parent}." if root.name == name else ""
    packed = packed_in(root, prefix=name)
    raise DatasetError(f"{root}: there is no folder {name}.{above}{packed} {where}")


def list_folder(folder: Path) -> list[os.DirEntry]:
    """Its entries by name, without what systems leave behind, as "._1.mp4"."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(_LEFT)]
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror})") from error
    return sorted(found, key=lambda entry: entry.name)


def is_video(name: str) -> bool:
    """Whether a file's name has a video's suffix."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def packed_in(*folders: Path, prefix: str = "\0") -> str:
    """Words for a message where archives, or files of this prefix, lie in folders."""
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
        content = file.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds zeros")
    except (OSError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        told = f"cannot be read as UTF-8 text ({error}); save it as such"
        told = "is missing" if missing else told
        raise DatasetError(f"{file}: {told}. {advice}".rstrip()) from None
    return text


def read_lines(file: Path, advice: str = "") -> list[str]:
    """The lines of a list that are not empty, without the blanks around them."""
    # Official files end their lines with CR LF or a blank; both go here.
    lines = [line.strip() for line in read_text(file, advice).splitlines()]
    if not any(lines):
        raise DatasetError(f"{file}: is empty. {advice}")
    return [line for line in lines if line]


def read_table(file: Path) -> list[tuple[int, list[str]]]:
    """The lines of a table that are not empty: (number of the line, cells).

    The first line shows what is between cells: a tab, comma, semicolon, bar or blank.
    """
    rows, lines = [], read_text(file).splitlines()
    first = next(filter(str.strip, lines), "")
    told = re.match(r'"?sep=(.)', first, re.IGNORECASE)  # for Excel
    between = told[1] if told else next((s for s in "\t,;|" if s in first), " ")
    for number, line in enumerate(lines, start=1):
        if between == " ":  # numbers at the end are cells, or else what follows a path
            found = re.fullmatch(r"(.*?\S)((?:\s+[\d.]+)+)\s*", line)
            cells = [found[1], *found[2].split()] if found else line.split(None, 1)
        else:
            form: dict[str, Any] = dict(delimiter=between, skipinitialspace=True)
            try:  # line by line: a quote that is not closed swallows no other line
                cells = next(csv.reader([line], strict=True, **form), [])
            except csv.Error as error:
                raise DatasetError(f"{file}, line {number}: {error}") from None
        cells = [cell.strip() for cell in cells]
        if any(cells) and not (told and line == first):
            rows.append((number, cells))
    return rows


@lru_cache
def official_classes(name: str) -> tuple[str, ...]:
    """The classes of ``classes/<name>.txt``, in the order of their labels.

    For data sets without a numbered list of their own: a missing folder must not
    move the labels of the others.
    """
    file = files("dvfl_lib.datasets").joinpath(f"classes/{name}.txt")
    return tuple(file.read_text("utf-8").splitlines())


def scan_folders(videos: Path) -> dict[str, Path]:
    """``<class>/<file>`` in lower case -> AVI file, of all folders."""
    return {
        f"{folder.name}/{entry.name}".lower(): Path(entry.path)
        for folder in list_folder(videos)
        if folder.is_dir()
        for entry in list_folder(Path(folder.path))
        if entry.name.lower().endswith(".avi")
    }


def tell_left_out(where: Path, names: Sequence[str], more: str = "") -> None:
    """Warn of files that are passed over, if there are any."""
    if names:
        told = f"{len(names)} files are left out, which by their suffix are no videos"
        warnings.warn(f"{where}: {told}{more}: {first_few(names)}", stacklevel=4)


class MissingVideos(DatasetError):
    """Videos that a list names and the disk lacks: their ``names``, and the others."""

    def __init__(self, told: str, names: Iterable[str], samples: Iterable[Sample]):
        super().__init__(told)
        self.names, self.samples = tuple(names), tuple(samples)


def is_whole(sample: Sample) -> bool:
    """Whether its file is there and not empty."""
    return os.path.isfile(sample.path) and sample.path.stat().st_size > 0


def keep_found(
    samples: Sequence[Sample],
    where: object,
    advice: str,
    there: Callable[[Sample], bool] = is_whole,
    least: float = 1,
) -> list[Sample]:
    """The listed videos that are there, ``least`` of the list or ``MissingVideos``.

    ``where`` they should be, and ``advice`` on what to do, are for the message.
    """
    found = [sample for sample in samples if there(sample)]
    if len(found) < len(samples):
        gone = [sample for sample in samples if not there(sample)]
        missing, first = [sample.name for sample in gone], gone[0].path
        told = (
            f"{where}: {len(samples)} clips are listed, {len(found)} are there and "
            f"{len(missing)} ({len(missing) / len(samples):.1%}) are missing, such as "
            f"{first_few(missing)}"
        )
        beside = list_folder(first.parent) if first.parent.is_dir() else []
        others = {Path(e.name).stem: e.name for e in beside if e.name != first.name}
        if other := others.get(first.stem):
            told += f" (there is {other} instead)"
        if len(found) < least * len(samples):
            raise MissingVideos(f"{told}.{advice}", missing, found)
        warnings.warn(f"{told}. The missing ones are left out", stacklevel=4)
    return found
