"""``python -m tools.quiz FOLDER``: the quiz bank, for Moodle (GIFT) and on paper.

``python -m tools.quiz outcomes`` writes ``course/outcomes.md``: which exercises,
questions and slides serve each goal of each lesson.

Public names: ``Option``, ``Question``, ``read``, ``html``, ``gift``, ``sheet``,
``title_of``, ``goals``, ``serving``, ``outcomes``.
"""

from __future__ import annotations

import math
import random
import re
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import jinja2
import torch
from markupsafe import Markup
from pydantic import AfterValidator, BaseModel, Field, ValidationInfo

import dvfl_lib
from dvfl_lib.errors import LessonError, exit_status
from dvfl_lib.exercises.exercise import lesson
from dvfl_lib.files import write_whole
from tools.editions import numbers_of_all
from tools.slides import PIECES, ROOT, deck, first_cell, markdown_reader, with_formulas

BANK = ROOT / "course" / "quiz"
OUTCOMES = ROOT / "course" / "outcomes.md"
LETTERS = "ABCD"


def _filled(text: str, told: ValidationInfo) -> str:
    """The text with a question's numbers in the place of ``[[name]]``."""
    return re.sub(r"\[\[([A-Za-z_]\w*)\]\]", lambda m: told.context[m[1]], text).strip()


Text = Annotated[str, AfterValidator(_filled)]


class Option(BaseModel, extra="forbid"):
    """What can be chosen, what is then told, and, if it is wrong, what was believed."""

    text: Text = Field(alias="option")
    told: Text
    misconception: str = ""


class Question(BaseModel, extra="forbid"):
    """A question of the bank, its numbers filled in; ``letter`` is of what is right."""

    id: str
    lesson: str
    goal: int
    section: int
    asked: Text
    right: Text
    why: Text
    wrong: list[Option] = Field(min_length=3, max_length=3)
    letter: str

    @property
    def options(self) -> list[Option]:
        """All four, in their order."""
        options = list(self.wrong)
        right = Option(option=self.right, told=self.why)
        options.insert(LETTERS.index(self.letter), right)
        return options


def read(path: Path) -> list[Question]:
    """The questions of a file.

    Raises:
        LessonError: a question is not of the form that CONTRIBUTING.md tells.
    """
    entries = tomllib.loads(path.read_text("utf-8"))
    letters = _letters(path, len(entries))
    made = []
    for (name, entry), letter in zip(entries.items(), letters, strict=True):
        numbers = entry.pop("numbers", {})
        unused = [key for key in numbers if f"[[{key}]]" not in str(entry)]
        try:
            if unused:
                raise ValueError(f"not used: {unused}")
            entry = {"id": name, "lesson": path.stem, "letter": letter} | entry
            made.append(Question.model_validate(entry, context=_computed(numbers)))
        except Exception as error:  # whatever an expression raises
            raise LessonError(f"{path.name}, {name}: {error}") from error
    return made


def _letters(path: Path, count: int) -> list[str]:
    """Of the right options of a file, each about as often; its name decides."""
    chance = random.Random(path.stem)
    letters = chance.sample(LETTERS, 4) * count
    return chance.sample(letters[:count], count)


def _computed(numbers: dict[str, str]) -> dict[str, str]:
    """The values of Python expressions, as text; later ones may use earlier ones."""
    known = {**vars(math), "math": math, "torch": torch, "dvfl_lib": dvfl_lib}
    for key, expression in numbers.items():
        known[key] = eval(expression, known)
    return {key: str(known[key]) for key in numbers}


def html(text: str, *, inline: bool = False) -> str:
    """Markdown as HTML, formulas between ``\\(`` and ``\\)``."""
    reader = markdown_reader()
    return (reader.renderInline if inline else reader.render)(text).strip()


def escaped(text: str) -> str:
    """A text as GIFT wants it: a backslash before what has a meaning there.

    A line feed is written too, for an empty line would end the question.
    """
    return re.sub(r"([\\~=#{}:])", r"\\\1", text).replace("\n", "\\n")


def gift(questions: list[Question], title: str) -> str:
    """Questions in Moodle's GIFT format."""
    lines = [f"$CATEGORY: DVFL-Net step by step/{title}", ""]
    for question in questions:
        lines.append(f"::{question.id}::[html]{escaped(html(question.asked))}{{")
        for option in question.options:
            mark = "~" if option.misconception else "="
            texts = (escaped(html(t, inline=True)) for t in (option.text, option.told))
            lines.append(f"\t{mark}{'#'.join(texts)}")
        lines += ["}", ""]
    return "\n".join(lines)


def sheet(questions: list[Question], title: str) -> str:
    """A page to print: the questions, and on a page of its own the key."""
    around = jinja2.Environment(loader=jinja2.FileSystemLoader(PIECES), autoescape=True)
    around.filters["html"] = lambda text: Markup(html(text))
    page = around.get_template("sheet.html").render(title=title, questions=questions)
    return with_formulas(page)


def title_of(path: Path) -> str:
    """What stands above the questions of a file."""
    if path.stem.startswith("inventory"):
        return f"Concept inventory, form {path.stem[-1].upper()}"
    return first_cell(path.stem).splitlines()[0].removeprefix("# ")


def goals(number: str) -> dict[int, str]:
    """The goals of a lesson, by their numbers."""
    found = re.findall(r"^(\d)\. (.+?)[;.]?$", first_cell(number), re.M)
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
    text = (
        "# What serves which goal\n\nEach lesson names its goals in its first cell. "
        "Written by `python -m tools.quiz outcomes`; a test keeps it fresh and "
        "complete.\n"
    )
    for number in numbers_of_all():
        text += f"\n## {title_of(BANK / f'{number}.toml')}\n\n"
        text += "| Goal | Exercises | Quiz | Slides |\n|---|---|---|---|\n"
        served = serving(number)
        for goal, words in goals(number).items():
            cells = ["; ".join(names) or "none" for names in served[goal]]
            text += f"| {goal}. {words} | {' | '.join(cells)} |\n"
    return text


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 good, 1 trouble, 2 not understood."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments == ["outcomes"]:
        write_whole(OUTCOMES, outcomes().encode())
        return 0
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(BANK.glob("*.toml")):
        for ending, text in {"gift": gift, "html": sheet}.items():
            made = text(read(path), title_of(path))
            write_whole(folder / f"{path.stem}.{ending}", made.encode())
    return 0


if __name__ == "__main__":
    sys.exit(exit_status("quiz", lambda: main(sys.argv[1:])))
