"""The whole run: data, teacher, student without and with distillation, evaluation.

Public names: ``Pipeline``, ``ROLES``, ``Role``.

Three networks are trained: the *teacher*, the *baseline* (the student's network on
labels alone) and the *student*, which is distilled. Baseline and student begin with
the same weights, see the same clips in the same order with the same augmentation, and
may use the same labels: the distillation term is all that differs.

Each step can be called again: what is finished returns from its files, what was
interrupted goes on. The best epoch is chosen on held-out groups of the training
list; the test list is only ever evaluated.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from ..datasets import VideoDataset, create_dataset
from ..datasets.leakage import training_list
from ..environment import cpu_threads, processes
from ..errors import CheckpointError
from ..evaluation import Evaluation, cached_evaluation, evaluate
from ..evaluation.class_order import align_classes, released_classes
from ..evaluation.protocol import evaluation_key
from ..recipes import EvaluateRecipe, NetworkRecipe, OptimRecipe, Recipe
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
from ..weights.reading import weights_digest
from .batches import note_unreadable
from .loop import FitResult, TrainConfig, fit
from .teacher_logits import StoredTeacher

Role = Literal["teacher", "baseline", "student"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(eq=False)
class Pipeline:
    """The steps of a run, each callable again; raises children of ``DVFLError``."""

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
    track: str = ""  # "csv", "tensorboard", "wandb", or another of Accelerate
    seconds: dict[str, float] = field(default_factory=dict, init=False)  # of phases

    # --- data ----------------------------------------------------------------

    @cached_property
    def train_list(self) -> VideoDataset:
        """The official training list."""
        return create_dataset(self.dataset, self.data_root, self.split, "train")

    @cached_property
    def test_list(self) -> VideoDataset:
        """The official test list: evaluated at the end, never chosen by."""
        return create_dataset(self.dataset, self.data_root, self.split, "test")

    @cached_property
    def _divided(self) -> tuple[list[Sample], list[Sample]]:
        seed = derive_seed(self.seed, "held out groups")
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
            with fixed_rng(self.seed, "labels", label):
                order = torch.randperm(len(mine)).tolist()
            chosen.update(mine[k] for k in order[: max(1, round(share * len(mine)))])
        return chosen

    def cache(self, short_side: int) -> FrameCache | None:
        """Where decoded frames of that size are kept, if the recipe wants it."""
        if not self.recipe.data.cache_frames:
            return None
        return FrameCache(self.cache_dir / f"frames_{short_side}", short_side)

    def fill_cache(self) -> None:
        """Decode and shrink every video once, where the recipe asks for it.

        A DatasetError says that too many cannot be read, before the training.
        """
        begun, recipe = time.monotonic(), self.recipe
        lists = {
            "training": (recipe.data.short_side, self.fit_samples),
            "held-out": (recipe.evaluate.short_side, self.held_out_samples),
            "test": (recipe.evaluate.short_side, self.test_list.samples),
        }
        paths: dict[int, list[Path]] = {}  # of frames of one size
        for side, samples in lists.values():
            paths.setdefault(side, []).extend(sample.path for sample in samples)
        unreadable: dict[str, str] = {}  # path -> message
        if recipe.data.cache_frames and processes().is_main_process:
            options = {"workers": os.cpu_count() or 1, "progress": self.progress}
            for side, videos in paths.items():
                unreadable |= self.cache(side).fill(videos, **options).unreadable
        processes().wait_for_everyone()
        for kind, (_, samples) in lists.items():
            found = [unreadable[p] for s in samples if (p := str(s.path)) in unreadable]
            note_unreadable([], found, len(samples), recipe.data.max_unreadable, kind)
        self.seconds["decoding (last call)"] = round(time.monotonic() - begun, 2)

    def training_clips(self, role: Role) -> TrainingClips:
        """What a network learns from; baseline and student see the same."""
        return TrainingClips(
            self.fit_samples,
            self.recipe.data,
            self.recipe.augment,
            derive_seed(self.seed, "clips", network_of(role)),
            self.cache(self.recipe.data.short_side),
            self.train_list.flip_labels,
            views=0 if role == "teacher" else self.recipe.distil.stored_views,
        )

    # --- networks ------------------------------------------------------------

    def recipe_of(self, role: Role) -> NetworkRecipe:
        """Which network plays this role."""
        return getattr(self.recipe, network_of(role))

    def optim_of(self, role: Role) -> OptimRecipe:
        """What trains this role."""
        return self.recipe.teacher_optim if role == "teacher" else self.recipe.optim

    def _create(self, role: Role) -> VFLNet:
        """The network of a role with its random weights."""
        part, classes = self.recipe_of(role), len(self.train_list.classes)
        with fixed_rng(self.seed, "initial weights", network_of(role)):
            return create_model(part.model, classes, part.drop_path, init=part.init)

    def new_network(self, role: Role) -> tuple[VFLNet, LoadReport | None]:
        """The network before its first step; baseline and student are the same bits.

        Beside it what was loaded into it, or None.
        """
        model, part = self._create(role), self.recipe_of(role)
        if not part.image_weights:
            return model, None
        folder = self.cache_dir / "weights"
        with processes().main_process_first():
            path = fetch_image_weights(part.image_weights, folder)
        return model, load_image_weights(model, path)

    def trained(self, role: Role, file: WeightsFile | None = None) -> VFLNet:
        """The network with the weights that held-out groups chose, in eval mode.

        A given teacher may number the classes in another way: the rows of its head
        are put into the order of the data, by name. ``file`` is what was read already.
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
        if role == "teacher" and self.teacher_weights:
            return Path(self.teacher_weights).expanduser()
        return self.run_dir / role / "best.safetensors"

    # --- training ------------------------------------------------------------

    def train(self, role: Role) -> FitResult | None:
        """Train one network, or go on with it; None for a teacher that was given."""
        if role == "teacher" and self.teacher_weights:
            self.trained(role)  # refuses a file that does not fit, before any work
            return None
        recipe, classes = self.recipe, self.train_list.classes
        clips, teacher, stored = self.training_clips(role), None, None
        if role == "student":
            teacher = self.trained("teacher")
            if recipe.distil.stores_logits:
                shared = self.cache_dir / "teacher_logits"  # by all that ask the same
                asked = (shared, teacher, clips, classes, recipe, self.progress)
                stored = StoredTeacher(*asked)
        config = TrainConfig(
            recipe,
            self.optim_of(role),
            num_classes=len(classes),
            seed=clips.seed,
            run_dir=self.run_dir,
            name=role,
            teacher=teacher,
            stored=stored,
            labelled=None if role == "teacher" else self.labelled,
            validate=self._held_out_score,
            progress=self.progress,
            about=self._about_weights(),
            track=self.track,
        )
        with cpu_threads(config.optim.cpu_threads):
            return fit(self.new_network(role)[0], clips, config)

    def _about_weights(self) -> dict[str, Any]:
        """What an evaluation must know, wherever the weights are taken to."""
        numbers = asdict(self.recipe.data) | asdict(self.recipe.evaluate)
        told = ("frames", "sampling", "stride", "crop", "short_side", "clips", "crops")
        return {
            "classes": list(self.train_list.classes),
            "trained_on": training_list(self.train_list).to_dict(),
            "views": {name: numbers[name] for name in told},
        }

    # --- evaluation ----------------------------------------------------------

    def _held_out_score(self, model: nn.Module) -> dict[str, Any]:
        """One central view of each held-out video."""
        one_view = replace(self.recipe.evaluate, clips=1, crops=1)
        views = self._views(self.held_out_samples, one_view)
        result = self._score(model, views, self.train_list, "held-out groups")
        return {"top1": result.top1.value, "unreadable": list(result.unreadable)}

    def evaluate(self, role: Role) -> Evaluation:
        """All views of the test list; kept in ``run_dir/results/<role>.json``."""
        file = read_weights(self._weights_of(role))
        model = self.trained(role, file).to(processes().device)
        views = self._views(self.test_list.samples, self.recipe.evaluate)
        precision = self.optim_of(role).precision
        digest = weights_digest(file.tensors)
        key = evaluation_key(digest, views, self.test_list.classes, precision)

        def score(half_done: Path) -> Evaluation:
            on_cpu = processes().device.type == "cpu"
            return self._score(
                model,
                views,
                self.test_list,
                role,
                kind=self.recipe_of(role).model,
                precision="no" if on_cpu else precision,
                progress=self.progress,
                half_done=half_done,
            )

        kept = self.run_dir / "results" / f"{role}.json"
        return cached_evaluation(kept, key, score)

    def _views(self, samples: list[Sample], recipe: EvaluateRecipe) -> EvaluationViews:
        cache = self.cache(recipe.short_side)
        return EvaluationViews(samples, self.recipe.data, recipe, cache)

    def _score(
        self,
        model: nn.Module,
        views: EvaluationViews,
        data: VideoDataset,
        name: str,
        progress: bool = False,
        **options: Any,
    ) -> Evaluation:
        recipe = self.recipe.data
        return evaluate(
            model,
            views,
            data,
            name,
            batch_size=views.evaluate.batch_size,
            # Small frames from the cache are read faster than workers are started.
            workers=0 if recipe.cache_frames else recipe.workers,
            max_unreadable=recipe.max_unreadable,
            progress=progress,
            **options,
        )


def network_of(role: Role) -> str:
    """The recipe's part that says which network plays a role."""
    return "teacher" if role == "teacher" else "student"
