"""Lines over the frames and bars of probabilities, as SVG text.

Public names: ``token_lines``, ``probability_bars``.

SVG because a front end draws it at any size, and because it takes no time to make. A
browser's font is not known here: widths of text are estimated, rather too wide, and
what is still wider is cut off before it runs into a bar.
Whatever came from a file (names, titles) is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import east_asian_width

import numpy as np

from ..figures.style import GREY, PALETTE, colour_of
from .pictures import level_names
from .record import Record, softened
from .view import View, check_view

_LEVELS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7")
_W, _H, _LEFT, _RIGHT = 380, 150, 44, 90
_TEXT = 'font-family="sans-serif" font-size="12"'
_CHANGE = "#E69F00"  # what a network says after a change
_INKS = ("#D55E00", "#0072B2", "#000000", "#009E73", "#CC79A7", "#56B4E9", "#999999")
_BAR, _MOST = 260, 300  # pixels of a bar at 100 %, and of the longest name


@dataclass(frozen=True, eq=False)
class _Answer:
    """What is shown of one network: its name, colour and probabilities (K,)."""

    name: str
    colour: str
    shares: np.ndarray


def token_lines(record: Record, view: View) -> str:
    """Row C: at the chosen token, temporal gates and both modulators over time."""
    check_view(record, view, "token_lines")
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
    """Softened probabilities of both networks, and of the first one after a change.

    Shown are the ``most`` likeliest classes, the likeliest of each answer, and the
    true one.
    """
    check_view(record, view, "probability_bars")
    entry, beside = view.entry(record), view.beside(record)
    colours = _colours(record)

    def answer(name: str, colour: str, logits: np.ndarray) -> _Answer:
        return _Answer(name, colour, softened(logits, view.temperature))

    answers = [answer(entry.name, colours[entry.name], entry.logits)]
    if view.change >= 0:
        change = entry.outcomes[view.change]
        name = f"{entry.name}, {change.name}"
        answers.append(answer(name, _CHANGE, change.logits))
    if beside is not entry:
        colour = colours[beside.name]
        if colour == colours[entry.name]:  # more networks than colours
            colour = next(ink for ink in _INKS if ink != colour)
        answers.append(answer(beside.name, colour, beside.logits))
    order = np.argsort(-answers[0].shares, kind="stable")[:most].tolist()
    order += [int(a.shares.argmax()) for a in answers]
    order += [n for n, name in enumerate(record.classes) if name == record.label]
    return _bars(record, answers, list(dict.fromkeys(order)), view)


def _colours(record: Record) -> dict[str, str]:
    """A colour for each network; none twice, and none that of a change."""
    found: dict[str, str] = {}
    for n, entry in enumerate(record.networks):
        wanted = colour_of(entry.name, n)
        if wanted == _CHANGE or wanted in found.values():
            spare = [ink for ink in _INKS if ink not in found.values()]
            wanted = spare[0] if spare else _INKS[n % len(_INKS)]
        found[entry.name] = wanted
    return found


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
        places, colour = [at(n, v) for n, v in enumerate(series)], colours[name]
        parts += [
            _trace(places, colour),
            f'<text x="{_W - _RIGHT + 6}" y="{end + 4:.1f}" fill="{colour}">'
            f"{escape(name)}</text>",
        ]
    said = "; ".join(
        f"{name} {min(v):.2g} to {max(v):.2g}" for name, v in lines.items()
    )
    return _svg(_W, _H, parts, f"{title}: {said}")


def _trace(places: Sequence[tuple[float, float]], colour: str) -> str:
    """A line, or a dot where one frame is all there is."""
    if len(places) == 1:
        x, y = places[0]
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
    )


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
    record: Record, answers: Sequence[_Answer], chosen: Sequence[int], view: View
) -> str:
    """Groups of bars, one group per class."""
    group = 15 * len(answers) + 9
    title = f"probabilities at T = {view.temperature:.3g}"
    parts = [f'<text x="4" y="14">{title}</text>']
    names = [
        record.classes[k] + (" (true)" if record.classes[k] == record.label else "")
        for k in chosen
    ]
    left = 16 + min(_MOST, max(_width(name) for name in names))
    right = 60 + max(_width(answer.name) for answer in answers)
    for n, (k, name) in enumerate(zip(chosen, names, strict=True)):
        y = 28 + n * group
        parts.append(
            f'<svg x="4" y="{y}" width="{left - 12:.0f}" height="16">'
            f'<title>{escape(name)}</title><text y="12">{escape(_cut(name))}</text>'
            "</svg>"
        )
        for row, answer in enumerate(answers):
            top, share = y + row * 15, float(answer.shares[k])
            told = escape(answer.name) if n == 0 else ""
            parts.append(
                f'<rect x="{left:.0f}" y="{top}" width="{_BAR * share:.1f}" '
                f'height="12" fill="{answer.colour}"/>'
                f'<text x="{left + _BAR * share + 6:.1f}" y="{top + 11}" '
                f'fill="{GREY}">{100 * share:.1f} % {told}</text>'
            )
    best = [(a.name, int(a.shares.argmax()), a.shares.max()) for a in answers]
    said = "; ".join(f"{a}: {record.classes[k]} {100 * s:.0f} %" for a, k, s in best)
    size = (round(left + _BAR + right), 40 + group * len(chosen))
    return _svg(*size, parts, f"{title}: {said}")


def _width(text: str) -> float:
    """Pixels that a text of size 12 takes at most in a usual font."""

    def width_of(letter: str) -> float:
        if east_asian_width(letter) in "WF" or letter in "MWmw@%":
            return 12.0
        return 9.5 if letter.isupper() else 7.6

    return sum(map(width_of, text))


def _cut(name: str) -> str:
    """A name that is too long, up to where it fits."""
    if _width(name) <= _MOST:
        return name
    while name and _width(name + "…") > _MOST:
        name = name[:-1]
    return name + "…"


def _svg(width: int, height: int, parts: Sequence[str], words: str) -> str:
    said = escape(words, quote=True)
    return (
        f'<svg role="img" aria-label="{said}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" style="max-width:100%;height:auto" {_TEXT}>'
        f"{''.join(parts)}</svg>"
    )
