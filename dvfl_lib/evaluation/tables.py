"""Results as tables: one run, several splits, measured beside published.

Public names: ``Table``, ``markdown``, ``plain``; ``result_table``, ``accuracy_cells``,
``cost_table``, ``list_accuracies``, ``data_name``, ``Place``, ``ROLE_NAMES``;
``ResultRow``, ``split_mean``, ``protocol_of``, ``final_rows``, ``final_table``,
``marked``.

Measured and published numbers stand in columns of their own.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..cost import ViewCost
from ..datasets.base import protocols_of
from ..datasets.sources import SOURCES
from ..errors import DatasetError
from .metrics import METRICS
from .published import PublishedResult, differences, published_for
from .results import Evaluation

Place = tuple[str, str, str]  # data set, split, role
# What tables and figures call the networks of a run.
ROLE_NAMES = {
    "teacher": "teacher",
    "baseline": "student, not distilled",
    "student": "student, distilled",
}


@dataclass(frozen=True)
class Table:
    """Rows of cells under column names, with an optional caption below."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, object]], caption: str = "") -> Table:
        """From rows that say column -> cell, all the same columns."""
        cells = [[str(cell) for cell in row.values()] for row in rows]
        return cls(list(rows[0]) if rows else [], cells, caption)


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


def accuracy_cells(result: Evaluation) -> dict[str, str]:
    """Column -> cell, for each of ``METRICS``."""
    return {m.title: m.cell(result.accuracies[name]) for name, m in METRICS.items()}


def result_table(evaluations: Collection[Evaluation]) -> Table:
    """One row per network; the caption says where the data is a stand-in."""
    rows = [
        {"network": e.name, "model": e.model}
        | accuracy_cells(e)
        | {"videos": len(e.videos), "clips x crops": e.views}
        for e in evaluations
    ]
    mark = "Stand-in data. " if any(e.standin for e in evaluations) else ""
    return Table.of(rows, f"{mark}Top-1 with its 95 % interval (Wilson).")


def cost_table(costs: Sequence[ViewCost], measured: bool = True) -> Table:
    """A row per network; with the seconds, which are other ones each time, or not."""
    caption = "GMACs: 10^9 multiply-accumulates of matrix products and convolutions."
    rows = []
    for cost in costs:
        number, each = cost.views_per_video, 1e3 * cost.seconds
        row = {
            "network": cost.name,
            "parameters": f"{cost.parameters:,}",
            "views": f"{cost.views.clips} x {cost.views.crops}",
            "GMACs per view": f"{cost.macs / 1e9:.3g}",
            "GMACs per video": f"{cost.macs * number / 1e9:.3g}",
        }
        if measured:
            row["measured: ms per view"] = f"{each:.3g}"
            row["ms per video"] = f"{each * number:.3g}"
        rows.append(row)
    if measured:
        where = ", ".join(dict.fromkeys(cost.device for cost in costs))
        caption += (
            f" Milliseconds: median of {costs[0].repeats} on this machine ({where}), "
            "one view at a time, without decoding; elsewhere they are others."
        )
    return Table.of(rows, caption)


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
class ResultRow:
    """One network on one data set: its splits, their mean, and what was published.

    Shares are in [0, 1].
    """

    results: tuple[Evaluation, ...]  # of its splits, in the order of the protocol
    whole: bool  # whether no split is missing
    means: dict[str, float | None]  # metric -> mean; None where it is not meaningful
    spread: float | None  # sample standard deviation of top-1; None for one split
    low: float  # the least and the greatest top-1
    high: float

    @property
    def first(self) -> Evaluation:
        """The others are of the same network, data set and views."""
        return self.results[0]

    @property
    def data(self) -> str:
        """What tables call the data set."""
        return data_name(self.first.dataset, self.first.standin)

    @property
    def splits(self) -> list[str]:
        return [result.split for result in self.results]

    @property
    def videos(self) -> int:
        """On all test lists together."""
        return sum(len(result.videos) for result in self.results)

    @property
    def top1(self) -> float:
        """Mean top-1."""
        return self.means["top1"]

    @property
    def published(self) -> PublishedResult | None:
        return published_for(self.first.dataset, self.first.name, self.first.model)

    @property
    def why_not(self) -> list[str]:
        """Why the two must not be compared; empty if they may."""
        each = (differences(self.published, r) for r in self.results if self.published)
        return list(dict.fromkeys(why for reasons in each for why in reasons))

    @property
    def notes(self) -> list[str]:
        """The notes of all its results, each once."""
        return list(dict.fromkeys(n for r in self.results for n in r.notes))

    def __str__(self) -> str:
        spread = "" if self.spread is None else f" ± {100 * self.spread:.1f}"
        return f"{100 * self.top1:.1f} %{spread}"

    def to_dict(self) -> dict[str, object]:
        """For JSON; measured and published stay apart."""
        about = {"dataset": self.first.dataset, "standin": self.first.standin}
        mean = {"name": self.first.name, **about, "splits": self.splits}
        mean |= {"whole": self.whole, "videos": self.videos}
        for name, share in self.means.items():
            mean[f"{name}_percent"] = None if share is None else 100 * share
        mean["spread_points"] = None if self.spread is None else 100 * self.spread
        mean |= {"low_percent": 100 * self.low, "high_percent": 100 * self.high}
        mean["spread_is"] = "sample standard deviation over the splits"
        return {
            "benchmark": self.first.dataset,
            "standin": self.first.standin,
            "role": self.first.name,
            "model": self.first.model,
            "measured": {
                "mean": mean,
                "splits": [
                    {
                        "split": r.split,
                        "videos": len(r.videos),
                        "missing": r.missing,
                        "unreadable": len(r.unreadable),
                        **r.accuracies_dict(),
                        "views": str(r.views),
                    }
                    for r in self.results
                ],
                "notes": self.notes,
            },
            "published": self.published and self.published.to_dict(),
            "comparable": self.published is not None and not self.why_not,
            "why_not": self.why_not,
        }


def split_mean(results: Sequence[Evaluation]) -> ResultRow:
    """One network's results on splits of one data set, and their mean.

    UCF101 and HMDB51 have three official splits, and the number of a method is the
    mean over them, each with a network of its own. What does not belong together
    (networks, data sets, views, protocols) is a ``DatasetError``.
    """
    if not results:
        raise DatasetError("there is no result to take a mean of")
    for what in ("name", "dataset", "standin", "subset", "views"):
        found = {getattr(result, what) for result in results}
        if len(found) > 1:
            raise DatasetError(
                f"a mean over splits needs results of one {what}, not of "
                f"{', '.join(sorted(map(str, found)))}"
            )
    by_split = {result.split: result for result in results}
    if len(by_split) < len(results):
        raise DatasetError(f"a split is there twice: {[r.split for r in results]}")
    protocol = protocol_of(results[0].dataset, results[0].split)
    if not set(by_split) <= set(protocol):
        raise DatasetError(
            f"{results[0].dataset}: the splits {', '.join(by_split)} do not belong to "
            "one protocol, so their mean says nothing"
        )
    kept = tuple(by_split[split] for split in protocol if split in by_split)
    means: dict[str, float | None] = {}
    for name in METRICS:
        each = [result.accuracies[name] for result in kept]
        known = None not in each
        means[name] = statistics.mean(a.value for a in each) if known else None
    tops = [result.top1.value for result in kept]
    spread = statistics.stdev(tops) if len(tops) > 1 else None
    whole = len(kept) == len(protocol)
    return ResultRow(kept, whole, means, spread, min(tops), max(tops))


def protocol_of(dataset: str, split: str) -> tuple[str, ...]:
    """The set of splits whose mean is a number of the data set; or this one alone."""
    return next((p for p in protocols_of(dataset) if split in p), (split,))


def final_rows(results: Iterable[Evaluation]) -> list[ResultRow]:
    """One row per data set, network and protocol, in the order they come."""
    groups: dict[tuple, list[Evaluation]] = {}
    for r in results:
        place = (r.dataset, r.name, protocol_of(r.dataset, r.split))
        groups.setdefault(place, []).append(r)
    return [split_mean(group) for group in groups.values()]


def final_table(rows: Sequence[ResultRow]) -> Table:
    """The final table: measured left, published right, and whether they compare."""
    caption = (
        "Brackets: 95 % interval (Wilson). ±: standard deviation over the splits. "
        "Measured here on the left, stated by the authors on the right; where no "
        "readable source has a number, its place is blank. A yes speaks of data, "
        "network, list and number of views; the authors draw several clips at random."
    )
    return Table.of([_cells(row) for row in rows], marked(rows, caption))


def _cells(row: ResultRow) -> dict[str, str]:
    published, told, where = row.published, "", ""
    top1 = str(row if len(row.splits) > 1 else row.first.top1)
    top5 = row.means["top5"]
    top5 = "not meaningful" if top5 is None else f"{100 * top5:.1f} %"
    if published is not None and published.top1 is not None:
        numbers = [f"{n:.1f} %" for n in (published.top1, published.top5) if n]
        told = f"{published.network}: {' / '.join(numbers)}"
        where = f"{published.split_rule}; {published.views}"
    comparable = f"no: {', '.join(row.why_not)}" if row.why_not else "yes"
    return {
        "data": row.data,
        "network": row.first.name,
        "measured top-1 / top-5": f"{top1} / {top5}",
        "measured on": _measured_on(row),
        "published top-1 / top-5": told,
        "published on": where,
        "comparable": "nothing to compare" if published is None else comparable,
    }


def _measured_on(row: ResultRow) -> str:
    """Splits, how many videos of how many, and views."""
    views, shown = row.first.views, f"{row.videos} videos"
    if any(r.missing is None for r in row.results):
        shown += ", of an unknown number"
    elif out := sum(r.missing + len(r.unreadable) for r in row.results):
        shown = f"{row.videos} of {row.videos + out} listed videos"
    shown += f"; {views.clips} x {views.crops} views"
    if len(row.splits) == 1:
        return f"split {row.splits[0]}; {shown}"
    names = ", ".join(row.splits)
    if len(row.splits) > 5:
        names = f"{row.splits[0]} to {row.splits[-1]}"
    partly = "" if row.whole else ", not all of them"
    return f"mean of splits {names}{partly}; {shown}"


def marked(rows: Sequence[ResultRow], caption: str) -> str:
    """The caption of a table of these; it says whether the data is a stand-in."""
    marks = {row.first.standin for row in rows}
    if marks == {True}:
        return f"Stand-in data. {caption}"
    return f"Rows of stand-in data say so. {caption}" if True in marks else caption
