"""What came of an evaluation: probabilities per video, and all that follows.

Public names: ``Evaluation``, ``Views``, ``FORMAT``;
``concatenate``; ``confused_pairs``, ``ConfusedPair``.

It is stored as ``name.json``, every number, to be read by people, and
``name.safetensors``, the probabilities, from which ``load`` computes all anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ..errors import DatasetError, RunDirectoryError
from ..files import read_bytes, write_whole
from ..recipes import DataRecipe, EvaluateRecipe
from .metrics import METRICS, Accuracy

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
        sides = evaluate.short_side, data.crop
        return cls(evaluate.clips, evaluate.crops, data.frames, data.sampling, *sides)

    def __str__(self) -> str:
        return (
            f"{self.clips} x {self.crops} ({self.frames} frames, short side "
            f"{self.short_side}, crop {self.crop})"
        )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's probabilities for every video of a list."""

    name: str  # what the network is called in tables, such as "teacher"
    model: str  # its architecture, such as "vfl_net_nano"
    dataset: str
    split: str
    subset: str
    standin: bool  # whether the list is generated data
    class_names: tuple[str, ...]  # K names
    videos: tuple[str, ...]  # N names, in the order of the list
    labels: np.ndarray  # int64 (N,)
    probabilities: np.ndarray  # float32 (N, K), mean over the views
    unreadable: tuple[str, ...]  # could not be read and are not among the N
    views: Views
    precision: str  # "no" (float32), "bf16" or "fp16"
    seconds: float  # wall-clock time of decoding and network together
    # Not stored, for they are not of the network:
    notes: tuple[str, ...] = ()  # such as where the order of classes was taken from
    missing: int | None = 0  # videos not on the disk; None where no list says it

    def __post_init__(self) -> None:
        n, k = len(self.videos), len(self.class_names)
        shapes = self.probabilities.shape, self.labels.shape
        finite = np.isfinite(self.probabilities).all()
        if n == 0 or shapes != ((n, k), (n,)) or not finite:
            raise DatasetError(
                f"{self.name}: {n} videos and {k} classes do not go with "
                f"probabilities and labels of {shapes[0]} and {shapes[1]} numbers"
            )
        if self.labels.min() < 0 or self.labels.max() >= k:
            raise DatasetError(f"{self.name}: labels must lie between 0 and {k - 1}")

    @cached_property
    def predictions(self) -> np.ndarray:
        """(N,) the class of highest probability."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def correct(self) -> np.ndarray:
        """(N,) bool: whether the top class is the true one."""
        return self.predictions == self.labels

    @cached_property
    def accuracies(self) -> dict[str, Accuracy | None]:
        """One for each of ``METRICS``; None where it says nothing."""
        return {k: m.of(self.probabilities, self.labels) for k, m in METRICS.items()}

    def accuracies_dict(self) -> dict[str, object]:
        """The same for JSON, with units in its keys."""
        return {name: a and a.to_dict() for name, a in self.accuracies.items()}

    @property
    def top1(self) -> Accuracy:
        return self.accuracies["top1"]

    @cached_property
    def confusion(self) -> np.ndarray:
        """(K, K) counts: row = true class, column = predicted class."""
        counts = np.zeros((len(self.class_names),) * 2, np.int64)
        np.add.at(counts, (self.labels, self.predictions), 1)
        return counts

    @cached_property
    def per_class(self) -> dict[str, Accuracy]:
        """Class -> top-1 of its videos, in the order of the classes."""
        columns = np.diag(self.confusion).tolist(), self.confusion.sum(axis=1).tolist()
        each = map(Accuracy, *columns)
        return dict(zip(self.class_names, each, strict=True))

    @property
    def unreadable_share(self) -> float:
        """Unreadable videos as a share of the whole list."""
        return len(self.unreadable) / (len(self.unreadable) + len(self.videos))

    def within_pairs(self, pairs: Sequence[tuple[int, int]]) -> Accuracy:
        """Accuracy when only the two classes of a video's own pair compete.

        Chance is one half whatever the number of classes. Videos whose class is in no
        pair are left out; a tie counts one half.
        """
        rival = {a: b for a, b in pairs} | {b: a for a, b in pairs}
        if len(rival) != 2 * len(pairs):
            raise DatasetError(f"each class stands in one pair at most: {list(pairs)}")
        rows = np.flatnonzero(np.isin(self.labels, list(rival)))  # (M,)
        labels, shares = self.labels[rows], self.probabilities[rows]
        each = np.arange(len(rows))
        own, other = shares[each, labels], shares[each, [rival[y] for y in labels]]
        correct = (own > other).sum() + 0.5 * (own == other).sum()
        return Accuracy(correct=float(correct), n=len(rows))

    def family_accuracy(self, families: Sequence[Sequence[int]]) -> Accuracy:
        """How often top and true class share a family; a class may have several."""
        right = self._relatives(families)[self.labels, self.predictions]
        return Accuracy(correct=int(right.sum()), n=len(self.labels))

    def family_chance(self, families: Sequence[Sequence[int]]) -> float:
        """What ``family_accuracy`` is on average for who guesses."""
        return float(self._relatives(families)[self.labels].mean())

    def _relatives(self, families: Sequence[Sequence[int]]) -> np.ndarray:
        """(K, K) bool: whether two classes stand in one family."""
        alike = np.eye(len(self.class_names), dtype=bool)
        for family in families:
            alike[np.ix_(family, family)] = True
        return alike

    def to_json(self) -> dict[str, Any]:
        """Every number with its unit, as plain types."""
        names = ("name", "model", "dataset", "split", "subset", "standin")
        columns = self.videos, self.labels.tolist(), self.predictions.tolist()
        return {
            "format": FORMAT,
            **{name: getattr(self, name) for name in names},
            "views": asdict(self.views),
            "precision": self.precision,
            "seconds": self.seconds,
            **self.accuracies_dict(),
            "unreadable": {
                "percent": 100 * self.unreadable_share,
                "videos": list(self.unreadable),
            },
            "per_class": [
                {"name": name, **asdict(a), "percent": a.value and 100 * a.value}
                for name, a in self.per_class.items()
            ],
            "confusion": {
                "rows": "true class",
                "columns": "predicted class",
                "unit": "videos",
                "counts": self.confusion.tolist(),
            },
            "class_names": list(self.class_names),
            "videos": [
                {"name": name, "label": label, "predicted": predicted}
                for name, label, predicted in zip(*columns, strict=True)
            ],
        }

    def save(self, path: str | Path) -> Path:
        """Write ``path`` (.json) and the probabilities beside it, each whole."""
        path = Path(path)
        numbers = np.ascontiguousarray(self.probabilities)
        tensors = save_tensors({"probabilities": numbers})
        beside = path.with_suffix(".safetensors")
        pointer = {"file": beside.name, "sha256": hashlib.sha256(tensors).hexdigest()}
        values = self.to_json() | {"probabilities": pointer}
        write_whole(beside, tensors)
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
        write_whole(path, text.encode())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Evaluation:
        """Read what ``save`` wrote; ``RunDirectoryError`` for anything else."""
        path = Path(path)
        try:
            values = json.loads(read_bytes(path))
            if values["format"] != FORMAT:
                raise KeyError("format")
            # Only a name beside the JSON is followed, never a path out of it.
            beside = path.parent / Path(values["probabilities"]["file"]).name
            tensors = read_bytes(beside)
            if hashlib.sha256(tensors).hexdigest() != values["probabilities"]["sha256"]:
                raise RunDirectoryError(
                    f"{beside} does not belong to {path.name}; delete both and "
                    "evaluate again"
                )
            known = {f.name: values[f.name] for f in fields(cls) if f.name in values}
            videos = values["videos"]
            known |= {
                "class_names": tuple(values["class_names"]),
                "videos": tuple(video["name"] for video in videos),
                "labels": np.array([video["label"] for video in videos], np.int64),
                "probabilities": load_tensors(tensors)["probabilities"],
                "unreadable": tuple(values["unreadable"]["videos"]),
                "views": Views(**values["views"]),
            }
            return cls(**known)
        except RunDirectoryError:
            raise
        except Exception as bad:  # of many kinds, whatever the file may hold
            raise RunDirectoryError(
                f"{path} is not a result of this library ({bad}); "
                "delete it and evaluate again"
            ) from None


def concatenate(results: Sequence[Evaluation]) -> Evaluation:
    """One network's results on several lists of a data set as one result.

    A video that is on several lists counts once, as the first of them has it: the
    splits of HMDB51 are no partition. For a closer look at mistakes; the number of a
    benchmark is ``split_mean``.
    """
    if not results:
        raise DatasetError("there is no result to join")
    first, seen, kept = results[0], set(), []
    for what in ("name", "dataset", "standin", "class_names", "views", "precision"):
        if any(getattr(result, what) != getattr(first, what) for result in results):
            raise DatasetError(f"results of several {what} cannot be joined")
    for result in results:
        kept.append([k for k, name in enumerate(result.videos) if name not in seen])
        seen |= set(result.videos)
    parts = list(zip(results, kept, strict=True))
    return replace(
        first,
        split=", ".join(result.split for result in results),
        videos=tuple(result.videos[k] for result, mine in parts for k in mine),
        labels=np.concatenate([result.labels[mine] for result, mine in parts]),
        probabilities=np.concatenate([r.probabilities[mine] for r, mine in parts]),
        unreadable=tuple(dict.fromkeys(u for r in results for u in r.unreadable)),
        seconds=sum(result.seconds for result in results),
    )


@dataclass(frozen=True)
class ConfusedPair:
    """Videos of class ``true`` that the network calls ``said``."""

    true: str
    said: str
    count: int  # videos
    of: int  # videos of the true class
    videos: tuple[str, ...]  # their names, the surest mistake first

    def to_dict(self) -> dict[str, object]:
        return {
            "true": self.true,
            "said": self.said,
            "videos_confused": self.count,
            "videos_of_the_class": self.of,
            "videos": list(self.videos),
        }


def confused_pairs(result: Evaluation, most: int = 5) -> list[ConfusedPair]:
    """The most frequent confusions; of equal ones, in the order of the classes."""
    wrong = result.confusion - np.diag(np.diag(result.confusion))  # (K, K)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = []
    for true, said in (divmod(int(cell), len(wrong)) for cell in order):
        if wrong[true, said]:
            of_class = result.labels == true  # (N,)
            mine = np.flatnonzero(of_class & (result.predictions == said))
            surest = mine[np.argsort(-result.probabilities[mine, said], kind="stable")]
            names = result.class_names[true], result.class_names[said]
            videos = tuple(result.videos[i] for i in surest)
            pairs.append(ConfusedPair(*names, len(mine), int(of_class.sum()), videos))
    return pairs
