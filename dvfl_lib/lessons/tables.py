"""Tables that lessons show: lessons, data sets, a run and its results.

Public names: ``lesson_table``, ``lesson_files``, ``badge``, ``project_address``,
``benchmarks_markdown``, ``folder_sketch``, ``role_name``, ``first_clip_of``,
``mistake_clips``, ``log_rows``, ``results_markdown``, ``save_run_figures``,
``seeds_markdown``, ``summarise``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from ..cost import count_macs, count_parameters
from ..datasets import VideoDataset
from ..datasets.check import walk_data
from ..datasets.listing import list_folder
from ..datasets.sources import SOURCES, DataSource
from ..environment import commit, device_name, project_root, versions
from ..errors import DatasetError
from ..evaluation import (
    Benchmarks,
    ConfusedPair,
    Evaluation,
    NetworkResult,
    ReportFigure,
    RunSummary,
    Table,
    markdown,
    result_table,
)
from ..figures import alt_text, save_figure
from ..recipes import EvaluateRecipe
from ..standins import standin_families, standin_pairs
from ..training import ROLES, FitResult, Pipeline
from ..video.clips import EvaluationViews
from ..video.transforms import denormalise

_HEAD = (
    "| Data set | Classes | Clips | Divided by | Training / test clips | Files | "
    "Source of the numbers |\n|---|---|---|---|---|---|---|"
)
COLAB = "https://colab.research.google.com"
_NAMES = {
    "teacher": "teacher",
    "baseline": "student, not distilled",
    "student": "student, distilled",
}
_CAPTIONS = {
    "top1": "Top-1 on the test list.",
    "training": "Training loss and accuracy on held-out groups.",
    "confusion": "What the distilled student takes for what.",
    "classes": "Accuracy per class.",
}


def lesson_files(root: Path) -> list[Path]:
    """The lessons of a checkout, in their order."""
    return sorted((root / "notebooks").glob("*.ipynb"))


def project_address(root: Path) -> str:
    """The repository's address, from ``[project.urls]`` of ``pyproject.toml``."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["urls"]["Repository"])


def badge(address: str, name: str) -> str:
    """The "Open in Colab" badge of ``notebooks/<name>``, in Markdown."""
    where = address.removeprefix("https://github.com/")
    target = f"{COLAB}/github/{where}/blob/main/notebooks/{name}"
    return f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({target})"


def lesson_table(root: Path, *, links_from: str = "notebooks/") -> str:
    """One row per lesson, from the metadata of the notebooks: goal, minutes, badge.

    ``links_from`` is the folder in a link: "notebooks/" for README, "" for a lesson.
    """
    rows = [
        "| Lesson | Goal | Minutes, CPU | Minutes, GPU | |",
        "|---|---|---|---|---|",
    ]
    for path in lesson_files(root):
        told = json.loads(path.read_text("utf-8"))["metadata"]["dvfl"]
        minutes = [told["minutes_cpu"], told["minutes_gpu"]]
        cells = (
            f"[{path.stem[:2]} {told['title']}]({links_from}{path.name})",
            told["goal"],
            *("not measured" if m is None else f"{m:g}" for m in minutes),
            badge(project_address(root), path.name),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def benchmarks_markdown() -> str:
    """The five benchmarks: published numbers with their sources; none measured here."""
    rows = [_HEAD]
    for known in SOURCES.values():
        cells = (
            f"[{known.title}]({known.page})",
            str(known.classes),
            f"{known.clips:,}" if known.clips else "differs from copy to copy",
            known.divided,
            _sides(known),
            known.container,
            known.cited,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _sides(known: DataSource) -> str:
    """ "9,537 / 3,783" for each official split; equal ones once."""
    counts = {s: pair for s, pair in known.counts.items() if s != "authors"}
    pairs = [known.list_lines] if known.list_lines else list(counts.values())
    told = [f"{train:,} / {test:,}" for train, test in pairs]
    if len(told) > 1 and len(set(told)) == 1:
        return f"{told[0]} in each"
    return "; ".join(told) or "no official split"


def folder_sketch(root: str | Path) -> str:
    """One line for each thing that lies directly in a data set's folder.

    A folder's line is the path of its first file, and how many more it holds.

    Raises:
        DatasetError: it cannot be listed.
    """
    root, lines = Path(root), []
    for entry in list_folder(root):
        if not entry.is_dir():
            lines.append(entry.name)
            continue
        files = list(walk_data(Path(entry.path)))
        first = files[0].relative_to(root).as_posix() if files else f"{entry.name}/"
        rest = f"   and {len(files) - 1:,} more" if len(files) > 1 else ""
        lines.append(f"{first}{rest}")
    return "\n".join(lines)


def role_name(role: str) -> str:
    """How tables and figures call a network."""
    return _NAMES[role]


def first_clip_of(dataset: VideoDataset, class_name: str) -> Tensor:
    """uint8 (T, 3, H, W): the first clip of a class, at the centres of its parts.

    Raises:
        DatasetError: the list has no such class, or no clip of it.
    """
    for index, sample in enumerate(dataset.samples):
        if dataset.classes[sample.label] == class_name:
            return dataset[index][0]
    raise DatasetError(f"{dataset.name}, {dataset.subset}: no clip of {class_name!r}")


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
    items = [views[number] for number in range(len(wanted))]
    if unreadable := [line for item in items for line in item["unreadable"]]:
        raise DatasetError("; ".join(unreadable))
    return [denormalise(item["views"][0]) for item in items]


def results_markdown(results: Mapping[str, Evaluation]) -> str:
    """The results of a run as one Markdown table."""
    return markdown([result_table(list(results.values()))])


def save_run_figures(
    run: Pipeline, figures: Mapping[str, Figure]
) -> list[ReportFigure]:
    """Write ``run_dir/figures/<name>.png``, for the report."""
    saved = []
    for name, figure in figures.items():
        file = f"figures/{name}.png"
        save_figure(figure, run.run_dir / file)
        saved.append(ReportFigure(file, _CAPTIONS.get(name, name), alt_text(figure)))
    return saved


def seeds_markdown() -> str:
    """The stored results of ``benchmarks.studies seeds``, a row per seed."""
    file = project_root() / "benchmarks" / "results" / "distillation_seeds.json"
    stored = json.loads(file.read_text("utf-8"))
    columns = ["seed", *map(role_name, ROLES), "gain, points"]
    parts = []
    for regime in stored["regimes"]:
        tops = [[run[role]["top1"] for role in ROLES] for run in regime["runs"]]
        names = [str(run["seed"]) for run in regime["runs"]]
        tops.append([sum(column) / len(tops) for column in zip(*tops, strict=True)])
        rows = [
            [
                name,
                *(f"{100 * t:.1f} %" for t in row),
                f"{100 * (row[2] - row[1]):+.1f}",
            ]
            for name, row in zip([*names, "mean"], tops, strict=True)
        ]
        parts.append(Table(columns, rows, f"{regime['title']} {stored['data']}"))
    return markdown(parts)


def log_rows(fits: Mapping[str, FitResult | None]) -> dict[str, list[dict[str, Any]]]:
    """Name -> lines of the training log, for ``figures.training_curves``."""
    return {role_name(role): fit.history for role, fit in fits.items() if fit}


def summarise(
    run: Pipeline,
    fits: Mapping[str, FitResult | None],
    results: Mapping[str, Evaluation],
    figures: list[ReportFigure],
) -> RunSummary:
    """All that the one-page report tells of a finished run."""
    recipe = run.recipe
    classes, standin = run.train_list.classes, run.train_list.standin
    networks = {}
    for role in ROLES:
        model, _ = run.new_network(role)
        networks[role] = NetworkResult(
            role=role_name(role),
            evaluation=results[role],
            parameters=count_parameters(model)["total"],
            gmacs=count_macs(model, recipe.data.frames, recipe.data.crop) / 1e9,
        )
    seconds = {f"training {r}": round(f.seconds, 1) for r, f in fits.items() if f}
    seconds |= {f"evaluating {r}": round(e.seconds, 1) for r, e in results.items()}
    return RunSummary(
        name=run.run_dir.name,
        profile=recipe.profile,
        dataset=run.dataset,
        split=run.split,
        standin=standin,
        seed=run.seed,
        device=device_name(),
        versions=versions(),
        commit=commit(),
        **networks,
        seconds={**seconds, **run.seconds},
        recipe=recipe.to_dict(),
        pairs=standin_pairs(classes) if standin else (),
        families=list(standin_families(classes).values()) if standin else (),
        figures=figures,
        unreadable={r: f.unreadable for r, f in fits.items() if f and f.unreadable},
        notes=_notes(run),
    )


def _notes(run: Pipeline) -> list[str]:
    """What a reader must know to read the numbers rightly."""
    share, notes = run.recipe.distil.label_share, []
    if run.labelled is not None:
        notes.append(
            f"The students may use the labels of {len(run.labelled)} of the "
            f"{len(run.fit_samples)} training clips ({share:.0%}); the teacher used "
            "all of them. The distilled student also hears what the teacher says "
            "about the clips without a label; the other student learns nothing from "
            "those."
        )
    notes.append(
        f"The best epoch was chosen on {len(run.held_out_samples)} clips of held-out "
        "groups of the training list."
    )
    if run.teacher_weights.endswith((".pth", ".pt")):
        notes.append(
            "The teacher is a given file. The UCF101 checkpoints that the authors "
            "released were trained on clips of all three official test lists: on "
            "the official splits they must not be scored, nor teach."
        )
    return notes
