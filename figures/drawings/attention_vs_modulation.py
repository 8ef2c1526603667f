"""Two orders of the same two steps: self-attention and focal modulation.

Public names: ``two_orders``.
"""

from __future__ import annotations

from canvas import EMPTY, Canvas, tint

from dvfl_lib.figures.style import GREY, PALETTE

_SIDE, _CELL = 9, 0.158  # tokens per side, inches of one
_MIDDLE = _SIDE // 2
_TOP = 1.28  # where the grids begin
_LAST = 3.42  # the row in which the answer comes out
_SHARES = {1: 0.9, 3: 0.5, _MIDDLE: 0.25}  # how far a level reaches -> its tint


def two_orders() -> Canvas:
    """Self-attention and focal modulation side by side, each in two steps."""
    total = _SIDE**2
    canvas = Canvas(
        "two_orders",
        "The same two steps in two orders",
        3.9,
        f"Two panels with a grid of {total} tokens, one of them asking. "
        "Self-attention: first interaction, the query meets each of the "
        f"{total} tokens; then aggregation, the {total} answers are summed. "
        "Focal modulation: first aggregation, the surroundings are summarised at "
        "three growing levels and summed, each times its gate, into one modulator; "
        "then interaction, the query meets this one summary in a product.",
    )
    for left, name in ((0.12, "Self-attention"), (4.06, "Focal modulation")):
        canvas.panel(left, 0.46, left + 3.82, 3.78)
        canvas.words(left + 0.16, 0.67, name, size=11, ha="left", weight="bold")
    _attention(canvas, 0.12, total)
    _modulation(canvas, 4.06)
    return canvas


def _steps(canvas: Canvas, left: float, first: str, then: str, told: str) -> None:
    """The names of both steps, and what happens in them."""
    middle = left + 0.16, (_TOP + _SIDE * _CELL + 3.78) / 2 + 0.02
    first, first_told = first.split(": ")
    canvas.words(left + 0.16, 1.06, f"1 {first}", ha="left", weight="bold")
    canvas.words(left + 1.42, 1.06, first_told, ha="left")
    canvas.words(middle[0], middle[1] - 0.22, f"2 {then}", ha="left", weight="bold")
    canvas.words(middle[0], middle[1] + 0.1, told, ha="left")


def _attention(canvas: Canvas, left: float, total: int) -> None:
    _steps(
        canvas,
        left,
        f"interaction: the query meets {total} tokens",
        "aggregation",
        f"the {total} answers\nare summed",
    )
    grid = canvas.tokens(left + 0.18, _TOP, _SIDE, _SIDE, _CELL, _asking)
    for row in range(_SIDE):
        for column in range(_SIDE):
            away = (row - _MIDDLE) * _CELL, (column - _MIDDLE) * _CELL
            if away != (0, 0):
                end = (grid.x + away[1], grid.y + away[0])
                canvas.line((grid.x, grid.y), end, colour="q", width=0.5)
    answers = canvas.tokens(left + 2.22, _TOP, _SIDE, _SIDE, _CELL, _answer)
    total_sign = canvas.sign(answers.x, _LAST, "Σ", size=10)
    y = canvas.box(left + 3.5, _LAST, 0.36, 0.34, "$y$", size=11.5)
    canvas.arrow((grid.right[0] + 0.08, grid.y), (answers.left[0] - 0.08, grid.y))
    canvas.arrow((answers.x, answers.bottom[1] + 0.06), total_sign.top)
    canvas.arrow(total_sign.right, y.left)


def _asking(row: int, column: int) -> str:
    return PALETTE["q"] if row == column == _MIDDLE else EMPTY


def _answer(row: int, column: int) -> str:
    """Some answers weigh more than others; the pattern means nothing."""
    return tint(GREY, 0.15 + 0.17 * ((row * row + 2 * column + row) % 5))


def _level(row: int, column: int) -> str:
    """The lightest tint that still has the token in its square."""
    far = max(abs(row - _MIDDLE), abs(column - _MIDDLE))
    if far == 0:
        return PALETTE["q"]
    share = next(share for reach, share in _SHARES.items() if far <= reach)
    return tint(PALETTE["context"], share)


def _modulation(canvas: Canvas, left: float) -> None:
    _steps(
        canvas,
        left,
        "aggregation: 3 growing levels, 1 sum",
        "interaction",
        "the query meets\n1 summary",
    )
    grid = canvas.tokens(left + 0.18, _TOP, _SIDE, _SIDE, _CELL, _level)
    total = canvas.sign(left + 2.86, grid.y, "Σ", size=10)
    for number, (reach, share) in enumerate(_SHARES.items(), start=1):
        y = grid.y + (number - 2) * 0.46
        fill = tint(PALETTE["context"], share)
        name = f"$z_{number}$"
        chip = canvas.box(
            left + 2.1, y, 0.38, 0.34, name, "context", fill=fill, size=11
        )
        start = (grid.x + reach * _CELL, grid.y + (number - 2) * reach * _CELL)
        bend = [] if y == start[1] else [(start[0], y)]
        canvas.dot(*start)
        canvas.arrow(start, *bend, chip.left)
        ends = total.top, total.left, total.bottom
        bend = [] if y == total.y else [(total.x, y)]
        canvas.arrow(chip.right, *bend, ends[number - 1], colour="gate")
    canvas.words(left + 2.55, grid.y - 0.6, "gates", size=9)
    m = canvas.box(left + 3.42, grid.y, 0.42, 0.36, "$m$", "modulator", size=11.5)
    q = canvas.box(left + 2.1, _LAST, 0.38, 0.34, "$q$", "q", size=11.5)
    times = canvas.sign(total.x, _LAST, "×")
    y = canvas.box(left + 3.5, _LAST, 0.36, 0.34, "$y$", size=11.5)
    canvas.arrow(total.right, m.left)
    between = _TOP + _SIDE * _CELL + 0.12
    canvas.arrow(m.bottom, (m.x, between), (times.x, between), times.top)
    canvas.arrow(q.right, times.left)
    canvas.arrow(times.right, y.left)
