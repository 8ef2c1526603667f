"""The command ``dvfl exercises start 01``: a learner's own copy of the exercises.

Public names: ``add_exercises_commands``.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def add_exercises_commands(parser: argparse.ArgumentParser) -> None:
    """Give a parser the command; it sets ``call`` to what runs it."""
    commands = parser.add_subparsers(required=True, metavar="what")
    start = commands.add_parser("start", help="copy a lesson's exercises")
    start.add_argument("lesson", help="its number, such as 01")
    start.add_argument("--to", default="my_exercises", help="folder (git ignores it)")
    start.set_defaults(call=_start)


def _start(options: argparse.Namespace) -> int:
    from ..environment import project_root
    from ..errors import LessonError

    folder = project_root() / "notebooks" / "exercises"
    found = [p for p in folder.glob("*.ipynb") if p.name[:2] == options.lesson]
    if not found:
        known = ", ".join(sorted(p.name[:2] for p in folder.glob("*.ipynb")))
        raise LessonError(
            f"no exercises for lesson {options.lesson!r} in {folder}; there are: "
            f"{known or 'none (they come with the repository)'}"
        )
    to = Path(options.to) / found[0].name
    if to.exists():
        raise LessonError(f"{to} is there already; to begin anew, rename or delete it")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(found[0], to)
    print(f"Now: jupyter lab {to}")
    return 0
