"""What a lesson shows, and a notebook tidied after it was executed.

Public names: ``show``, ``Shown``, ``tidy_notebook``.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import nbformat
from matplotlib.figure import Figure

from ..figures import alt_text
from ..figures.drawings import Drawing
from .notebook_file import read_notebook, write_notebook

_KEPT_METADATA = ("dvfl", "kernelspec", "language_info", "widgets")


class Shown:
    """A figure as a notebook stores it: a PNG, and in words what is on it.

    A drawing of the course is stored as SVG too.
    """

    def __init__(self, figure: Figure, dpi: int = 110) -> None:
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=dpi, metadata={"Software": None})
        self._png = base64.b64encode(picture.getvalue()).decode()
        self._words = alt_text(figure) or "figure"
        self._svg = figure.svg().decode() if isinstance(figure, Drawing) else ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict:
        bundle = {"image/png": self._png, "text/plain": self._words}
        return bundle | ({"image/svg+xml": self._svg} if self._svg else {})


def show(figure: Figure) -> Shown:
    """Make a figure the result of a cell, with its text alternative.

    Figures of this library are not tied to pyplot, so a notebook would print only
    their size.
    """
    return Shown(figure)


def _overwritten(text: str) -> str:
    """What a terminal would show of text with carriage returns."""
    lines = []
    for line in text.split("\n"):
        parts = [part for part in line.split("\r") if part.strip()]
        lines.append(parts[-1] if parts else "")
    return "\n".join(lines)


def _merge_streams(outputs: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for output in outputs:
        last = merged[-1] if merged else None
        same = last is not None and last["output_type"] == "stream"
        if (
            output["output_type"] == "stream"
            and same
            and last["name"] == output["name"]
        ):
            last["text"] += output["text"]
        else:
            merged.append(output)
    for output in merged:
        if output["output_type"] == "stream":
            output["text"] = _overwritten(output["text"])
    return [o for o in merged if o["output_type"] != "stream" or o["text"].strip()]


def tidy_notebook(path: str | Path, *, clean_metadata: bool) -> None:
    """Keep of each progress bar its last state, and join what was printed in pieces.

    Args:
        path: an executed notebook; written whole or not at all.
        clean_metadata: also remove what tells when and by what it was executed.

    Raises:
        LessonError: it cannot be read as a notebook.
    """
    notebook = read_notebook(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _merge_streams(cell.outputs)
        if clean_metadata:
            tags = cell.metadata.get("tags")
            cell.metadata = nbformat.NotebookNode({"tags": tags} if tags else {})
    if clean_metadata:
        kept = {k: v for k, v in notebook.metadata.items() if k in _KEPT_METADATA}
        kept["language_info"] = {"name": "python"}
        notebook.metadata = nbformat.NotebookNode(kept)
    write_notebook(path, notebook)
