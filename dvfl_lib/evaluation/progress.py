"""What an interrupted evaluation had done, so that it can go on from there.

Public names: ``Progress``, ``fingerprint``.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..files import write_whole


def fingerprint(
    model: nn.Module,
    samples: Sequence[Any],
    dataset: Any,
    class_names: Sequence[str],
    precision: str,
) -> str:
    """A name for exactly this evaluation: weights, videos, views, precision.

    Two evaluations that could differ in a number have different names, so what
    is half done is never continued with other weights or other files.
    """
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    videos = [
        [s.name, s.label, *_file_stamp(getattr(s, "path", None))] for s in samples
    ]
    data = asdict(dataset.data)
    for name in ("workers", "cache_frames", "max_unreadable"):  # change no number
        del data[name]
    settings = [data, asdict(dataset.evaluate), precision]
    digest.update(json.dumps([videos, list(class_names), settings]).encode())
    return digest.hexdigest()[:32]


def _file_stamp(path: Path | None) -> list[int]:
    """Size and time of change, or nothing for what is not a file."""
    if path is None or not Path(path).is_file():
        return []
    stat = Path(path).stat()
    return [stat.st_size, stat.st_mtime_ns]


@dataclass
class Progress:
    """Answers so far: ``probabilities`` (N, K) and which of the N rows hold one."""

    probabilities: Tensor
    answered: Tensor  # (N,) bool
    unreadable: dict[int, str]
    seconds: float = 0.0
    path: Path | None = None

    @classmethod
    def empty(cls, videos: int, classes: int) -> Progress:
        """Nothing done yet."""
        answered = torch.zeros(videos, dtype=torch.bool)
        return cls(torch.zeros(videos, classes), answered, {})

    @classmethod
    def load_or_empty(cls, folder: Path, key: str, empty: Progress) -> Progress:
        """What was done under this key; ``empty`` where there is nothing."""
        empty.path = folder / f"evaluation_{key}.safetensors"
        if not empty.path.is_file():
            return empty
        try:
            with safe_open(empty.path, framework="pt") as file:
                state = json.loads(file.metadata()["progress"])
                return cls(
                    probabilities=file.get_tensor("probabilities"),
                    answered=file.get_tensor("answered"),
                    unreadable={int(i): why for i, why in state["unreadable"]},
                    seconds=state["seconds"],
                    path=empty.path,
                )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as trouble:
            warnings.warn(
                f"{empty.path} is damaged ({trouble}); evaluating from the start",
                stacklevel=3,
            )
            return empty

    @property
    def count(self) -> int:
        """Videos dealt with, readable or not."""
        return int(self.answered.sum()) + len(self.unreadable)

    def missing(self) -> list[int]:
        """Indices still to do, in the order of the list."""
        return [
            i
            for i, answered in enumerate(self.answered.tolist())
            if not answered and i not in self.unreadable
        ]

    def add(self, index: int, probabilities: Tensor) -> None:
        """Record a video's answer (K,)."""
        self.probabilities[index] = probabilities.float()
        self.answered[index] = True

    def add_unreadable(self, index: int, why: str) -> None:
        """Record that a video could not be read."""
        self.unreadable[index] = why

    def save(self) -> None:
        """Write it whole; a RunDirectoryError says if that is impossible."""
        if self.path is None:
            return
        state = {"unreadable": list(self.unreadable.items()), "seconds": self.seconds}
        tensors = {"probabilities": self.probabilities, "answered": self.answered}
        write_whole(self.path, save(tensors, {"progress": json.dumps(state)}))

    def forget(self) -> None:
        """Remove the file once the evaluation is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
