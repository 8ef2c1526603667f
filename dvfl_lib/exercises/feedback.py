"""What a learner sees of a check.

Public names: ``Report``.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from html import escape

from .diagnosis import Finding
from .exercise import Exercise

WIDTH = 88
_COLOURS = {"right": "#1a7f37", "wrong": "#b35900"}


@dataclass(frozen=True)
class Report:
    """Cases, points, one message and where to read: as text, or in colour.

    Attributes:
        findings: of each part by its name.
    """

    exercise: Exercise
    findings: dict[str, Finding]
    seed: int

    @property
    def started(self) -> bool:
        return any(f.kind != "not started" for f in self.findings.values())

    @property
    def points(self) -> int:
        return sum(ok for f in self.findings.values() for ok in f.right.values())

    @property
    def most(self) -> int:
        return sum(len(f.right) for f in self.findings.values())

    @property
    def passed(self) -> bool:
        return self.points == self.most

    def lines(self) -> list[tuple[str, str]]:
        """Pairs of a word, which may be empty, and what stands beside it."""
        title = f"{self.exercise.id} · {self.exercise.title}"
        if not self.started:
            end = "not started. Write it, then run this cell again."
            return [("", f"{self.exercise.id} · {end}")]
        points = f"{self.points} of {self.most} points"
        lines = [("", f"{title:<{WIDTH - len(points) - 1}} {points}")]
        for part, found in self.findings.items():
            for case, ok in found.right.items():
                name = ": ".join(filter(None, (part, case))) or "your answer"
                word = "right" if ok else "wrong"
                lines.append((word if found.kind != "not started" else "open", name))
        if self.passed:
            return lines
        told = ((n, f) for n, f in self.findings.items() if f.message)
        part, found = next(told, ("", Finding("not started")))
        told = f"{part}: {found.message}" if part else found.message
        lines += [("", line) for line in textwrap.wrap(told, WIDTH)]
        last = f'{self.exercise.place}. More: hint("{self.exercise.id}")'
        if not all(p.predicted for p in self.exercise.parts.values()):
            last += f"     Another draw: seed={self.seed + 1}"
        return [*lines, ("", last)]

    def __repr__(self) -> str:
        rows = (f"  {word:<6}  {text}" if word else text for word, text in self.lines())
        return "\n".join(rows)

    def _repr_html_(self) -> str:
        rows = []
        for word, text in self.lines():
            start = f'<b style="color:{_COLOURS.get(word, "#666")}">  {word:<6}</b>  '
            rows.append((start if word else "") + escape(text))
        return f'<pre style="white-space: pre-wrap">{"<br>".join(rows)}</pre>'
