"""What every drawing is made of: boxes, arrows, grids of tokens, words.

Public names: ``Canvas``, ``Drawing``, ``tint``, ``INK``, ``PANEL``,
``EMPTY``.

Lengths are inches, counted from the upper left corner of the page. Sizes of words
are points; none is under 9, so that a page 700 pixels wide can be read.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from ..style import GREY, PALETTE, WIDTH
from .geometry import Box, Point, head_of, rounded, towards
from .svg import svg_of

INK = "#222222"  # words, and edges that matter
PANEL = "#F6F6F6"  # the ground of a group
EMPTY = "#E3E3E3"  # a token that plays no part
_LINE = 1.3  # points


def tint(colour: str, share: float) -> str:
    """``share`` of a colour, the rest white."""
    return to_hex([1 - share + share * part for part in to_rgb(colour)])


class Drawing(Figure):
    """A figure that is drawn, not plotted: it can also write itself as SVG."""

    def __init__(self, name: str, title: str, height: float) -> None:
        super().__init__(figsize=(WIDTH, height), facecolor="white", edgecolor="none")
        self.name = name
        self.title = title

    def svg(self) -> bytes:
        """The drawing as SVG; the same bytes each time."""
        words = str(self.get_label())
        return svg_of(self, name=self.name, title=self.title, description=words)


class Canvas:
    """A white page, 8 inches wide, with a title in its upper left corner.

    A patch that holds words bears the SVG id ``boxN``, its words ``boxN-words``;
    lines bear ``arrowN``. Tests find by them which words belong where.
    """

    def __init__(self, name: str, title: str, height: float, alt: str) -> None:
        self.figure = Drawing(name, title, height)
        self.figure.set_label(alt)
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
            tip, corners[-1] = corners[-1], towards(corners[-1], corners[-2], 0.09)
            self._add(
                Polygon(head_of(tip, corners[-1]), fc=paint, ec="none", zorder=zorder),
                "head",
            )
        style = {"joinstyle": "round", "capstyle": "butt"}
        dashes = (0, (3, 2)) if dashed else "-"
        paint_line = {"fc": "none", "ec": paint, "lw": width, "ls": dashes}
        path = PathPatch(rounded(corners), **style, **paint_line, zorder=zorder)
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
