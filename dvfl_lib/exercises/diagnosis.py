"""Say what a wrong answer did: by planted mistakes, slips, wrecks, and symptoms.

Public names: ``examine``, ``Finding``.

A planted mistake is a function. Where it gives the learner's numbers in all cases, its
message is the learner's. (The idea is that of BUGGY: J. S. Brown and R. R. Burton,
Diagnostic models for procedural bugs in basic mathematical skills, 1978.)
"""

from __future__ import annotations

import textwrap
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations, takewhile
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import LessonError
from .comparing import describe, kind_of, numbers, plain, same
from .exercise import Part, changed
from .running import Outcome, TooLong, attempt, borrowed, where_raised
from .slips import with_slips

SECONDS = 2.0  # of looking for one kind of slip; most are through in a tenth of it


@dataclass
class Finding:
    """What a check found of one part.

    Attributes:
        kind: "right", "not started", "mistake", "slip", "wreck", "symptom", "wrong".
        name: which mistake, wreck or symptom.
        message: what to tell.
        right: the cases, and whether the answer was right in each.
    """

    kind: str
    name: str = ""
    message: str = ""
    right: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class _Tried:
    """An answer and what it gave in each case, beside what was expected there."""

    part: Part
    answer: Any
    seed: int
    asked: dict[str, Outcome]
    got: dict[str, Outcome]

    def right(self, case: str) -> bool:
        return self.got[case].changed is None and self.agrees(case, self.asked)

    def agrees(self, case: str, other: dict[str, Outcome]) -> bool:
        return self.got[case].gives(other[case])

    @property
    def wrong(self) -> list[str]:
        return [case for case in self.got if not self.right(case)]


def examine(part: Part, answer: Any, seed: int = 0) -> Finding:
    """Try an answer in all cases, and find out what is wrong with it."""
    nobody = dict.fromkeys(part.cases, False)
    if answer is ... or (part.predicted and answer is None):
        return Finding("not started", right=nobody)
    if not part.predicted and (not callable(answer) or isinstance(answer, nn.Module)):
        told = f"Give check the function itself, without calling it; {describe(answer)}"
        return Finding("wreck", "called", f"{told} came.", nobody)
    asked = {case: _known(part, None, case, seed) for case in part.cases}
    got: dict[str, Outcome] = {}
    for case in part.cases:
        got[case] = attempt(part, answer, case, seed)
        if isinstance(got[case].raised, NotImplementedError):
            return Finding("not started", right=nobody)
        if isinstance(got[case].raised, TooLong):  # one wait is enough
            got |= {left: got[case] for left in part.cases if left not in got}
    tried = _Tried(part, answer, seed, asked, got)
    right = {case: tried.right(case) for case in part.cases}
    for kind, look in (
        ("wreck", _borrowed),
        ("right", _right),
        ("mistake", _mistake),
        ("mistake", _two_mistakes),
        ("slip", _slip),
        ("wreck", _wreck),
        ("slip", _place),
        ("symptom", _symptom),
    ):
        if found := look(tried):
            name, message = found
            # What reads a name of the notebook is right by accident.
            right = nobody if name == "borrowed" else right
            return Finding(kind, name, message, right)
    return Finding("wrong", "", _where_to_begin(tried), right)


@cache
def _known(part: Part, mistake: str | None, case: str, seed: int) -> Outcome:
    """What a planted mistake gives, or the reference; asked for again and again."""
    answer = part.reference if mistake is None else part.mistakes[mistake]
    return attempt(part, answer, case, seed)


def _borrowed(tried: _Tried) -> tuple[str, str] | None:
    names = [] if tried.part.predicted else borrowed(tried.answer)
    if not names:
        return None
    listed = ", ".join(f"`{name}`" for name in names[:3])
    return "borrowed", (
        f"Your function reads {listed} of the notebook, no argument of its own. "
        "It would compute with old values, or fail, anywhere else."
    )


def _right(tried: _Tried) -> tuple[str, str] | None:
    return None if tried.wrong else ("", "")


def _mistake(tried: _Tried) -> tuple[str, str] | None:
    """The planted mistake that gives the same in all cases, also where it is right."""
    for name in tried.part.mistakes:
        outcomes = (
            (case, _known(tried.part, name, case, tried.seed)) for case in tried.got
        )
        if all(
            tried.got[case].gives(one) and tried.got[case].changed == one.changed
            for case, one in outcomes
        ):
            return name, tried.part.messages[name]
    return None


def _two_mistakes(tried: _Tried) -> tuple[str, str] | None:
    """Two planted edits of the right answer at once."""
    part, pairs = tried.part, combinations(tried.part.edits, 2)
    for one, two in _in_time(pairs if _telling(tried) else ()):
        try:
            both = changed(part.reference, *part.edits[one], *part.edits[two])
        except (LessonError, SyntaxError):  # they are in each other's way
            continue
        if _fits(tried, both, tried.got):
            first, second = part.messages[one], part.messages[two]
            return f"{one}, {two}", f"It fits two things at once. {first} And: {second}"
    return None


def _slip(tried: _Tried) -> tuple[str, str] | None:
    """A small change of the right answer that gives the same in all cases."""
    if tried.part.predicted or not _telling(tried):
        return None
    for slip, answer in _in_time(with_slips(tried.part.reference)):
        if _fits(tried, answer, tried.got):
            start = "It gives what a right answer gives if one thing is wrong in it"
            return slip.words, f"{start}: {slip.words}."
    return None


def _place(tried: _Tried) -> tuple[str, str] | None:
    """The line of the answer's own source where one change makes it right."""
    if tried.part.predicted:
        return None
    for slip, answer in _in_time(with_slips(tried.answer)):
        if _fits(tried, answer, tried.asked):
            told = f"One change makes it right. It is {slip.what}, in: {slip.line}"
            return slip.what, told
    return None


def _in_time(candidates: Iterable) -> Iterator:
    """As many as can be tried while somebody waits."""
    end = time.monotonic() + SECONDS
    with warnings.catch_warnings(action="ignore"):  # of code that nobody wrote
        yield from takewhile(lambda _: time.monotonic() < end, candidates)


def _fits(tried: _Tried, answer: Any, wanted: dict[str, Outcome]) -> bool:
    """Whether an answer gives the same as wanted; the wrong cases are tried first."""
    cases = tried.wrong + [case for case in wanted if case not in tried.wrong]
    for case in cases:
        gave = attempt(tried.part, answer, case, tried.seed, seconds=0.5)
        if not gave.gives(wanted[case]) or gave.changed != wanted[case].changed:
            return False
    return True


def _telling(tried: _Tried) -> bool:
    """Whether there is so much in the wrong answers that equal is no coincidence."""
    values = [tried.got[c].value for c in tried.wrong if tried.got[c].raised is None]
    found = [tensor.flatten() for v in values if (tensor := numbers(v)) is not None]
    many = found and torch.cat(found).unique().numel() >= 3
    return bool(many) or len({repr(v) for v in values} - {"None"}) >= 2


def _wreck(tried: _Tried) -> tuple[str, str] | None:
    """What can be wrong with any answer, whatever is asked."""
    for case in tried.wrong:
        got, asked = tried.got[case], tried.asked[case].value
        where = f' (case "{case}")' if case else ""
        if isinstance(got.raised, TooLong):
            return (
                "time",
                f"It did not come to an end in time{where}. Does a loop stop?",
            )
        if got.raised is not None:
            words = " ".join(str(got.raised).split())
            place = where_raised(got.raised)
            start = "It raised" if place else "What came back could not be used:"
            told = f"{start} {type(got.raised).__name__}: {words}"
            return "raised", textwrap.shorten(told, 200) + f"{where}. {place}".rstrip()
        if got.changed is not None:
            ordinal = ("first", "second", "third", "fourth", "fifth")[got.changed]
            return "changed", (
                f"Your function changed its {ordinal} argument{where}. Who calls it "
                "still needs that: work on a copy, or make something new."
            )
        if got.value is None and asked is not None:
            if got.printed:
                return "printed", "It printed the answer and returned None: use return."
            return "none", "Nothing came back: None. Is there a return on each way?"
        if found := _wrong_kind(asked, got.value, tried.part.axes):
            return found[0], found[1] + where + "."
    return _random(tried) or _constant(tried)


def _wrong_kind(asked: Any, got: Any, axes: str) -> tuple[str, str] | None:
    asked, got = plain(asked), plain(got)
    if isinstance(asked, Tensor) and isinstance(got, Tensor):
        if asked.shape != got.shape:
            return "shape", _wrong_shape(asked, got, axes.split())
        if kind_of(asked) != kind_of(got):
            return "dtype", f"Asked are {kind_of(asked)}; {kind_of(got)} came"
        if got.is_floating_point() and not got.isfinite().all():
            bad = "NaN" if got.isnan().any() else "infinite"
            return "nan", f"Some of your numbers are {bad}"
        return None
    if isinstance(asked, float) and isinstance(got, float) and not isfinite(got):
        return "nan", f"Your number is {got}"
    wanted, came = describe(asked), describe(got)
    if isinstance(got, Tensor) and isinstance(asked, list | tuple) and got.ndim == 1:
        wanted = came
    if isinstance(asked, Tensor) != isinstance(got, Tensor) or wanted != came:
        if wanted != came:
            wanted = (
                wanted if not isinstance(asked, Tensor) else "a torch " + wanted[2:]
            )
            return "type", f"Asked is {wanted}; {came} came"
    if isinstance(asked, dict) and asked.keys() != got.keys():
        odd, word = got.keys() - asked.keys(), "too much"
        if not odd:
            odd, word = asked.keys() - got.keys(), "missing"
        return "keys", f"Keys that are {word}: {', '.join(sorted(map(str, odd))[:4])}"
    return None


def _wrong_shape(asked: Tensor, got: Tensor, axes: list[str]) -> str:
    """The axes by name, where the learner's are the asked ones in another order."""
    wanted, came = tuple(asked.shape), tuple(got.shape)
    if len(axes) != len(wanted):
        return f"The shape {wanted} is asked; yours is {came}"
    named = f"({', '.join(axes)}) = {wanted}"
    if sorted(wanted) == sorted(came) and len(set(wanted)) == len(wanted):
        order = [wanted.index(size) for size in came]
        yours = f"({', '.join(axes[n] for n in order)}) = {came}"
        right = same(asked.permute(order), got)
        end = "; the numbers are right, the axes are not in order" if right else ""
        return f"Yours is {yours}, asked is {named}{end}"
    return f"The shape {named} is asked; yours is {came}"


def _random(tried: _Tried) -> tuple[str, str] | None:
    if tried.part.predicted:
        return None
    for case in tried.wrong:
        again = attempt(tried.part, tried.answer, case, tried.seed)
        if not tried.got[case].gives(again):
            return "random", (
                "It gives another answer each time, for the same arguments. Does it "
                "draw, make a layer whose weights are drawn, or read a clock?"
            )
    return None


def _constant(tried: _Tried) -> tuple[str, str] | None:
    first, *closed = tried.got
    if len(closed) < 2 or not tried.right(first):
        return None
    if all(tried.got[closed[0]].gives(tried.got[case]) for case in closed) and not all(
        tried.asked[closed[0]].gives(tried.asked[case]) for case in closed
    ):
        return "constant", "The same answer came, whatever went in. Is it written out?"
    return None


def _symptom(tried: _Tried) -> tuple[str, str] | None:
    """A pattern in what is wrong, the same in all wrong cases."""
    found: list[dict[str, str]] = []
    for case in tried.wrong:
        asked = numbers(tried.asked[case].value)
        got = numbers(tried.got[case].value)
        if asked is None or got is None or asked.shape != got.shape:
            return None
        found.append(dict(_patterns(asked, got, tried.part.axes.split())))
    common = (p for p in found[0].items() if all(p in f.items() for f in found))
    return next(common, None)


def _patterns(asked: Tensor, got: Tensor, axes: list[str]) -> Iterator[tuple[str, str]]:
    """Right in the middle, in another order, or but for a factor."""
    if asked.unique().numel() < 3:
        return  # so few numbers agree with anything
    if {"H", "W"} <= set(axes):
        wrong = ~torch.isclose(asked, got, 1e-4, 1e-6)
        map_axes = axes.index("H"), axes.index("W")
        inside = wrong.movedim(map_axes, (-2, -1))[..., 1:-1, 1:-1]
        if inside.numel() and not inside.any():
            yield "border", "It is right inside the map and wrong at its border."
    if same(asked.flatten().sort().values, got.flatten().sort().values):
        yield "order", "These are the right numbers in the wrong places."
    used = asked.abs() > 1e-6 * asked.abs().max()
    factor = (got[used] / asked[used]).median()
    if factor and same(asked * factor, got):
        sign = "All numbers have the wrong sign."
        other = "All numbers are too large or too small by the same factor."
        yield "factor", sign if same(-asked, got) else other


def _where_to_begin(tried: _Tried) -> str:
    """What is broken is not known: the first wrong case, and the open one's answer."""
    case = tried.wrong[0]
    if tried.part.predicted:
        return "That is not it."
    opened = next(iter(tried.got))
    asked, got = numbers(tried.asked[opened].value), numbers(tried.got[opened].value)
    if case == opened and asked is not None and got is not None and asked.numel() <= 6:
        wanted, came = (" ".join(f"{v:.6g}" for v in t.flatten()) for t in (asked, got))
        return f'"{case}" gives {wanted}; yours gives {came}.'
    if case == opened:
        return f'Begin with "{case}": expected() shows what a right answer gives.'
    return f'The first case is right. What is different in "{case}"?'
