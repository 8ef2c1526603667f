"""Results as tables: one run, several splits, measured beside published.

Public names: ``Table``, ``markdown``; ``result_table``, ``accuracy_cells``,
``accuracy_titles``;
``Measured``, ``FinalRow``, ``final_rows``, ``final_table``, ``split_table``,
``source_table``; ``cost_table``, ``list_accuracies``, ``Place``, ``data_name``,
``plain``.

Measured and published numbers stand in columns of their own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..cost import ViewCost
from ..datasets.base import protocols_of
from ..datasets.sources import SOURCES
from .comparison import SplitMean, split_mean
from .metrics import METRICS
from .published import PublishedResult, differences, published_for
from .results import Evaluation

Place = tuple[str, str, str]  # data set, split, role


@dataclass(frozen=True)
class Table:
    """Rows of cells under column names, with an optional caption below."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


def markdown(tables: Sequence[Table]) -> str:
    """Tables as Markdown; what is in their cells is text, never markup."""
    texts = []
    for table in tables:
        lines = [[*map(plain, row)] for row in (table.columns, *table.rows)]
        lines.insert(1, ["---"] * len(table.columns))
        rows = ["| " + " | ".join(line) + " |" for line in lines]
        rows += ["", plain(table.caption)] if table.caption else []
        texts.append("\n".join(rows))
    return "\n\n".join(texts) + "\n"


def plain(text: object) -> str:
    """One line in which nothing is taken for Markdown or for HTML.

    Only what could be taken for markup is escaped (``_`` within a word and ``[``
    without a link after it could not), so that the source stays readable.
    """
    line = " ".join(str(text).split())
    line = re.sub(r"([\\`*|]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def data_name(dataset: str, standin: bool) -> str:
    """How tables call a data set; a stand-in is never called by the name alone."""
    title = SOURCES[dataset].title if dataset in SOURCES else dataset
    return f"stand-in for {title}" if standin else title


def accuracy_cells(result: Evaluation) -> list[str]:
    """One cell for each of ``METRICS``."""
    return [m.cell(result.accuracies[name]) for name, m in METRICS.items()]


def accuracy_titles() -> list[str]:
    """The columns of these cells."""
    return [metric.title for metric in METRICS.values()]


def result_table(evaluations: Sequence[Evaluation]) -> Table:
    """One row per network; the caption says where the data is a stand-in."""
    rows = [
        [e.name, e.model, *accuracy_cells(e), str(len(e.videos)), str(e.views)]
        for e in evaluations
    ]
    caption = "Top-1 with its 95 % interval (Wilson)."
    if any(e.standin for e in evaluations):
        caption = "Stand-in data. " + caption
    columns = ["network", "model", *accuracy_titles(), "videos", "clips x crops"]
    return Table(columns, rows, caption)


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
        row[role] = (result.top1.value, *result.top1.interval)
    return found


# --- measured beside published -----------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A result, and what a reader must know of it."""

    role: str  # "teacher", "baseline" or "student"
    result: Evaluation
    notes: tuple[str, ...] = ()  # such as where the order of classes was taken from
    missing: int | None = 0  # videos not on the disk; None where no list says it


@dataclass(frozen=True)
class FinalRow:
    """One network on one data set: all its splits, and what was published."""

    measured: tuple[Measured, ...]
    mean: SplitMean
    published: PublishedResult | None
    why_not: tuple[str, ...]  # why the two must not be compared; empty if they may

    @property
    def first(self) -> Evaluation:
        """The result on the first split."""
        return self.measured[0].result

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all its results, each once."""
        return tuple(dict.fromkeys(n for m in self.measured for n in m.notes))

    @property
    def comparable(self) -> str:
        """ "yes", or "no" and why."""
        if self.published is None:
            return "nothing to compare"
        return f"no: {', '.join(self.why_not)}" if self.why_not else "yes"

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary, for JSON; measured and published stay apart."""
        return {
            "benchmark": self.mean.dataset,
            "standin": self.mean.standin,
            "role": self.measured[0].role,
            "model": self.first.model,
            "measured": {
                "mean": self.mean.to_dict(),
                "splits": [
                    {
                        "split": m.result.split,
                        "videos": len(m.result.videos),
                        "missing": m.missing,
                        "unreadable": len(m.result.unreadable),
                        **m.result.accuracies_dict(),
                        "views": str(m.result.views),
                    }
                    for m in self.measured
                ],
                "notes": list(self.notes),
            },
            "published": self.published and self.published.to_dict(),
            "comparable": self.published is not None and not self.why_not,
            "why_not": list(self.why_not),
        }


def final_rows(measured: Sequence[Measured]) -> list[FinalRow]:
    """One row per data set, network and protocol, in the order they come."""
    groups: dict[tuple, list[Measured]] = {}
    for entry in measured:
        name, split = entry.result.dataset, entry.result.split
        protocol = next((p for p in protocols_of(name) if split in p), (split,))
        groups.setdefault((name, entry.role, protocol), []).append(entry)
    rows = []
    for (name, role, _), group in groups.items():
        results = [entry.result for entry in group]
        published = published_for(name, role, results[0].model)
        why_not: dict[str, None] = {}
        if published is not None:
            for m in group:
                why_not |= dict.fromkeys(differences(published, m.result, m.missing))
        mean = split_mean(results)
        rows.append(FinalRow(tuple(group), mean, published, tuple(why_not)))
    return rows


def final_table(rows: Sequence[FinalRow]) -> Table:
    """The final table: measured left, published right, and whether they compare."""
    columns = ["data", "network", "measured top-1 / top-5", "measured on"]
    columns += ["published top-1 / top-5", "published on", "comparable"]
    caption = (
        "Brackets: 95 % interval (Wilson). ±: standard deviation over the splits. "
        "Measured here on the left, stated by the authors on the right; where no "
        "readable source has a number, its place is blank."
    )
    return Table(columns, [_cells(row) for row in rows], _marked(rows, caption))


def _cells(row: FinalRow) -> list[str]:
    mean, published = row.mean, row.published
    top1 = str(row.first.top1) if len(mean.splits) == 1 else str(mean)
    top5 = "not meaningful" if mean.top5 is None else f"{100 * mean.top5:.1f} %"
    cells = [data_name(mean.dataset, mean.standin), mean.name, f"{top1} / {top5}"]
    cells.append(_measured_on(row))
    if published is None or published.top1 is None:
        return [*cells, "", "", row.comparable]
    numbers = [f"{n:.1f} %" for n in (published.top1, published.top5) if n is not None]
    told = f"{published.network}: {' / '.join(numbers)}"
    where = f"{published.split_rule}; {published.views}"
    return [*cells, told, where, row.comparable]


def _measured_on(row: FinalRow) -> str:
    """Splits, how many videos of how many, and views."""
    mean, views = row.mean, row.first.views
    shown = f"{mean.videos} videos"
    if any(m.missing is None for m in row.measured):
        shown += ", of an unknown number"
    elif out := sum(m.missing + len(m.result.unreadable) for m in row.measured):
        shown = f"{mean.videos} of {mean.videos + out} listed videos"
    shown += f"; {views.clips} x {views.crops} views"
    if len(mean.splits) == 1:
        return f"split {mean.splits[0]}; {shown}"
    names = ", ".join(mean.splits)
    if len(mean.splits) > 5:
        names = f"{mean.splits[0]} to {mean.splits[-1]}"
    partly = "" if mean.whole else ", not all of them"
    return f"mean of splits {names}{partly}; {shown}"


def split_table(rows: Sequence[FinalRow]) -> Table:
    """Every split by itself, with its interval; the mean stands in the final table."""
    columns = ["data", "split", "network", *accuracy_titles()]
    columns += ["videos", "missing", "unreadable"]
    cells = []
    for m in (m for row in rows for m in row.measured):
        r, missing = m.result, "unknown" if m.missing is None else str(m.missing)
        row = [data_name(r.dataset, r.standin), r.split, f"{r.name} ({r.model})"]
        row += [*accuracy_cells(r), str(len(r.videos)), missing, str(len(r.unreadable))]
        cells.append(row)
    caption = "Brackets: 95 % interval (Wilson), which takes videos for independent."
    return Table(columns, cells, _marked(rows, caption))


def source_table(rows: Sequence[FinalRow]) -> Table:
    """Where the published numbers of the final table stand."""
    names: dict[tuple[str, str, str], dict[str, None]] = {}
    for p in (row.published for row in rows if row.published is not None):
        place = (data_name(p.benchmark, False), p.source, p.address)
        names.setdefault(place, {})[p.network] = None
    cells = [[data, ", ".join(n), *where] for (data, *where), n in names.items()]
    columns = ["benchmark", "published for", "source", "address"]
    return Table(columns, cells, "Stated by the authors; none of it reproduced here.")


def _marked(rows: Sequence[FinalRow], caption: str) -> str:
    marks = {row.mean.standin for row in rows}
    if marks == {True}:
        return f"Stand-in data. {caption}"
    return f"Rows of stand-in data say so. {caption}" if True in marks else caption


def cost_table(costs: list[ViewCost], measured: bool = True) -> Table:
    """A row per network.

    Args:
        measured: with the seconds, which are other ones each time.
    """
    columns = ["network", "parameters", "views", "GMACs per view", "GMACs per video"]
    caption = "GMACs: 10^9 multiply-accumulates of matrix products and convolutions."
    if measured:
        columns += ["measured: ms per view", "ms per video"]
        where = ", ".join(dict.fromkeys(cost.device for cost in costs))
        caption += (
            f" Milliseconds: median of {costs[0].repeats} on this machine ({where}), "
            "one view at a time, without decoding; elsewhere they are others."
        )
    rows = []
    for cost in costs:
        views, number = cost.views, cost.views_per_video
        row = [cost.name, f"{cost.parameters:,}", f"{views.clips} x {views.crops}"]
        row += [f"{cost.macs / 1e9:.3g}", f"{cost.macs * number / 1e9:.3g}"]
        if measured:
            each = 1e3 * cost.seconds
            row += [f"{each:.3g}", f"{each * number:.3g}"]
        rows.append(row)
    return Table(columns, rows, caption)
