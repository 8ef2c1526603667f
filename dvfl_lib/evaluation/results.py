"""What came of an evaluation: probabilities per video, and all that follows.

Public names: ``Evaluation``, ``ClassAccuracy``, ``Views``, ``FORMAT``.

An evaluation is stored as two files: ``name.json`` with every number, to be
read by people, and ``name.safetensors`` with the probabilities, from which
``load`` computes every number anew. Neither can carry code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ..errors import DatasetError, RunDirectoryError
from ..files import read_bytes, write_whole
from ..recipes import DataRecipe, EvaluateRecipe
from . import metrics
from .document import Table, markdown
from .metrics import Accuracy

FORMAT = "dvfl_lib evaluation 1"


@dataclass(frozen=True)
class Views:
    """Which pieces of a video the network saw: clips in time x crops in space."""

    clips: int
    crops: int
    frames: int  # per clip
    sampling: str  # "segments" or "dense"
    short_side: int  # pixels, before cropping
    crop: int  # pixels per side

    @classmethod
    def of(cls, data: DataRecipe, evaluate: EvaluateRecipe) -> Views:
        """The views that these two parts of a recipe ask for."""
        return cls(
            clips=evaluate.clips,
            crops=evaluate.crops,
            frames=data.frames,
            sampling=data.sampling,
            short_side=evaluate.short_side,
            crop=data.crop,
        )

    def __str__(self) -> str:
        return (
            f"{self.clips} x {self.crops} ({self.frames} frames, short side "
            f"{self.short_side}, crop {self.crop})"
        )


@dataclass(frozen=True)
class ClassAccuracy:
    """One class: ``accuracy`` is None where the list holds no video of it."""

    name: str
    correct: int
    n: int

    @property
    def accuracy(self) -> float | None:
        """Share in [0, 1], or None."""
        return self.correct / self.n if self.n else None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's probabilities for every video of a list.

    Args:
        name: what the network is called in tables, such as "teacher".
        model: its architecture, such as "vfl_net_nano".
        dataset, split, subset: the list it was evaluated on.
        standin: whether that list is generated data.
        class_names: K names; videos: N names, in the order of the list.
        labels: int64 (N,); probabilities: float32 (N, K), mean over the views.
        unreadable: videos that could not be read and are not among the N.
        views: the pieces of a video that were averaged.
        precision: "no" (float32), "bf16" or "fp16".
        seconds: wall-clock time of decoding and network together.

    Raises:
        DatasetError: parts that do not fit together.
    """

    name: str
    model: str
    dataset: str
    split: str
    subset: str
    standin: bool
    class_names: tuple[str, ...]
    videos: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    unreadable: tuple[str, ...]
    views: Views
    precision: str
    seconds: float

    def __post_init__(self) -> None:
        n, k = len(self.videos), len(self.class_names)
        if n == 0 or k < 2:
            raise DatasetError(
                f"{self.name}: nothing to score with {n} videos and {k} classes"
            )
        if self.probabilities.shape != (n, k) or self.labels.shape != (n,):
            raise DatasetError(
                f"{self.name}: {n} videos and {k} classes do not go with "
                f"probabilities {self.probabilities.shape} and labels "
                f"{self.labels.shape}"
            )
        if self.labels.min() < 0 or self.labels.max() >= k:
            raise DatasetError(f"{self.name}: labels must lie between 0 and {k - 1}")
        if not np.isfinite(self.probabilities).all():
            raise DatasetError(f"{self.name}: probabilities that are not numbers")

    @cached_property
    def predictions(self) -> np.ndarray:
        """(N,) the class of highest probability."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def correct(self) -> np.ndarray:
        """(N,) bool: whether the top class is the true one."""
        return self.predictions == self.labels

    @cached_property
    def top1(self) -> Accuracy:
        """Share of videos whose top class is the true one."""
        return metrics.accuracy_of(self.probabilities, self.labels, 1)

    @cached_property
    def top5(self) -> Accuracy | None:
        """Share of videos with the true class among five; None for K <= 5."""
        if len(self.class_names) <= 5:
            return None  # it would be 100 % by construction
        return metrics.accuracy_of(self.probabilities, self.labels, 5)

    @cached_property
    def confusion(self) -> np.ndarray:
        """(K, K) counts: row = true class, column = predicted class."""
        return metrics.confusion_matrix(self.probabilities, self.labels)

    @cached_property
    def per_class(self) -> tuple[ClassAccuracy, ...]:
        """K entries, in the order of the classes."""
        totals = self.confusion.sum(axis=1)  # (K,)
        return tuple(
            ClassAccuracy(name, int(self.confusion[c, c]), int(totals[c]))
            for c, name in enumerate(self.class_names)
        )

    @property
    def unreadable_share(self) -> float:
        """Unreadable videos as a share of the whole list."""
        return len(self.unreadable) / (len(self.unreadable) + len(self.videos))

    def within_pairs(self, pairs: Sequence[tuple[int, int]]) -> Accuracy:
        """See ``metrics.pair_accuracy``: only the two of a pair compete."""
        return metrics.pair_accuracy(self.probabilities, self.labels, pairs)

    def family_accuracy(self, families: Sequence[Sequence[int]]) -> Accuracy:
        """See ``metrics.family_accuracy``: is the predicted family right?"""
        return metrics.family_accuracy(self.probabilities, self.labels, families)

    def family_chance(self, families: Sequence[Sequence[int]]) -> float:
        """What ``family_accuracy`` is for who guesses."""
        return metrics.family_chance(self.labels, families, len(self.class_names))

    def to_json(self) -> dict[str, Any]:
        """Every number with its unit, as plain types."""
        return {
            "format": FORMAT,
            "name": self.name,
            "model": self.model,
            "dataset": self.dataset,
            "split": self.split,
            "subset": self.subset,
            "standin": self.standin,
            "views": asdict(self.views),
            "precision": self.precision,
            "seconds": self.seconds,
            "top1": self.top1.to_dict(),
            "top5": self.top5 and self.top5.to_dict(),
            "unreadable": {
                "percent": 100 * self.unreadable_share,
                "videos": list(self.unreadable),
            },
            "per_class": [
                asdict(c)
                | {"percent": None if c.accuracy is None else 100 * c.accuracy}
                for c in self.per_class
            ],
            "confusion": {
                "rows": "true class",
                "columns": "predicted class",
                "unit": "videos",
                "counts": self.confusion.tolist(),
            },
            "class_names": list(self.class_names),
            "videos": [
                {"name": name, "label": int(y), "predicted": int(p)}
                for name, y, p in zip(
                    self.videos, self.labels, self.predictions, strict=True
                )
            ],
        }

    def save(self, path: str | Path) -> Path:
        """Write ``path`` (.json) and the probabilities beside it, each whole.

        Raises:
            RunDirectoryError: the folder cannot be written.
        """
        path = Path(path)
        tensors = save_tensors(
            {"probabilities": np.ascontiguousarray(self.probabilities)}
        )
        beside = path.with_suffix(".safetensors")
        pointer = {"file": beside.name, "sha256": hashlib.sha256(tensors).hexdigest()}
        values = self.to_json() | {"probabilities": pointer}
        write_whole(beside, tensors)
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(path, text.encode())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read what ``save`` wrote; every number is computed from it anew.

        Raises:
            RunDirectoryError: a file is missing, damaged, or not of this kind.
        """
        path = Path(path)
        try:
            values = json.loads(read_bytes(path))
            if values["format"] != FORMAT:
                raise KeyError("format")
            # Only a name beside the JSON is followed, never a path out of it.
            beside = path.parent / Path(values["probabilities"]["file"]).name
            digest = values["probabilities"]["sha256"]
            known = {f.name: values[f.name] for f in fields(cls) if f.name in values}
            known |= {
                "class_names": tuple(values["class_names"]),
                "videos": tuple(v["name"] for v in values["videos"]),
                "labels": np.array([v["label"] for v in values["videos"]], np.int64),
                "unreadable": tuple(values["unreadable"]["videos"]),
                "views": Views(**values["views"]),
            }
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as bad:
            raise RunDirectoryError(
                f"{path} is not a result of this library ({bad}); "
                "delete it and evaluate again"
            ) from None
        tensors = read_bytes(beside)
        if hashlib.sha256(tensors).hexdigest() != digest:
            raise RunDirectoryError(
                f"{beside} does not belong to {path.name}; delete both and evaluate "
                "again"
            )
        try:
            known["probabilities"] = load_tensors(tensors)["probabilities"]
            return cls(**known)
        except (SafetensorError, KeyError, TypeError, DatasetError) as bad:
            raise RunDirectoryError(f"{path} contradicts itself: {bad}") from None

    def table(self) -> str:
        """The result as a Markdown table."""
        return markdown([result_table([self])])


def result_table(evaluations: Sequence[Evaluation]) -> Table:
    """One row per network; the caption says where the data is a stand-in."""
    rows = [
        [
            e.name,
            e.model,
            str(e.top1),
            "not meaningful" if e.top5 is None else f"{100 * e.top5.value:.1f} %",
            str(len(e.videos)),
            str(e.views),
        ]
        for e in evaluations
    ]
    caption = "Top-1 with its 95 % interval (Wilson)."
    if any(e.standin for e in evaluations):
        caption = "Stand-in data. " + caption
    columns = ["network", "model", "top-1", "top-5", "videos", "clips x crops"]
    return Table(columns, rows, caption)
