"""What an exercise is: a right answer, cases to try one on, mistakes that people make.

Public names: ``Part``, ``Exercise``, ``given``, ``guess``, ``normal``, ``whole``,
``changed``, ``find``, ``lesson``.

``lesson_NN.py`` holds right answers and cases, in ``PARTS``. ``lesson_NN.toml`` beside
it holds the words and, under ``mistakes``, what people do wrong: a message, and with it
the places of the right answer's source that are changed, or, of a guess, the wrong
value. A mistake that is no such edit has its function in ``lesson_NN.py``. Where an
exercise has several parts, ``mistakes`` has a table for each.
"""

from __future__ import annotations

import copy
import inspect
import re
import textwrap
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import LessonError

# Makes the arguments of one call; everything random in it comes from the generator.
Arguments = Callable[[torch.Generator], tuple]


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    """Numbers of both signs for a case."""
    return torch.randn(shape, generator=rng)


def whole(rng: torch.Generator, low: int, high: int, *shape: int) -> Any:
    """Whole numbers from ``low`` to ``high - 1`` for a case; without a shape, one."""
    drawn = torch.randint(low, high, shape, generator=rng)
    return drawn if shape else drawn.item()


def given(*values: Any) -> Arguments:
    """A case in which nothing is drawn."""
    return lambda rng: copy.deepcopy(values)


def guess(right: Any) -> Part:
    """A part whose answer is a value; the wrong ones stand in the TOML."""
    return Part(right, predicted=True)


def call(answer: Any, *arguments: Any) -> Any:
    """The plain way of trying an answer."""
    return answer(*arguments)


def nothing(rng: torch.Generator) -> tuple:
    """The arguments of an answer that is a value."""
    return ()


@dataclass(frozen=True, eq=False)  # is only itself: may be a key
class Part:
    """One function, class or value that an exercise asks for.

    Attributes:
        reference: the right answer; a value where ``predicted``.
        cases: a name and what makes the arguments. The first is *open*: what is right
            there is shown, so it stands in the lesson. All others are closed.
        mistakes: wrong answers by name, those of the TOML among them.
        messages: what to tell of each mistake; from the TOML.
        edits: of a mistake that is one, from the TOML.
        axes: the axes of a tensor that comes out, as in "T H W".
        run: ``run(answer, *arguments)`` tries an answer. One that is a class is made
            and given weights here; what it returns is compared.
        predicted: the answer is a value, and nothing of it is shown.
    """

    reference: Any
    cases: dict[str, Arguments] = field(default_factory=lambda: {"": nothing})
    mistakes: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    edits: dict[str, list] = field(default_factory=dict)
    axes: str = ""
    run: Callable = call
    predicted: bool = False


@dataclass(frozen=True)
class Exercise:
    """The parts of an exercise with its words."""

    id: str
    parts: dict[str, Part]
    title: str
    minutes: int
    level: int
    goal: int
    section: int
    asked: str
    hints: list[str]

    @property
    def place(self) -> str:
        """Where its lesson teaches what it asks."""
        return f"Lesson {self.id[:2]}, section {self.section}"


def changed(function: Callable, *edits: Sequence[str]) -> Callable:
    """The same function with something else at one place or at several.

    Args:
        function: it has a source, and no closure.
        edits: the text that stands there, exactly once, and the one to put there.
    """
    source = textwrap.dedent(inspect.getsource(function))
    for old, new in edits:
        if source.count(old) != 1:
            raise LessonError(f"{function.__name__}: {old!r} is not there exactly once")
        source = source.replace(old, new)
    names = dict(vars(inspect.getmodule(function)))
    exec(compile(source, f"<{function.__name__}, changed>", "exec"), names)
    return names[function.__name__]


@cache
def lesson(number: str) -> dict[str, Exercise]:
    """The exercises of a lesson by their ids, in order."""
    if not find_spec(f"{__package__}.lesson_{number}"):
        raise LessonError(f"there are no exercises for lesson {number!r}")
    parts = import_module(f"{__package__}.lesson_{number}").PARTS
    words = Path(__file__).with_name(f"lesson_{number}.toml").read_text("utf-8")
    made = {}
    for name, entry in tomllib.loads(words).items():
        told, asked = entry.pop("mistakes"), parts[name]
        if isinstance(asked, Part):
            told, asked = {"": told}, {"": asked}
        joined = {part: _with_words(asked[part], told[part]) for part in asked}
        made[name] = Exercise(id=name, parts=joined, **entry)
    return made


def _with_words(part: Part, told: dict[str, str | list]) -> Part:
    """A part with its messages, and with the mistakes that are edits."""
    mistakes, messages, edits = dict(part.mistakes), {}, {}
    for name, entry in told.items():
        messages[name], *more = [entry] if isinstance(entry, str) else entry
        if more and part.predicted:
            (mistakes[name],) = more
        elif more:
            mistakes[name], edits[name] = changed(part.reference, *more), more
    return replace(part, mistakes=mistakes, messages=messages, edits=edits)


def find(name: str) -> Exercise:
    """The exercise with this id, such as "01.2"."""
    if not isinstance(name, str) or not re.fullmatch(r"\d\d\.\d+", name):
        raise LessonError(f'an exercise is named like "01.2", in quotes; got {name!r}')
    known = lesson(name[:2])
    if name not in known:
        raise LessonError(f"there is no exercise {name}; there are {', '.join(known)}")
    return known[name]
