"""What a look at a data set found, as text and as JSON.

Public names: ``CheckReport``, ``Side``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .base import first_few

_SHOWN = 5  # names of a kind in the text; the JSON has all


@dataclass
class Side:
    """One side of one split."""

    split: str
    subset: str
    found: int | None = None  # clips; None where it could not be read at all
    expected: int | None = None  # None where no number is published
    trouble: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong with it in few words, or ""."""
        if self.trouble:
            return self.trouble
        if self.expected is not None and self.found != self.expected:
            return f"{self.found:,} clips, and {self.expected:,} are published"
        return ""


@dataclass
class CheckReport:
    """Everything found; paths are as seen from ``root``."""

    name: str
    root: str
    quick: bool
    standin: bool = False
    sides: list[Side] = field(default_factory=list)
    clips: int | None = None
    clips_expected: list[int] = field(default_factory=list)  # any of these is right
    wrong: list[str] = field(default_factory=list)  # what fits nowhere else
    missing: list[str] = field(default_factory=list)  # or empty
    unreadable: dict[str, str] = field(default_factory=dict)  # path -> why
    on_both_sides: list[list[str]] = field(default_factory=list)  # equal files
    two_labels: list[list[str]] = field(default_factory=list)
    equal: list[list[str]] = field(default_factory=list)  # on one side, one label
    same_name: list[list[str]] = field(default_factory=list)
    stray_videos: list[str] = field(default_factory=list)  # of no list
    stray_files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def troubles(self) -> list[str]:
        """One line for each kind of trouble; none means that all is well."""
        lines = list(self.wrong)
        told: dict[str, list[str]] = {}
        for side in self.sides:
            if side.wrong:
                told.setdefault(side.wrong, []).append(f"{side.split} {side.subset}")
        lines += [f"split {first_few(where)}: {what}" for what, where in told.items()]
        expected = self.clips_expected
        if expected and self.clips is not None and self.clips not in expected:
            right = " or ".join(f"{number:,}" for number in expected)
            lines.append(f"{self.clips:,} clips are there, and it should be {right}")
        unreadable = [f"{path} ({why})" for path, why in self.unreadable.items()]
        for names, what in (
            (self.missing, "missing or empty"),
            (unreadable, "cannot be read"),
            (_joined(self.on_both_sides), "equal files for training and for testing"),
            (_joined(self.two_labels), "equal files under two labels"),
            (_joined(self.same_name), "name that occurs more than once"),
            (self.stray_videos, "video of no list"),
        ):
            if names:
                lines.append(f"{what}: {len(names):,}: {first_few(names, _SHOWN)}")
        return lines

    @property
    def good(self) -> bool:
        """Whether nothing is wrong. Remarks do not count."""
        return not self.troubles()

    def remarks(self) -> list[str]:
        """What is worth knowing, and not wrong."""
        lines = list(self.notes)
        if self.equal:
            names = first_few(_joined(self.equal), _SHOWN)
            lines.append(f"equal files on one side: {len(self.equal):,}: {names}")
        if self.stray_files:
            names = first_few(self.stray_files, _SHOWN)
            lines.append(f"other files: {len(self.stray_files):,}: {names}")
        return lines

    def text(self) -> str:
        """For people."""
        kind = ", a STAND-IN: generated data, not the benchmark" if self.standin else ""
        lines = [f"{self.name} in {self.root}{kind}"]
        for side in self.sides:
            found = "?" if side.found is None else f"{side.found:,}"
            of = "" if side.expected is None else f" of {side.expected:,}"
            mark = "  <-" if side.wrong else ""
            lines.append(f"  split {side.split:<8} {side.subset:<6}{found}{of}{mark}")
        how = (
            "by the first frame of each; contents were not compared"
            if self.quick
            else "every frame counted, contents compared"
        )
        if self.clips is not None:
            lines.append(f"  {self.clips:,} clips, {how}")
        lines += [f"remark: {line}" for line in self.remarks()]
        lines += [f"TROUBLE: {line}" for line in self.troubles()]
        lines.append("Good." if self.good else "Not good.")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """All of it, for a JSON file."""
        return {**asdict(self), "good": self.good, "troubles": self.troubles()}


def _joined(groups: list[list[str]]) -> list[str]:
    return [" = ".join(group) for group in groups]
