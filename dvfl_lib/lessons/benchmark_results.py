"""What came of benchmarks: put together, looked into, written down.

Public names: ``list_accuracies``, ``mistake_clips``,
``costs_of``, ``write_benchmarks``, ``run_benchmarks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from ..environment import commit, device_name, shown_path, versions
from ..errors import DatasetError
from ..evaluation import Evaluation, ReportFigure, Views
from ..evaluation.calibration import calibration_of
from ..evaluation.confusions import ConfusedPair, confused_pairs
from ..evaluation.document import markdown
from ..evaluation.final_report import write_final_report
from ..evaluation.final_table import data_name, final_rows, final_table
from ..evaluation.view_cost import ViewCost, view_costs
from ..figures import alt_text, save_figure
from ..recipes import EvaluateRecipe
from ..video.clips import EvaluationViews
from ..video.transforms import denormalise
from .benchmark_opening import open_benchmarks
from .benchmarking import BenchmarkList, Benchmarks, Place


def list_accuracies(
    results: Mapping[Place, Evaluation],
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """List -> role -> (top-1, low, high), for ``figures.benchmarks_figure``.

    Where some are stand-ins and some are not, the names of the lists say which.
    """
    mixed = len({result.standin for result in results.values()}) > 1
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for (_, _, role), result in results.items():
        data = data_name(result.dataset, mixed and result.standin)
        row = found.setdefault(f"{data}, split {result.split}", {})
        row[role] = (result.top1.correct / result.top1.n, *result.top1.interval)
    return found


def mistake_clips(
    bench: Benchmarks, dataset: str, role: str, pair: ConfusedPair, most: int = 3
) -> list[Tensor]:
    """What the network saw of a pair's first videos: each (T, 3, H, W) in [0, 1].

    One clip in the middle, the central crop.

    Raises:
        DatasetError: no list of the data set has such a video, or it cannot be read.
    """
    entries = [entry for entry in bench.lists if entry.dataset.name == dataset]
    samples = {s.name: s for entry in entries for s in entry.dataset.samples}
    wanted = [samples.get(name) for name in pair.videos[:most]]
    if None in wanted:
        raise DatasetError(f"{dataset}: {pair.videos[:most]} are not all in its lists")
    network = entries[0].networks[role]
    one_view = EvaluateRecipe(1, 1, network.short_side)
    views = EvaluationViews(wanted, network.data, one_view)
    clips = []
    for item in (views[number] for number in range(len(wanted))):
        if item["unreadable"]:
            raise DatasetError("; ".join(item["unreadable"]))
        clips.append(denormalise(item["views"][0]))
    return clips


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
    """role -> its file; with the benchmarks, where it has several."""
    places: dict[str, dict[str, list[str]]] = {}
    for entry in bench.lists:
        for role, network in entry.networks.items():
            files = places.setdefault(role, {}).setdefault(shown_path(network.path), [])
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
