"""``python -m tools.quiz FOLDER``: the quiz bank, for Moodle (GIFT) and on paper.

``python -m tools.quiz outcomes`` writes ``course/outcomes.md``: which exercises,
questions and slides serve each goal of each lesson.

Public names: ``Option``, ``Question``, ``read``, ``gift``, ``sheet``, ``outcomes``.

The bank is ``course/quiz/NN.toml``, one file for each lesson, and two inventories,
forms of one test for before and after. A wrong option is what somebody would choose
who holds a named misconception.
"""

from __future__ import annotations

import importlib
import math
import random
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import nbformat
import torch

import dvfl_lib
from dvfl_lib.errors import LessonError, exit_status
from dvfl_lib.exercises.exercise import lesson
from dvfl_lib.files import write_whole
from tools.editions import lesson_file, numbers_of_all
from tools.slides import deck, markdown_reader, with_formulas

ROOT = Path(__file__).resolve().parents[1]
BANK = ROOT / "course" / "quiz"
OUTCOMES = ROOT / "course" / "outcomes.md"
LETTERS = "ABCD"
_FIELDS = {"goal", "section", "asked", "right", "why", "wrong"}
_WRONG = {"misconception", "option", "told"}
_PLACE = re.compile(r"\[\[([A-Za-z_]\w*)\]\]")
# A question may compute with these rooms of the library: ``dvfl_lib.cost``.
_ROOMS = ("cost", "distillation", "evaluation", "modulation", "video", "vfl_net")
_CONTROL = re.compile(r"([\\~=#{}:])")


@dataclass(frozen=True)
class Option:
    """What can be chosen, and what is told to who chose it.

    Attributes:
        text: of the option, Markdown.
        told: why it is right, or why not.
        misconception: what somebody believes who chooses it; empty if it is right.
    """

    text: str
    told: str
    misconception: str = ""


@dataclass(frozen=True)
class Question:
    """A question of the bank, its numbers computed."""

    id: str
    lesson: str
    goal: int
    section: int
    asked: str
    right: Option
    wrong: tuple[Option, ...]

    @cached_property
    def options(self) -> list[Option]:
        """All options in an order that the id alone decides."""
        order = [self.right, *self.wrong]
        random.Random(self.id).shuffle(order)
        return order

    @property
    def letter(self) -> str:
        """Of the right option."""
        return LETTERS[self.options.index(self.right)]


def read(path: Path) -> list[Question]:
    """The questions of a file.

    Raises:
        LessonError: a question is not of the form that CONTRIBUTING.md tells.
    """
    inventory = path.stem.startswith("inventory")
    start = f"{path.stem[-1]}.q" if inventory else f"{path.stem}.q"
    made = []
    for name, entry in tomllib.loads(path.read_text("utf-8")).items():
        fields = _FIELDS | ({"lesson"} if inventory else set())
        odd = fields ^ (set(entry) - {"numbers"})
        odd |= {k for w in entry.get("wrong", []) for k in _WRONG ^ set(w)}
        if odd:
            raise LessonError(f"{path.name}, {name}: missing or not known: {odd}")
        if not re.fullmatch(rf"{re.escape(start)}\d+", name):
            raise LessonError(f"{path.name}: {name!r} should begin with {start!r}")
        if len(entry["wrong"]) not in (2, 3):
            raise LessonError(f"{name}: two or three wrong options, please")
        made.append(_question(name, {"lesson": path.stem, **entry}))
    return made


def _question(name: str, entry: dict[str, Any]) -> Question:
    values, used = _computed(name, entry.pop("numbers", {})), set()

    def value(match: re.Match) -> str:
        used.add(match[1])
        if match[1] not in values:
            raise LessonError(f"{name}: {match[0]} is not among its numbers")
        return values[match[1]]

    def filled(text: str) -> str:
        return _PLACE.sub(value, text).strip()

    wrong = [
        Option(filled(w["option"]), filled(w["told"]), w["misconception"])
        for w in entry.pop("wrong")
    ]
    right = Option(filled(entry.pop("right")), filled(entry.pop("why")))
    entry["asked"] = filled(entry["asked"])
    if len({o.text for o in [right, *wrong]}) <= len(wrong):
        raise LessonError(f"{name}: two options are the same")
    if used != set(values):
        raise LessonError(f"{name}: not used: {set(values) - used}")
    return Question(id=name, right=right, wrong=tuple(wrong), **entry)


def _computed(name: str, numbers: dict[str, str]) -> dict[str, str]:
    """The values of Python expressions, as text; later ones may use earlier ones."""
    for room in _ROOMS if "dvfl_lib" in str(numbers) else ():
        importlib.import_module(f"dvfl_lib.{room}")
    known = {**vars(math), "math": math, "torch": torch, "dvfl_lib": dvfl_lib}
    for key, expression in numbers.items():
        try:
            known[key] = eval(expression, known)
        except Exception as error:
            raise LessonError(f"{name}: {expression!r} fails: {error}") from error
    return {key: str(known[key]) for key in numbers}


def html(text: str, *, inline: bool = False) -> str:
    """Markdown as HTML, formulas between ``\\(`` and ``\\)``."""
    reader = markdown_reader()
    return (reader.renderInline if inline else reader.render)(text).strip()


def escaped(text: str) -> str:
    """A text as GIFT wants it: a backslash before what has a meaning there.

    A line feed is written too, for an empty line would end the question.
    """
    return _CONTROL.sub(r"\\\1", text).replace("\n", "\\n")


def gift(questions: list[Question], title: str) -> str:
    """Questions in Moodle's GIFT format."""
    lines = [f"$CATEGORY: DVFL-Net step by step/{title}", ""]
    for question in questions:
        lines += [f"::{question.id}::[html]{escaped(html(question.asked))}{{"]
        for option in question.options:
            mark = "=" if option is question.right else "~"
            texts = (escaped(html(t, inline=True)) for t in (option.text, option.told))
            lines.append(f"\t{mark}{'#'.join(texts)}")
        lines += ["}", ""]
    return "\n".join(lines)


def sheet(questions: list[Question], title: str) -> str:
    """A page to print: the questions, and on a page of its own the key."""
    loader = jinja2.FileSystemLoader(ROOT / "tools" / "slides")
    around = jinja2.Environment(loader=loader, autoescape=True)
    around.filters["html"] = lambda text: jinja2.utils.markupsafe.Markup(html(text))
    page = around.get_template("sheet.html")
    return with_formulas(page.render(title=title, questions=questions, letters=LETTERS))


def title_of(path: Path) -> str:
    """What stands above the questions of a file."""
    if path.stem.startswith("inventory"):
        return f"Concept inventory, form {path.stem[-1].upper()}"
    return _first_cell(path.stem).splitlines()[0].removeprefix("# ")


def export(folder: Path) -> None:
    """Write GIFT and a sheet for every file of the bank."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(BANK.glob("*.toml")):
        questions, title = read(path), title_of(path)
        for ending, text in {"gift": gift, "html": sheet}.items():
            target = folder / f"{path.stem}.{ending}"
            write_whole(target, text(questions, title).encode())


def _first_cell(number: str) -> str:
    return nbformat.read(lesson_file(number), as_version=4).cells[0].source


def goals(number: str) -> dict[int, str]:
    """The goals of a lesson, by their numbers."""
    found = re.findall(r"^(\d)\. (.+?)[;.]?$", _first_cell(number), re.M)
    return {int(n): words for n, words in found}


def serving(number: str) -> dict[int, tuple[list[str], list[str], list[str]]]:
    """What serves each goal of a lesson: exercises, questions, titles of slides."""
    exercises, questions = lesson(number).values(), read(BANK / f"{number}.toml")
    slides = deck(number)
    return {
        goal: (
            [e.id for e in exercises if e.goal == goal],
            [q.id for q in questions if q.goal == goal],
            list(dict.fromkeys(s.title for s in slides if goal in s.goals)),
        )
        for goal in goals(number)
    }


def outcomes() -> str:
    """The map of goals, as Markdown."""
    lines = [
        "# What serves which goal",
        "",
        "Each lesson names its goals in its first cell. Written by "
        "`python -m tools.quiz outcomes`; a test keeps it fresh and complete.",
    ]
    for number in numbers_of_all():
        title = _first_cell(number).splitlines()[0].removeprefix("# ")
        lines += ["", f"## {title}", ""]
        lines += ["| Goal | Exercises | Quiz | Slides |", "|---|---|---|---|"]
        served = serving(number)
        for goal, words in goals(number).items():
            cells = ["; ".join(names) or "none" for names in served[goal]]
            lines.append(f"| {goal}. {words} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 trouble, 2 not understood."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments == ["outcomes"]:
        write_whole(OUTCOMES, outcomes().encode())
    else:
        export(Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(exit_status("quiz", lambda: main(sys.argv[1:])))
