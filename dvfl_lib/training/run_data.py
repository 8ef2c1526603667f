"""What a run is, and its data: lists, held-out groups, labels, decoded frames.

Public names: ``RunSettings``, ``RunData``.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ..datasets import VideoDataset, create_dataset
from ..datasets.base import first_few
from ..errors import DatasetError, RecipeError
from ..recipes import Recipe
from ..seeding import derive_seed
from ..video.clips import Sample
from ..video.frame_cache import FrameCache
from .devices import processes
from .troubles import note_unreadable


@dataclass(frozen=True)
class RunSettings:
    """What a run is: recipe, data, seed, and where its files go.

    Args:
        recipe: every number of the run.
        dataset, data_root, split: see ``benchmarks.create_dataset``.
        run_dir: everything the run writes goes below it. Processes on several
            machines need it on a disk that they share.
        cache_dir: decoded frames and downloaded weights; may serve several runs.
        seed: of initial weights, order, augmentation and held-out groups.
        teacher_weights: a checkpoint of the teacher; "" trains one.
        teacher_cache: with ``distil.stored_views``, the folder of the teacher's
            logits; "" for one in ``cache_dir`` that runs with the same teacher, data,
            augmentation and seed share.
        progress: show bars.
    """

    recipe: Recipe
    dataset: str
    data_root: Path
    split: str
    run_dir: Path
    cache_dir: Path
    seed: int = 0
    teacher_weights: str = ""
    teacher_cache: str = ""
    progress: bool = True


class RunData:
    """The lists of a run and what follows from them; all fixed by the settings.

    Raises:
        DVFLError: (all methods) one of its children, with what to do about it.
    """

    def __init__(self, settings: RunSettings) -> None:
        self.settings = settings
        self.recipe = settings.recipe
        self.seconds: dict[str, float] = {}  # phase -> wall-clock time

    @cached_property
    def train_list(self) -> VideoDataset:
        """The official training list."""
        return self._list("train")

    @cached_property
    def test_list(self) -> VideoDataset:
        """The official test list: evaluated at the end, never chosen by."""
        return self._list("test")

    def _list(self, subset: str) -> VideoDataset:
        s = self.settings
        return create_dataset(s.dataset, s.data_root, split=s.split, subset=subset)

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
            generator = torch.Generator().manual_seed(
                derive_seed(self.settings.seed, "labels", label)
            )
            order = torch.randperm(len(mine), generator=generator).tolist()
            keep = max(1, round(share * len(mine))) if mine else 0
            chosen.update(mine[k] for k in order[:keep])
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
        begun = time.monotonic()
        training, testing = self.recipe.data, self.recipe.evaluate
        unreadable: dict[str, str] = {}  # path -> message
        jobs: dict[int, list[Sample]] = {}  # the two sizes may be the same
        jobs.setdefault(training.short_side, []).extend(self.fit_samples)
        jobs.setdefault(testing.short_side, []).extend(self.held_out_samples)
        jobs[testing.short_side].extend(self.test_list.samples)
        for side, samples in jobs.items():
            cache = self.cache(side)
            if cache is not None and processes().is_main_process:
                report = cache.fill(
                    [s.path for s in samples],
                    workers=os.cpu_count() or 1,
                    progress=self.settings.progress,
                )
                unreadable.update(report.unreadable)
        processes().wait_for_everyone()
        self._refuse_many(unreadable)
        self.seconds["decoding (last call)"] = round(time.monotonic() - begun, 2)

    def _refuse_many(self, unreadable: dict[str, str]) -> None:
        """Warn of videos that the cache could not be filled with, by list."""
        lists = {
            "training": self.fit_samples,
            "held-out": self.held_out_samples,
            "test": self.test_list.samples,
        }
        for kind, samples in lists.items():
            found = [unreadable[p] for s in samples if (p := str(s.path)) in unreadable]
            most = self.recipe.data.max_unreadable
            note_unreadable([], found, len(samples), most, kind)

    def check(self) -> None:
        """Read both lists and refuse what cannot work, before any work begins.

        Raises:
            DatasetError: the data set is missing or incomplete, or a clip is on both
                lists.
            RecipeError: too few clips for one step.
        """
        trained_on = {sample.name for sample in self.train_list.samples}
        both = [s.name for s in self.test_list.samples if s.name in trained_on]
        if both:
            raise DatasetError(
                f"{self.settings.data_root}, split {self.settings.split}: {len(both)} "
                f"clips are on the training list and on the test list: "
                f"{first_few(both)}. Take both lists from the official archive"
            )
        for name in ("optim", "teacher_optim"):
            batch = getattr(self.recipe, name).batch_size
            if len(self.fit_samples) < batch:
                raise RecipeError(
                    f"{len(self.fit_samples)} training clips are fewer than one step's "
                    f"{name}.batch_size ({batch}); lower it with an override"
                )
