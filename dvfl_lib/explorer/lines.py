"""Lines over the frames and bars of probabilities, as SVG text.

Public names: ``token_lines``, ``probability_bars``.

SVG because a front end draws it at any size, and because it takes no time to make.
Whatever came from a file (names, titles) is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from ..figures.style import GREY, PALETTE, colour_of
from .pictures import level_names
from .record import Record, softened
from .view import View

_LEVELS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
_W, _H, _LEFT, _RIGHT = 380, 150, 44, 90
_TEXT = 'font-family="sans-serif" font-size="12"'


def token_lines(record: Record, view: View) -> str:
    """Row C: at the chosen token, temporal gates and both modulators over time."""
    maps, (y, x) = view.maps(record), (view.row, view.column)
    names = level_names(maps.levels)
    gates = {n: maps.gates["time"][i][:, y, x] for i, n in enumerate(names)}
    if not view.signed:
        gates = {name: np.abs(values) for name, values in gates.items()}
    both = {"spatial": maps.m_space[:, y, x], "temporal": maps.m_time[:, y, x]}
    colours = dict(zip(names, _LEVELS * len(names), strict=False))
    told = f"token row {y + 1}, column {x + 1}"
    left = _lines(gates, colours, f"temporal gates, {told}", view.frame)
    colours = {"spatial": PALETTE["space"], "temporal": PALETTE["time"]}
    right = _lines(both, colours, f"length of the modulators, {told}", view.frame)
    return f"<div style='display:flex;flex-wrap:wrap'>{left}{right}</div>"


def probability_bars(record: Record, view: View, most: int = 5) -> str:
    """Softened probabilities of both networks, and of the first one after a change."""
    entry, beside = view.entry(record), record.network(view.compare)
    answers = {view.network: entry.logits}
    if view.change >= 0:
        change = entry.outcomes[view.change]
        answers[f"{view.network}, {change.name}"] = change.logits
    if view.compare != view.network:
        answers[view.compare] = beside.logits
    shares = {n: softened(z, view.temperature) for n, z in answers.items()}
    order = np.argsort(-shares[view.network], kind="stable")[:most]
    chosen = list(dict.fromkeys([*order, *(int(s.argmax()) for s in shares.values())]))
    return _bars(record, shares, chosen, view)


def _lines(
    lines: Mapping[str, Sequence[float]],
    colours: Mapping[str, str],
    title: str,
    frame: int,
) -> str:
    """One small diagram; each line is named at its right end."""
    values = np.concatenate([np.asarray(v, float) for v in lines.values()])
    low, high = min(0.0, values.min()), max(0.0, values.max())
    high = high if high > low else low + 1
    count = len(next(iter(lines.values())))

    def at(n: float, value: float) -> tuple[float, float]:
        share = n / max(count - 1, 1)
        across = _LEFT + share * (_W - _LEFT - _RIGHT)
        return across, 24 + (high - value) / (high - low) * (_H - 54)

    x, zero = at(frame, 0)
    parts = [
        f'<text x="4" y="14">{escape(title)}</text>',
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="{_H - 28}" stroke="#bbb"/>',
        f'<line x1="{_LEFT}" x2="{_W - _RIGHT}" y1="{zero:.1f}" y2="{zero:.1f}" '
        f'stroke="{GREY}" stroke-dasharray="2 3"/>',
        f'<text x="{_LEFT}" y="{_H - 4}" fill="{GREY}">frame 1 to {count}, '
        f"{frame + 1} marked</text>",
    ]
    for value in {low, high}:
        y = at(0, value)[1] + 4
        parts.append(f'<text x="4" y="{y:.1f}" fill="{GREY}">{value:.3g}</text>')
    ends = _spread([at(count - 1, v[-1])[1] for v in lines.values()])
    for (name, series), end in zip(lines.items(), ends, strict=True):
        points = " ".join(
            "{:.1f},{:.1f}".format(*at(n, v)) for n, v in enumerate(series)
        )
        colour = colours[name]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" '
            f'stroke-width="2"/><text x="{_W - _RIGHT + 6}" y="{end + 4:.1f}" '
            f'fill="{colour}">{escape(name)}</text>'
        )
    said = "; ".join(
        f"{name} {min(v):.2g} to {max(v):.2g}" for name, v in lines.items()
    )
    return _svg(_W, _H, parts, f"{title}: {said}")


def _spread(places: Sequence[float], least: float = 13.0) -> list[float]:
    """The same order, but no two nearer than ``least``: names must not overlap."""
    order = np.argsort(places)
    moved = [float(places[n]) for n in order]
    for n in range(1, len(moved)):
        moved[n] = max(moved[n], moved[n - 1] + least)
    result = [0.0] * len(places)
    for n, value in zip(order, moved, strict=True):
        result[n] = value
    return result


def _bars(
    record: Record, shares: Mapping[str, np.ndarray], chosen: list[int], view: View
) -> str:
    """Groups of bars, one group per class."""
    step, group = 15, 15 * len(shares) + 9
    height, parts = 40 + group * len(chosen), []
    title = f"probabilities at T = {view.temperature:.3g}"
    parts.append(f'<text x="4" y="14">{title}</text>')
    x = 4.0
    colours = {}
    for n, name in enumerate(shares):
        colours[name] = "#E69F00" if ", " in name else colour_of(name, n)
    for n, place in enumerate(chosen):
        y = 28 + n * group
        true = record.classes[place] == record.label
        name = record.classes[place] + (" (true)" if true else "")
        parts.append(f'<text x="{x}" y="{y + 12}">{escape(name)}</text>')
        for k, (network, share) in enumerate(shares.items()):
            top, wide = y + k * step, 300 * float(share[place])
            parts.append(
                f'<rect x="150" y="{top}" width="{wide:.1f}" height="12" '
                f'fill="{colours[network]}"/><text x="{156 + wide:.1f}" '
                f'y="{top + 11}" fill="{GREY}">{100 * share[place]:.1f} % '
                f"{escape(network) if n == 0 else ''}</text>"
            )
    said = "; ".join(
        f"{network}: {record.classes[int(s.argmax())]} {100 * s.max():.0f} %"
        for network, s in shares.items()
    )
    return _svg(760, height, parts, f"{title}: {said}")


def _svg(width: int, height: int, parts: Sequence[str], words: str) -> str:
    said = escape(words, quote=True)
    return (
        f'<svg role="img" aria-label="{said}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" {_TEXT}>{"".join(parts)}</svg>'
    )
