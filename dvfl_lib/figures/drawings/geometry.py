"""Where things lie on a page: boxes with four sides, lines with rounded corners.

Public names: ``Point``, ``Box``, ``towards``, ``head_of``, ``rounded``.

Lengths are inches; y grows downwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.path import Path

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


def towards(start: Point, end: Point, length: float) -> Point:
    """The point ``length`` away from the start on the way to the end."""
    share = length / math.dist(start, end)
    return tuple(a + share * (b - a) for a, b in zip(start, end, strict=True))


def head_of(tip: Point, base: Point) -> list[Point]:
    """The corners of an arrow head."""
    across = (0.42 * (tip[1] - base[1]), 0.42 * (base[0] - tip[0]))
    sides = [(base[0] + s * across[0], base[1] + s * across[1]) for s in (1, -1)]
    return [tip, *sides]


def rounded(points: Sequence[Point], radius: float = 0.07) -> Path:
    """A line through points, its corners rounded."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        vertices += [
            towards(corner, before, radius),
            corner,
            towards(corner, after, radius),
        ]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])
