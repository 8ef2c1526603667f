"""The page of a run and the page of all data sets: Markdown, and one HTML file.

Public names: ``RunSummary``, ``NetworkResult``, ``ReportFigure``, ``write_report``;
``write_final_report``, ``FORMAT``.

What a page says stands in ``templates/run.j2`` and ``templates/benchmarks.j2``, how
its parts are written in ``md.j2`` and ``html.j2``: so the two files cannot tell
different stories. Whatever is put in is text: it is escaped, never taken for markup.
The HTML holds its pictures and asks nothing of a network. Published numbers share no
column with measured ones.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..cost import ViewCost
from ..errors import DVFLError, RunDirectoryError
from ..files import read_bytes, write_whole
from .comparison import compare
from .metrics import (
    METRICS,
    Calibration,
    family_accuracy,
    family_chance,
    pair_accuracy,
)
from .published import PUBLISHED_PARAMETERS, PUBLISHED_RESULTS
from .results import ConfusedPair, Evaluation
from .tables import (
    FinalRow,
    Place,
    Table,
    accuracy_cells,
    cost_table,
    data_name,
    final_table,
    markdown,
    plain,
    source_table,
    split_table,
)

FORMAT = "dvfl_lib benchmarks 1"
_PNG = b"\x89PNG\r\n\x1a\n"


def _pages(folder: Path, name: str, **content: Any) -> tuple[str, str]:
    """A page as Markdown and as HTML.

    Raises:
        RunDirectoryError: a picture is missing or is no PNG.
    """
    texts = []
    for writer in ("md", "html"):
        env = Environment(
            loader=PackageLoader("dvfl_lib.evaluation"),
            autoescape=writer == "html",  # in Markdown, the filter "plain" escapes
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        env.globals["Table"] = Table
        env.filters |= {
            "plain": plain,
            "markdown": lambda table: markdown([table]).strip(),
            "unbroken": _unbroken,
            "fence": _fence,
            "link": lambda file: file.replace(" ", "%20").replace(")", "%29"),
            "png": lambda file: _picture(folder / file),
        }
        w = env.get_template(f"{writer}.j2").module
        body = env.get_template(f"{name}.j2").render(w=w, **content)
        texts.append(str(w.page(content["title"], body)))
    text, page = texts
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", page + "\n"


def _unbroken(text: object) -> str:
    """No line break within "95.0 %" and "[83.5, 98.6]"."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\d,) (?=[\d.]+\])", "\u00a0", str(text))


def _fence(text: str) -> str:
    """Longer than any run of backticks in it."""
    runs = [len(run) for run in re.findall("`+", text)]
    return "`" * max([3, *(length + 1 for length in runs)])


def _picture(path: Path) -> str:
    content = read_bytes(path)
    if not content.startswith(_PNG):
        raise RunDirectoryError(f"{path} is no PNG picture")
    return base64.b64encode(content).decode()


# --- a run -------------------------------------------------------------------------


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
        evaluation: the result.
        parameters: trainable numbers in the network.
        gmacs: 10^9 multiply-accumulates of one view; None if not measured.
    """

    role: str
    evaluation: Evaluation
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
        teacher, baseline, student: the three networks; baseline and student
            began with the same weights and saw the same data in the same order.
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
    student: NetworkResult
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

    Returns the two paths.

    Raises:
        RunDirectoryError: a figure is missing or damaged, or the folder cannot be
            written.
        DVFLError: results that do not belong into one report.
    """
    run_dir = Path(run_dir)
    networks = [summary.teacher, summary.baseline, summary.student]
    results = [network.evaluation for network in networks]
    for result in results:
        if result.standin != summary.standin:
            data = ["a real data set", "a stand-in"]
            raise DVFLError(
                f"the run is said to be on {data[summary.standin]}, but {result.name} "
                f"was evaluated on {data[result.standin]}; a report never mixes the two"
            )
    text, page = _pages(
        run_dir,
        "run",
        title=summary.title,
        run=summary,
        views=", ".join(dict.fromkeys(str(r.views) for r in results)),
        classes=len(results[0].class_names),
        networks=_networks_table(networks, summary),
        gain=compare(results[1], results[2]),
        unreadable=_unreadable_table(summary, results),
        recipe=json.dumps(summary.recipe, indent=2, ensure_ascii=False, default=str),
        published=[
            (row, PUBLISHED_PARAMETERS[row.network])
            for row in PUBLISHED_RESULTS
            if row.benchmark == "ucf101" and row.network in PUBLISHED_PARAMETERS
        ],
    )
    # Both are made before either is written: what is missing leaves no half.
    write_whole(run_dir / "report.md", text.encode())
    write_whole(run_dir / "report.html", page.encode())
    return run_dir / "report.md", run_dir / "report.html"


def _networks_table(networks: list[NetworkResult], summary: RunSummary) -> Table:
    columns = ["role", "model", "parameters", "GMACs per view"]
    columns += [metric.title for metric in METRICS.values()]
    columns += ["within pairs"] * bool(summary.pairs)
    columns += ["right family"] * bool(summary.families)
    rows = []
    for network in networks:
        result, gmacs = network.evaluation, network.gmacs
        shares = result.probabilities, result.labels
        row = [network.role, result.model, f"{network.parameters:,}"]
        row.append("not measured" if gmacs is None else f"{gmacs:.3g}")
        row += accuracy_cells(result)
        if summary.pairs:
            row.append(str(pair_accuracy(*shares, summary.pairs)))
        if summary.families:
            row.append(str(family_accuracy(*shares, summary.families)))
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
        first = networks[0].evaluation
        classes = len(first.class_names)
        chance = 100 * family_chance(first.labels, summary.families, classes)
        caption += f" Right family: chance {chance:.0f} %."
    return Table([*columns, "videos", "views"], rows, caption)


def _unreadable_table(summary: RunSummary, results: list[Evaluation]) -> Table | None:
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
    caption = "Left out of the score, or in training replaced by the next video."
    return Table(["phase", "number", "videos"], rows, caption) if rows else None


# --- all data sets -----------------------------------------------------------------


def write_final_report(
    run_dir: Path,
    rows: Sequence[FinalRow],
    costs: Sequence[ViewCost] = (),
    calibrations: Mapping[Place, Calibration] | None = None,
    confusions: Mapping[Place, Sequence[ConfusedPair]] | None = None,
    figures: Sequence[ReportFigure] = (),
    about: Mapping[str, Any] | None = None,
) -> tuple[Path, Path, Path]:
    """Write ``benchmarks.md``, ``benchmarks.html`` and ``benchmarks.json``.

    Args:
        rows: see ``tables.final_rows``; then further tables, where there are any.
        figures: PNG files below ``run_dir``.
        about: device, versions and the like, as a table and in the JSON.

    Raises:
        RunDirectoryError: no row; a figure is missing.
    """
    if not rows:
        raise RunDirectoryError(f"{run_dir}: nothing was evaluated, nothing to report")
    calibrations, confusions, about = calibrations or {}, confusions or {}, about or {}
    standins = {row.mean.dataset: row.mean.standin for row in rows}
    title = (
        "Benchmarks, some on stand-in data" if any(standins.values()) else "Benchmarks"
    )
    title = "Benchmarks, on stand-in data" if all(standins.values()) else title
    text, page = _pages(
        run_dir,
        "benchmarks",
        title=title,
        drawn=", ".join(data_name(d, s) for d, s in standins.items() if s),
        about=Table(["what", "value"], [[k, str(v)] for k, v in about.items()]),
        tables=[final_table(rows), source_table(rows)],
        notes=list(dict.fromkeys(n for r in rows for n in r.notes)),
        splits=split_table(rows),
        closer={
            "Cost": costs and cost_table(list(costs)),
            "Calibration": calibrations and _calibration_table(calibrations, standins),
            "Most confused pairs": confusions and _mistakes(confusions, standins),
        },
        figures=figures,
    )

    values = {
        "format": FORMAT,
        "title": title,
        "standin": standins,
        "rows": [row.to_dict() for row in rows],
        "costs": [cost.to_dict() for cost in costs],
        "calibration": _placed(calibrations, standins),
        "confused_pairs": _placed(confusions, standins),
        "about": dict(about),
    }
    told = json.dumps(values, indent=1, ensure_ascii=False)
    contents = {"md": text, "html": page, "json": told}
    for kind, content in contents.items():
        write_whole(run_dir / f"benchmarks.{kind}", content.encode())
    return tuple(run_dir / f"benchmarks.{kind}" for kind in contents)


def _placed(found: Mapping[Place, Any], standins: Mapping[str, bool]) -> list[dict]:
    """For JSON: what was found at each place, with the place."""
    return [
        {"benchmark": d, "standin": standins[d], "split": split, "network": network}
        | (
            each.to_dict()
            if isinstance(each, Calibration)
            else {"pairs": [pair.to_dict() for pair in each]}
        )
        for (d, split, network), each in found.items()
    ]


def _where(place: Place, standins: Mapping[str, bool]) -> list[str]:
    """Data, split and network, for the first cells of a row."""
    return [data_name(place[0], standins[place[0]]), *place[1:]]


def _calibration_table(
    found: Mapping[Place, Calibration], standins: Mapping[str, bool]
) -> Table:
    """Mean confidence, accuracy and calibration error of each network on each list."""
    columns = ["data", "split", "network", "mean confidence", "top-1"]
    columns += ["expected calibration error"]
    cells = [
        [
            *_where(place, standins),
            f"{100 * each.confidence:.1f} %",
            str(each.accuracy),
            f"{100 * each.error:.1f} points",
        ]
        for place, each in found.items()
    ]
    number = len(next(iter(found.values())).bins)
    return Table(columns, cells, f"{number} bins of equal width.")


def _mistakes(
    found: Mapping[Place, Sequence[ConfusedPair]], standins: Mapping[str, bool]
) -> Table:
    """The most confused pairs of each network on each list."""
    columns = ["data", "split", "network", "true", "said", "videos", "names"]
    cells = [
        [
            *_where(place, standins),
            pair.true,
            pair.said,
            f"{pair.count} of {pair.of}",
            "; ".join(pair.videos[:3]),
        ]
        for place, pairs in found.items()
        for pair in pairs
    ]
    return Table(columns, cells, "Up to three videos of each pair are named.")
