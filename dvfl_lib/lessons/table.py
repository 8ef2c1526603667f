"""The table of lessons: goal, minutes, badge, as README and lesson 00 show it.

Public names: ``lesson_table``, ``update_readme``, ``lesson_files``, ``minutes``.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import LessonError
from ..files import write_whole
from .notebook_file import read_notebook
from .stamping import badge, project_address

_HEAD = (
    "| Lesson | Goal | Minutes, CPU | Minutes, GPU | |",
    "|---|---|---|---|---|",
)
_PLACE = re.compile(r"(<!-- lessons -->\n)(.*?)(<!-- /lessons -->)", re.S)


def lesson_files(root: Path) -> list[Path]:
    """The lessons of a checkout, in their order."""
    return sorted((root / "notebooks").glob("*.ipynb"))


def minutes(value: float | None) -> str:
    """A measured time, or the admission that there is none."""
    return "not measured" if value is None else f"{value:g}"


def lesson_table(root: Path, *, links_from: str = "notebooks/") -> str:
    """One row per lesson, from the metadata of the notebooks.

    Args:
        root: a checkout.
        links_from: what stands before a notebook's name in a link: "notebooks/" for
            README, "" for a lesson.

    Raises:
        LessonError: a notebook cannot be read, or lacks ``metadata.dvfl``.
    """
    address, rows = project_address(), list(_HEAD)
    for path in lesson_files(root):
        told = read_notebook(path).metadata.get("dvfl")
        if not told:
            raise LessonError(f"{path} has no metadata.dvfl; see CONTRIBUTING.md")
        cells = (
            f"[{path.stem[:2]} {told['title']}]({links_from}{path.name})",
            told["goal"],
            minutes(told["minutes_cpu"]),
            minutes(told["minutes_gpu"]),
            badge(address, path.name),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def update_readme(root: Path) -> bool:
    """Write the table into README.md; returns whether it changed.

    Raises:
        LessonError: README.md has no place for it.
    """
    file = root / "README.md"
    before = file.read_text("utf-8")
    if not _PLACE.search(before):
        raise LessonError(
            "README.md has no lines <!-- lessons --> and <!-- /lessons -->"
        )
    table = lesson_table(root)
    after = _PLACE.sub(lambda found: found[1] + table + found[3], before)
    if after != before:
        write_whole(file, after.encode())
    return after != before
