"""The course's drawings, in one language of boxes, arrows and colours.

Public names: ``drawing``, ``list_drawings``, ``Drawing`` (canvas.py).

A colour means one thing in all of them: blue the query, sky blue a context, orange
a gate, vermillion a modulator, green space, pink time. ``make figures`` writes them
as SVG into ``figures/``; a lesson shows them with ``show(drawing(name))``.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from ...errors import DVFLError
from .canvas import Drawing
from .course import course_map
from .layers import focal_modulation, spatiotemporal_modulation
from .network import vfl_net
from .orders import two_orders
from .reach import receptive_field, space_time_cross

__all__ = ["Drawing", "drawing", "list_drawings"]

_DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "course_map": course_map,
    "two_orders": two_orders,
    "focal_modulation": focal_modulation,
    "receptive_field": receptive_field,
    "spatiotemporal_modulation": spatiotemporal_modulation,
    "space_time_cross": space_time_cross,
    "vfl_net": vfl_net,
}


def list_drawings() -> list[str]:
    """The names that ``drawing`` knows, in the order of the lessons."""
    return list(_DRAWINGS)


def drawing(name: str) -> Drawing:
    """Draw one of the course's drawings: a figure 8 inches wide, described in words.

    Raises:
        DVFLError: there is no drawing of this name.
    """
    if name not in _DRAWINGS:
        near = get_close_matches(str(name), _DRAWINGS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(_DRAWINGS)
        raise DVFLError(f"there is no drawing {name!r}.{hint} Known: {known}")
    return _DRAWINGS[name]()
