"""Networks x data sets x splits: evaluated, each result kept, put on one page.

Public names: ``open_benchmarks``, ``Benchmarks``, ``BenchmarkList``,
``ScoredNetwork``, ``costs_of``, ``write_benchmarks``.

Lesson 08 and ``dvfl evaluate`` run this. Every result is a file
``run_dir/results/<data set>/<split>/<role>.json``: one that is there is read, and one
that was interrupted goes on from the video it was at.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tqdm import tqdm

from ..cost import ViewCost, view_costs
from ..datasets import VideoDataset, create_dataset
from ..datasets.base import dataset_info, protocols_of, split_named
from ..datasets.leakage import TrainingList, standin_seed, why_leaks
from ..environment import (
    cpu_threads,
    processes,
    project_root,
    shown_path,
)
from ..errors import CheckpointError, DatasetError, RecipeError, RunDirectoryError
from ..files import can_write
from ..recipes import DataRecipe, EvaluateRecipe
from ..standins import write_standin
from ..standins.scenes import ACTIONS, action_of
from ..video.clips import EvaluationViews
from ..weights.checkpoint import build_model, views_from_metadata
from ..weights.reading import read_weights, weights_digest
from .class_order import InClassOrder, align_classes, classes_of_file, swapped_classes
from .plan import BenchmarkPlan, Checkpoint, parse_views, read_plan
from .protocol import cached_evaluation, evaluate, evaluation_key
from .report import write_final_report
from .results import Evaluation, Views
from .tables import Place, data_name

_LONG = 1000  # a list of so many videos has a bar of its own
_UCF50_GROUPS = 25  # without which UCF50 is not whole


# --- what there is to be scored, and on what ---------------------------------------


@dataclass(frozen=True)
class ScoredNetwork:
    """A network on a data set; its weights are read when they are needed."""

    file: Checkpoint
    model: str  # what it is called in ``vfl_net``
    classes: tuple[str, ...]  # its own names, in the order of its outputs
    order: tuple[int, ...]  # output for each class of the data, see ``align_classes``
    data: DataRecipe  # frames, sampling and pixels of a view
    short_side: int  # before cropping
    notes: tuple[str, ...]  # what a reader of its results must know

    def load(self) -> InClassOrder:
        """The network in eval mode, on the CPU; refused if the file was changed."""
        file = read_weights(self.file.path, self.file.part)
        if weights_digest(file.tensors) != self.file.weights.digest:
            raise CheckpointError(f"{file.path} was changed meanwhile: open it again")
        return InClassOrder(build_model(file), self.order).eval()

    def views(self, views: str) -> EvaluateRecipe:
        """Such as "4x3", with this network's pixels."""
        return EvaluateRecipe(*parse_views(views), self.short_side)


@dataclass(frozen=True)
class BenchmarkList:
    """The test side of one split, and the networks that are scored on it."""

    dataset: VideoDataset
    networks: dict[str, ScoredNetwork]

    @property
    def place(self) -> tuple[str, str]:
        """Data set and split."""
        return self.dataset.name, self.dataset.split


def open_benchmarks(**parameters: Any) -> Benchmarks:
    """Check every parameter, open every list, read every network; compute nothing.

    ``parameters``: those of ``BenchmarkPlan`` and of ``RunOptions``. ``DVFLError`` says
    which of them is wrong, and what to do.
    """
    plan = read_plan(parameters)
    run_dir = Path(plan.run_dir or project_root() / "runs" / "benchmarks").expanduser()
    if not can_write(run_dir):
        raise RunDirectoryError(
            f"run_dir: {run_dir} cannot be written. Is it read-only, a file, or on a "
            "full disk? Choose another run_dir"
        )
    files: dict[tuple[str, str], list[Checkpoint]] = {}
    for name in plan.names:
        root = plan.data_roots.get(name)
        drawing = plan.seed if root is None else standin_seed(root)
        for split in _splits(plan, name, drawing):
            split_named(name, split)
            files[name, split] = plan.files_of(name, split)
            for checkpoint in files[name, split]:
                _check_leak(plan, checkpoint, TrainingList(name, split, drawing))
                if root is None:
                    _check_head(checkpoint, name, len(ACTIONS), standin=True)
    roots = {n: plan.data_roots.get(n) or _draw(plan, n, run_dir) for n in plan.names}
    lists, notes = [], []
    for (name, split), given in files.items():
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            dataset = create_dataset(name, root := roots[name], split, "test")
        shown = [str(w.message).replace(str(root), shown_path(root)) for w in told]
        notes += [f"{name}: {text}" for text in shown]
        scored = {c.role: _scored(plan, c, dataset) for c in given}
        lists.append(BenchmarkList(dataset, scored))
    return Benchmarks(plan, tuple(lists), run_dir, tuple(dict.fromkeys(notes)))


def _splits(plan: BenchmarkPlan, name: str, drawing: int | None) -> tuple[str, ...]:
    """Those asked for, or those that the networks may be scored on."""
    if asked := plan.splits.get(name):
        return asked
    files = plan.files(name)
    if named := dict.fromkeys(c.split for c in files if c.split):
        return tuple(named)
    lists = [checkpoint.weights.trained_on for checkpoint in files]
    place = (name, drawing)
    trained = {t.split for t in lists if t and (t.dataset, t.drawing) == place}
    trusted = plan.trust_unknown_training and not trained and protocols_of(name)
    if len(trained) > 1 or trusted:
        raise RecipeError(
            f"splits: say on which splits of {name} the networks shall be scored; "
            "they do not tell it, or were trained on several"
        )
    if trained:
        return tuple(trained)
    info = dataset_info(name)
    if drawing is not None:  # drawn anew: no network has seen any of it
        return info.standin_splits or (protocols_of(name) or (("1",),))[0]
    # The released checkpoints, which say nothing, know all other lists of UCF50 and
    # UCF101.
    return ("authors",) if "authors" in info.splits else ("1",)


def _check_leak(plan: BenchmarkPlan, file: Checkpoint, test: TrainingList) -> None:
    """Refuse a network that may have learned from the videos of this test list."""
    role, trained = file.role, file.weights.trained_on
    why = why_leaks(trained, test)
    if not why or (trained is None and role in plan.trust_unknown_training):
        return
    advice = ""
    if trained is None:
        advice = ". If you know that it was trained on this split: "
        advice += f"trust_unknown_training=[{role!r}]"
        if "authors" in dataset_info(name := test.dataset).splits:
            advice += f"; for a released one: splits={{{name!r}: 'authors'}}"
    place = f"{role} on {test.dataset}, split {test.split}"
    raise DatasetError(f"{place}: {why}{advice}")


def _draw(plan: BenchmarkPlan, name: str, run_dir: Path) -> Path:
    """A small stand-in of a data set that has no folder."""
    size, data = plan.drawn, project_root() / "data"
    if name == "ucf50":
        size = replace(size, groups=max(size.groups, _UCF50_GROUPS))
    drawn = f"seed{plan.seed}_{size.groups}x{size.clips_per_group}"
    drawn = f"{drawn}_{size.min_frames}to{size.max_frames}"
    root = (data if can_write(data) else run_dir) / "standins" / drawn / name
    # To start another process takes longer than to draw a few hundred clips.
    few = size.groups * size.clips_per_group <= 2 * _UCF50_GROUPS
    workers = 1 if few else os.cpu_count() or 1
    with processes().main_process_first():
        return write_standin(name, root, plan.seed, size, workers, plan.progress)


def _check_head(file: Checkpoint, name: str, classes: int, standin: bool) -> None:
    """Refuse a network that answers for another number of classes."""
    network = file.weights.network
    if network.num_classes != classes:
        advice = "Use the weights of this data set"
        if standin:
            advice = "Stand-ins show made-up actions alone. For the real data give "
            advice += f"data_roots={{{name!r}: <its folder>}}"
        raise CheckpointError(
            f"{file.role}: {file.path} holds {network.name} with {network.num_classes} "
            f"classes, and the {data_name(name, standin)} has {classes} classes. "
            f"{advice}"
        )


def _scored(
    plan: BenchmarkPlan, file: Checkpoint, dataset: VideoDataset
) -> ScoredNetwork:
    """Pair a network's classes with those of the data, by name."""
    role, weights, network = file.role, file.weights, file.weights.network
    _check_head(file, dataset.name, len(dataset.classes), dataset.standin)
    try:
        names, note = classes_of_file(
            weights.kind, weights.metadata, dataset, plan.class_orders.get(role, "")
        )
        sides = [names, dataset.classes]
        if dataset.standin:  # the same actions under the names of each data set
            sides = [[action_of(name) for name in side] for side in sides]
        order = align_classes(*sides)
    except (CheckpointError, DatasetError) as error:
        raise CheckpointError(f"{role}: {file.path}: {error}") from None
    shown = f"{role} ({shown_path(file.path)})"
    data, short_side, stated = views_from_metadata(weights.metadata, plan.size)
    notes = [f"{shown}: {note}"] if note else []
    if not stated:
        notes.append(
            f"{shown}: the file does not say which views it was trained with; 8 frames "
            "of 224 pixels are taken, as in the papers."
        )
    if weights.trained_on is None:
        said = "nothing says what it was trained on."
        if role in plan.trust_unknown_training:
            said = "that it was trained on the training list of the split it is scored "
            said += "on is what the user says; the file does not."
        notes.append(f"{role}: {said}")
    model = network.name if network.name.isidentifier() else "of its own sizes"
    return ScoredNetwork(file, model, names, order, data, short_side, tuple(notes))


# --- evaluating --------------------------------------------------------------------


@dataclass(frozen=True)
class Benchmarks:
    """Every list and every network of ``open_benchmarks``; nothing computed yet."""

    plan: BenchmarkPlan  # what was asked for
    lists: tuple[BenchmarkList, ...]  # what there is, in order
    run_dir: Path
    notes: tuple[str, ...]  # what the loaders had to say about the data

    def at(self, dataset: str, split: str | None = None) -> BenchmarkList:
        """The list of a split, or the first one of a data set."""
        for entry in self.lists:
            if entry.dataset.name == dataset and split in (None, entry.dataset.split):
                return entry
        raise RecipeError(f"{dataset}, split {split}: not among what was opened")

    def evaluate(self, entry: BenchmarkList, role: str, views: str = "") -> Evaluation:
        """One network on one list, or what is kept of it; see ``protocol.evaluate``.

        ``views``: such as "4x3", where they shall not be those of the run.
        """
        plan, network, dataset = self.plan, entry.networks[role], entry.dataset
        recipe, own = network.views(views or plan.views), network.views(plan.views)
        samples = EvaluationViews(dataset.samples, network.data, recipe)
        weights = json.dumps([network.file.weights.digest, network.order])
        about = {"name": role, "standin": dataset.standin, "model": network.model}
        about |= {"dataset": dataset.name, "split": dataset.split, "subset": "test"}
        key = evaluation_key(weights, samples, dataset.classes, plan.precision)
        folder = self.run_dir / "results" / dataset.name / dataset.split
        others = "" if recipe == own else f"_{recipe.clips}x{recipe.crops}"
        workers = plan.workers
        if workers is None:  # to start them takes longer than to read a stand-in
            workers = 0 if dataset.standin else min(8, os.cpu_count() or 1)
        with cpu_threads(1 if dataset.standin else 0):
            result = cached_evaluation(
                folder / f"{role}{others}.json",
                json.dumps([key, about]),
                lambda half_done: evaluate(
                    network.load().to(plan.target),
                    samples,
                    dataset,
                    role,
                    kind=network.model,
                    batch_size=plan.batch_size,
                    workers=workers,
                    precision=plan.precision,
                    max_unreadable=plan.max_unreadable,
                    progress=plan.progress and len(dataset) >= _LONG,
                    half_done=half_done,
                    description=f"{dataset.name} {dataset.split} {role}",
                ),
            )
        notes = list(network.notes)
        for first, second in swapped_classes(result.confusion, result.class_names):
            notes.append(
                f"{role}, {dataset.name}: {first} and {second} are nearly always "
                "taken for each other. Is the order of the network's classes right?"
            )
        return replace(result, notes=tuple(notes), missing=dataset.missing)

    def evaluate_all(self) -> dict[Place, Evaluation]:
        """Every network on every list; goes on where it was interrupted."""
        todo = [(entry, role) for entry in self.lists for role in entry.networks]
        quiet = not self.plan.progress
        bar = tqdm(todo, desc="evaluating", unit="list", disable=quiet)
        return {(*e.place, role): self.evaluate(e, role) for e, role in bar}


# --- what came of it ----------------------------------------------------------------


def costs_of(bench: Benchmarks, entry: BenchmarkList) -> list[ViewCost]:
    """Cost of each network on a list, per view and per video, see ``view_costs``."""
    networks = {}
    for role, network in entry.networks.items():
        views = Views.of(network.data, network.views(bench.plan.views))
        networks[role] = (network.load().model, views)
    return view_costs(networks, bench.plan.target)


def write_benchmarks(
    bench: Benchmarks,
    results: Mapping[Place, Evaluation],
    figures: Mapping[str, Figure] | None = None,
    costs: list[ViewCost] | None = None,
) -> tuple[Path, ...]:
    """The page of all results, as Markdown, HTML and JSON, with its figures.

    ``costs`` are measured here for the first list, if not given.
    """
    files: dict[str, dict[str, list[str]]] = {}  # role -> path -> its lists
    for entry in bench.lists:
        for role, network in entry.networks.items():
            lists = files.setdefault(role, {})
            path = shown_path(network.file.path)
            lists.setdefault(path, []).append(" ".join(entry.place))
    about = {}
    for role, lists in files.items():
        told = [f"{path} ({', '.join(at)})" for path, at in lists.items()]
        about[role] = "; ".join(told if len(lists) > 1 else lists)
    about |= {f"note {n}": note for n, note in enumerate(bench.notes, 1)}
    costs = costs_of(bench, bench.lists[0]) if costs is None else costs
    results = list(results.values())
    return write_final_report(bench.run_dir, results, costs, figures or {}, about)
