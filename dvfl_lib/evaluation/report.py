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
from .metrics import Calibration, family_accuracy, family_chance, pair_accuracy
from .published import PUBLISHED_PARAMETERS, PUBLISHED_RESULTS
from .results import ConfusedPair, Evaluation
from .tables import (
    FinalRow,
    Place,
    Table,
    accuracy_cells,
    accuracy_titles,
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


def _pages(folder: Path, name: str, **content: Any) -> dict[str, str]:
    """A page as Markdown and as HTML."""
    pages = {}
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
        pages[writer] = str(w.page(content["title"], body))
    text = re.sub(r"\n{3,}", "\n\n", pages["md"]).strip()
    return {"md": text + "\n", "html": pages["html"] + "\n"}


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
    """One of the networks of a run."""

    role: str  # what it is in the run, such as "student, distilled"
    evaluation: Evaluation
    parameters: int
    gmacs: float | None = None  # 10^9 multiply-accumulates of a view, if measured


@dataclass(frozen=True)
class RunSummary:
    """All that a report tells; the notebook fills it.

    Baseline and student began with the same weights and saw the same data in the same
    order.
    """

    name: str
    profile: str
    dataset: str
    split: str
    standin: bool  # must agree with the results
    seed: int
    device: str  # as used, such as "cuda: Tesla T4"
    versions: Mapping[str, str]  # package -> version
    commit: str | None
    teacher: NetworkResult
    baseline: NetworkResult
    student: NetworkResult
    seconds: Mapping[str, float]  # phase -> wall-clock seconds
    recipe: Mapping[str, Any]  # ``Recipe.to_dict()``
    pairs: Sequence[tuple[int, int]] = ()  # classes to be told apart in twos: a column
    families: Sequence[Sequence[int]] = ()  # groups of like classes: a column
    figures: Sequence[ReportFigure] = ()
    # Phase -> videos that could not be read in it, besides those of the evaluations.
    unreadable: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()  # further sentences

    @property
    def title(self) -> str:
        """The page's title; it says where the data is a stand-in."""
        data = f"stand-in data in the form of {self.dataset}"
        return f"Distilling VFL-Net on {data if self.standin else self.dataset}"


def write_report(run_dir: str | Path, summary: RunSummary) -> tuple[Path, Path]:
    """Write ``report.md`` and ``report.html`` into the run directory.

    Raises:
        RunDirectoryError: a figure is missing or damaged, or nothing can be written.
        DVFLError: results on real data and on stand-ins together.
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
    pages = _pages(
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
    return _written(run_dir, "report", pages)


def _written(folder: Path, name: str, contents: dict[str, str]) -> tuple[Path, ...]:
    """All are made before one is written: what is missing leaves no half."""
    for kind, content in contents.items():
        write_whole(folder / f"{name}.{kind}", content.encode())
    return tuple(folder / f"{name}.{kind}" for kind in contents)


def _networks_table(networks: list[NetworkResult], summary: RunSummary) -> Table:
    columns = ["role", "model", "parameters", "GMACs per view"]
    columns += accuracy_titles()
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
    lists = [(*told, str(len(told[1]))) for told in summary.unreadable.items()]
    for r in results:
        number = f"{len(r.unreadable)} ({100 * r.unreadable_share:.2f} %)"
        lists.append((f"test, {r.name}", r.unreadable, number))
    rows = [[phase, number, "; ".join(them)] for phase, them, number in lists if them]
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
    marks = set(standins.values())
    title = "Benchmarks, some on stand-in data" if True in marks else "Benchmarks"
    title = "Benchmarks, on stand-in data" if marks == {True} else title
    pages = _pages(
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
            "Calibration": calibrations and _calibrations(calibrations, standins),
            "Most confused pairs": confusions and _mistakes(confusions, standins),
        },
        figures=figures,
    )
    pairs = {p: {"pairs": [c.to_dict() for c in cs]} for p, cs in confusions.items()}
    values = {
        "format": FORMAT,
        "title": title,
        "standin": standins,
        "rows": [row.to_dict() for row in rows],
        "costs": [cost.to_dict() for cost in costs],
        "calibration": _placed(
            {place: each.to_dict() for place, each in calibrations.items()}, standins
        ),
        "confused_pairs": _placed(pairs, standins),
        "about": dict(about),
    }
    pages["json"] = json.dumps(values, indent=1, ensure_ascii=False)
    return _written(run_dir, "benchmarks", pages)


def _placed(found: Mapping[Place, dict], standins: Mapping[str, bool]) -> list[dict]:
    """For JSON: what was found at each place, with the place."""
    return [
        {"benchmark": d, "standin": standins[d], "split": split, "network": role} | each
        for (d, split, role), each in found.items()
    ]


def _calibrations(
    found: Mapping[Place, Calibration], standins: Mapping[str, bool]
) -> Table:
    columns = ["data", "split", "network", "mean confidence", "top-1"]
    rows = []
    for (data, split, role), each in found.items():
        sure, off = f"{100 * each.confidence:.1f} %", f"{100 * each.error:.1f} points"
        row = [data_name(data, standins[data]), split, role, sure, str(each.accuracy)]
        rows.append([*row, off])
    caption = f"{len(each.bins)} bins of equal width."
    return Table([*columns, "expected calibration error"], rows, caption)


def _mistakes(
    found: Mapping[Place, Sequence[ConfusedPair]], standins: Mapping[str, bool]
) -> Table:
    columns = ["data", "split", "network", "true", "said", "videos", "names"]
    rows = []
    for (data, split, role), pairs in found.items():
        for pair in pairs:
            row = [data_name(data, standins[data]), split, role, pair.true, pair.said]
            number = f"{pair.count} of {pair.of}"
            rows.append([*row, number, "; ".join(pair.videos[:3])])
    return Table(columns, rows, "Up to three videos of each pair are named.")
