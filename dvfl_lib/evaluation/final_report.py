"""The page of all benchmarks: Markdown, one HTML file, and JSON.

Public names: ``write_final_report``, ``FORMAT``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import RunDirectoryError
from ..files import write_whole
from .calibration import Calibration
from .confusions import ConfusedPair
from .document import Heading, Part, Table, Text, html_page, markdown
from .final_table import FinalRow, data_name, final_table, source_table, split_table
from .report import ReportFigure, figure_parts
from .view_cost import ViewCost, cost_table

FORMAT = "dvfl_lib benchmarks 1"
# (benchmark, split, network) -> what was found there
Place = tuple[str, str, str]


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
        rows: see ``final_table.final_rows``.
        costs, calibrations, confusions: further tables, where there are any.
        figures: PNG files below ``run_dir``.
        about: device, versions and the like, as a table and in the JSON.

    Returns:
        The three paths.

    Raises:
        RunDirectoryError: no row, a figure is missing, or the folder cannot be
            written.
    """
    if not rows:
        raise RunDirectoryError(f"{run_dir}: nothing was evaluated, nothing to report")
    calibrations, confusions = calibrations or {}, confusions or {}
    standins = {row.mean.dataset: row.mean.standin for row in rows}
    title = _title(standins)
    parts = _parts(title, rows, costs, calibrations, confusions, about or {})
    parts += figure_parts(run_dir, figures)
    values = {
        "format": FORMAT,
        "title": title,
        "standin": standins,
        "rows": [row.to_dict() for row in rows],
        "costs": [cost.to_dict() for cost in costs],
        "calibration": [
            _place(place, standins) | found.to_dict()
            for place, found in calibrations.items()
        ],
        "confused_pairs": [
            _place(place, standins) | {"pairs": [pair.to_dict() for pair in pairs]}
            for place, pairs in confusions.items()
        ],
        "about": dict(about or {}),
    }
    texts = {
        "benchmarks.md": markdown(parts, run_dir),
        "benchmarks.html": html_page(parts, title),
        "benchmarks.json": json.dumps(values, indent=1, ensure_ascii=False),
    }
    for name, text in texts.items():
        write_whole(run_dir / name, text.encode())
    md, html, js = (run_dir / name for name in texts)
    return md, html, js


def _title(standins: Mapping[str, bool]) -> str:
    if all(standins.values()):
        return "Benchmarks, on stand-in data"
    return (
        "Benchmarks, some on stand-in data" if any(standins.values()) else "Benchmarks"
    )


def _parts(
    title: str,
    rows: Sequence[FinalRow],
    costs: Sequence[ViewCost],
    calibrations: Mapping[Place, Calibration],
    confusions: Mapping[Place, Sequence[ConfusedPair]],
    about: Mapping[str, Any],
) -> list[Part]:
    standins = {row.mean.dataset: row.mean.standin for row in rows}
    parts: list[Part] = [Heading(title, 1)]
    if any(standins.values()):
        names = ", ".join(data_name(d, s) for d, s in standins.items() if s)
        parts.append(
            Text(
                f"Generated videos in the layout of the benchmarks: {names}. Nothing "
                "measured there is a result on the benchmark itself.",
                strong=True,
            )
        )
    if about:
        parts.append(Table(["what", "value"], [[k, str(v)] for k, v in about.items()]))
    parts += [Heading("Measured and published"), final_table(rows), source_table(rows)]
    parts += [Text(note) for note in dict.fromkeys(n for r in rows for n in r.notes)]
    parts += [Heading("Split by split"), split_table(rows)]
    if costs:
        parts += [Heading("Cost"), cost_table(list(costs))]
    if calibrations:
        parts += [Heading("Calibration"), _calibration_table(calibrations, standins)]
    if confusions:
        parts += [
            Heading("Most confused pairs"),
            _confusion_table(confusions, standins),
        ]
    return parts


def _where(place: Place, standins: Mapping[str, bool]) -> list[str]:
    """Data, split and network, for the first cells of a row."""
    return [data_name(place[0], standins[place[0]]), *place[1:]]


def _calibration_table(
    found: Mapping[Place, Calibration], standins: Mapping[str, bool]
) -> Table:
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


def _confusion_table(
    found: Mapping[Place, Sequence[ConfusedPair]], standins: Mapping[str, bool]
) -> Table:
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


def _place(place: Place, standins: Mapping[str, bool]) -> dict[str, object]:
    benchmark, split, network = place
    return {
        "benchmark": benchmark,
        "standin": standins[benchmark],
        "split": split,
        "network": network,
    }
