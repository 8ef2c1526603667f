"""A run's files: where it stands, its log, and a lock against a second process.

Public names: ``Progress``, ``RunFolder``.

* ``last.safetensors``   weights, momentum and ``Progress``: all that going on needs
* ``log.jsonl``          one line per finished epoch
* ``unreadable.json``    videos that could not be read (only if there are any)
* ``best.safetensors``   weights of the best epoch on held-out clips
* ``final.safetensors``  weights after the last step

``last.safetensors`` alone is the truth, and one file: a run killed between two
writes finds all else in it. Every file is written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import RunDirectoryError
from ..files import write_whole
from .fingerprint import LATER, differences
from .locking import locked

_KEY = "dvfl-training"  # the one metadata entry, holding JSON


@dataclass
class Progress:
    """Where a run stands, beside its tensors."""

    step: int = 0  # optimiser steps done
    epochs_closed: int = 0  # epochs that are validated and logged
    sums: dict[str, float] = field(default_factory=dict)  # of the epoch under way
    history: list[dict[str, Any]] = field(default_factory=list)  # lines of the log
    best_epoch: int | None = None  # 1 is the first
    best_top1: float | None = None
    unreadable: list[str] = field(default_factory=list)
    held_out_unreadable: list[str] = field(default_factory=list)
    seconds: float = 0.0  # spent training, over all starts
    scaler: dict[str, Any] | None = None  # of fp16 gradients

    @property
    def all_unreadable(self) -> list[str]:
        """Training videos that were replaced, and held-out ones that were left out."""
        held_out = [f"held out: {message}" for message in self.held_out_unreadable]
        return self.unreadable + held_out


def _momentum(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    buffers = {
        name: optimizer.state.get(parameter, {}).get("momentum_buffer")
        for name, parameter in model.named_parameters()
    }
    return {name: value for name, value in buffers.items() if value is not None}


class RunFolder:
    """``run_dir/name`` and what is in it.

    Raises:
        RunDirectoryError: (all methods) it cannot be made, read or written.
    """

    def __init__(self, run_dir: Path, name: str) -> None:
        self.path = Path(run_dir) / name
        self.last = self.path / "last.safetensors"
        self.best = self.path / "best.safetensors"
        self.final = self.path / "final.safetensors"
        self.log = self.path / "log.jsonl"
        self.unreadable = self.path / "unreadable.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder and keep other processes from training in it meanwhile."""
        with locked(self.path, "the run directory", "training", "run_dir"):
            self._remove_leftovers()
            yield

    def _remove_leftovers(self) -> None:
        """Temporary files of a run that was killed while it wrote."""
        for final in (self.last, self.best, self.final, self.log, self.unreadable):
            for leftover in self.path.glob(f".{final.name}.*"):
                leftover.unlink(missing_ok=True)

    def save(
        self,
        progress: Progress,
        fingerprint: dict[str, Any],
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Write ``last.safetensors``, in place of the one before."""
        tensors = {f"weights/{k}": v for k, v in model.state_dict().items()}
        for name, value in _momentum(optimizer, model).items():
            tensors[f"momentum/{name}"] = value
        meta = json.dumps({"progress": asdict(progress), "fingerprint": fingerprint})
        tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        write_whole(self.last, save(tensors, metadata={_KEY: meta}))

    def load(
        self, fingerprint: dict[str, Any]
    ) -> tuple[Progress, dict[str, Tensor], dict[str, Tensor]]:
        """Progress, weights and momentum buffers by name; empty where nothing is yet.

        Raises:
            RunDirectoryError: the file is damaged, or belongs to another run.
        """
        if not self.last.exists():
            return Progress(), {}, {}
        try:
            with safe_open(self.last, framework="pt") as file:
                meta = json.loads((file.metadata() or {})[_KEY])
                tensors = {name: file.get_tensor(name) for name in file.keys()}
            known = {f.name for f in fields(Progress)}
            progress = Progress(
                **{k: v for k, v in meta["progress"].items() if k in known}
            )
            there = dict(meta["fingerprint"])
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise RunDirectoryError(
                f"{self.last} is no checkpoint of a training run, or is damaged "
                f"({type(error).__name__}: {error}). Delete {self.path} to begin "
                "anew, or choose another run_dir"
            ) from None
        self._refuse_others(there, fingerprint)
        parts: dict[str, dict[str, Tensor]] = {"weights": {}, "momentum": {}}
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            parts.setdefault(kind, {})[name] = value
        return progress, parts["weights"], parts["momentum"]

    def _refuse_others(self, there: dict[str, Any], here: dict[str, Any]) -> None:
        found = differences(there, here, LATER)
        if found:
            more = f" and {len(found) - 6} more" if len(found) > 6 else ""
            raise RunDirectoryError(
                f"{self.path} holds a run that was begun otherwise. What differs: "
                f"{'; '.join(found[:6])}{more}. Choose another run_dir, delete that "
                "folder, or start with what it was begun with"
            )

    def write_log(self, progress: Progress) -> None:
        """Write ``log.jsonl`` and, if there is any, ``unreadable.json``.

        Both follow from the checkpoint, so lines beyond it vanish on resuming.
        """
        lines = [json.dumps(line) + "\n" for line in progress.history]
        write_whole(self.log, "".join(lines).encode("utf-8"))
        if progress.all_unreadable:
            text = json.dumps(progress.all_unreadable, indent=2, ensure_ascii=False)
            write_whole(self.unreadable, f"{text}\n".encode())
        else:
            self.unreadable.unlink(missing_ok=True)

    def begin_anew(self) -> None:
        """Remove results that no checkpoint stands for."""
        for stale in (self.best, self.final, self.unreadable):
            stale.unlink(missing_ok=True)
