"""What every data set gives, and how one is found by its name.

Public names: ``VideoDataset``, ``MissingVideos``, ``create_dataset``,
``list_datasets``, ``default_split``, ``dataset_info``, ``protocols_of``,
``DatasetInfo``, ``register``, ``need_folder``, ``marked_standin``, ``first_few``,
``SUBSETS``, ``STANDIN_FILE``.

A loader is a function ``load(root, split, subset, **options)`` under
``@register(...)``, which says what other rooms need to know of the data set.
``create_dataset`` is the door: it checks name, folder, split and subset for all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DatasetError
from ..seeding import derive_seed
from ..video.clips import Sample
from ..video.reading import open_video
from ..video.sampling import segment_indices

SUBSETS = ("train", "test")
# A generated data set carries this file; results computed on it must say so.
STANDIN_FILE = "STANDIN.json"


def first_few(names: Iterable[object], count: int = 3) -> str:
    """The first names of a list, and how many more there are, for messages."""
    names = list(names)
    rest = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(str(name) for name in names[:count]) + rest


def marked_standin(root: Path) -> bool:
    """Whether a folder carries the mark of generated data."""
    return (root / STANDIN_FILE).is_file()


def need_folder(root: str | os.PathLike[str], holds: str) -> Path:
    """The folder that the user named, with ``~`` replaced.

    Args:
        holds: what should be in it, for the message.

    Raises:
        DatasetError: there is no such folder.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        is_file = " It is a file: unpack it." if path.is_file() else ""
        raise DatasetError(
            f"{path}: there is no such folder.{is_file} Give the folder that holds "
            f"{holds}"
        )
    return path


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
        flip_labels: what a horizontal flip makes of a class, for classes that name a
            side: the label of the mirror image, or None where that is of no class
            (training then does not flip its clips). Classes that are not named keep
            their label; None where no class changes.
        missing: how many videos the list names and the disk lacks, where the loader
            leaves them out; None where no list says what there should be.

    Item ``i`` is (uint8 clip (T, 3, H, W) of the frames at the centres of
    ``frames`` equal parts, label): a quick look, not the training pipeline, which
    is ``video.clips``.
    """

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
        self.frames = 8

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
        lone = [
            self.classes[k] for k, names in sorted(groups.items()) if len(names) < 2
        ]
        if lone:
            raise DatasetError(
                f"{self.name}, split {self.split}: cannot hold out groups, because "
                f"these classes have one group only: {first_few(lone)}. Give each "
                "class videos of two groups or more"
            )
        fewest = min(len(names) for names in groups.values())
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
    """A data set's loader, and what other rooms need to know of it.

    Attributes:
        holds: what its folder should hold, and where that is from.
        splits: their names; the first is meant where none is named.
        more_splits: a pattern of further names.
        about_splits: they in words, for messages, where a list does not do.
        protocols: the sets of splits whose mean is the data set's number; empty for
            one official division. A split that is in none stands by itself.
        standin_splits: those on which a stand-in is scored where none is named; the
            first protocol if empty.
        released_order: classes -> the order of the outputs of the checkpoints that
            the authors released; None where it is not known, or there are none.
        no_order: why it is not known, where there are.
    """

    load: Callable[..., VideoDataset]
    holds: str
    splits: tuple[str, ...] = ("1",)
    more_splits: str = "(?!)"
    about_splits: str = ""
    protocols: tuple[tuple[str, ...], ...] = ()
    standin_splits: tuple[str, ...] = ()
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
    """What is known of a data set.

    Raises:
        DatasetError: unknown name.
    """
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


def default_split(name: str) -> str:
    """The split of a data set that is meant where none is named.

    The first official one; for UCF50, which has none, its first group left out; for
    "folder" the division that the folder has.

    Raises:
        DatasetError: unknown name.
    """
    return dataset_info(name).splits[0]


def create_dataset(
    name: str,
    root: str | os.PathLike[str],
    split: str | int | None = None,
    subset: str = "train",
    frames: int = 8,
    **options: Any,
) -> VideoDataset:
    """One subset of one split of a data set, read from its original files.

    Args:
        name: see ``list_datasets``.
        root: the folder of the unpacked data set.
        split: the data set's name of a split; for UCF101 "1", "2", "3", "authors".
            UCF50 has no split "1"; see ``load_ucf50``. "folder" has shares such as
            "0.2" as well; see ``load_folder``. None: ``default_split``.
        subset: ``"train"`` or ``"test"``; the latter is the validation list of
            Something-Something V2 and Kinetics-400.
        frames: T of the clips that ``__getitem__`` shows.
        options: passed on to the loader, such as ``min_present=0.9``.

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
    dataset = info.load(need_folder(root, info.holds), split, subset, **options)
    dataset.frames = frames
    return dataset
