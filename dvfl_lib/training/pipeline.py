"""The whole run: data, teacher, student without and with distillation, evaluation.

Public names: ``Pipeline``, ``RunSettings``, ``ROLES``, ``Role``,
``optim_of``.

Three networks are trained: the *teacher*, the *baseline* (the student's network on
labels alone) and the *student*, which is distilled. Baseline and student begin with
the same weights, see the same clips in the same order with the same augmentation, and
may use the same labels: the distillation term is all that differs.

Each step can be called again: what is finished returns from its files, what was
interrupted goes on. The best epoch is chosen on held-out groups of the training
list; the test list is only ever evaluated.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from ..datasets import VideoDataset, create_dataset
from ..datasets.leakage import training_list
from ..environment import cpu_threads, processes
from ..errors import CheckpointError
from ..evaluation import Evaluation, EvaluationInfo, cached_evaluation, evaluate
from ..evaluation.class_order import align_classes, released_classes
from ..evaluation.protocol import evaluation_key
from ..recipes import EvaluateRecipe, NetworkRecipe, Recipe
from ..seeding import derive_seed, fixed_rng
from ..vfl_net import VFLNet, create_model
from ..video.clips import EvaluationViews, Sample, TrainingClips
from ..video.frame_cache import FrameCache
from ..weights import (
    LoadReport,
    WeightsFile,
    fetch_image_weights,
    load_checkpoint,
    load_image_weights,
    read_weights,
)
from .batches import note_unreadable
from .config import FitResult, TrainConfig
from .loop import fit
from .teacher_logits import StoredTeacher, logits_key

Role = Literal["teacher", "baseline", "student"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class RunSettings:
    """What a run is: recipe, data, seed, and where its files go."""

    recipe: Recipe
    dataset: str  # and data_root, split: see datasets.create_dataset
    data_root: Path
    split: str
    # All that the run writes; processes on several machines need it on a shared disk.
    run_dir: Path
    # Decoded frames, downloaded weights, the teacher's logits; may serve several runs.
    cache_dir: Path
    seed: int = 0  # of initial weights, order, augmentation and held-out groups
    teacher_weights: str = ""  # a checkpoint of the teacher; "" trains one
    progress: bool = True  # show bars
    track: str = ""  # "csv", "tensorboard" or "wandb", see TrainConfig


class Pipeline:
    """The steps of a run, each callable again; raises children of ``DVFLError``."""

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings
        self.recipe = settings.recipe
        self.seconds: dict[str, float] = {}  # phase -> wall-clock time

    # --- data ----------------------------------------------------------------

    @cached_property
    def train_list(self) -> VideoDataset:
        """The official training list."""
        s = self.settings
        return create_dataset(s.dataset, s.data_root, s.split, "train")

    @cached_property
    def test_list(self) -> VideoDataset:
        """The official test list: evaluated at the end, never chosen by."""
        s = self.settings
        return create_dataset(s.dataset, s.data_root, s.split, "test")

    @cached_property
    def _divided(self) -> tuple[list[Sample], list[Sample]]:
        seed = derive_seed(self.settings.seed, "held out groups")
        return self.train_list.hold_out_groups(self.recipe.data.holdout_share, seed)

    @property
    def fit_samples(self) -> list[Sample]:
        """What the networks learn from."""
        return self._divided[0]

    @property
    def held_out_samples(self) -> list[Sample]:
        """Whole groups of the training list that choose the best epoch."""
        return self._divided[1]

    @cached_property
    def labelled(self) -> set[int] | None:
        """Indices of the clips whose label the students may use; None for all.

        Drawn per class, so that every class keeps the same share, at least one.
        """
        share = self.recipe.distil.label_share
        if share == 1.0:
            return None
        chosen: set[int] = set()
        for label in range(len(self.train_list.classes)):
            mine = [i for i, s in enumerate(self.fit_samples) if s.label == label]
            with fixed_rng(self.settings.seed, "labels", label):
                order = torch.randperm(len(mine)).tolist()
            chosen.update(mine[k] for k in order[: max(1, round(share * len(mine)))])
        return chosen

    def cache(self, short_side: int) -> FrameCache | None:
        """Where decoded frames of that size are kept, if the recipe wants it."""
        if not self.recipe.data.cache_frames:
            return None
        return FrameCache(self.settings.cache_dir / f"frames_{short_side}", short_side)

    def fill_cache(self) -> None:
        """Decode and shrink every video once, where the recipe asks for it.

        Raises:
            DatasetError: too many cannot be read: better known before the training.
            RunDirectoryError: the frames cannot be written.
        """
        begun, recipe = time.monotonic(), self.recipe
        lists = [
            ("training", recipe.data.short_side, self.fit_samples),
            ("held-out", recipe.evaluate.short_side, self.held_out_samples),
            ("test", recipe.evaluate.short_side, self.test_list.samples),
        ]
        unreadable: dict[str, str] = {}  # path -> message
        if recipe.data.cache_frames and processes().is_main_process:
            workers, show = os.cpu_count() or 1, self.settings.progress
            for side in dict.fromkeys(side for _, side, _ in lists):
                paths = [
                    s.path for _, size, some in lists if size == side for s in some
                ]
                report = self.cache(side).fill(paths, workers=workers, progress=show)
                unreadable |= report.unreadable
        processes().wait_for_everyone()
        for kind, _, samples in lists:
            found = [unreadable[p] for s in samples if (p := str(s.path)) in unreadable]
            note_unreadable([], found, len(samples), recipe.data.max_unreadable, kind)
        self.seconds["decoding (last call)"] = round(time.monotonic() - begun, 2)

    def training_clips(self, role: Role) -> TrainingClips:
        """What a network learns from; baseline and student see the same."""
        return TrainingClips(
            self.fit_samples,
            self.recipe.data,
            self.recipe.augment,
            derive_seed(self.settings.seed, "clips", network_of(role)),
            self.cache(self.recipe.data.short_side),
            self.train_list.flip_labels,
            views=0 if role == "teacher" else self.recipe.distil.stored_views,
        )

    # --- networks ------------------------------------------------------------

    def recipe_of(self, role: Role) -> NetworkRecipe:
        """Which network plays this role."""
        return getattr(self.recipe, network_of(role))

    def _create(self, role: Role) -> VFLNet:
        """The network of a role with its random weights."""
        part, classes = self.recipe_of(role), len(self.train_list.classes)
        with fixed_rng(self.settings.seed, "initial weights", network_of(role)):
            return create_model(part.model, classes, part.drop_path, init=part.init)

    def new_network(self, role: Role) -> tuple[VFLNet, LoadReport | None]:
        """The network before its first step, and what was loaded into it.

        Baseline and student are the same to the last bit.
        """
        model, part = self._create(role), self.recipe_of(role)
        if not part.image_weights:
            return model, None
        folder = self.settings.cache_dir / "weights"
        with processes().main_process_first():
            path = fetch_image_weights(part.image_weights, folder)
        return model, load_image_weights(model, path)

    def trained(self, role: Role, file: WeightsFile | None = None) -> VFLNet:
        """The network with the weights that held-out groups chose, in eval mode.

        A given teacher may number the classes in another way: the rows of its head
        are put into the order of the data, by name. ``file`` is what was read already.

        Raises:
            CheckpointError: the file does not fit; its classes are others, or nobody
                knows their order.
        """
        model, file = self._create(role), file or read_weights(self._weights_of(role))
        load_checkpoint(model, file)
        try:
            order = align_classes(self._classes_of(file), self.train_list.classes)
        except CheckpointError as error:
            raise CheckpointError(f"{file.path}: {error}") from None
        with torch.no_grad():
            for parameter in model.head.parameters():  # (K, C) and (K,)
                parameter.copy_(parameter[list(order)])
        return model.eval()

    def _classes_of(self, file: WeightsFile) -> Sequence[str]:
        """The classes that a file's outputs stand for, in their order."""
        data = self.train_list
        if file.metadata:  # one of ours that names none is in the order of the data
            return file.metadata.get("classes") or data.classes
        if not data.standin:
            return released_classes(data.name, data.classes)
        raise CheckpointError(
            "the file does not say in which order its classes are. Save the network "
            "with save_checkpoint and extra={'classes': ...}"
        )

    def _weights_of(self, role: Role) -> Path:
        if role == "teacher" and self.settings.teacher_weights:
            return Path(self.settings.teacher_weights).expanduser()
        return self.settings.run_dir / role / "best.safetensors"

    # --- training ------------------------------------------------------------

    def train(self, role: Role) -> FitResult | None:
        """Train one network, or go on with it; None for a teacher that was given."""
        if role == "teacher" and self.settings.teacher_weights:
            self.trained(role)  # refuses a file that does not fit, before any work
            return None
        s, clips = self.settings, self.training_clips(role)
        teacher = self.trained("teacher") if role == "student" else None
        config = TrainConfig(
            self.recipe,
            num_classes=len(self.train_list.classes),
            seed=clips.seed,
            run_dir=s.run_dir,
            name=role,
            optim=optim_of(role),
            teacher=teacher,
            stored=None if teacher is None else self._stored(teacher, clips),
            labelled=None if role == "teacher" else self.labelled,
            validate=self._held_out_score,
            progress=s.progress,
            about=self._about_weights(),
            track=s.track,
        )
        with cpu_threads(config.optim_recipe.cpu_threads):
            return fit(self.new_network(role)[0], clips, config)

    def _stored(self, teacher: VFLNet, clips: TrainingClips) -> StoredTeacher | None:
        """The teacher behind its stored logits, where the recipe asks for these."""
        if not self.recipe.distil.stores_logits:
            return None
        optim, s, classes = self.recipe.optim, self.settings, self.train_list.classes
        key = sorted(logits_key(teacher, clips, classes, optim.precision).items())
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()
        folder = s.cache_dir / "teacher_logits" / digest[:16]  # for all that ask this
        asked = (teacher, clips, classes, optim.precision, optim.micro_batch)
        return StoredTeacher(folder, *asked, self.recipe.data, s.progress)

    def _about_weights(self) -> dict[str, Any]:
        """What an evaluation of the weights must know, wherever they are taken to."""
        data, evaluated = asdict(self.recipe.data), asdict(self.recipe.evaluate)
        views = {name: data[name] for name in ("frames", "sampling", "stride", "crop")}
        views |= {name: evaluated[name] for name in ("short_side", "clips", "crops")}
        return {
            "classes": list(self.train_list.classes),
            "trained_on": training_list(self.train_list).to_dict(),
            "views": views,
        }

    # --- evaluation ----------------------------------------------------------

    def _held_out_score(self, model: nn.Module) -> dict[str, Any]:
        """One central view of each held-out video."""
        e = self.recipe.evaluate
        one_view = EvaluateRecipe(1, 1, e.short_side, e.batch_size)
        views = self._views(self.held_out_samples, one_view)
        result = self._score(model, views, ("held-out groups", "", "train"))
        return {"top1": result.top1.value, "unreadable": list(result.unreadable)}

    def evaluate(self, role: Role) -> Evaluation:
        """All views of the test list; kept in ``run_dir/results/<role>.json``."""
        file = read_weights(self._weights_of(role))
        model = self.trained(role, file).to(processes().device)
        views = self._views(self.test_list.samples, self.recipe.evaluate)
        precision = getattr(self.recipe, optim_of(role)).precision
        about = (role, self.recipe_of(role).model, "test")
        return cached_evaluation(
            self.settings.run_dir / "results" / f"{role}.json",
            evaluation_key(file.digest, views, self.test_list.classes, precision),
            lambda half_done: self._score(model, views, about, precision, half_done),
        )

    def _views(self, samples: list[Sample], recipe: EvaluateRecipe) -> EvaluationViews:
        cache = self.cache(recipe.short_side)
        return EvaluationViews(samples, self.recipe.data, recipe, cache)

    def _score(
        self,
        model: nn.Module,
        views: EvaluationViews,
        about: tuple[str, str, str],  # name, kind and list
        precision: str = "no",
        resume_dir: Path | None = None,
    ) -> Evaluation:
        s, data, (name, kind, subset) = self.settings, self.recipe.data, about
        standin = self.train_list.standin
        return evaluate(
            model,
            views,
            class_names=self.train_list.classes,
            about=EvaluationInfo(name, standin, kind, s.dataset, s.split, subset),
            batch_size=views.evaluate.batch_size,
            # Small frames from the cache are read faster than workers are started.
            workers=0 if data.cache_frames else data.workers,
            precision="no" if processes().device.type == "cpu" else precision,
            max_unreadable=data.max_unreadable,
            progress=s.progress and subset == "test",
            resume_dir=resume_dir,
        )


def network_of(role: Role) -> str:
    """The recipe's part that says which network plays a role."""
    return "teacher" if role == "teacher" else "student"


def optim_of(role: Role) -> str:
    """The recipe's part that trains a role."""
    return "teacher_optim" if role == "teacher" else "optim"
