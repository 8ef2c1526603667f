"""Networks on test lists of the five benchmarks: evaluated, each result kept.

Public names: ``Benchmarks``, ``BenchmarkList``, ``Place``.

Every result is a file ``run_dir/results/<benchmark>/<split>/<role>.json``. A result
that is there is read, and one that was interrupted goes on from the video it was at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from ..datasets import VideoDataset
from ..errors import RecipeError
from ..evaluation import About, Evaluation, evaluate
from ..evaluation.class_order import swapped_classes
from ..evaluation.final_table import Measured
from ..evaluation.kept import kept_evaluation
from ..evaluation.progress import fingerprint
from ..recipes import EvaluateRecipe
from ..training.devices import cpu_threads
from ..video.clips import EvaluationViews
from .benchmark_networks import Contestant
from .benchmark_plan import BenchmarkPlan, parse_views

_LONG = 1000  # a list of so many videos has a bar of its own
Place = tuple[str, str, str]  # benchmark, split, role


@dataclass(frozen=True)
class BenchmarkList:
    """The test side of one split, and the networks that are scored on it."""

    dataset: VideoDataset
    networks: dict[str, Contestant]

    @property
    def place(self) -> tuple[str, str]:
        """Benchmark and split."""
        return self.dataset.name, self.dataset.split


@dataclass(frozen=True)
class Benchmarks:
    """What ``open_benchmarks`` gives: every list, every network, nothing computed yet.

    Attributes:
        plan: what was asked for; lists: what there is, in order.
        run_dir: where results go.
        notes: what the loaders had to say about the data.
    """

    plan: BenchmarkPlan
    lists: tuple[BenchmarkList, ...]
    run_dir: Path
    notes: tuple[str, ...]

    def at(self, benchmark: str, split: str | None = None) -> BenchmarkList:
        """The list of a split, or the first one of a benchmark.

        Raises:
            RecipeError: there is none.
        """
        for entry in self.lists:
            if entry.dataset.name == benchmark and split in (None, entry.dataset.split):
                return entry
        raise RecipeError(f"{benchmark}, split {split}: not among what was opened")

    def evaluate(
        self,
        entry: BenchmarkList,
        role: str,
        views: str = "",
        progress: bool | None = None,
    ) -> Evaluation:
        """One network on one list, or what is kept of it.

        Args:
            views: such as "4x3", where they shall not be those of the run.
            progress: show a bar; by default for long lists.

        Raises:
            DVFLError: one of its children, as ``evaluation.evaluate``.
        """
        network, dataset = entry.networks[role], entry.dataset
        options = self.plan.options
        own = (self.plan.clips, self.plan.crops)
        clips, crops = parse_views(views) if views else own
        recipe = EvaluateRecipe(clips, crops, network.short_side)
        samples = EvaluationViews(dataset.samples, network.data, recipe)
        about = About(role, dataset.standin, network.model, *entry.place)
        model = network.load().to(options.target)
        key = fingerprint(
            model, dataset.samples, samples, dataset.classes, options.precision
        )
        folder = self.run_dir / "results" / dataset.name / dataset.split
        others = "" if (clips, crops) == own else f"_{clips}x{crops}"
        shown = len(dataset) >= _LONG if progress is None else progress
        with cpu_threads(1 if dataset.standin else 0):
            return kept_evaluation(
                folder / f"{role}{others}.json",
                json.dumps([key, asdict(about)]),
                lambda half_done: evaluate(
                    model,
                    samples,
                    class_names=dataset.classes,
                    about=about,
                    batch_size=options.batch_size,
                    workers=self._workers(dataset),
                    device=options.target,
                    precision=options.precision,
                    max_unreadable=options.max_unreadable,
                    progress=options.progress and shown,
                    resume_dir=half_done,
                    description=f"{dataset.name} {dataset.split} {role}",
                ),
            )

    def _workers(self, dataset: VideoDataset) -> int:
        """Starting loader processes takes longer than reading a small stand-in."""
        if self.plan.options.workers is not None:
            return self.plan.options.workers
        return 0 if dataset.standin else min(8, os.cpu_count() or 1)

    def evaluate_all(self) -> dict[Place, Evaluation]:
        """Every network on every list; goes on where it was interrupted.

        Raises:
            DVFLError: one of its children, as ``evaluation.evaluate``.
        """
        todo = [(entry, role) for entry in self.lists for role in entry.networks]
        bar = tqdm(
            todo, desc="evaluating", unit="list", disable=not self.plan.options.progress
        )
        return {(*e.place, role): self.evaluate(e, role) for e, role in bar}

    def measured(self, results: Mapping[Place, Evaluation]) -> list[Measured]:
        """The results with their notes, for ``final_table.final_rows``."""
        return [
            self._measured(self.at(name, split), role, result)
            for (name, split, role), result in results.items()
        ]

    def _measured(
        self, entry: BenchmarkList, role: str, result: Evaluation
    ) -> Measured:
        notes = self._notes_on(entry, role, result)
        return Measured(role, result, notes, entry.dataset.missing)

    def _notes_on(
        self, entry: BenchmarkList, role: str, result: Evaluation
    ) -> tuple[str, ...]:
        network = entry.networks[role]
        notes = list(network.notes)
        if network.trained_on is None and role in self.plan.vouch_for:
            notes.append(
                f"{role}: that it was trained on the training list of the split it is "
                "scored on is what the user says; the file does not."
            )
        elif network.trained_on is None:
            notes.append(f"{role}: nothing says what it was trained on.")
        for first, second in swapped_classes(result.confusion, result.class_names):
            notes.append(
                f"{role}, {entry.dataset.name}: {first} and {second} are nearly always "
                "taken for each other. Is the order of the network's classes right?"
            )
        return tuple(notes)
