"""VFL-Net as a whole, and one of its blocks opened.

Public names: ``vfl_net``.
"""

from __future__ import annotations

from canvas import Box, Canvas, Point

from dvfl_lib.vfl_net import VARIANTS

_NANO = VARIANTS["vfl_net_nano"]
_FRAMES, _SIDE = 8, 224  # the published input
_ROW = 1.12  # the height of the row of stages
_PLACES = (2.14, 3.48, 4.7, 5.78)  # the columns of the stages
_SIZES = (0.6, 0.47, 0.35, 0.26)  # the sides of their frames, inches: not to scale


def vfl_net() -> Canvas:
    """The stages of VFL-Net with their sizes, and what a block does."""
    sides = [_SIDE // _NANO.patch_size // 2**n for n in range(len(_NANO.depths))]
    channels = [_NANO.embed_dim * 2**n for n in range(len(_NANO.depths))]
    stages = [
        f"stage {n}, {_blocks(depth)}, {width} channels, {side} x {side} tokens"
        for n, (depth, width, side) in enumerate(
            zip(_NANO.depths, channels, sides, strict=True), start=1
        )
    ]
    canvas = Canvas(
        "vfl_net",
        "VFL-Net: a patch embedding, four stages, a linear head",
        4.65,
        f"A clip of {_FRAMES} frames, 3 x {_SIDE} x {_SIDE}, goes through a patch "
        f"embedding of {_NANO.patch_size} x {_NANO.patch_size} pixels per frame; "
        f"{'; '.join(stages)}; merging 2 x 2 tokens between the stages; then norm, "
        "mean over space, mean over time and a linear head. Each stage keeps all "
        f"{_FRAMES} frames. Below, one block: x plus drop-path of modulation of norm "
        "of x, then the same with an MLP.",
    )
    clip = _stack(canvas, 0.66, 0.66)
    pixels = f"{_SIDE} × {_SIDE} pixels"
    _under(canvas, 0.66, "clip", f"{_FRAMES} frames", pixels, "3 colours")
    before, step = clip, f"patches\n{_NANO.patch_size} × {_NANO.patch_size}"
    marks = []
    for n, (x, size) in enumerate(zip(_PLACES, _SIZES, strict=True)):
        stack = _stack(canvas, x, size)
        _join(canvas, before, stack, step)
        tokens = f"{sides[n]} × {sides[n]} tokens"
        _under(canvas, x, f"stage {n + 1}", tokens, f"{channels[n]} channels")
        marks.append(_depth(canvas, x, _NANO.depths[n]))
        before, step = stack, "merge\n2 × 2"
    _head(canvas, before)
    _zoom(canvas, marks[2])
    _block(canvas)
    return canvas


def _blocks(depth: int) -> str:
    return f"{depth} block" + ("s" if depth > 1 else "")


def _stack(canvas: Canvas, x: float, size: float) -> Box:
    """Eight frames, one behind the other; returns what they cover."""
    shift = 0.028
    spread = shift * (_FRAMES - 1)
    for frame in reversed(range(_FRAMES)):
        away = frame * shift - spread / 2
        canvas.frame(x + away, _ROW - away, size)
    return Box(x, _ROW, size + spread, size + spread)


def _join(canvas: Canvas, before: Box, after: Box, words: str) -> None:
    start, end = before.right[0] + 0.07, after.left[0] - 0.07
    canvas.arrow((start, _ROW), (end, _ROW))
    canvas.words((start + end) / 2, _ROW - 0.26, words, size=9)


def _under(canvas: Canvas, x: float, name: str, *lines: str) -> None:
    canvas.words(x, 1.76, name, size=10, weight="bold")
    for number, line in enumerate(lines):
        canvas.words(x, 1.96 + 0.18 * number, line, size=9)


def _depth(canvas: Canvas, x: float, depth: int) -> Box:
    """A small box per block, and their number; returns the last box."""
    y, pitch = 2.4, 0.22
    words = _blocks(depth)
    begin = x - 0.3 - pitch * (depth - 1) / 2
    for block in range(depth):
        mark = canvas.box(begin + pitch * block, y, 0.16, 0.16, "", "modulator")
    canvas.words(mark.right[0] + 0.07, y, words, size=9, ha="left")
    return mark


def _head(canvas: Canvas, before: Box) -> None:
    x = 7.23
    names = ("norm", "mean over space", "mean over time", "linear head")
    boxes = [
        canvas.box(x, _ROW + 0.36 * place, 1.26, 0.25, name, size=9)
        for place, name in enumerate(names)
    ]
    canvas.arrow((before.right[0] + 0.07, _ROW), boxes[0].left)
    for above, below in zip(boxes, boxes[1:], strict=False):
        canvas.arrow(above.bottom, below.top)
    canvas.words(x, 2.5, "one score per class", size=9)


def _zoom(canvas: Canvas, mark: Box) -> None:
    for edge, corner in ((mark.left, 0.2), (mark.right, 7.8)):
        start: Point = (edge[0], mark.bottom[1] + 0.03)
        canvas.line(start, (corner, 2.79), width=0.8, dashed=True)


def _block(canvas: Canvas) -> None:
    canvas.panel(0.12, 2.79, 7.88, 4.53)
    canvas.words(0.28, 2.99, "one block", size=10, ha="left", weight="bold")
    y, above, gap = 3.72, 3.28, 0.185
    before = canvas.box(0.46, y, 0.36, 0.36, "$x$", size=12)
    for words, colour, width in (
        ("spatio-temporal\nfocal modulation", "modulator", 1.26),
        ("MLP", "", 0.56),
    ):
        branch = before.right[0] + 0.12
        chain = [before]
        for name, paint, wide, high in (
            ("norm", "", 0.5, 0.36),
            (words, colour, width, 0.46),
            ("drop-path", "", 0.76, 0.36),
        ):
            lead = 0.28 if chain[-1] is before else gap
            x = chain[-1].right[0] + lead + wide / 2
            chain.append(canvas.box(x, y, wide, high, name, paint))
        chain.append(canvas.sign(chain[-1].right[0] + gap + 0.13, y, "+"))
        for left, right in zip(chain, chain[1:], strict=False):
            canvas.arrow(left.right, right.left)
        plus = chain[-1]
        canvas.arrow((branch, y), (branch, above), (plus.x, above), plus.top)
        step = words.split()[-1] if colour else "mlp"
        told = f"x + drop-path({step}(norm(x)))"
        canvas.words((branch + plus.x) / 2, 4.24, told, size=9)
        before = plus
    out = canvas.box(before.right[0] + gap + 0.18, y, 0.36, 0.36, "$y$", size=12)
    canvas.arrow(before.right, out.left)
