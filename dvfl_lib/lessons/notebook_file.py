"""Notebooks on disk: read with a clear error, written whole or not at all.

Public names: ``read_notebook``, ``write_notebook``.
"""

from __future__ import annotations

from pathlib import Path

import nbformat

from ..errors import LessonError
from ..files import write_whole


def read_notebook(path: str | Path) -> nbformat.NotebookNode:
    """A notebook in format 4.

    Raises:
        LessonError: there is no such file, or it is no notebook with cells.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat lets errors of many kinds through
        reason = str(error).splitlines()[0]
        raise LessonError(f"{path} cannot be read as a notebook: {reason}") from error
    if not notebook.cells:
        raise LessonError(f"{path} has no cells")
    return notebook


def write_notebook(path: str | Path, notebook: nbformat.NotebookNode) -> None:
    """Write a notebook whole, with a line feed at its end, as git likes it."""
    write_whole(Path(path), (nbformat.writes(notebook) + "\n").encode())
