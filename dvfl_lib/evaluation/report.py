"""The one-page report of a run, as ``report.md`` and as one ``report.html``.

Public names: ``RunSummary``, ``NetworkResult``, ``ReportFigure``, ``write_report``,
``figure_parts``, ``PUBLISHED``.

The HTML holds its pictures and asks nothing of a network. Published numbers stand
in a table of their own, each with its source; none shares a column with a
measured one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DVFLError, RunDirectoryError
from ..files import write_whole
from .comparison import Comparison, compare
from .document import Code, Heading, Part, Picture, Table, Text, html_page, markdown
from .published_results import PublishedResult, published_for
from .results import Evaluation

# What the page shows of ``published_results``: those on UCF101, with their parameters
# as the same page states them.
PUBLISHED: tuple[tuple[PublishedResult, str, str], ...] = tuple(
    (row, f"{row.network} ({name})", parameters)
    for role, name, parameters in (
        ("teacher", "teacher", "157 M"),
        ("baseline", "student, not distilled", "22 M"),
        ("student", "student, distilled", "22 M"),
    )
    if (row := published_for("ucf101", role, "video_focalnet_base"))
)


@dataclass(frozen=True)
class ReportFigure:
    """A PNG in the run directory (``file`` is relative to it)."""

    file: str
    caption: str
    alt: str = ""


@dataclass(frozen=True)
class NetworkResult:
    """One of the networks of a run.

    Args:
        role: what it is in the run, such as "student, distilled".
        evaluation: the result, or the JSON file of it, relative to the run
            directory.
        parameters: trainable numbers in the network.
        gmacs: 10^9 multiply-accumulates of one view; None if not measured.
    """

    role: str
    evaluation: Evaluation | str | Path
    parameters: int
    gmacs: float | None = None


@dataclass(frozen=True)
class RunSummary:
    """All that a report tells; the notebook fills it.

    Args:
        name: of the run.
        profile, dataset, split: what was asked for.
        standin: whether the data set is generated; must agree with the results.
        seed, device: as used ("cpu", "cuda: Tesla T4").
        versions: package -> version; commit: of the code, None if unknown.
        teacher, baseline, distilled: the three networks; both students began with
            the same weights and saw the same data in the same order.
        pairs, families: classes to be told apart in twos, and groups of like
            classes, for two more columns; empty where the data set has none.
        figures: in the order of the page.
        unreadable: phase -> videos that could not be read in it, besides those
            that the evaluations list.
        seconds: phase -> wall-clock seconds.
        recipe: ``Recipe.to_dict()``.
        notes: further sentences for the page.
    """

    name: str
    profile: str
    dataset: str
    split: str
    standin: bool
    seed: int
    device: str
    versions: Mapping[str, str]
    commit: str | None
    teacher: NetworkResult
    baseline: NetworkResult
    distilled: NetworkResult
    seconds: Mapping[str, float]
    recipe: Mapping[str, Any]
    pairs: Sequence[tuple[int, int]] = ()
    families: Sequence[Sequence[int]] = ()
    figures: Sequence[ReportFigure] = ()
    unreadable: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def title(self) -> str:
        """The page's title; it says where the data is a stand-in."""
        data = f"stand-in data in the form of {self.dataset}"
        return f"Distilling VFL-Net on {data if self.standin else self.dataset}"


def write_report(run_dir: str | Path, summary: RunSummary) -> tuple[Path, Path]:
    """Write ``report.md`` and ``report.html`` into the run directory.

    Returns:
        The two paths.

    Raises:
        RunDirectoryError: a figure or result is missing or damaged, or the folder
            cannot be written.
        DVFLError: results that do not belong into one report.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise RunDirectoryError(f"there is no run directory {run_dir}")
    parts = _page(run_dir, summary)
    # Both are made before either is written: what is missing leaves no half.
    page = html_page(parts, summary.title)
    text = markdown(parts, run_dir)
    write_whole(run_dir / "report.md", text.encode())
    write_whole(run_dir / "report.html", page.encode())
    return run_dir / "report.md", run_dir / "report.html"


def _page(run_dir: Path, summary: RunSummary) -> list[Part]:
    networks = [summary.teacher, summary.baseline, summary.distilled]
    results = [_result(run_dir, n, summary) for n in networks]
    gain = compare(results[1], results[2])
    return [
        Heading(summary.title, level=1),
        *_what_was_run(summary, results),
        Heading("Result"),
        _networks_table(networks, results, summary),
        Heading("What distillation did"),
        *_gain(gain, summary),
        *(Text(note) for note in summary.notes),
        *figure_parts(run_dir, summary.figures),
        *_unreadable(summary, results),
        Heading("Time"),
        _seconds_table(summary),
        Heading("Recipe"),
        Code(f"Recipe of the profile {summary.profile}", _json(summary.recipe)),
        *_published(),
    ]


def _result(run_dir: Path, network: NetworkResult, summary: RunSummary) -> Evaluation:
    result = network.evaluation
    if not isinstance(result, Evaluation):
        result = Evaluation.load(run_dir / result)
    if result.standin != summary.standin:
        data = ["a real data set", "a stand-in"]
        raise DVFLError(
            f"the run is said to be on {data[summary.standin]}, but {result.name} was "
            f"evaluated on {data[result.standin]}; a report never mixes the two"
        )
    return result


def _what_was_run(summary: RunSummary, results: list[Evaluation]) -> list[Part]:
    parts: list[Part] = []
    if summary.standin:
        parts.append(
            Text(
                "The videos are generated: a stand-in with the files and lists of "
                f"{summary.dataset}. Nothing here is a result on {summary.dataset}."
            )
        )
    versions = ", ".join(f"{k} {v}" for k, v in summary.versions.items())
    views = ", ".join(dict.fromkeys(str(r.views) for r in results))
    classes = len(results[0].class_names)
    rows = [
        ["run", summary.name],
        ["profile", summary.profile],
        ["data", f"{summary.dataset}, split {summary.split}, {classes} classes"],
        ["views per test video", f"{views}; softmax averaged over the views"],
        ["seed", str(summary.seed)],
        ["device", summary.device],
        ["versions", versions],
        ["commit", summary.commit or "unknown (not run from a git checkout)"],
    ]
    return [*parts, Table(["what", "value"], rows)]


def _networks_table(
    networks: list[NetworkResult], results: list[Evaluation], summary: RunSummary
) -> Table:
    columns = ["role", "model", "parameters", "GMACs per view", "top-1", "top-5"]
    columns += ["within pairs"] * bool(summary.pairs)
    columns += ["right family"] * bool(summary.families)
    columns += ["videos", "views"]
    rows = []
    for network, result in zip(networks, results, strict=True):
        top5 = result.top5
        row = [
            network.role,
            result.model,
            f"{network.parameters:,}",
            "not measured" if network.gmacs is None else f"{network.gmacs:.3g}",
            str(result.top1),
            "not meaningful"
            if top5 is None
            else f"{100 * top5.correct / top5.n:.1f} %",
        ]
        if summary.pairs:
            row.append(str(result.within_pairs(summary.pairs)))
        if summary.families:
            row.append(str(result.family_accuracy(summary.families)))
        views = result.views.clips * result.views.crops
        rows.append([*row, str(len(result.videos)), str(views)])
    caption = (
        f"{'Stand-in data. ' if summary.standin else ''}Measured in this run. "
        "In brackets: 95 % interval (Wilson). Clips cut from one recording resemble "
        "each other, so the true intervals are somewhat wider."
    )
    if summary.pairs:
        caption += " Within pairs: only the two classes of a pair compete; chance 50 %."
    if summary.families:
        chance = 100 * results[0].family_chance(summary.families)
        caption += f" Right family: chance {chance:.0f} %."
    return Table(columns, rows, caption)


def _gain(gain: Comparison, summary: RunSummary) -> list[Part]:
    rows = [
        ["difference in top-1", f"{100 * gain.difference:+.1f} points"],
        [
            "95 % interval (Agresti-Min)",
            f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f} points",
        ],
        ["McNemar's exact test", f"p = {gain.p:.2g}"],
        [
            "videos that only one got right",
            f"{gain.only_b} the distilled student, {gain.only_a} the baseline",
        ],
        ["videos in all", str(gain.n)],
    ]
    caption = (
        f"{'Stand-in data. ' if summary.standin else ''}Distilled student minus "
        "baseline on the same videos; same first weights, same order of data."
    )
    limits = (
        "This compares two trained networks of one seed. Another seed trains other "
        "networks: only several runs tell how much of a gain is the method's."
    )
    verdict = Text(gain.verdict, strong=True)
    return [verdict, Table(["what", "value"], rows, caption), Text(limits)]


def figure_parts(run_dir: Path, figures: Sequence[ReportFigure]) -> list[Part]:
    """The pictures of a page under a heading; nothing where there is none."""
    pictures = [
        Picture(run_dir / f.file, f.caption, f.alt or f.caption) for f in figures
    ]
    return [Heading("Figures"), *pictures] if pictures else []


def _unreadable(summary: RunSummary, results: list[Evaluation]) -> list[Part]:
    rows = [
        [phase, str(len(videos)), "; ".join(videos)]
        for phase, videos in summary.unreadable.items()
        if videos
    ]
    rows += [
        [
            f"test, {r.name}",
            f"{len(r.unreadable)} ({100 * r.unreadable_share:.2f} %)",
            "; ".join(r.unreadable),
        ]
        for r in results
        if r.unreadable
    ]
    if not rows:
        return [Heading("Unreadable videos"), Text("None: every video was read.")]
    caption = "Left out of the score, or in training replaced by the next video."
    table = Table(["phase", "number", "videos"], rows, caption)
    return [Heading("Unreadable videos"), table]


def _seconds_table(summary: RunSummary) -> Table:
    rows = [[phase, f"{s:,.1f} s"] for phase, s in summary.seconds.items()]
    rows.append(["together", f"{sum(summary.seconds.values()):,.1f} s"])
    return Table(["phase", "wall clock"], rows)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False, default=str)


def _published() -> list[Part]:
    rows = [
        [name, parameters, f"{row.top1:.1f} %", f"{row.top5:.1f} %"]
        for row, name, parameters in PUBLISHED
    ]
    caption = (
        "Source: model zoo in the README of the authors' repository "
        "(github.com/hayatkhan8660-maker/DVFL-Net). Views per video: not stated there."
    )
    about = (
        "For orientation only, and not comparable with the results above: published "
        "on UCF101 with the authors' own 80/20 lists, which are not the official "
        "splits and share 81 groups between training and test."
    )
    columns = ["published model", "parameters", "published top-1", "published top-5"]
    table = Table(columns, rows, caption)
    return [Heading("Published numbers"), Text(about), table]
