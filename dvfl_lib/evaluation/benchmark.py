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
from tqdm import tqdm

from ..cost import ViewCost, view_costs
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
from .networks import BenchmarkList, Opening, ScoredNetwork
from .plan import BenchmarkPlan, checked_plan, parse_views
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
        checkpoints: files, each as ``Checkpoint`` takes it, such as
            "student=x.safetensors@ucf101:1". Empty: the course's own networks, which
            know the stand-ins' actions alone.
        splits: data set -> a split, a list of them, or "all": the three official
            ones, or the 25 groups of UCF50. Left out: those that the networks may be
            scored on.
        views: clips in time x crops in space, such as "4x3".
        run_dir: for results; "" for ``runs/benchmarks``.
        class_orders: role -> "own", "authors" or a file of names, for files that do
            not name their classes.
        trust_unknown_training: roles whose networks you know to be trained on the
            training list of their split, where the file does not say so.
        options: see ``RunOptions``.

    Raises:
        DVFLError: which parameter, what is wrong, what to do.
    """
    plan = checked_plan(
        benchmarks=tuple(benchmarks),
        data_roots={k: v for k, v in (data_roots or {}).items() if v},
        checkpoints=tuple(checkpoints or ()),
        splits=splits or {},
        views=views,
        class_orders=class_orders or {},
        trust_unknown_training=tuple(trust_unknown_training),
        options=options,
    )
    folder = Path(run_dir or project_root() / "runs" / "benchmarks").expanduser()
    if not can_write(folder):
        raise RunDirectoryError(
            f"run_dir: {folder} cannot be written. Is it read-only, a file, or on a "
            "full disk? Choose another run_dir"
        )
    opening = Opening(plan, folder)
    # Real data first: what is wrong with them is known before stand-ins are drawn.
    ordered = sorted(plan.names, key=lambda name: name not in plan.data_roots)
    found = {name: opening.lists(name) for name in ordered}
    lists = tuple(entry for name in plan.names for entry in found[name])
    return Benchmarks(plan, lists, folder, tuple(dict.fromkeys(opening.notes)))


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

    def evaluate(
        self,
        entry: BenchmarkList,
        role: str,
        views: str = "",
        progress: bool | None = None,
    ) -> Evaluation:
        """One network on one list, or what is kept of it; see ``protocol.evaluate``.

        Args:
            views: such as "4x3", where they shall not be those of the run.
            progress: show a bar; by default for long lists.
        """
        network, dataset = entry.networks[role], entry.dataset
        options = self.plan.options
        clips, crops = parse_views(views or self.plan.views)
        recipe = EvaluateRecipe(clips, crops, network.short_side)
        samples = EvaluationViews(dataset.samples, network.data, recipe)
        about = EvaluationInfo(role, dataset.standin, network.model, *entry.place)
        weights = json.dumps([network.weights.digest, network.order])
        key = evaluation_key(weights, samples, dataset.classes, options.precision)
        folder = self.run_dir / "results" / dataset.name / dataset.split
        own = (clips, crops) == parse_views(self.plan.views)
        others = "" if own else f"_{clips}x{crops}"
        shown = len(dataset) >= _LONG if progress is None else progress
        workers = options.workers
        if workers is None:  # to start them takes longer than to read a stand-in
            workers = 0 if dataset.standin else min(8, os.cpu_count() or 1)
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
                    workers=workers,
                    device=options.target,
                    precision=options.precision,
                    max_unreadable=options.max_unreadable,
                    progress=options.progress and shown,
                    resume_dir=half_done,
                    key=key,
                    description=f"{dataset.name} {dataset.split} {role}",
                ),
            )

    def evaluate_all(self) -> dict[Place, Evaluation]:
        """Every network on every list; goes on where it was interrupted."""
        todo = [(entry, role) for entry in self.lists for role in entry.networks]
        quiet = not self.plan.options.progress
        bar = tqdm(todo, desc="evaluating", unit="list", disable=quiet)
        return {(*e.place, role): self.evaluate(e, role) for e, role in bar}

    def measured(self, results: Mapping[Place, Evaluation]) -> list[Measured]:
        """The results with their notes, for ``tables.final_rows``."""
        found = []
        for (name, split, role), result in results.items():
            entry = self.at(name, split)
            notes = self._notes_on(entry.networks[role], result)
            found.append(Measured(role, result, notes, entry.dataset.missing))
        return found

    def _notes_on(self, network: ScoredNetwork, result: Evaluation) -> tuple[str, ...]:
        role, notes = network.role, list(network.notes)
        if network.trained_on is None and role in self.plan.trust_unknown_training:
            notes.append(
                f"{role}: that it was trained on the training list of the split it is "
                "scored on is what the user says; the file does not."
            )
        elif network.trained_on is None:
            notes.append(f"{role}: nothing says what it was trained on.")
        for first, second in swapped_classes(result.confusion, result.class_names):
            notes.append(
                f"{role}, {result.dataset}: {first} and {second} are nearly always "
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
        recipe = EvaluateRecipe(*parse_views(plan.views), network.short_side)
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
    items = results.items()
    return write_final_report(
        bench.run_dir,
        final_rows(bench.measured(results)),
        costs_of(bench, bench.lists[0]) if costs is None else costs,
        {place: calibration_of(r.probabilities, r.labels) for place, r in items},
        {place: confused_pairs(r, most=3) for place, r in items},
        saved,
        about,
    )


def _files(bench: Benchmarks) -> dict[str, str]:
    """role -> its file; with the lists, where it has several."""
    places: dict[str, dict[str, list[str]]] = {}
    for entry in bench.lists:
        for role, network in entry.networks.items():
            file = shown_path(network.weights.path)
            lists = places.setdefault(role, {}).setdefault(file, [])
            lists.append(" ".join(entry.place))
    told = {}
    for role, files in places.items():
        several = len(files) > 1
        names = [f + f" ({', '.join(at)})" * several for f, at in files.items()]
        told[role] = "; ".join(names)
    return told


def run_benchmarks(**parameters: Any) -> Path:
    """Open, evaluate and report without a notebook; prints the final table.

    Takes the parameters of ``open_benchmarks``; returns the path of the HTML page.
    """
    bench = open_benchmarks(**parameters)
    for note in bench.notes:
        print(note)
    results = bench.evaluate_all()
    page = write_benchmarks(bench, results)[1]
    print(markdown([final_table(final_rows(bench.measured(results)))]))
    return page
