"""The explorer's rows of maps, made from a record.

Public names: ``row_a``, ``row_b``, ``reach_rows``, ``compare_row``, ``strip``,
``level_names``.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import DVFLError
from .covering import covered
from .record import NetworkRecord, Place, Record, rank_correlation
from .sheet import SIDE, Array, Cell, Marked, Picture, Share, compose
from .view import View, check_view


def row_a(record: Record, view: View) -> Picture:
    """Input, both modulators, their product, and Grad-CAM for comparison."""
    check_view(record, view, "row_a")
    maps, entry = view.maps(record), view.entry(record)
    share = _share(record, entry, view.place)
    parts = {
        "spatial": maps.m_space,
        "temporal": maps.m_time,
        "product": maps.product,
        "Grad-CAM": entry.cams[entry.number_of(view.place)],
    }
    cells = [Cell(f"input, frame {view.frame + 1}", record.frames[view.frame])]
    cells += [_cell(name, part, view, share) for name, part in parts.items()]
    label = f"{_where(view)}: lengths of modulators, and Grad-CAM"
    words = _said(cells, label) + (
        f" Product and Grad-CAM: {_alike(parts['product'], parts['Grad-CAM'])}. Where "
        "they part, a long modulator is not what speaks for the class."
    )
    return _compose(record, [(label, cells)], view, words)


def row_b(record: Record, view: View) -> Picture:
    """Spatial gates, then gate * length of the context, of each level."""
    check_view(record, view, "row_b")
    maps, rows = view.maps(record), []
    share = _share(record, view.entry(record), view.place)
    for name, part in (
        ("gate", maps.gates["space"]),
        ("contribution", maps.contributions("space")),
    ):
        part = part if view.signed else np.abs(part)
        cells = [
            _cell(f"{name}, {level}", part[n], view, share, view.signed, part)
            for n, level in enumerate(level_names(maps.levels))
        ]
        rows.append((f"spatial {name}s", cells))
    words = " ".join(_said(cells, label) for label, cells in rows)
    return _compose(record, rows, view, words)


def reach_rows(record: Record, view: View) -> Picture:
    """What the kept token nearest to the chosen one depends on, block by block."""
    check_view(record, view, "reach_rows")
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
        share = _share(record, entry, source)
        cells = [
            Cell(f"frame {n + 1}", frame / 255, 1.0, share=share)
            for n, frame in enumerate(maps[kept])
        ]
        rows.append((said, cells))
    words = f"Kept token row {y + 1}, column {x + 1} of frame {t + 1} depends on "
    return _compose(record, rows, None, words + "; ".join(told) + ".", side=64)


def compare_row(record: Record, view: View) -> Picture:
    """The products of two networks, matched by stage, and how alike they are."""
    check_view(record, view, "compare_row")
    entry, other = view.entry(record), view.beside(record)
    place = other.last_place_of(view.place[0])
    own, beside = view.maps(record).product, other.maps.at(*place).product
    shares = _share(record, entry, view.place), _share(record, other, place)
    cells = [
        _cell(entry.name, own, view, shares[0]),
        _cell(other.name, beside, view, shares[1]),
    ]
    alike = "no rank correlation: the maps cover other pixels"
    if shares[0] == shares[1]:
        alike = _alike(own, beside)
    where = "" if place[0] == view.place[0] else f"stage {place[0]}, "
    words = (
        f"Product at stage {view.place[0]}: {entry.name}, block {view.place[1]}, and "
        f"{other.name}, {where}block {place[1]}. {alike[0].upper()}{alike[1:]}."
    )
    return _compose(record, [(f"product, {alike}", cells)], view, words)


def strip(record: Record, view: View) -> Picture:
    """Input, modulators and product over all frames, as one picture to keep.

    Raises:
        DVFLError: a view of what the record does not hold.
    """
    check_view(record, view, "strip")
    maps, share = view.maps(record), _share(record, view.entry(record), view.place)
    frames = [Cell(f"frame {n + 1}", f) for n, f in enumerate(record.frames)]
    rows = [(f"{record.title}: input", frames)]
    for name, part in (
        ("spatial modulator", maps.m_space),
        ("temporal modulator", maps.m_time),
        ("product", maps.product),
    ):
        cells = [
            _cell(f"frame {n + 1}", part, replace(view, frame=n), share)
            for n in range(len(part))
        ]
        rows.append((f"{_where(view)}: {name}", cells))
    words = f"{record.title}. {_where(view)}: input, modulators, product in each frame."
    return _compose(record, rows, None, words, side=88)


def level_names(levels: int) -> list[str]:
    """Level 1, level 2, ..., global."""
    return [f"level {n + 1}" for n in range(levels - 1)] + ["global"]


def _where(view: View) -> str:
    return f"{view.network}, stage {view.place[0]}, block {view.place[1]}"


@dataclass(frozen=True, eq=False)
class _Same:
    """An array that is equal to itself alone, so that a result can be kept for it."""

    array: Array

    def __hash__(self) -> int:
        return id(self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.array is self.array


def _alike(own: Array, beside: Array) -> str:
    """How alike two maps are, in words; also where no number can say it."""
    return _compared(_Same(own), _Same(beside))


@functools.lru_cache(maxsize=32)
def _compared(first: _Same, second: _Same) -> str:
    """Ranks of large maps take longer than a picture; each frame asks for them."""
    own, beside = first.array, second.array
    try:
        alike = rank_correlation(own, beside)
    except DVFLError:
        sizes = (f"{h} x {w}" for _, h, w in (own.shape, beside.shape))
        return f"no rank correlation: maps of {' and '.join(sizes)} do not fit"
    if np.isnan(alike):
        return "no rank correlation: a map is the same everywhere"
    return f"rank correlation over all frames {alike:+.2f}"


def _share(record: Record, entry: NetworkRecord, place: Place) -> Share:
    """How much of a frame's height and width a map covers."""
    height, width = record.frames.shape[1:3]
    high, wide = covered(record, entry, place)
    return high / height, wide / width


def _cell(
    name: str,
    part: Array,
    view: View,
    share: Share,
    signed: bool = False,
    scale: Array | None = None,
) -> Cell:
    """One frame of ``part`` (T, H, W), on the scale of all frames or its own."""
    values = part[view.frame]
    if scale is None:
        scale = part
    seen = scale if view.shared else scale[..., view.frame, :, :]
    return Cell(name, values, float(np.abs(seen).max()) or 1.0, signed, share)


def _said(cells: Sequence[Cell], label: str) -> str:
    parts = [
        f"{c.name} {c.values.min():.2g} to {c.values.max():.2g}"
        for c in cells
        if c.is_map
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
        marked = Marked(
            (view.row, view.column),
            view.maps(record).size[1:],
            _share(record, view.entry(record), view.place),
            record.frames[view.frame],
            view.overlay,
        )
    ratio = record.frames.shape[2] / record.frames.shape[1]
    side = max(32, round(side * min(1, 1.6 / ratio)))  # a wide row would be scaled down
    note = " (stand-in data)" if record.standin else ""
    return compose(rows, words, ratio, note=note, marked=marked, side=side)
