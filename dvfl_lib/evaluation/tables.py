"""Results as tables: one run, several splits, measured beside published.

Public names: ``Table``, ``markdown``, ``plain``; ``result_table``, ``accuracy_cells``,
``cost_table``, ``list_accuracies``, ``data_name``, ``Place``, ``ROLE_NAMES``;
``PublishedResult``, ``PUBLISHED_RESULTS``, ``PUBLISHED_PARAMETERS``, ``published_for``,
``differences``;
``FinalRow``, ``final_rows``, ``final_table``, ``marked``.

Measured and published numbers stand in columns of their own. What was published stands
in ``published.toml``, with its sources.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..cost import ViewCost
from ..datasets.sources import SOURCES
from .comparison import SplitMean, protocol_of, split_mean
from .metrics import METRICS
from .results import Evaluation

Place = tuple[str, str, str]  # data set, split, role
# What tables and figures call the networks of a run.
ROLE_NAMES = {
    "teacher": "teacher",
    "baseline": "student, not distilled",
    "student": "student, distilled",
}
_FEW = 0.01  # share of missing or unreadable videos that moves no result


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


def result_table(evaluations: Sequence[Evaluation]) -> Table:
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


# --- what was published ------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One network on one data set, as its authors state it; None is not stated."""

    benchmark: str  # the data set's name in ``datasets``
    role: str  # "teacher", "baseline" (VFL-Net, on labels alone), "student" (DVFL-Net)
    network: str  # the authors' name
    model: str  # the name in ``vfl_net``
    top1: float | None = None  # per cent
    top5: float | None = None
    split: str  # the name in ``datasets``; "" where no such split can be had
    clips: int | None = None
    crops: int | None = None
    frames: int | None = None
    crop: int | None = None
    source: str  # where it stands
    split_rule: str  # the list of test videos, in words

    @property
    def address(self) -> str:
        """The page to read."""
        if self.source.startswith("arXiv "):
            return f"https://arxiv.org/abs/{self.source.split()[1].rstrip(':')}"
        return f"https://{self.source.partition(',')[0]}"

    @property
    def views(self) -> str:
        """Clips x crops, or that they are not stated."""
        known = f"{self.clips} x {self.crops} views"
        return "views not stated" if self.clips is None else known

    def to_dict(self) -> dict[str, object]:
        values = asdict(self)
        for name in ("top1", "top5"):
            values[f"{name}_percent"] = values.pop(name)
        return values | {"address": self.address}


_TOLD = tomllib.loads(Path(__file__).with_name("published.toml").read_text("utf-8"))
# Network -> how many, as the page says that has its numbers on UCF101.
PUBLISHED_PARAMETERS: dict[str, str] = _TOLD["parameters"]
PUBLISHED_RESULTS: tuple[PublishedResult, ...] = tuple(
    PublishedResult(**page, **row, **_TOLD["networks"][row["network"]])
    for page in _TOLD["page"]
    for row in page.pop("rows")
)


def published_for(benchmark: str, role: str, model: str) -> PublishedResult | None:
    """What to set beside a measured result: the same role, the same network if any.

    A teacher of another size is set beside the Base network, which taught in the
    paper; ``differences`` says that it is another network.
    """
    place = (benchmark, role)
    found = [row for row in PUBLISHED_RESULTS if (row.benchmark, row.role) == place]
    same = [row for row in found if row.model == model]
    return next(iter([*same, *found]), None)


def differences(published: PublishedResult, measured: Evaluation) -> list[str]:
    """Why the two numbers must not be compared; an empty list where they may be."""
    if published.top1 is None:
        return ["no published number is known"]
    why, views = [], measured.views
    seen = (views.clips, views.crops, views.frames, views.crop)
    stated = (published.clips, published.crops, published.frames, published.crop)
    if measured.standin:
        why.append("stand-in data")
    if measured.dataset != published.benchmark:
        why.append(f"another benchmark ({measured.dataset})")
    if measured.model != published.model:
        why.append("another network")
    if measured.split != published.split or measured.subset != "test":
        why.append("another test list")
    if published.clips is None:
        why.append("published views not stated")
    elif seen != stated or views.sampling != "segments":
        why.append("other views")
    if measured.missing is None:
        why.append("no list says how many videos are missing")
    out = (measured.missing or 0) + len(measured.unreadable)
    share = out / (out + len(measured.videos))
    if share > _FEW:
        why.append(f"{100 * share:.1f} % of the listed videos missing or unreadable")
    return why


# --- measured beside published -----------------------------------------------------


@dataclass(frozen=True)
class FinalRow:
    """One network on one data set: all its splits, and what was published."""

    results: tuple[Evaluation, ...]
    mean: SplitMean
    published: PublishedResult | None
    why_not: tuple[str, ...]  # why the two must not be compared; empty if they may

    @property
    def data(self) -> str:
        """What tables call the data set."""
        return data_name(self.mean.dataset, self.mean.standin)

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of all its results, each once."""
        return tuple(dict.fromkeys(n for r in self.results for n in r.notes))

    def to_dict(self) -> dict[str, object]:
        """For JSON; measured and published stay apart."""
        return {
            "benchmark": self.mean.dataset,
            "standin": self.mean.standin,
            "role": self.mean.name,
            "model": self.results[0].model,
            "measured": {
                "mean": self.mean.to_dict(),
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
                "notes": list(self.notes),
            },
            "published": self.published and self.published.to_dict(),
            "comparable": self.published is not None and not self.why_not,
            "why_not": list(self.why_not),
        }


def final_rows(results: Iterable[Evaluation]) -> list[FinalRow]:
    """One row per data set, network and protocol, in the order they come."""
    groups: dict[tuple, list[Evaluation]] = {}
    for r in results:
        place = (r.dataset, r.name, protocol_of(r.dataset, r.split))
        groups.setdefault(place, []).append(r)
    rows = []
    for (name, role, _), group in groups.items():
        published = published_for(name, role, group[0].model)
        why_not: dict[str, None] = {}
        for r in group if published else ():
            why_not |= dict.fromkeys(differences(published, r))
        row = FinalRow(tuple(group), split_mean(group), published, tuple(why_not))
        rows.append(row)
    return rows


def final_table(rows: Sequence[FinalRow]) -> Table:
    """The final table: measured left, published right, and whether they compare."""
    caption = (
        "Brackets: 95 % interval (Wilson). ±: standard deviation over the splits. "
        "Measured here on the left, stated by the authors on the right; where no "
        "readable source has a number, its place is blank."
    )
    return Table.of([_cells(row) for row in rows], marked(rows, caption))


def _cells(row: FinalRow) -> dict[str, str]:
    mean, published, told, where = row.mean, row.published, "", ""
    top1 = str(mean if len(mean.splits) > 1 else row.results[0].top1)
    top5 = mean.means["top5"]
    top5 = "not meaningful" if top5 is None else f"{100 * top5:.1f} %"
    if published is not None and published.top1 is not None:
        numbers = [f"{n:.1f} %" for n in (published.top1, published.top5) if n]
        told = f"{published.network}: {' / '.join(numbers)}"
        where = f"{published.split_rule}; {published.views}"
    comparable = f"no: {', '.join(row.why_not)}" if row.why_not else "yes"
    return {
        "data": row.data,
        "network": mean.name,
        "measured top-1 / top-5": f"{top1} / {top5}",
        "measured on": _measured_on(row),
        "published top-1 / top-5": told,
        "published on": where,
        "comparable": "nothing to compare" if published is None else comparable,
    }


def _measured_on(row: FinalRow) -> str:
    """Splits, how many videos of how many, and views."""
    mean, views = row.mean, row.results[0].views
    shown = f"{mean.videos} videos"
    if any(r.missing is None for r in row.results):
        shown += ", of an unknown number"
    elif out := sum(r.missing + len(r.unreadable) for r in row.results):
        shown = f"{mean.videos} of {mean.videos + out} listed videos"
    shown += f"; {views.clips} x {views.crops} views"
    if len(mean.splits) == 1:
        return f"split {mean.splits[0]}; {shown}"
    names = ", ".join(mean.splits)
    if len(mean.splits) > 5:
        names = f"{mean.splits[0]} to {mean.splits[-1]}"
    partly = "" if mean.whole else ", not all of them"
    return f"mean of splits {names}{partly}; {shown}"


def marked(rows: Sequence[FinalRow], caption: str) -> str:
    """The caption of a table of these; it says whether the data is a stand-in."""
    marks = {row.mean.standin for row in rows}
    if marks == {True}:
        return f"Stand-in data. {caption}"
    return f"Rows of stand-in data say so. {caption}" if True in marks else caption
