"""What the tests of the exercises share: their notebooks, played in this process.

Public names: ``IDS``, ``LESSONS``, ``notebook``, ``played``, ``answers_of``,
``rights_of``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from dvfl_lib.exercises import check
from dvfl_lib.exercises.exercise import lesson

ROOT = Path(__file__).resolve().parents[2]
LESSONS = [p.stem[-2:] for p in sorted(ROOT.glob("dvfl_lib/exercises/lesson_*.py"))]
IDS = [name for number in LESSONS for name in lesson(number)]


def notebook(number: str, edition: str) -> nbformat.NotebookNode:
    """ "exercises" or "solutions" of a lesson."""
    (path,) = (ROOT / "notebooks" / edition).glob(f"{number}_*.ipynb")
    return nbformat.read(path, as_version=4)


@cache
def played(number: str, edition: str) -> tuple[dict[str, Any], dict[str, tuple], dict]:
    """Run all cells but the set-up.

    Returns the names at the end; by exercise what its check was given; and for each
    cell that is a check its text, as committed and as it came out now.
    """
    space: dict[str, Any] = {"__name__": "__main__"}
    given, told = {}, {}
    for n, cell in enumerate(notebook(number, edition).cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type != "code" or "setup" in tags or "help" in tags:
            continue

        def record(name: str, *answers: Any, cell: Any = cell) -> None:
            (output,) = cell.outputs
            given[name] = answers
            told[name] = (output.data["text/plain"], repr(check(name, *answers)))

        space["check"] = record
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell.source, f"<cell {n}>", "exec"), space)
    return space, given, told


def answers_of(name: str) -> tuple:
    """The solution of an exercise, an answer for each of its parts."""
    return played(name[:2], "solutions")[1][name]


@cache
def rights_of(number: str) -> dict[str, list[tuple]]:
    """Other right answers to the exercises of a lesson."""
    path = Path(__file__).with_name(f"right_{number}.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RIGHT
