"""Tables that lessons show: lessons, data sets, a run and its results.

Public names: ``lesson_table``, ``lesson_files``, ``badge``, ``project_address``,
``benchmarks_markdown``, ``role_name``, ``mistake_clips``, ``seeds_markdown``,
``write_report``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from ..cost import count_macs, count_parameters
from ..datasets.sources import SOURCES, DataSource
from ..environment import project_root
from ..errors import DatasetError
from ..evaluation import (
    ROLE_NAMES,
    Benchmarks,
    ConfusedPair,
    Evaluation,
    Table,
    markdown,
    report,
)
from ..recipes import EvaluateRecipe
from ..standins import standin_families, standin_pairs
from ..training import ROLES, FitResult, Pipeline
from ..video.clips import EvaluationViews
from ..video.transforms import denormalise

COLAB = "https://colab.research.google.com"
_LESSONS = "| Lesson | Goal | Minutes, CPU | Minutes, GPU | |\n|---|---|---|---|---|"
_DATA_SETS = (
    "| Data set | Classes | Clips | Divided by | Training / test clips | Files | "
    "Source of the numbers |\n|---|---|---|---|---|---|---|"
)


def _table(head: str, rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose cells may hold links, which ``markdown`` would escape."""
    return "\n".join([head, *(f"| {' | '.join(cells)} |" for cells in rows)]) + "\n"


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
    address, rows = project_address(root), []
    for path in lesson_files(root):
        told = json.loads(path.read_text("utf-8"))["metadata"]["dvfl"]
        name = f"[{path.stem[:2]} {told['title']}]({links_from}{path.name})"
        minutes = [told["minutes_cpu"], told["minutes_gpu"]]
        words = ["not measured" if m is None else f"{m:g}" for m in minutes]
        rows.append([name, told["goal"], *words, badge(address, path.name)])
    return _table(_LESSONS, rows)


def benchmarks_markdown() -> str:
    """The benchmarks: published numbers with their sources; none measured here."""
    rows = [
        (
            f"[{known.title}]({known.page})",
            str(known.classes),
            f"{known.clips:,}" if known.clips else "differs from copy to copy",
            known.divided,
            _sides(known),
            known.container,
            known.cited,
        )
        for known in SOURCES.values()
    ]
    return _table(_DATA_SETS, rows)


def _sides(known: DataSource) -> str:
    """ "9,537 / 3,783" for each official split; equal ones once."""
    counts = [pair for split, pair in known.counts.items() if split != "authors"]
    pairs = [known.list_lines] if known.list_lines else counts
    told = [f"{train:,} / {test:,}" for train, test in pairs]
    if len(told) > 1 and len(set(told)) == 1:
        return f"{told[0]} in each"
    return "; ".join(told) or "no official split"


def role_name(role: str) -> str:
    """How tables and figures call a network."""
    return ROLE_NAMES[role]


def mistake_clips(
    bench: Benchmarks, dataset: str, role: str, pair: ConfusedPair, most: int = 3
) -> list[Tensor]:
    """What the network saw of a pair's first videos: each (T, 3, H, W) in [0, 1].

    One clip in the middle, the central crop. ``DatasetError`` where a video can no
    longer be read.
    """
    entries = [entry for entry in bench.lists if entry.dataset.name == dataset]
    samples = {s.name: s for entry in entries for s in entry.dataset.samples}
    network = entries[0].networks[role]
    one_view = EvaluateRecipe(1, 1, network.short_side)
    wanted = [samples[name] for name in pair.videos[:most]]
    clips = []
    views = EvaluationViews(wanted, network.data, one_view)
    for item in (views[number] for number in range(len(wanted))):
        if item["unreadable"]:
            raise DatasetError("; ".join(item["unreadable"]))
        clips.append(denormalise(item["views"][0]))
    return clips


def seeds_markdown() -> str:
    """The stored results of ``benchmarks.studies seeds``, a row per seed."""
    file = project_root() / "benchmarks" / "results" / "distillation_seeds.json"
    stored = json.loads(file.read_text("utf-8"))
    columns = ["seed", *map(role_name, ROLES), "gain, points"]
    tables = []
    for regime in stored["regimes"]:
        tops = {r["seed"]: [r[role]["top1"] for role in ROLES] for r in regime["runs"]}
        means = [sum(each) / len(tops) for each in zip(*tops.values(), strict=True)]
        rows = []
        for name, row in {**tops, "mean": means}.items():
            gain = f"{100 * (row[2] - row[1]):+.1f}"
            rows.append([str(name), *(f"{100 * top:.1f} %" for top in row), gain])
        tables.append(Table(columns, rows, f"{regime['title']} {stored['data']}"))
    return markdown(tables)


def write_report(
    run: Pipeline,
    fits: Mapping[str, FitResult | None],
    results: Mapping[str, Evaluation],
    figures: Mapping[str, Figure],
) -> tuple[Path, ...]:
    """The page of a finished run, as Markdown and as HTML, in its folder."""
    classes, standin = run.train_list.classes, run.train_list.standin
    networks = {role: run.new_network(role)[0] for role in ROLES}
    view = run.recipe.data.frames, run.recipe.data.crop
    seconds = {f"training {r}": round(f.seconds, 1) for r, f in fits.items() if f}
    seconds |= {f"evaluating {r}": round(e.seconds, 1) for r, e in results.items()}
    return report.write_report(
        run,
        [results[role] for role in ROLES],
        figures,
        parameters={r: count_parameters(m)["total"] for r, m in networks.items()},
        gmacs={r: count_macs(m, *view) / 1e9 for r, m in networks.items()},
        seconds={**seconds, **run.seconds},
        pairs=standin_pairs(classes) if standin else (),
        families=list(standin_families(classes).values()) if standin else (),
        unreadable={r: f.unreadable for r, f in fits.items() if f and f.unreadable},
        notes=_notes(run),
    )


def _notes(run: Pipeline) -> list[str]:
    """What a reader must know to read the numbers rightly."""
    notes = []
    if run.labelled is not None:
        notes.append(
            f"The students may use the labels of {len(run.labelled)} of the "
            f"{len(run.fit_samples)} training clips "
            f"({run.recipe.distil.label_share:.0%}); the teacher used "
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
