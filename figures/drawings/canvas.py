"""What every drawing is made of: boxes, arrows, grids of tokens, words.

Public names: ``Canvas``, ``Box``, ``Point``, ``tint``, ``INK``, ``EMPTY``.

Lengths are inches, counted from the upper left corner of the page. Sizes of words
are points; none is under 9, so that a page 700 pixels wide can be read.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from dvfl_lib.figures.style import GREY, PALETTE, WIDTH

INK = "#222222"  # words, and edges that matter
PANEL = "#F6F6F6"  # the ground of a group
EMPTY = "#E3E3E3"  # a token that plays no part
_LINE = 1.3  # points
_SVG = "http://www.w3.org/2000/svg"


def tint(colour: str, share: float) -> str:
    """``share`` of a colour, the rest white."""
    return to_hex([1 - share + share * part for part in to_rgb(colour)])


Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """Where something lies: its middle, width and height; and its id, if it has one."""

    x: float
    y: float
    w: float
    h: float
    gid: str = ""

    @property
    def left(self) -> Point:
        """The middle of the left side."""
        return self.x - self.w / 2, self.y

    @property
    def right(self) -> Point:
        """The middle of the right side."""
        return self.x + self.w / 2, self.y

    @property
    def top(self) -> Point:
        """The middle of the upper side."""
        return self.x, self.y - self.h / 2

    @property
    def bottom(self) -> Point:
        """The middle of the lower side."""
        return self.x, self.y + self.h / 2


class Canvas:
    """A white page, 8 inches wide, with a title in its upper left corner.

    A patch that holds words bears the SVG id ``boxN``, its words ``boxN-words``;
    lines bear ``arrowN``. Tests find by them which words belong where.
    """

    def __init__(self, name: str, title: str, height: float, alt: str) -> None:
        self.name, self.title, self.alt = name, title, alt
        self.figure = Figure((WIDTH, height), facecolor="white", edgecolor="none")
        self._axes = self.figure.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        self._axes.set_axis_off()
        self._count = 0
        self.words(0.12, 0.24, title, size=12, ha="left")

    def _add(self, patch: Any, kind: str) -> str:
        self._count += 1
        patch.set(gid=f"{kind}{self._count}", clip_on=False)
        self._axes.add_patch(patch)
        return patch.get_gid()

    def words(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 9.5,
        inside: Box | None = None,
        **options: Any,
    ) -> None:
        """Words centred at (x, y), inside a box or free; options of ``Axes.text``.

        Each line stands on its own baseline, whatever letters and formulas are in
        it, so that words side by side are level.
        """
        style = {"ha": "center", "va": "baseline", "color": INK, "fontsize": size}
        style |= {"family": "DejaVu Sans", "math_fontfamily": "dejavusans"}
        if inside is not None:
            style |= {"gid": f"{inside.gid}-words", "zorder": 4}
        lines = words.split("\n")
        for place, line in enumerate(lines):
            # A capital is 0.73 of the size high, and lines are 1.3 of it apart.
            down = size / 72 * (0.365 + 1.3 * (place - (len(lines) - 1) / 2))
            self._axes.text(x, y + down, line, **style | options)

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        words: str = "",
        colour: str = "",
        *,
        fill: str = "",
        dashed: bool = False,
        size: float = 9.5,
        zorder: float = 3,
        **options: Any,
    ) -> Box:
        """A rounded box about (x, y) with words in it; options are those of words.

        Args:
            colour: a key of ``PALETTE``, or none for a grey box.
            fill: its ground, instead of a light tint of the colour.
        """
        edge = PALETTE[colour] if colour else GREY
        ground = fill or (tint(edge, 0.25) if colour else "#FAFAFA")
        patch = FancyBboxPatch(
            (x - w / 2, y - h / 2),
            w,
            h,
            boxstyle=f"round,pad=0,rounding_size={min(0.06, h / 4)}",
            facecolor=ground,
            edgecolor=edge,
            linewidth=_LINE,
            linestyle=(0, (3, 2)) if dashed else "-",
            zorder=zorder,
        )
        box = Box(x, y, w, h, self._add(patch, "box"))
        if words:
            self.words(x, y, words, size=size, inside=box, **options)
        return box

    def sign(self, x: float, y: float, sign: str, size: float = 12) -> Box:
        """A sum, a product: a sign in a small circle."""
        circle = Circle((x, y), 0.13, fc="white", ec=INK, lw=_LINE, zorder=3)
        box = Box(x, y, 0.26, 0.26, self._add(circle, "box"))
        self.words(x, y, sign, size=size, inside=box)
        return box

    def panel(
        self, left: float, top: float, right: float, bottom: float, colour: str = ""
    ) -> None:
        """The ground of a group: grey, or a very light tint."""
        ground = tint(PALETTE[colour], 0.08) if colour else PANEL
        size = (right - left, bottom - top)
        shape = "round,pad=0,rounding_size=0.1"
        self._add(
            FancyBboxPatch(
                (left, top), *size, boxstyle=shape, fc=ground, ec="none", zorder=0
            ),
            "panel",
        )

    def line(
        self,
        *points: Point,
        colour: str = "",
        head: bool = False,
        width: float = _LINE,
        dashed: bool = False,
        zorder: float = 2,
    ) -> None:
        """A line through points, its corners rounded; with an arrow head at its end."""
        paint = PALETTE[colour] if colour else GREY
        corners = list(points)
        if head:
            tip, corners[-1] = corners[-1], _towards(corners[-1], corners[-2], 0.09)
            self._add(
                Polygon(_head(tip, corners[-1]), fc=paint, ec="none", zorder=zorder),
                "head",
            )
        style = {"joinstyle": "round", "capstyle": "butt"}
        dashes = (0, (3, 2)) if dashed else "-"
        paint_line = {"fc": "none", "ec": paint, "lw": width, "ls": dashes}
        path = PathPatch(_rounded(corners), **style, **paint_line, zorder=zorder)
        self._add(path, "arrow")

    def arrow(self, *points: Point, **options: Any) -> None:
        """A line with a head."""
        self.line(*points, head=True, **options)

    def tokens(
        self,
        left: float,
        top: float,
        rows: int,
        columns: int,
        cell: float,
        colour_at: Callable[[int, int], str] | str = EMPTY,
    ) -> Box:
        """A grid of tokens; ``colour_at(row, column)`` is the colour of each.

        Neighbours of one colour are one rectangle under white lines: a small file.
        """
        found: dict[str, list[Any]] = {}
        for row in range(rows):
            colours = [
                colour_at if isinstance(colour_at, str) else colour_at(row, column)
                for column in range(columns)
            ]
            begin = 0
            for colour, run in groupby(colours):
                size = len(list(run))
                corner = (left + begin * cell, top + row * cell)
                square = Path.unit_rectangle().vertices * (size * cell, cell) + corner
                found.setdefault(colour, []).extend(square)
                begin += size
        for colour, corners in found.items():
            codes = list(Path.unit_rectangle().codes) * (len(corners) // 5)
            shape = PathPatch(Path(corners, codes), fc=colour, ec="none", zorder=1)
            self._add(shape, "tokens")
        right, bottom = left + columns * cell, top + rows * cell
        ends = [
            ((left, top + n * cell), (right, top + n * cell)) for n in range(1, rows)
        ]
        ends += [
            ((left + n * cell, top), (left + n * cell, bottom))
            for n in range(1, columns)
        ]
        if ends:
            lines = Path([p for pair in ends for p in pair], [1, 2] * len(ends))
            gap = 72 * 0.11 * cell  # points
            grid = PathPatch(lines, fc="none", ec="white", lw=gap, zorder=1.1)
            self._add(grid, "gaps")
        return Box(
            left + columns * cell / 2,
            top + rows * cell / 2,
            columns * cell,
            rows * cell,
        )

    def dot(self, x: float, y: float) -> None:
        """Where a line begins that comes out of a token."""
        self._add(Circle((x, y), 0.035, fc=GREY, ec="none", zorder=2), "dot")

    def frame(self, x: float, y: float, side: float) -> None:
        """One frame of a clip, about (x, y)."""
        corner = (x - side / 2, y - side / 2)
        style = {"fc": "#FAFAFA", "ec": GREY, "lw": 0.8, "joinstyle": "miter"}
        self._add(Rectangle(corner, side, side, zorder=1, **style), "frame")

    def svg(self) -> bytes:
        """The drawing as an SVG file that needs no other file, font or network.

        The same bytes each time. A screen reader finds its title and description,
        whose ids differ from those of other drawings on the same page.
        """
        written = io.BytesIO()
        settings = {"svg.fonttype": "path", "path.simplify": False}
        none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with rc_context({**settings, "svg.hashsalt": self.name}):
            self.figure.savefig(written, format="svg", metadata=none)
        ElementTree.register_namespace("", _SVG)
        ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
        root = ElementTree.fromstring(written.getvalue())
        for part in root.findall(f"{{{_SVG}}}metadata"):
            root.remove(part)
        # Matplotlib's one style rule, for this file only and not for a page around it.
        styles = root.find(f"{{{_SVG}}}defs/{{{_SVG}}}style/..")
        root.remove(styles)
        root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
        for place, (tag, words) in enumerate(
            (("title", self.title), ("desc", self.alt))
        ):
            element = ElementTree.Element(f"{{{_SVG}}}{tag}", id=f"{self.name}-{tag}")
            element.text, element.tail = words, "\n"
            root.insert(place, element)
        sides = zip(("width", "height"), self.figure.get_size_inches(), strict=True)
        for side, inches in sides:
            root.set(side, f"{96 * inches:g}")  # CSS pixels
        root.set("role", "img")
        root.set("aria-labelledby", f"{self.name}-title {self.name}-desc")
        text = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
        return text + b"\n"


def _towards(start: Point, end: Point, length: float) -> Point:
    """The point ``length`` away from the start on the way to the end."""
    share = length / math.dist(start, end)
    return tuple(a + share * (b - a) for a, b in zip(start, end, strict=True))


def _head(tip: Point, base: Point) -> list[Point]:
    """The corners of an arrow head."""
    across = (0.42 * (tip[1] - base[1]), 0.42 * (base[0] - tip[0]))
    return [tip, *((base[0] + s * across[0], base[1] + s * across[1]) for s in (1, -1))]


def _rounded(points: Sequence[Point], radius: float = 0.07) -> Path:
    """A line through points, its corners rounded."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        turn = (_towards(corner, before, radius), _towards(corner, after, radius))
        vertices += [turn[0], corner, turn[1]]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])
