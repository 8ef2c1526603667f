"""Which list a network learned from, and on which lists it may then be scored.

Public names: ``TrainingList``, ``training_list``, ``standin_seed``, ``why_leaks``.

Splits of one benchmark cut the same videos in several ways: what split 1 trains on,
split 2 tests. A network that is scored on videos it learned from looks better than
it is, and nothing fails.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from .base import STANDIN_FILE, VideoDataset, marked_standin, protocols_of


@dataclass(frozen=True)
class TrainingList:
    """The training side of a split.

    Attributes:
        dataset, split: as in ``create_dataset``.
        drawing: the seed of a stand-in; None for real data.
    """

    dataset: str
    split: str
    drawing: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for the metadata of a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingList:
        """What ``to_dict`` gave.

        Raises:
            DatasetError: other entries, or of another kind.
        """
        kinds = {"dataset": str, "split": str, "drawing": int | None}
        right = [isinstance(values.get(name), kind) for name, kind in kinds.items()]
        if not all(right) or {*values} - {*kinds}:
            raise DatasetError(f"{values!r} does not name a training list")
        return cls(**values)

    def __str__(self) -> str:
        kind = "" if self.drawing is None else "stand-in for "
        return f"{kind}{self.dataset}, split {self.split}"


def training_list(dataset: VideoDataset) -> TrainingList:
    """The training list of the split that a data set, of either side, belongs to.

    Raises:
        DatasetError: the mark of a stand-in cannot be read.
    """
    return TrainingList(dataset.name, dataset.split, standin_seed(dataset.root))


def standin_seed(root: Path) -> int | None:
    """The seed of the stand-in in a folder, or None where it holds no stand-in.

    Raises:
        DatasetError: its mark cannot be read.
    """
    if not marked_standin(root):
        return None
    mark = root / STANDIN_FILE
    try:
        return int(json.loads(mark.read_text("utf-8"))["seed"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{mark}: does not name a seed ({error}). Write the stand-in anew"
        ) from None


def why_leaks(trained: TrainingList | None, test: TrainingList) -> str:
    """Why a network must not be scored on the test list of a split; "" if it may.

    Args:
        trained: what it was trained on; None where nobody has said.
        test: the split whose test list is meant.
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
            "authors released learned from 80 % of all videos, those of the official "
            "test lists among them: they must not be scored here"
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
