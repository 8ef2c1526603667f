"""The whole run: data, teacher, student without and with distillation, evaluation.

Public names: ``Pipeline``, ``ROLES``.

Three networks are trained: the *teacher*, the *baseline* (the student on labels
alone) and the *distilled* student. The two students begin with the same weights,
see the same clips in the same order with the same augmentation, and may use the
same labels: the distillation term is all that differs.

Each step can be called again: what is finished returns from its files, what was
interrupted goes on. The best epoch is chosen on held-out groups of the training
list; the test list is only ever evaluated.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from ..datasets.leakage import training_list
from ..errors import RecipeError
from ..evaluation import About, Evaluation, evaluate
from ..evaluation.kept import kept_evaluation
from ..recipes import EvaluateRecipe
from ..recipes.parts import naming
from ..seeding import derive_seed
from ..teacher_cache import TeacherCache, cache_name, key_fields
from ..vfl_net import VFLNet
from ..video.clips import EvaluationViews, Sample, TrainingClips
from .batches import BatchPlan
from .devices import cpu_threads, make_accelerator, processes
from .fingerprint import NO_EFFECT
from .fit import FitResult, fit
from .run_networks import ROLES, Role, RunNetworks
from .stored_teacher import StoredTeacher

__all__ = ["ROLES", "Pipeline"]


class Pipeline(RunNetworks):
    """The steps of a run, each callable again.

    Raises:
        DVFLError: (all methods) one of its children, with what to do about it.
    """

    def check(self) -> None:
        """Refuse lists and networks that cannot work, before any work begins.

        Raises:
            DatasetError, RecipeError: see ``RunData.check``.
            ModelError: an unknown network.
            CheckpointError: a teacher or image weights that do not fit, or that
                cannot be had.
        """
        super().check()
        given = bool(self.settings.teacher_weights)
        for role in ("teacher", "baseline"):
            if role == "teacher" and given:
                model = self.trained("teacher")
            else:
                model, _ = self.new_network(role)
                self._check_training(role)
            least = model.config.smallest_side
            if self.recipe.data.crop < least:
                raise RecipeError(
                    f"data.crop is {self.recipe.data.crop} pixels, and "
                    f"{self.recipe_of(role).model} needs at least {least}"
                )

    def _check_training(self, role: Role) -> None:
        """What ``fit`` would refuse, hours later for the students."""
        part, optim = self._optim_of(role)
        with naming(part):
            make_accelerator(optim.precision)
            sizes = (optim.batch_size, optim.micro_batch, optim.epochs)
            plan = BatchPlan(len(self.fit_samples), *sizes, seed=0)
            plan.share_of_each(processes().num_processes)

    # --- training ------------------------------------------------------------

    def train(self, role: Role) -> FitResult | None:
        """Train one network, or go on with it; None for a teacher that was given."""
        if role == "teacher" and self.settings.teacher_weights:
            self.trained(role)  # refuses a file that does not fit, before any work
            return None
        r, s = self.recipe, self.settings
        clips = self.training_clips(role)
        distilled = role == "distilled"
        teacher = self.trained("teacher") if distilled else None
        cache = self._cache_folder(teacher, clips) if distilled else None
        part, optim = self._optim_of(role)
        with naming(part), cpu_threads(optim.cpu_threads):
            return fit(
                self.new_network(role)[0],
                clips,
                recipe=optim,
                augment=r.augment,
                num_classes=len(self.train_list.classes),
                seed=clips.seed,
                run_dir=s.run_dir,
                name=role,
                distil=r.distil if distilled else None,
                teacher=teacher,
                teacher_cache=cache,
                labelled=None if role == "teacher" else self.labelled,
                validate=self._held_out_score,
                max_unreadable=r.data.max_unreadable,
                workers=r.data.workers,
                progress=s.progress,
                about=self._about_weights(),
            )

    def training_clips(self, role: Role) -> TrainingClips:
        """What a network learns from; both students see the same."""
        kind = "teacher" if role == "teacher" else "student"
        return TrainingClips(
            self.fit_samples,
            self.recipe.data,
            self.recipe.augment,
            derive_seed(self.settings.seed, "clips", kind),
            self.cache(self.recipe.data.short_side),
            self.train_list.flip_labels,
            views=0 if role == "teacher" else self.recipe.distil.stored_views,
        )

    # --- the teacher's logits ------------------------------------------------

    def fill_teacher_cache(self) -> TeacherCache | None:
        """Ask the teacher once about every stored view, or go on with that.

        ``train("distilled")`` does it by itself. None where the recipe stores none.

        Raises:
            RunDirectoryError: the folder holds logits of something else, is damaged
                or cannot be written.
        """
        if not self.recipe.distil.stores_logits:
            return None
        begun = time.monotonic()
        clips, teacher = self.training_clips("distilled"), self.trained("teacher")
        optim = self.recipe.optim
        stored = StoredTeacher(
            folder=self._cache_folder(teacher, clips),
            teacher=teacher,
            clips=clips,
            classes=self.train_list.classes,
            views=clips.views,
            precision=optim.precision,
            batch_size=optim.micro_batch,
            seed=clips.seed,
            max_unreadable=self.recipe.data.max_unreadable,
            workers=self.recipe.data.workers,
            show=self.settings.progress,
        )
        with cpu_threads(optim.cpu_threads):
            cache = stored.open(make_accelerator(optim.precision))
        self.seconds["teacher's logits (last call)"] = round(
            time.monotonic() - begun, 2
        )
        return cache

    def _cache_folder(self, teacher: VFLNet, clips: TrainingClips) -> Path | None:
        """Where the teacher's logits about these clips lie; None if not stored."""
        if not self.recipe.distil.stores_logits:
            return None
        if self.settings.teacher_cache:
            return Path(self.settings.teacher_cache).expanduser()
        fields = key_fields(
            teacher,
            clips,
            views=clips.views,
            precision=self.recipe.optim.precision,
            classes=self.train_list.classes,
        )
        return self.settings.cache_dir / "teacher_logits" / cache_name(fields)

    def _about_weights(self) -> dict[str, Any]:
        """What an evaluation of the weights must know, wherever they are taken to."""
        data = asdict(self.recipe.data)
        views = {name: data[name] for name in ("frames", "sampling", "stride", "crop")}
        evaluated = asdict(self.recipe.evaluate)
        views |= {name: evaluated[name] for name in ("short_side", "clips", "crops")}
        return {
            "classes": list(self.train_list.classes),
            "trained_on": training_list(self.train_list).to_dict(),
            "views": views,
        }

    def _held_out_score(self, model: nn.Module) -> dict[str, Any]:
        """One central view of each held-out video."""
        one_view = EvaluateRecipe(
            clips=1,
            crops=1,
            short_side=self.recipe.evaluate.short_side,
            batch_size=self.recipe.evaluate.batch_size,
        )
        about = self._about("held-out groups", "", "train")
        result = self._score(model, self.held_out_samples, one_view, about)
        return {"top1": result.top1.value, "unreadable": list(result.unreadable)}

    # --- evaluation ----------------------------------------------------------

    def evaluate(self, role: Role) -> Evaluation:
        """All views of the test list; kept in ``run_dir/results/<role>.json``."""
        model = self.trained(role)
        return kept_evaluation(
            self.settings.run_dir / "results" / f"{role}.json",
            self._evaluation_key(role),
            lambda half_done: self._score(
                model.to(processes().device),
                self.test_list.samples,
                self.recipe.evaluate,
                self._about(role, self.recipe_of(role).model, "test"),
                self._optim_of(role)[1].precision,
                resume_dir=half_done,
            ),
        )

    def _evaluation_key(self, role: Role) -> str:
        """Changes whenever the weights, the list or the protocol do."""
        digest = hashlib.sha256(self._weights_of(role).read_bytes())
        parts = self.recipe.to_dict()
        data = {k: v for k, v in parts["data"].items() if f"data.{k}" not in NO_EFFECT}
        what: list[Any] = [parts["evaluate"], data, self.settings.split]
        # A video that was mended is another one; one that was only copied is not.
        what += [[s.name, _size(s.path)] for s in self.test_list.samples]
        digest.update(json.dumps(what).encode())
        return digest.hexdigest()

    def _about(self, name: str, model: str, subset: str) -> About:
        return About(
            name=name,
            standin=self.train_list.standin,
            model=model,
            dataset=self.settings.dataset,
            split=self.settings.split,
            subset=subset,
        )

    def _score(
        self,
        model: nn.Module,
        samples: list[Sample],
        recipe: EvaluateRecipe,
        about: About,
        precision: str = "no",
        resume_dir: Path | None = None,
    ) -> Evaluation:
        data = self.recipe.data
        reported = about.subset == "test"
        on_gpu = processes().device.type != "cpu"
        return evaluate(
            model,
            EvaluationViews(samples, data, recipe, self.cache(recipe.short_side)),
            class_names=self.train_list.classes,
            about=about,
            batch_size=recipe.batch_size,
            # Small frames from the cache are read faster than workers are started.
            workers=0 if data.cache_frames else data.workers,
            precision=precision if on_gpu else "no",
            max_unreadable=data.max_unreadable,
            progress=self.settings.progress and reported,
            resume_dir=resume_dir,
        )


def _size(path: Path) -> int | None:
    """Bytes of a file; None where there is none."""
    return path.stat().st_size if path.is_file() else None
