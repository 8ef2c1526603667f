"""``python -m tools.editions COMMAND [NN ...]``: the editions of the exercises.

make      fill in the masters (notebooks/solutions) from the words of the exercises,
          execute them, and write the students' edition (notebooks/exercises)
stamp     the lines "Your turn" of the lessons only
class     the lessons with their key lines left blank, in build/class

Without numbers, all lessons that have exercises.
"""

from __future__ import annotations

import ast
import copy
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from dvfl_lib.errors import LessonError, exit_status
from dvfl_lib.exercises.exercise import Exercise, lesson
from dvfl_lib.lessons.tables import badge, project_address
from tools.notebooks import SETUP_TAGS, setup_source, tidy, write_notebook

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"
STARS = "★"
_SOLUTION = re.compile(
    r"^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION\n?", re.M | re.S
)
_TURN = re.compile(r"^\*\*Your turn\.\*\*[^\n]*\n*", re.M)
_HEADINGS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def lesson_file(number: str) -> Path:
    """The lesson's notebook; its exercises and solutions have the same name."""
    return next(NOTEBOOKS.glob(f"{number}_*.ipynb"))


def numbers_of_all() -> list[str]:
    """The lessons that have exercises, as "01"."""
    return sorted(path.name[:2] for path in (NOTEBOOKS / "solutions").glob("*.ipynb"))


def heading(made: Exercise) -> str:
    """What stands above an exercise."""
    return f"{made.id} · {made.title}"


def asked(made: Exercise) -> str:
    """The text of an exercise with its hints folded away."""
    level = STARS * made.level
    facts = f"{level} · about {made.minutes} min · goal {made.goal} · "
    names = ("where to read", "what goes wrong", "how to begin")
    hints = "\n\n".join(
        f"<details><summary>Hint {n}: {name}</summary>\n\n{text.strip()}\n\n</details>"
        for n, (name, text) in enumerate(zip(names, made.hints, strict=True), start=1)
    )
    place = f"after section {made.section}"
    return f"## {heading(made)}\n\n{facts}{place}\n\n{made.asked.strip()}\n\n{hints}"


def first_cell(number: str, solutions: bool) -> str:
    """Title, badge, and how the notebook is used."""
    made, file = lesson(number), lesson_file(number)
    title = nbformat.read(file, as_version=4).metadata["dvfl"]["title"]
    kind, other = (
        ("Solutions", "exercises") if solutions else ("Exercises", "solutions")
    )
    line = badge(project_address(ROOT), f"{kind.lower()}/{file.name}")
    minutes = sum(entry.minutes for entry in made.values())
    link = f"[{number} {title}](../{file.name})"
    top = f"# {kind} {number} · {title}\n\n{line}\n\n"
    if solutions:
        return (
            f"{top}Worked solutions of [the exercises](../{other}/{file.name}) of "
            f"lesson {link}. Others are as good: a check takes every answer that "
            "computes the same."
        )
    shown = next(
        name
        for name, entry in made.items()
        if not any(part.predicted for part in entry.parts.values())
    )
    return (
        f"{top}{_HEADINGS[len(made) - 1].capitalize()} exercises for lesson {link}, "
        f"about {minutes} minutes in all (our estimate: nobody has been timed). Write "
        "what is missing, run its cell, then run the check below it. The check says "
        "which cases are right and, where it can, what was done wrong. The first "
        f'case of each is open: `expected("{shown}")` shows what comes out there. '
        "`progress()` tells how far you are. "
        "Stuck? The hints unfold one by one, and there are "
        f"[solutions](../{other}/{file.name}). Nothing is sent anywhere."
    )


def filled(master: NotebookNode, number: str) -> NotebookNode:
    """A master with badge, set-up cell and the words of its exercises."""
    made, cells = dict(lesson(number)), []
    for cell in copy.deepcopy(master.cells):
        if "help" in tags(cell):
            continue
        found = re.match(r"## (\d\d\.\d+) ", cell.source)
        if found and cell.cell_type == "markdown":
            if found[1] not in made:
                raise LessonError(f"{found[1]} stands twice, or has no words")
            entry = made.pop(found[1])
            cell.source = asked(entry)
            cells.append(cell)
            if "W" in next(iter(entry.parts.values())).axes.split():
                source = f'expected("{entry.id}")'
                cells.append(new_code_cell(source, metadata={"tags": ["help"]}))
        else:
            cells.append(cell)
    if made:
        raise LessonError(f"no solution of {', '.join(made)} in the master")
    cells[0].source = first_cell(number, solutions=True)
    cells[1].source = setup_source(project_address(ROOT))
    cells[1].metadata["tags"] = list(SETUP_TAGS)
    for n, cell in enumerate(cells):
        cell.id = f"cell-{n:02d}"
    return NotebookNode({**master, "cells": cells})


def stub(source: str, name: str) -> str:
    """A cell with its solution taken out: a function raises, a value is ``...``."""

    def without(found: re.Match) -> str:
        indent, body = found[1], found[2]
        if indent:
            return f'{indent}raise NotImplementedError("{name}")\n'
        names = [
            target.id
            for line in ast.parse(body).body
            for target in getattr(line, "targets", [])
        ]
        return "".join(f"{one} = ...\n" for one in names)

    return _SOLUTION.sub(without, source + "\n").rstrip("\n")


def students(master: NotebookNode, number: str) -> NotebookNode:
    """The students' edition of a filled master, not executed."""
    made, name = copy.deepcopy(master), ""
    made.cells[0].source = first_cell(number, solutions=False)
    for cell in made.cells:
        if found := re.match(r"## (\d\d\.\d+) ", cell.source):
            name = found[1]
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "exercise" in tags(cell):
            cell.source = stub(cell.source, name)
    return made


def execute(notebook: NotebookNode, path: Path) -> None:
    """Execute a notebook below ``build``, where what it leaves is in nobody's way."""
    folder = BUILD / "editions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my_progress.json").unlink(missing_ok=True)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(
        notebook, kernel_name="python3", resources=where, record_timing=False
    ).execute()
    tidy(notebook)
    write_notebook(path, notebook)


def make(number: str) -> None:
    """Write both editions of a lesson's exercises, executed.

    Raises:
        LessonError: a solution has not all points.
    """
    name = lesson_file(number).name
    path = NOTEBOOKS / "solutions" / name
    master = filled(nbformat.read(path, as_version=4), number)
    student = students(master, number)
    execute(master, path)
    for cell in master.cells:
        if "check" in tags(cell):
            told = cell.outputs[0].data["text/plain"]
            got, most = re.search(
                r"(\d+) of (\d+) points", told + "0 of 1 points"
            ).groups()
            if got != most:
                raise LessonError(f"{path.name}: a solution is not right\n{told}")
    (NOTEBOOKS / "exercises").mkdir(exist_ok=True)
    execute(student, NOTEBOOKS / "exercises" / name)
    stamp(number)


def turned(notebook: NotebookNode, number: str) -> None:
    """Put the lines "Your turn" into a lesson: at the end of each section that has one.

    A lesson's heading may stand anywhere in a cell; the line goes right above it.
    """
    due: dict[int, list[Exercise]] = {}
    for made in lesson(number).values():
        due.setdefault(made.section, []).append(made)
    section = 0
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        pieces = re.split(r"^(?=## )", _TURN.sub("", cell.source), flags=re.M)
        for n, piece in enumerate(pieces):
            if piece.startswith("## "):
                line = "".join(f"{link}\n\n" for link in _links(due.pop(section, [])))
                pieces[n] = line + piece
                found = re.match(r"## (\d+) · ", piece)
                section = int(found[1]) if found else 0
        cell.source = "".join(pieces)
    if due:
        raise LessonError(f"lesson {number} has no section {sorted(due)}")


def _links(made: list[Exercise]) -> Iterator[str]:
    if made:
        file = lesson_file(made[0].id[:2]).name
        links = (
            f"[{entry.id} {entry.title}](exercises/{file}#"
            f"{heading(entry).replace(' ', '-')}), about {entry.minutes} min"
            for entry in made
        )
        yield f"**Your turn.** {' · '.join(links)}"


def stamp(number: str) -> None:
    """Stamp the lines "Your turn" of one lesson."""
    path = lesson_file(number)
    notebook = nbformat.read(path, as_version=4)
    before = nbformat.writes(notebook)
    turned(notebook, number)
    if nbformat.writes(notebook) != before:
        write_notebook(path, notebook)


def blanked(source: str) -> str:
    """A cell whose assignments and returns have ``...`` where the work was."""
    lines, spots = source.splitlines(), []
    for node in ast.walk(ast.parse(source)):
        work = isinstance(node, ast.Assign | ast.AugAssign | ast.Return)
        if work and node.value is not None:
            value = node.value
            spots.append(
                (value.lineno, value.col_offset, value.end_lineno, value.end_col_offset)
            )
    for first, start, last, end in sorted(spots, reverse=True):
        tail = lines[last - 1].encode()[end:].decode()
        lines[first - 1 : last] = [
            lines[first - 1].encode()[:start].decode() + "..." + tail
        ]
    return "\n".join(lines)


def class_edition(number: str) -> Path:
    """Write a lesson for a class, not executed: cells tagged ``key`` are blank."""
    path = lesson_file(number)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "key" in tags(cell):
            cell.source = blanked(cell.source)
    folder = BUILD / "class"
    folder.mkdir(parents=True, exist_ok=True)
    write_notebook(folder / path.name, notebook)
    return folder / path.name


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 trouble, 2 not understood."""
    command, *numbers = arguments or [""]
    commands = {"make": make, "stamp": stamp, "class": class_edition}
    if command not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    for number in numbers or numbers_of_all():
        print(f"{command} {number}", flush=True)
        commands[command](number)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status("editions", lambda: main(sys.argv[1:])))
