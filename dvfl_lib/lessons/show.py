"""A figure or a drawing as a cell's result, and what a cell printed, in one piece.

Public names: ``show``, ``show_drawing``, ``tidy_outputs``,
``tidy_notebook``.
"""

from __future__ import annotations

import base64
import io
import re
from html import unescape
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
from matplotlib.figure import Figure

from ..environment import project_root, shown_path
from ..errors import LessonError
from ..figures import alt_text
from ..files import write_whole


class _Shown:
    """What a notebook stores of a picture; ``text/plain`` says what is on it."""

    def __init__(self, **bundle: str) -> None:
        self._bundle = bundle

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict:
        return self._bundle


def show(figure: Figure, dpi: int = 110) -> _Shown:
    """Make a figure the result of a cell: a PNG, with its text alternative.

    Figures of this library are not tied to pyplot, so a notebook would print only
    their size.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi, metadata={"Software": None})
    png = base64.b64encode(picture.getvalue()).decode()
    return _Shown(**{"image/png": png, "text/plain": alt_text(figure) or "figure"})


def show_drawing(name: str) -> _Shown:
    """Make ``figures/NAME.svg`` of the checkout the result of a cell.

    Raises:
        LessonError: there is no such drawing.
    """
    folder = project_root() / "figures"
    known = sorted(path.stem for path in folder.glob("*.svg"))
    if name not in known:
        has = f"{shown_path(folder)}; it has {', '.join(known)}"
        raise LessonError(f"there is no drawing {name!r} in {has}")
    svg = (folder / f"{name}.svg").read_text("utf-8")
    words = re.search(r"<desc[^>]*>(.*?)</desc>", svg, re.S)
    return _Shown(**{"image/svg+xml": svg, "text/plain": unescape(words[1])})


def tidy_outputs(outputs: list[Any]) -> list[Any]:
    """Of each progress bar its last state; what was printed in pieces in one."""

    def stream(output: Any) -> str:
        return output["name"] if output["output_type"] == "stream" else ""

    tidied = []
    for name, group in groupby(outputs, stream):
        first, *rest = group
        if not name:
            tidied += [first, *rest]
            continue
        text = "".join([first["text"], *(output["text"] for output in rest)])
        first["text"] = "\n".join(map(_overwritten, text.split("\n")))
        tidied += [first] if first["text"].strip() else []
    return tidied


def _overwritten(line: str) -> str:
    """What a terminal would show of a line with carriage returns."""
    return next((part for part in line.split("\r")[::-1] if part.strip()), "")


def tidy_notebook(path: Path) -> None:
    """Tidy the outputs of an executed notebook, in place."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = tidy_outputs(cell.outputs)
    write_whole(path, (nbformat.writes(notebook) + "\n").encode())
