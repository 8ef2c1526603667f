"""What ``fit`` is asked to do: its arguments, checked, and made into a ``Loop``.

Public names: ``Job``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..distillation import MatchedStudent, random_head
from ..errors import DatasetError, RecipeError
from ..recipes import AugmentRecipe, DistilRecipe, OptimRecipe
from ..seeding import fixed_rng
from ..vfl_net import VFLNet
from .batches import BatchPlan
from .devices import make_accelerator
from .fingerprint import fingerprint
from .loop import Loop
from .objective import Objective
from .state import RunFolder
from .stored_teacher import StoredTeacher


@dataclass(frozen=True)
class Job:
    """The arguments of ``fit``; see there."""

    model: VFLNet
    clips: Any
    recipe: OptimRecipe
    augment: AugmentRecipe
    num_classes: int
    seed: int
    run_dir: Path
    name: str
    distil: DistilRecipe | None
    teacher: nn.Module | None
    teacher_cache: Path | None
    labelled: set[int] | None
    validate: Callable[[nn.Module], dict[str, Any]] | None
    validate_every: int
    checkpoint_seconds: float
    max_unreadable: float
    workers: int
    progress: bool
    about: Mapping[str, Any] | None

    def check(self) -> None:
        """Refuse arguments that contradict each other before any work is done."""
        if (self.distil is None) != (self.teacher is None):
            raise RecipeError(
                "distillation needs both a teacher and a distil recipe; give neither "
                "for plain training"
            )
        if self.teacher is self.model:
            raise RecipeError("the teacher and the student are the same object")
        if self.validate_every < 1:
            raise RecipeError(
                f"validate_every must be at least 1, not {self.validate_every}"
            )
        mixing = self.augment.mixup > 0 or self.augment.cutmix > 0
        if mixing and self.recipe.micro_batch < 2:
            raise RecipeError(
                "optim.micro_batch 1 leaves nothing to mix with: make it 2 or more, "
                "or set augment.mixup=0 and augment.cutmix=0"
            )
        if mixing and self.labelled is not None:
            raise RecipeError(
                "clips without a label need augment.mixup=0 and augment.cutmix=0: a "
                "mixture of a labelled and an unlabelled clip has no label"
            )
        if self.distil is not None:
            self._check_distil(self.distil, mixing)
        self._check_labels()

    def _check_distil(self, distil: DistilRecipe, mixing: bool) -> None:
        views = getattr(self.clips, "views", 0)
        if views != distil.stored_views:
            raise RecipeError(
                f"distil.stored_views is {distil.stored_views}, but the clips have "
                f"{views} stored views: make them with views={distil.stored_views}"
            )
        if not distil.stores_logits:
            return
        if mixing:
            raise RecipeError(
                "distil.stored_views needs augment.mixup=0 and augment.cutmix=0: a "
                "stored answer of the teacher is about the unmixed clip"
            )
        if self.teacher_cache is None:
            raise RecipeError(
                "distil.stored_views needs teacher_cache, the folder where the "
                "teacher's logits are kept; or set distil.live_teacher"
            )

    def _check_labels(self) -> None:
        for sample in self.clips.samples:
            if not 0 <= sample.label < self.num_classes:
                raise DatasetError(
                    f"clip {sample.name} has label {sample.label}, but there are "
                    f"{self.num_classes} classes, numbered from 0"
                )
        count = len(self.clips)
        beyond = [i for i in self.labelled or () if not 0 <= i < count]
        if beyond:
            raise DatasetError(
                f"labelled names clip {beyond[0]}, but there are {count} clips"
            )

    def loop(self) -> Loop:
        """Plan, accelerator, loss and folder, ready to run."""
        recipe = self.recipe
        plan = BatchPlan(
            clips=len(self.clips),
            batch_size=recipe.batch_size,
            micro_batch=recipe.micro_batch,
            epochs=recipe.epochs,
            seed=self.seed,
        )
        accelerator = make_accelerator(recipe.precision)
        plan.share_of_each(accelerator.num_processes)
        return Loop(
            accelerator=accelerator,
            model=self.model,
            trained=self._trained(),
            clips=self.clips,
            plan=plan,
            recipe=recipe,
            objective=self._objective(accelerator.process_index),
            folder=RunFolder(self.run_dir, self.name),
            fingerprint=self._fingerprint(),
            recipes={k: v for k, v in self._recipes().items() if v is not None},
            validate=self.validate,
            validate_every=self.validate_every,
            checkpoint_seconds=self.checkpoint_seconds,
            max_unreadable=self.max_unreadable,
            workers=self.workers,
            show=self.progress,
            about=self.about or {},
        )

    def _recipes(self) -> dict[str, Any]:
        return {"optim": self.recipe, "augment": self.augment, "distil": self.distil}

    def _trained(self) -> nn.Module:
        """What the optimiser moves: the student, and where it has any, projections."""
        if self.distil is None or not self.distil.match:
            return self.model
        with fixed_rng(self.seed, "projections"):
            return MatchedStudent(self.model, self.teacher, self.distil.match)

    def _objective(self, rank: int) -> Objective:
        stored, teacher = self._stored(), self.teacher
        if self.distil is not None and self.distil.random_head:
            teacher = random_head(teacher, self.seed, rank)
        return Objective(
            num_classes=self.num_classes,
            seed=self.seed,
            batch_size=self.recipe.batch_size,
            augment=self.augment,
            distil=self.distil,
            teacher=None if stored else teacher,
            labelled=None if self.labelled is None else frozenset(self.labelled),
            stored=stored,
        )

    def _stored(self) -> StoredTeacher | None:
        """The teacher behind its cache; known by the class names in ``about``."""
        if self.distil is None or not self.distil.stores_logits:
            return None
        names = (self.about or {}).get("classes") or range(self.num_classes)
        return StoredTeacher(
            folder=Path(self.teacher_cache),
            teacher=self.teacher,
            clips=self.clips,
            classes=[str(name) for name in names],
            views=self.distil.stored_views,
            precision=self.recipe.precision,
            batch_size=self.recipe.micro_batch,
            seed=self.seed,
            max_unreadable=self.max_unreadable,
            workers=self.workers,
            show=self.progress,
        )

    def _fingerprint(self) -> dict[str, Any]:
        every = None if self.validate is None else self.validate_every
        return fingerprint(
            model=self.model,
            teacher=self.teacher,
            clips=self.clips,
            labelled=self.labelled,
            recipes=self._recipes(),
            numbers={
                "seed": self.seed,
                "num_classes": self.num_classes,
                "validate_every": every,
            },
        )
