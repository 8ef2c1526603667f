"""The map of the course: eleven lessons in four groups, and what builds on what.

Public names: ``course_map``, ``LESSONS``.
"""

from __future__ import annotations

from canvas import INK, Box, Canvas

LESSONS = {
    "00": "Start here",
    "01": "Focal\nmodulation",
    "02": "Spatio-temporal\nmodulation",
    "03": "VFL-Net",
    "04": "Seeing\nmodulators",
    "05": "Video data",
    "06": "Knowledge\ndistillation",
    "07": "Distil on\nUCF101",
    "08": "Evaluate on\nbenchmarks",
    "09": "An ablation of\nforward KL",
    "10": "On device",
}

_W, _H = 1.52, 0.56
_COLUMNS = (1.02, 3.01, 5.0, 6.98)
_ROWS = (1.12, 1.89, 2.66, 3.83)
_PLACES = {
    "00": (0, 0),
    "01": (0, 1),
    "02": (0, 2),
    "03": (0, 3),
    "04": (1, 3),
    "05": (1, 0),
    "06": (1, 2),
    "07": (2, 1),
    "08": (3, 0),
    "09": (3, 2),
    "10": (3, 3),
}


def course_map() -> Canvas:
    """All lessons, and what builds on what."""
    told = [f"{n} {words.replace(chr(10), ' ')}" for n, words in LESSONS.items()]
    canvas = Canvas(
        "course_map",
        "The course",
        4.35,
        "Map of the course in four groups. "
        f"Build: {', '.join(told[:4])}. See: {told[4]}. "
        f"Train and measure: {', '.join(told[5:10])}. Use: {told[10]}. "
        "00, 01, 02 and 03 build on each other; 04 builds on 03; 05 on 00; 06 on 03; "
        "07 on 05 and 06; 08, 09 and 10 on 07.",
    )
    _grounds(canvas)
    boxes = {number: _lesson(canvas, number, *_PLACES[number]) for number in LESSONS}
    _ways(canvas, boxes)
    _legend(canvas)
    return canvas


def _grounds(canvas: Canvas) -> None:
    for name, left, top, right, bottom in (
        ("Build", 0.12, 0.5, 1.92, 4.23),
        ("Train and measure", 2.11, 0.5, 7.88, 3.06),
        ("See", 2.11, 3.2, 3.91, 4.23),
        ("Use", 6.08, 3.2, 7.88, 4.23),
    ):
        canvas.panel(left, top, right, bottom)
        canvas.words(left + 0.14, top + 0.17, name, size=10, ha="left", weight="bold")


def _lesson(canvas: Canvas, number: str, column: int, row: int) -> Box:
    x, y = _COLUMNS[column], _ROWS[row]
    box = canvas.box(x, y, _W, _H, fill="white")
    style = {"ha": "left", "inside": box, "color": INK}
    canvas.words(x - _W / 2 + 0.08, y, number, size=11, weight="bold", **style)
    canvas.words(x - _W / 2 + 0.37, y, LESSONS[number], size=9.5, **style)
    return box


def _ways(canvas: Canvas, at: dict[str, Box]) -> None:
    for first, then in (("00", "01"), ("01", "02"), ("02", "03")):
        canvas.arrow(at[first].bottom, at[then].top)
    for first, then in (("00", "05"), ("03", "04")):
        canvas.arrow(at[first].right, at[then].left)
    # Elbows: out to the right, along the gap between the columns, in from the left.
    for first, then, shift in (
        ("03", "06", -0.14),
        ("05", "07", 0),
        ("06", "07", 0),
        ("07", "08", 0),
        ("07", "09", 0),
    ):
        x, y = at[first].right
        end = at[then].left
        gap = (end[0] + at[first].right[0]) / 2
        canvas.arrow((x, y + shift), (gap, y + shift), (gap, end[1]), end)
    start, end = at["07"].bottom, at["10"].left
    canvas.arrow(start, (start[0], end[1]), end)


def _legend(canvas: Canvas) -> None:
    y = 0.24
    canvas.arrow((3.2, y), (3.55, y))
    canvas.words(3.63, y, "the next builds on it", size=9, ha="left")
    canvas.box(5.5, y, 0.36, 0.18, fill="white")
    canvas.words(5.76, y, "ready", size=9, ha="left")
