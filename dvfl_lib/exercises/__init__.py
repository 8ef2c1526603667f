"""Exercises that say what went wrong: check, hint, expected, solution, progress.

Public names: ``check``, ``hint``, ``expected``, ``solution``, ``progress``.

    from dvfl_lib.exercises import check
    check("01.2", context_at)

Nothing is sent anywhere. ``progress`` reads ``my_progress.json`` beside the notebook.
"""

from __future__ import annotations

import re
from typing import Any

import nbformat

from ..environment import project_root
from ..errors import LessonError
from ..figures import heat_maps
from ..lessons.show import show
from .comparing import numbers
from .diagnosis import examine
from .exercise import Part, find, lesson
from .feedback import Report
from .progress import note, noted
from .running import attempt


def check(name: str, *answers: Any, seed: int = 0) -> Report:
    """Try an answer on the cases of an exercise.

    Args:
        name: its id, such as "01.2".
        answers: what the exercise asks for, in its order: functions, classes, values.
        seed: of what is drawn at random; the same seed repeats a check.
    """
    asked = find(name)
    if len(answers) != len(asked.parts):
        parts = ", ".join(part or "one answer" for part in asked.parts)
        raise LessonError(f"{name} asks for {parts}; check got {len(answers)}")
    given = zip(asked.parts.items(), answers, strict=True)
    findings = {
        part_name: examine(part, answer, seed) for (part_name, part), answer in given
    }
    report = Report(asked, findings, seed)
    note(report)
    return report


def hint(name: str, step: int = 1) -> None:
    """Print one of three hints: where to read, what goes wrong, how to begin."""
    hints = find(name).hints
    if step not in range(1, len(hints) + 1):
        raise LessonError(f"{name} has hints 1 to {len(hints)}; got {step!r}")
    more = f'\nMore: hint("{name}", {step + 1})' if step < len(hints) else ""
    print(f"Hint {step} of {len(hints)}. {hints[step - 1]}{more}")


def expected(name: str) -> Any:
    """What a right answer gives in the case that stands in the lesson.

    Returns a picture where that is a map, else the value; None where it is a guess.
    """
    part = next(iter(find(name).parts.values()))
    if part.predicted:
        return print("This is a guess: nothing of it is shown before.")
    case = next(iter(part.cases))
    value = attempt(part, part.reference, case, seed=0).value
    found = numbers(value)
    if found is None or found.ndim < 2:
        print(f"{case}:")
        return _readable(value)
    return _picture(found, part, case)


def _readable(value: Any) -> Any:
    """Floats with six digits, and of a long list of names the first three."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if not isinstance(value, list | tuple):
        return value
    if len(value) > 12 and all(isinstance(one, str) for one in value):
        return [*value[:3], f"... {len(value)} in all"]
    return type(value)(map(_readable, value))


def _picture(values: Any, part: Part, case: str) -> Any:
    """Maps (H, W) beside each other; of more axes than three, the first of each."""
    axes = part.axes.split()
    if {"H", "W"} <= set(axes):
        values = values.movedim((axes.index("H"), axes.index("W")), (-2, -1))
    title = f"Expected: {case}"
    if any(size > 1 for size in values.shape[:-3]):
        title += " (the first of several)"
    while values.ndim > 3:
        values = values[0]
    maps = list(values[:6]) if values.ndim == 3 else [values]
    signed = bool((values < 0).any())
    few = maps[0].numel() <= 64
    return show(heat_maps([maps], title=title, signed=signed, numbers=few))


def solution(name: str, now: bool = False) -> None:
    """Print the worked solution, once the exercise was tried, or with ``now=True``."""
    asked = find(name)
    if not now and name not in noted():
        print(f'Try first: check("{name}", ...). Or solution("{name}", now=True).')
        return
    folder = project_root() / "notebooks" / "solutions"
    files = sorted(folder.glob(f"{name[:2]}_*.ipynb"))
    if not files:
        raise LessonError(f"{folder} has no notebook of lesson {name[:2]}")
    print(solution_source(files[0], asked.id))


def solution_source(notebook: Any, name: str) -> str:
    """The source of a solution, without the marks around it."""
    heading = ""
    for cell in nbformat.read(notebook, as_version=4).cells:
        if found := re.match(r"## (\d\d\.\d+) ", cell.source):
            heading = found[1]
        if heading == name and "exercise" in cell.metadata.get("tags", []):
            return re.sub(
                r"^ *### (BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.M
            )
    raise LessonError(f"{notebook} has no solution of {name}")


def progress() -> None:
    """Print the points of each exercise that was tried in this folder."""
    found = noted()
    if not found:
        print("Nothing was tried in this folder yet.")
    for number in sorted({name[:2] for name in found}):
        made = lesson(number)
        passed = sum(found[name][0] == found[name][1] for name in made if name in found)
        print(f"Lesson {number}: {passed} of {len(made)} passed")
        for name, entry in made.items():
            got, most = found.get(name, ("-", "-"))
            print(f"  {name}  {entry.title:<44} {got} of {most}")
