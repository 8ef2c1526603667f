"""What ``fit`` is given and what it returns.

Public names: ``TrainConfig``, ``FitResult``, ``check_config``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import DatasetError, RecipeError
from ..recipes import DistilRecipe, OptimRecipe, Recipe
from .teacher_logits import StoredTeacher
from .tracking import check_tracker


@dataclass(frozen=True)
class TrainConfig:
    """How one network is trained.

    Attributes:
        recipe: its ``augment``, the part that ``optim`` names, and ``distil`` where
            there is a teacher; of ``data``, the workers and ``max_unreadable``.
        seed: of the order of clips, mixing and drop-path.
        run_dir, name: files go to ``run_dir/name``.
        optim: "optim" or "teacher_optim".
        teacher: sees the same mixed clips, in eval mode, and is not changed.
        stored: the teacher behind its stored logits, which are filled first.
        labelled: indices of clips whose label may be used (all if None); the
            teacher speaks about the others too.
        validate: called with the network in eval mode, on one process, after every
            ``validate_every``-th and the last epoch; returns numbers, among them
            ``top1``; a list ``unreadable`` names videos it left out. Give it
            held-out clips, never the reported list.
        checkpoint_seconds: time between checkpoints within an epoch; longer where
            writing one takes long. 0 writes after every step.
        about: further entries of the metadata in the weights' files, such as
            ``classes``; expressible in JSON.
        track: "csv", "tensorboard" or "wandb", beside the log that is always written.
    """

    recipe: Recipe
    num_classes: int
    seed: int
    run_dir: Path
    name: str
    optim: str = "optim"
    teacher: nn.Module | None = None
    stored: StoredTeacher | None = None
    labelled: Set[int] | None = None
    validate: Callable[[nn.Module], dict[str, Any]] | None = None
    validate_every: int = 1
    checkpoint_seconds: float = 30.0
    progress: bool = True
    about: Mapping[str, Any] = field(default_factory=dict)
    track: str = ""

    @property
    def optim_recipe(self) -> OptimRecipe:
        return getattr(self.recipe, self.optim)

    @property
    def distil(self) -> DistilRecipe | None:
        return None if self.teacher is None else self.recipe.distil


@dataclass(frozen=True)
class FitResult:
    """What a finished run leaves behind.

    A line of ``history`` has ``epoch``, ``step``, ``lr``, ``loss``, ``ce``, ``kd``,
    ``match`` where insides are matched, ``seconds``, and ``held_out`` where it was
    validated.
    """

    folder: Path  # run_dir/name
    final: Path  # weights after the last step, for weights.load_checkpoint
    best: Path | None  # of the best epoch on held-out clips; None without validate
    best_epoch: int | None  # 1 is the first
    best_top1: float | None
    history: list[dict[str, Any]]  # one dict per epoch
    unreadable: list[str]  # messages about videos that could not be read
    steps: int  # optimiser steps of the whole run
    resumed_from: int  # the step this call began at; 0 for a new run
    seconds: float  # spent training, over all starts


def check_config(clips: Any, config: TrainConfig) -> None:
    """Refuse what would train with wrong labels or another clip's logits."""
    check_tracker(config.track)
    if config.labelled is not None and config.recipe.augment.mixes:
        raise RecipeError(
            "clips without a label need augment.mixup=0 and augment.cutmix=0: a "
            "mixture of a labelled and an unlabelled clip has no label"
        )
    views, distil = getattr(clips, "views", 0), config.distil
    if distil is not None and views != distil.stored_views:
        raise RecipeError(
            f"distil.stored_views is {distil.stored_views}, but the clips have "
            f"{views} stored views: make them with views={distil.stored_views}"
        )
    for sample in clips.samples:
        if not 0 <= sample.label < config.num_classes:
            raise DatasetError(
                f"clip {sample.name} has label {sample.label}, but there are "
                f"{config.num_classes} classes, numbered from 0"
            )
