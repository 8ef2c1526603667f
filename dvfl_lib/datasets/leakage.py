"""What a network learned from, on which lists it may be scored, and copies of videos.

Public names: ``TrainingList``, ``training_list``, ``standin_seed``, ``why_leaks``,
``refuse_twice``, ``refuse_shared``, ``refuse_copies``, ``sort_copies``, ``alike``.

A network that is scored on videos it learned from looks better than it is, and
nothing fails. Splits of one benchmark cut the same videos in several ways: what split
1 trains on, split 2 tests.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from ..video.clips import Sample
from .base import STANDIN_FILE, VideoDataset, first_few, marked_standin, protocols_of


@dataclass(frozen=True)
class TrainingList:
    """The training side of a split, as it stands in a checkpoint's metadata."""

    dataset: str  # as in ``create_dataset``
    split: str
    drawing: int | None = None  # the seed of a stand-in; None for real data

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for the metadata of a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingList:
        """What ``to_dict`` gave; ``DatasetError`` for anything else."""
        kinds = {"dataset": str, "split": str, "drawing": int | None}
        right = [isinstance(values.get(name), kind) for name, kind in kinds.items()]
        if not all(right) or {*values} - {*kinds}:
            raise DatasetError(f"{values!r} does not name a training list")
        return cls(**values)

    def __str__(self) -> str:
        kind = "" if self.drawing is None else "stand-in for "
        return f"{kind}{self.dataset}, split {self.split}"


def training_list(dataset: VideoDataset) -> TrainingList:
    """The training list of the split that a data set, of either side, belongs to."""
    return TrainingList(dataset.name, dataset.split, standin_seed(dataset.root))


def standin_seed(root: Path) -> int | None:
    """The seed of the stand-in in a folder, or None where it holds no stand-in."""
    if not marked_standin(root):
        return None
    mark = root / STANDIN_FILE
    try:
        return int(json.loads(mark.read_text("utf-8"))["seed"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(
            f"{mark}: does not name a seed ({error}). Write the stand-in anew"
        ) from None


def why_leaks(trained: TrainingList | None, test: TrainingList) -> str:
    """Why a network must not be scored on the test list of a split; "" if it may.

    ``trained`` is what it was trained on; None where nobody has said.
    """
    if trained is None:
        # All of UCF101's test lists 1 and 2, and most of 3, are in the training list of
        # the released checkpoints; the cut is the same for UCF50, and for HMDB51 it is
        # the larger part too.
        several = bool(protocols_of(test.dataset)) and test.split != "authors"
        if test.drawing is not None or not several:
            return ""
        return (
            "nothing says what it was trained on. The checkpoints that the DVFL-Net "
            "authors released learned from 80 % of all videos, most of every official "
            "test list among them: they must not be scored here"
        )
    if trained == test or (trained.drawing is None) != (test.drawing is None):
        return ""
    if test.drawing is not None and trained.drawing == test.drawing:
        return (
            f"it was trained on the {trained} of seed {trained.drawing}, and all "
            "stand-ins of one seed show the same scenes: evaluate on another seed"
        )
    if test.drawing is not None or trained.dataset != test.dataset:
        return ""
    return (
        f"it was trained on split {trained.split} of {trained.dataset}, whose training "
        f"list holds test videos of split {test.split}: each split needs a network "
        "that was trained on it"
    )


def refuse_twice(file: Path, names: Iterable[str], advice: str) -> None:
    """Refuse a list that names a clip more than once, whatever the case."""
    counts = Counter(name.lower() for name in names)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise DatasetError(f"{file}: names clips twice: {first_few(twice)}. {advice}")


def refuse_shared(
    sides: Mapping[str, Iterable[str]], what: str, lists: object, advice: str
) -> None:
    """Refuse lists that train and test on the same clips, or on the same recordings.

    ``sides`` are "train" and "test", if both are there; ``what`` they name and the
    ``lists`` where it stands are for the message.
    """
    both = sorted({*sides.get("train", ())} & {*sides.get("test", ())})
    if both:
        raise DatasetError(
            f"{lists}: train and test share {len(both)} {what}: {first_few(both)}. The "
            f"official lists share none: take both of them from one copy. {advice}"
        )


# --- the same video twice ----------------------------------------------------------


def alike(
    groups: Iterable[Sequence[Any]], key: Callable[[Any], Any]
) -> list[list[Any]]:
    """Each group divided by ``key``; only parts of two or more."""
    parts = []
    for group in groups:
        found: dict[Any, list[Any]] = {}
        for item in group:
            found.setdefault(key(item), []).append(item)
        parts += [part for part in found.values() if len(part) > 1]
    return parts


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def sort_copies(
    sides: Iterable[tuple[str, str, Sequence[Sample]]], unread: Collection[Path] = ()
) -> tuple[list[list[Path]], list[list[Path]], list[list[Path]]]:
    """Files of equal content: on both sides of a split, under two labels, and others.

    Args:
        sides: (split, "train" or "test", its videos).
        unread: files to pass over; empty ones are, too.
    """
    places: dict[Path, set[tuple[str, str]]] = {}
    labels: dict[Path, set[int]] = {}
    for split, subset, samples in sides:
        for sample in samples:
            places.setdefault(sample.path, set()).add((split, subset))
            labels.setdefault(sample.path, set()).add(sample.label)
    there = [p for p in sorted(places) if p.is_file() and p not in unread]
    size = {path: path.stat().st_size for path in there}
    # Few files are of one size; only these are read.
    same = alike([[path for path in there if size[path]]], size.__getitem__)
    across, double, others = [], [], []
    for paths in alike(same, _content):
        where = set().union(*(places[path] for path in paths))
        if len(where) > len({split for split, _ in where}):
            across.append(paths)
        if len(set().union(*(labels[path] for path in paths))) > 1:
            double.append(paths)
        elif paths not in across:
            others.append(paths)
    return across, double, others


def refuse_copies(sides: Mapping[str, Sequence[Sample]]) -> None:
    """Refuse a video that is on two sides, or under two labels, by its content.

    A copy of a training video among the test videos would make the score too high; a
    video with two labels has a wrong one. Copies on one side under one label are let
    be. ``sides`` are "train" and "test", with their videos.
    """
    across, double, _ = sort_copies(("", side, mine) for side, mine in sides.items())
    told = "are among the training videos and among the test videos"
    for groups, trouble in ((across, told), (double, "have two labels")):
        if groups:
            equal = [" = ".join(map(str, paths)) for paths in groups]
            raise DatasetError(
                f"{len(groups)} videos {trouble}, as copies of equal content: "
                f"{first_few(equal)}. Take the wrong ones out"
            )
