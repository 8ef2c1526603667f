"""A figure or a drawing as the result of a cell, with its words for who cannot see it.

Public names: ``show``, ``show_drawing``.
"""

from __future__ import annotations

import base64
import io
import re
from html import unescape
from typing import Any

from matplotlib.figure import Figure

from ..environment import project_root
from ..errors import LessonError
from ..figures import alt_text


class _Shown:
    """What a notebook stores of a picture; ``text/plain`` says what is on it.

    The same words are the picture's ``alt``, which nbconvert and the site write.
    """

    def __init__(self, **bundle: str) -> None:
        self._bundle = bundle

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict, dict]:
        pictures = [kind for kind in self._bundle if kind.startswith("image/")]
        alt = {"alt": self._bundle["text/plain"]}
        return self._bundle, dict.fromkeys(pictures, alt)


def show(figure: Figure) -> _Shown:
    """Make a figure the result of a cell: a PNG, with its text alternative.

    Figures of this library are not tied to pyplot, so a notebook would print only
    their size.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    png = base64.b64encode(picture.getvalue()).decode()
    return _Shown(**{"image/png": png, "text/plain": alt_text(figure) or "figure"})


def show_drawing(name: str) -> _Shown:
    """Make ``figures/NAME.svg`` of the checkout the result of a cell."""
    path = project_root() / "figures" / f"{name}.svg"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.svg")))
        raise LessonError(f"there is no drawing {name!r}; known: {known}")
    svg = path.read_text("utf-8")
    words = re.search(r"<desc[^>]*>(.*?)</desc>", svg, re.S)
    return _Shown(**{"image/svg+xml": svg, "text/plain": unescape(words[1])})
