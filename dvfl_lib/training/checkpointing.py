"""A run's files: where it stands, whose it is, its log, one process at a time.

Public names: ``RunDirectory``, ``Progress``, ``fingerprint``, ``locked``,
``model_digest``.

* ``last.safetensors``   weights, the optimiser's state and ``Progress``: all that
  going on needs
* ``log.jsonl``          one line per finished epoch
* ``unreadable.json``    videos that could not be read (only if there are any)
* ``best.safetensors``   weights of the best epoch on held-out clips
* ``final.safetensors``  weights after the last step

``last.safetensors`` alone is the truth: a run killed between two writes finds all else
in it. Only the run that wrote it may take it up: the same recipe, seed, data, network
and teacher. Workers, processes and folders do not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..datasets.base import first_few
from ..errors import RunDirectoryError
from ..files import write_whole
from ..video.transforms import resize_digest
from ..weights.reading import tensors_digest

# Parts of the data recipe that change speed, or when to give up, but no result.
NO_EFFECT = ("data.workers", "data.cache_frames", "data.max_unreadable")
_KEY = "dvfl-training"  # the one metadata entry, holding JSON
_PATIENCE = 10.0  # seconds; what a killed notebook leaves running needs a few


def model_digest(model: nn.Module | None) -> str | None:
    """16 hex digits of all names and values, in the order of the network."""
    if model is None:
        return None
    return tensors_digest(model.state_dict().items())[:16]


def fingerprint(values: dict[str, Any], clips: Any) -> dict[str, Any]:
    """A flat dictionary of everything that decides a result: ``values`` and clips.

    Recipes among the values are taken apart field by field.
    """
    names = "\n".join(str((sample.name, sample.label)) for sample in clips.samples)
    flips = getattr(clips, "flip_labels", None) or {}
    given = {
        **values,
        "data": getattr(clips, "data", None),
        "clips.seed": getattr(clips, "seed", None),
        "clips.views": getattr(clips, "views", 0),
        "resize": resize_digest(),
        "labels of flipped clips": sorted(flips.items()),
        "training clips": hashlib.sha256(names.encode()).hexdigest()[:16],
    }
    found: dict[str, Any] = {}
    for name, value in given.items():
        if is_dataclass(value):
            found |= {f"{name}.{key}": part for key, part in asdict(value).items()}
        else:
            found[name] = value
    for name in NO_EFFECT:
        found.pop(name, None)
    if found.get("augment.jitter_per") == "clip":  # a run from before there was it
        del found["augment.jitter_per"]
    return json.loads(json.dumps(found))  # as from a file: lists for tuples


@contextmanager
def locked(folder: Path, doing: str, patience: float = 0.0) -> Iterator[None]:
    """Make the folder and hold its lock inside the block; a killed process lets go.

    ``doing``: what another that holds it does, waited for ``patience`` seconds or more.
    """
    lock = FileLock(folder / ".lock", timeout=max(patience, _PATIENCE))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise RunDirectoryError(
            f"another process is {doing} in {folder}: wait until it is done, end it, "
            "or choose another folder"
        ) from None
    except OSError as error:
        raise RunDirectoryError(
            f"{folder} cannot be written ({error.strerror}). Choose another folder"
        ) from None
    try:
        for leftover in folder.glob(".*.tmp"):  # of a process killed while it wrote
            leftover.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


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


class RunDirectory:
    """``run_dir/name`` and what is in it, for the run of this fingerprint."""

    def __init__(self, path: Path, fingerprint: dict[str, Any]) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.last = path / "last.safetensors"
        self.best = path / "best.safetensors"
        self.final = path / "final.safetensors"

    def save(
        self, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        """Write ``last.safetensors``, in place of the one before."""
        state = optimizer.state_dict()
        tensors: dict[str, Tensor] = {}
        plain: dict[str, Any] = {}  # of an optimiser's state, what is no tensor
        for part, values in {"weights": model.state_dict(), **state["state"]}.items():
            for key, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"{part}/{key}"] = value.detach().cpu().contiguous()
                else:
                    plain[f"{part}/{key}"] = value
        meta = {
            "progress": asdict(progress),
            "fingerprint": self.fingerprint,
            "groups": state["param_groups"],
            "plain": plain,
        }
        write_whole(self.last, save(tensors, metadata={_KEY: json.dumps(meta)}))

    def load(self) -> tuple[Progress, dict[str, Tensor], dict[str, Any]]:
        """Progress, weights and the optimiser's state dict; empty for a new run."""
        if not self.last.exists():
            for stale in (self.best, self.final):  # no checkpoint stands for these
                stale.unlink(missing_ok=True)
            return Progress(), {}, {}
        try:
            with safe_open(self.last, framework="pt") as file:
                meta = json.loads(file.metadata()[_KEY])
                # A copy: a tensor of a file may lie at any address, and the last bit
                # of vectorised arithmetic can depend on it.
                values = {name: file.get_tensor(name).clone() for name in file.keys()}
            there, groups = meta["fingerprint"], meta["groups"]
            parts: dict[str, dict[str, Any]] = {}
            for name, value in {**values, **meta["plain"]}.items():
                part, _, key = name.partition("/")
                parts.setdefault(part, {})[key] = value
            weights, progress = parts.pop("weights"), Progress(**meta["progress"])
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise RunDirectoryError(
                f"{self.last} is no checkpoint of a training run, or is damaged "
                f"({type(error).__name__}: {error}). Delete {self.path} to begin "
                "anew, or choose another run_dir"
            ) from None
        here = self.fingerprint
        if there != here:
            differ = [
                f"{name} ({there.get(name)} there, {here.get(name)} now)"
                for name in sorted(there.keys() | here.keys())
                if there.get(name) != here.get(name)
            ]
            raise RunDirectoryError(
                f"{self.path} holds a run that was begun otherwise. What differs: "
                f"{first_few(differ, 6)}. Choose another run_dir, delete that folder, "
                "or start with what it was begun with"
            )
        state = {int(number): values for number, values in parts.items()}
        return progress, weights, {"state": state, "param_groups": groups}

    def write_log(self, progress: Progress) -> None:
        """Write ``log.jsonl`` and, if there is any, ``unreadable.json``."""
        lines = [json.dumps(line) + "\n" for line in progress.history]
        write_whole(self.path / "log.jsonl", "".join(lines).encode())
        unreadable = self.path / "unreadable.json"
        if progress.all_unreadable:
            text = json.dumps(progress.all_unreadable, indent=2, ensure_ascii=False)
            write_whole(unreadable, f"{text}\n".encode())
        else:
            unreadable.unlink(missing_ok=True)
