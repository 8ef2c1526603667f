"""What ``fit`` is given and what it returns.

Public names: ``TrainConfig``, ``FitResult``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..recipes import DistilRecipe, OptimRecipe, Recipe
from .teacher_logits import StoredTeacher


@dataclass(frozen=True)
class TrainConfig:
    """How one network is trained."""

    recipe: Recipe
    optim: OptimRecipe  # the recipe's ``optim`` or ``teacher_optim``
    num_classes: int
    seed: int  # of the order of clips, mixing and drop-path
    run_dir: Path
    name: str  # files go to run_dir/name
    # Sees the same mixed clips, in eval mode, and is not changed.
    teacher: nn.Module | None = None
    stored: StoredTeacher | None = None  # the teacher's stored logits, filled first
    # Clips whose label may be used, all if None; not together with mixing.
    labelled: Set[int] | None = None
    # Called after every epoch, on one process, with the network in eval mode. Returns
    # numbers, among them ``top1``, and in ``unreadable`` names of videos it left out.
    # Give it held-out clips, never the reported list.
    validate: Callable[[nn.Module], dict[str, Any]] | None = None
    # Between checkpoints within an epoch; 0 writes after every step.
    checkpoint_seconds: float = 30.0
    progress: bool = True
    # More metadata of the weights' files, such as ``classes``; expressible in JSON.
    about: Mapping[str, Any] = field(default_factory=dict)
    track: str = ""  # "csv", "tensorboard" or "wandb", beside the log

    @property
    def distil(self) -> DistilRecipe | None:
        return None if self.teacher is None else self.recipe.distil


@dataclass(frozen=True)
class FitResult:
    """What a finished run leaves behind."""

    folder: Path  # run_dir/name
    final: Path  # weights after the last step, for weights.load_checkpoint
    best: Path | None  # of the best epoch on held-out clips; None without validate
    best_epoch: int | None  # 1 is the first
    best_top1: float | None
    # Per epoch: epoch, step, lr, loss, ce, kd, match if asked for, seconds, held_out
    history: list[dict[str, Any]]
    unreadable: list[str]  # messages about videos that could not be read
    steps: int  # optimiser steps of the whole run
    resumed_from: int  # the step this call began at; 0 for a new run
    seconds: float  # spent training, over all starts
