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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from pydantic import ValidationError
from tqdm import tqdm

from ..cost import ViewCost, view_costs
from ..datasets import VideoDataset
from ..environment import (
    commit,
    cpu_threads,
    device_name,
    project_root,
    shown_path,
    versions,
)
from ..errors import RecipeError, RunDirectoryError
from ..figures import alt_text, save_figure
from ..files import can_write
from ..recipes import EvaluateRecipe
from ..video.clips import EvaluationViews
from .class_order import swapped_classes
from .metrics import calibration_of
from .networks import BenchmarkList, Opening
from .plan import BenchmarkPlan, RunOptions, parse_views, told
from .protocol import EvaluationInfo, cached_evaluation, evaluate, evaluation_key
from .report import ReportFigure, write_final_report
from .results import Evaluation, Views, confused_pairs
from .tables import Measured, Place, final_rows, final_table, markdown

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
    return _opened(
        plan, Path(run_dir or project_root() / "runs" / "benchmarks").expanduser()
    )


def _opened(plan: BenchmarkPlan, folder: Path) -> Benchmarks:
    if not can_write(folder):
        raise RunDirectoryError(
            f"run_dir: {folder} cannot be written. Is it read-only, a file, or on a "
            "full disk? Choose another run_dir"
        )
    opening = Opening(plan, folder)
    # Real data first: what is wrong with them is known before stand-ins are drawn.
    found = {
        name: opening.lists(name)
        for name in sorted(plan.names, key=lambda name: name not in plan.data_roots)
    }
    lists = tuple(entry for name in plan.names for entry in found[name])
    return Benchmarks(plan, lists, folder, tuple(dict.fromkeys(opening.notes)))


# --- evaluating --------------------------------------------------------------------


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
