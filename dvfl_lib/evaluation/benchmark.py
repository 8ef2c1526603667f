"""Networks x data sets x splits: evaluated, each result kept, put on one page.

Public names: ``open_benchmarks``, ``Benchmarks``, ``BenchmarkList``,
``costs_of``, ``write_benchmarks``, ``run_benchmarks``.

Lesson 08 and ``dvfl evaluate`` run this. Every parameter is checked before anything is
computed. Every result is a file ``run_dir/results/<data set>/<split>/<role>.json``: one
that is there is read, and one that was interrupted goes on from the video it was at.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from pydantic import (
    ValidationError,
)
from tqdm import tqdm

from ..datasets import VideoDataset, create_dataset
from ..datasets.base import dataset_info, protocols_of
from ..datasets.leakage import TrainingList, standin_seed, training_list, why_leaks
from ..environment import (
    commit,
    cpu_threads,
    device_name,
    processes,
    project_root,
    shown_path,
    versions,
)
from ..errors import DatasetError, RecipeError, RunDirectoryError
from ..figures import alt_text, save_figure
from ..files import can_write
from ..recipes import EvaluateRecipe
from ..standins import write_standin
from ..standins.scenes import ACTIONS
from ..video.clips import EvaluationViews
from .class_order import swapped_classes
from .metrics import calibration_of
from .networks import (
    COURSE_TRAINING,
    Checkpoint,
    ScoredNetwork,
    WeightsInfo,
    check_classes,
    inspect_weights,
    scored_network,
    told,
)
from .plan import BenchmarkPlan, RunOptions, parse_views
from .protocol import EvaluationInfo, cached_evaluation, evaluate, evaluation_key
from .report import ReportFigure, write_final_report
from .results import Evaluation, Views, confused_pairs
from .tables import Measured, Place, final_rows, final_table, markdown
from .view_cost import ViewCost, view_costs

_UCF50_GROUPS = 25  # without which UCF50 is not whole
_LONG = 1000  # a list of so many videos has a bar of its own


# --- opening -----------------------------------------------------------------------


def open_benchmarks(
    *,
    benchmarks: Sequence[str] = (),
    data_roots: Mapping[str, str] | None = None,
    checkpoints: Sequence[Any] = (),
    splits: Mapping[str, Any] | None = None,
    views: str = "4x3",
    run_dir: str = "",
    class_orders: Mapping[str, str] | None = None,
    trust_unknown_training: Sequence[str] = (),
    **options: Any,
) -> Benchmarks:
    """Check every parameter, open every list, read every network; compute nothing.

    Args:
        benchmarks: of ucf50, ucf101, hmdb51, ssv2, kinetics400; empty: those of
            ``data_roots``, or all five.
        data_roots: data set -> folder of its files. A small stand-in is written for
            the others.
        checkpoints: files, each as ``Checkpoint`` takes it: a dictionary, or text
            such as "student=x.safetensors@ucf101:1". Empty: the course's own
            networks, which know the stand-ins' actions alone.
        splits: data set -> a split, a list of them, or "all": the three official
            ones, or the 25 groups of UCF50. Left out: those that the networks may be
            scored on.
        views: clips in time x crops in space, such as "4x3".
        run_dir: for results; "" for ``runs/benchmarks``.
        class_orders: role -> "own", "authors" or a file of names, for files that do
            not name their classes.
        trust_unknown_training: roles whose networks you know to be trained on the
            training list of the split they are scored on, where the file does not
            say so.
        options: see ``RunOptions``.

    Raises:
        DVFLError: one of its children: which parameter, what is wrong, what to do.
    """
    try:
        plan = BenchmarkPlan(
            benchmarks=tuple(benchmarks),
            data_roots=data_roots or {},
            checkpoints=tuple(checkpoints or ()),
            splits=splits or {},
            views=views,
            class_orders=class_orders or {},
            trust_unknown_training=tuple(trust_unknown_training),
            options=options,
        )
    except ValidationError as error:
        raise RecipeError(told(error, RunOptions.model_fields)) from None
    folder = Path(run_dir or project_root() / "runs" / "benchmarks").expanduser()
    if not can_write(folder):
        raise RunDirectoryError(
            f"run_dir: {folder} cannot be written. Is it read-only, a file, or on a "
            "full disk? Choose another run_dir"
        )
    opening = _Opening(plan, folder)
    # Real data first: what is wrong with them is known before stand-ins are drawn.
    found = {
        name: opening.lists(name)
        for name in sorted(plan.names, key=lambda name: name not in plan.data_roots)
    }
    lists = tuple(entry for name in plan.names for entry in found[name])
    return Benchmarks(plan, lists, folder, tuple(dict.fromkeys(opening.notes)))


class _Opening:
    """Opens one data set after the other; each file of weights is read once."""

    def __init__(self, plan: BenchmarkPlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.notes: list[str] = []
        self._read: dict[Checkpoint, WeightsInfo] = {}

    def lists(self, name: str) -> list[BenchmarkList]:
        """All test lists of one data set, with the networks that are scored there."""
        plan, root = self.plan, self.plan.data_roots.get(name)
        drawing = plan.options.seed if root is None else standin_seed(root)
        files = {
            split: {
                role: self._weights(checkpoint)
                for role, checkpoint in plan.files_of(name, split).items()
            }
            for split in self._splits(name, drawing)
        }
        if drawing is not None:  # twelve classes: known before anything is drawn
            for split, networks in files.items():
                for role, weights in networks.items():
                    check_classes(role, weights, name, True, len(ACTIONS))
                    self._refuse(role, weights, TrainingList(name, split, drawing))
        if root is None:
            root = self._standin(name)
        return [
            self._list(name, root, split, networks) for split, networks in files.items()
        ]

    def _list(
        self, name: str, root: Path, split: str, networks: dict[str, WeightsInfo]
    ) -> BenchmarkList:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            dataset = create_dataset(name, root, split, "test")
        shown = [str(w.message).replace(str(root), shown_path(root)) for w in told]
        self.notes += [f"{name}: {text}" for text in shown]
        scored = {}
        for role, weights in networks.items():
            order, size = self.plan.class_orders.get(role, ""), self.plan.options.size
            scored[role] = scored_network(
                role, weights, dataset, order, size, self._course_training
            )
            self._refuse(role, weights, training_list(dataset))
        return BenchmarkList(dataset, scored)

    def _weights(self, checkpoint: Checkpoint) -> WeightsInfo:
        key = checkpoint.model_copy(update={"dataset": "", "split": ""})
        if key not in self._read:
            self._read[key] = inspect_weights(checkpoint)
        return self._read[key]

    @property
    def _course_training(self) -> TrainingList | None:
        """What the course's networks learned from; their files do not say it."""
        return None if self.plan.checkpoints else COURSE_TRAINING

    def _splits(self, name: str, drawing: int | None) -> tuple[str, ...]:
        """Those asked for, or those that the networks may be scored on."""
        plan = self.plan
        if asked := plan.splits.get(name):
            return asked
        files = plan.files(name)
        if named := dict.fromkeys(c.split for c in files if c.split):
            return tuple(named)
        lists = [self._weights(checkpoint).trained_on for checkpoint in files]
        trained = {
            known.split
            for known in lists
            if known is not None and (known.dataset, known.drawing) == (name, drawing)
        }
        trusted = plan.trust_unknown_training and not trained and protocols_of(name)
        if len(trained) > 1 or trusted:
            raise RecipeError(
                f"splits: say on which splits of {name} the networks shall be scored; "
                "they do not tell it, or were trained on several"
            )
        if trained:
            return tuple(trained)
        if drawing is not None:  # drawn anew: no network has seen any of it
            standin_splits = dataset_info(name).standin_splits
            return standin_splits or (protocols_of(name) or (("1",),))[0]
        # The released checkpoints, which say nothing, know all other lists of UCF50
        # and UCF101.
        return ("authors",) if "authors" in dataset_info(name).splits else ("1",)

    def _refuse(self, role: str, weights: WeightsInfo, test: TrainingList) -> None:
        """Raise if a network may have learned from the videos of this test list."""
        trained = weights.trained_on or self._course_training
        why = why_leaks(trained, test)
        trusted = role in self.plan.trust_unknown_training
        if not why or (trained is None and trusted):
            return
        advice = ""
        if trained is None:
            advice = (
                ". If you know that it was trained on this split: "
                f"trust_unknown_training=[{role!r}]"
            )
            if test.dataset != "hmdb51":
                advice += (
                    f"; for a released one: splits={{{test.dataset!r}: 'authors'}}"
                )
        place = f"{role} on {test.dataset}, split {test.split}"
        raise DatasetError(f"{place}: {why}{advice}")

    def _standin(self, name: str) -> Path:
        options = self.plan.options
        size, seed = options.drawn, options.seed
        if name == "ucf50":
            size = replace(size, groups=max(size.groups, _UCF50_GROUPS))
        data = project_root() / "data"
        place = data if can_write(data) else self.folder
        drawn = f"seed{seed}_{size.groups}x{size.clips_per_group}"
        drawn = f"{drawn}_{size.min_frames}to{size.max_frames}"
        # To start another process takes longer than to draw a few hundred clips.
        few = size.groups * size.clips_per_group <= 2 * _UCF50_GROUPS
        workers = 1 if few else os.cpu_count() or 1
        root = place / "standins" / drawn / name
        with processes().main_process_first():
            return write_standin(name, root, seed, size, workers, options.progress)


# --- evaluating --------------------------------------------------------------------


@dataclass(frozen=True)
class BenchmarkList:
    """The test side of one split, and the networks that are scored on it."""

    dataset: VideoDataset
    networks: dict[str, ScoredNetwork]

    @property
    def place(self) -> tuple[str, str]:
        """Data set and split."""
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

    def at(self, dataset: str, split: str | None = None) -> BenchmarkList:
        """The list of a split, or the first one of a data set.

        Raises:
            RecipeError: there is none.
        """
        for entry in self.lists:
            if entry.dataset.name == dataset and split in (None, entry.dataset.split):
                return entry
        raise RecipeError(f"{dataset}, split {split}: not among what was opened")

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
        about = EvaluationInfo(role, dataset.standin, network.model, *entry.place)
        key = evaluation_key(
            json.dumps([network.weights.digest, network.order]),
            samples,
            dataset.classes,
            options.precision,
        )
        folder = self.run_dir / "results" / dataset.name / dataset.split
        others = "" if (clips, crops) == own else f"_{clips}x{crops}"
        shown = len(dataset) >= _LONG if progress is None else progress
        with cpu_threads(1 if dataset.standin else 0):
            return cached_evaluation(
                folder / f"{role}{others}.json",
                json.dumps([key, asdict(about)]),
                lambda half_done: evaluate(
                    network.load(),
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
                    key=key,
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
        """The results with their notes, for ``tables.final_rows``."""
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
        if network.trained_on is None and role in self.plan.trust_unknown_training:
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


# --- what came of it ----------------------------------------------------------------


def costs_of(
    bench: Benchmarks, entry: BenchmarkList, repeats: int = 5
) -> list[ViewCost]:
    """Cost of each network on a list, per view and per video, see ``view_costs``."""
    plan, networks = bench.plan, {}
    for role, network in entry.networks.items():
        recipe = EvaluateRecipe(plan.clips, plan.crops, network.short_side)
        networks[role] = (network.load().model, Views.of(network.data, recipe))
    return view_costs(networks, plan.options.target, repeats)


def write_benchmarks(
    bench: Benchmarks,
    results: Mapping[Place, Evaluation],
    figures: Mapping[str, Figure] | None = None,
    costs: list[ViewCost] | None = None,
) -> tuple[Path, Path, Path]:
    """The page of all results, as Markdown, HTML and JSON, with its figures.

    Args:
        figures: name -> figure; their captions are their descriptions.
        costs: measured here for the first list, if not given.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
    marks = {result.standin for result in results.values()}
    begin = "Stand-in data. " if marks == {True} else ""
    begin = "Some of it stand-in data. " if len(marks) == 2 else begin
    saved = []
    for name, figure in (figures or {}).items():
        file, words = f"figures/{name}.png", alt_text(figure)
        save_figure(figure, bench.run_dir / file)
        saved.append(ReportFigure(file, f"{begin}{words}", words))
    about = {
        "device": device_name(),
        "versions": ", ".join(f"{k} {v}" for k, v in versions().items()),
        "commit": commit() or "unknown (not run from a git checkout)",
        **_files(bench),
    }
    about |= {f"note {n}": note for n, note in enumerate(bench.notes, 1)}
    return write_final_report(
        bench.run_dir,
        final_rows(bench.measured(results)),
        costs_of(bench, bench.lists[0]) if costs is None else costs,
        {
            place: calibration_of(r.probabilities, r.labels)
            for place, r in results.items()
        },
        {place: confused_pairs(r, most=3) for place, r in results.items()},
        saved,
        about,
    )


def _files(bench: Benchmarks) -> dict[str, str]:
    """role -> its file; with the lists, where it has several."""
    places: dict[str, dict[str, list[str]]] = {}
    for entry in bench.lists:
        for role, network in entry.networks.items():
            files = places.setdefault(role, {}).setdefault(
                shown_path(network.weights.path), []
            )
            files.append(" ".join(entry.place))
    return {
        role: "; ".join(
            file if len(files) == 1 else f"{file} ({', '.join(lists)})"
            for file, lists in files.items()
        )
        for role, files in places.items()
    }


def run_benchmarks(**parameters: Any) -> Path:
    """Open, evaluate and report without a notebook; prints the final table.

    Args:
        parameters: those of ``open_benchmarks``.

    Returns the path of the HTML page.

    Raises:
        DVFLError: one of its children, as ``open_benchmarks``.
    """
    bench = open_benchmarks(**parameters)
    for note in bench.notes:
        print(note)
    results = bench.evaluate_all()
    page = write_benchmarks(bench, results)[1]
    print(markdown([final_table(final_rows(bench.measured(results)))]))
    return page
