"""The explorer's rows of maps, made from a record.

Public names: ``row_a``, ``row_b``, ``reach_rows``, ``compare_row``, ``strip``,
``level_names``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .record import Record, rank_correlation
from .sheet import SIDE, Array, Cell, Marked, Picture, compose
from .view import View


def row_a(record: Record, view: View) -> Picture:
    """Input, both modulators, their product, and Grad-CAM for comparison."""
    maps, entry = view.maps(record), view.entry(record)
    parts = {
        "spatial": maps.m_space,
        "temporal": maps.m_time,
        "product": maps.product,
        "Grad-CAM": entry.cams[entry.number_of(view.place)],
    }
    cells = [Cell(f"input, frame {view.frame + 1}", record.frames[view.frame])]
    cells += [_cell(name, part, view) for name, part in parts.items()]
    label = f"{_where(view)}: lengths of modulators, and Grad-CAM"
    return _compose(record, [(label, cells)], view, _said(cells, label))


def row_b(record: Record, view: View) -> Picture:
    """Spatial gates, then gate * length of the context, of each level."""
    maps = view.maps(record)
    rows = []
    for name, part in (
        ("gate", maps.gates["space"]),
        ("contribution", maps.contributions("space")),
    ):
        part = part if view.signed else np.abs(part)
        cells = [
            _cell(f"{name}, {level}", part[n], view, view.signed, part)
            for n, level in enumerate(level_names(maps.levels))
        ]
        rows.append((f"spatial {name}s", cells))
    words = " ".join(_said(cells, label) for label, cells in rows)
    return _compose(record, rows, view, words)


def reach_rows(record: Record, view: View) -> Picture:
    """What the kept token nearest to the chosen one depends on, block by block."""
    entry = view.entry(record)
    number = entry.number_of(view.place)
    if not entry.reach or not len(entry.reach[number].tokens):
        words = "The record keeps no dependencies of this block."
        return _compose(record, [], view, words)
    reach = entry.reach[number]
    kept = reach.nearest((view.frame, view.row, view.column))
    t, y, x = (int(n) for n in reach.tokens[kept])
    rows, told = [], []
    counts = reach.reached(kept)
    for source, maps, count in zip(reach.sources, reach.maps, counts, strict=True):
        said = f"input of stage {source[0]}, block {source[1]}"
        said += f": {count} of {maps[kept].size} tokens (square-root scale)"
        told.append(said)
        cells = [
            Cell(f"frame {n + 1}", frame / 255, 1.0)
            for n, frame in enumerate(maps[kept])
        ]
        rows.append((said, cells))
    words = f"Kept token row {y + 1}, column {x + 1} of frame {t + 1} depends on "
    return _compose(record, rows, None, words + "; ".join(told) + ".", side=64)


def compare_row(record: Record, view: View) -> Picture:
    """The products of two networks, matched by stage, and how alike they are."""
    other = record.network(view.compare)
    place = other.last_place_of(view.place[0])
    own, beside = view.maps(record).product, other.maps.at(*place).product
    alike = rank_correlation(own, beside)
    cells = [_cell(view.network, own, view), _cell(view.compare, beside, view)]
    words = (
        f"Product at stage {view.place[0]}: {view.network}, block {view.place[1]}, and "
        f"{view.compare}, block {place[1]}. Rank correlation over all frames "
        f"{alike:+.2f}."
    )
    label = f"product, rank correlation over all frames {alike:+.2f}"
    return _compose(record, [(label, cells)], view, words)


def strip(record: Record, view: View) -> Picture:
    """Input, modulators and product over all frames, as one picture to keep."""
    maps = view.maps(record)
    frames = [Cell(f"frame {n + 1}", f) for n, f in enumerate(record.frames)]
    rows = [(f"{record.title}: input", frames)]
    for name, part in (
        ("spatial modulator", maps.m_space),
        ("temporal modulator", maps.m_time),
        ("product", maps.product),
    ):
        tops = [part.max() if view.shared else frame.max() for frame in part]
        pairs = zip(part, tops, strict=True)
        cells = [Cell(f"frame {n + 1}", m, float(t)) for n, (m, t) in enumerate(pairs)]
        rows.append((f"{_where(view)}: {name}", cells))
    words = f"{record.title}. {_where(view)}: input, modulators, product in each frame."
    return _compose(record, rows, None, words, side=88)


def level_names(levels: int) -> list[str]:
    """Level 1, level 2, ..., global."""
    return [f"level {n + 1}" for n in range(levels - 1)] + ["global"]


def _where(view: View) -> str:
    return f"{view.network}, stage {view.place[0]}, block {view.place[1]}"


def _cell(
    name: str, part: Array, view: View, signed: bool = False, scale: Array | None = None
) -> Cell:
    """One frame of ``part`` (T, H, W), on the scale of all frames or its own."""
    values = part[view.frame]
    if scale is None:
        scale = part
    seen = scale if view.shared else scale[..., view.frame, :, :]
    return Cell(name, values, float(np.abs(seen).max()) or 1.0, signed)


def _said(cells: Sequence[Cell], label: str) -> str:
    parts = [
        f"{c.name} {c.values.min():.2g} to {c.values.max():.2g}" for c in cells if c.top
    ]
    return f"{label}. {'; '.join(parts)}."


def _compose(
    record: Record,
    rows: Sequence[tuple[str, Sequence[Cell]]],
    view: View | None,
    words: str,
    side: int = SIDE,
) -> Picture:
    """The rows as one picture; a token is framed where a view is given."""
    marked = None
    if view is not None:
        size, under = view.maps(record).size[1:], record.frames[view.frame]
        marked = Marked((view.row, view.column), size, under, view.overlay)
    ratio = record.frames.shape[2] / record.frames.shape[1]
    note = " (stand-in data)" if record.standin else ""
    return compose(rows, words, ratio, note=note, marked=marked, side=side)
