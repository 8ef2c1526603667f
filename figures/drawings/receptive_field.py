"""How far a token sees: in one frame level by level, and through a whole clip.

Public names: ``receptive_field``, ``space_time_cross``.
"""

from __future__ import annotations

from functools import partial

from canvas import EMPTY, Canvas, tint

from dvfl_lib.figures.style import PALETTE
from dvfl_lib.vfl_net import VARIANTS

_NANO = VARIANTS["vfl_net_nano"]
_SIDE = 13  # tokens per side in the picture of the levels
_FRAMES, _TOKENS = 8, 14  # the third stage of VFL-Net at 224 x 224 pixels
_FRAME, _PIXEL = 3, (5, 9)  # the token that is marked
_CELL = 0.0665
_NOW = tint(PALETTE["space"], 0.55)
_LATER = tint(PALETTE["context"], 0.5)


def receptive_field() -> Canvas:
    """What one token sees at each focal level, in four panels."""
    kernels = [
        _NANO.focal_window + _NANO.focal_factor * level
        for level in range(_NANO.focal_levels)
    ]
    sides = [1]
    for kernel in kernels:
        sides.append(sides[-1] + kernel - 1)
    sides.append(_SIDE)
    names = ["its query $q$", "level 1: $z_1$", "level 2: $z_2$", "global level: $z_3$"]
    made = ["the token itself"]
    made += [f"kernel {k} × {k} over $z_{n}$" for n, k in enumerate(kernels)]
    made += ["mean over $z_2$"]
    canvas = Canvas(
        "receptive_field",
        "What one token sees",
        3.0,
        f"Four grids of {_SIDE} x {_SIDE} tokens with one token marked in the middle. "
        f"Its query sees {sides[0]} token, level 1 a square of {sides[1]} x "
        f"{sides[1]}, level 2 of {sides[2]} x {sides[2]}, and the global level all "
        f"{_SIDE**2}.",
    )
    cell, middle = 0.135, _SIDE // 2
    for panel, side in enumerate(sides):
        left = 0.15 + panel * 1.98
        seen = PALETTE["context"]
        reach = side // 2

        def colour(row: int, column: int, reach=reach, seen=seen) -> str:
            if row == column == middle:
                return PALETTE["q"]
            far = max(abs(row - middle), abs(column - middle))
            return seen if far <= reach else EMPTY

        grid = canvas.tokens(left, 0.78, _SIDE, _SIDE, cell, colour)
        canvas.words(grid.x, 0.61, names[panel], size=10.5, weight="bold")
        tokens = "1 token" if side == 1 else f"{side} × {side} = {side**2} tokens"
        canvas.words(grid.x, 2.7, tokens, size=9.5)
        canvas.words(grid.x, 2.88, made[panel], size=9)
    return canvas


def space_time_cross() -> Canvas:
    """The tokens that one block, and that two blocks, bring to one token."""
    per_frame, total, others = _TOKENS**2, _FRAMES * _TOKENS**2, _FRAMES - 1
    one = per_frame + others
    canvas = Canvas(
        "space_time_cross",
        "The tokens that one token sees: a cross in space and time",
        3.9,
        f"{_FRAMES} frames of {_TOKENS} x {_TOKENS} tokens, one token marked. Through "
        f"one block it sees its own frame, {per_frame} tokens, and its own pixel in "
        f"the {others} other frames: {one} of {total} tokens. Through two blocks it "
        f"sees all {total}.",
    )
    told = (
        f"through one block: {per_frame} + {others} = {one} of {total} tokens",
        f"through two blocks: all {total} tokens",
    )
    pitch = (7.76 + 0.045) / _FRAMES
    for top, words, rest in zip((0.84, 2.16), told, (EMPTY, _LATER), strict=True):
        canvas.words(0.12, top - 0.17, words, size=10, ha="left", weight="bold")
        for frame in range(_FRAMES):
            left = 0.12 + frame * pitch
            colours = partial(_cross, frame, rest)
            grid = canvas.tokens(left, top, _TOKENS, _TOKENS, _CELL, colours)
            if rest == _LATER:
                canvas.words(grid.x, 3.2, f"frame {frame}", size=9)
    _legend(canvas)
    return canvas


def _cross(frame: int, rest: str, row: int, column: int) -> str:
    """The colour of a token of a frame; ``rest`` is that of tokens off the cross."""
    own_pixel = (row, column) == _PIXEL
    if frame == _FRAME:
        return PALETTE["q"] if own_pixel else _NOW
    return PALETTE["time"] if own_pixel else rest


def _legend(canvas: Canvas) -> None:
    for x, colour, words in (
        (0.12, PALETTE["q"], "the token"),
        (1.22, _NOW, "its own frame"),
        (2.6, PALETTE["time"], "its own pixel in other frames"),
        (4.92, _LATER, "reached by a second block"),
    ):
        canvas.tokens(x, 3.56, 1, 1, 0.14, colour)
        canvas.words(x + 0.21, 3.63, words, size=9, ha="left")
