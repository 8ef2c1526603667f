"""``python figures/drawings [FOLDER]``: draw every drawing of the course as SVG.

Public names: ``DRAWINGS``, ``main``.

A colour means one thing in all of them: blue the query, sky blue a context, orange
a gate, vermillion a modulator, green space, pink time. ``make figures`` writes them
into ``figures/``; a lesson shows one with ``show_drawing(name)``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from attention_vs_modulation import two_orders
from canvas import Canvas
from course_map import course_map
from layers import focal_modulation, spatiotemporal_modulation
from network import vfl_net
from receptive_field import receptive_field, space_time_cross

from dvfl_lib.errors import DVFLError
from dvfl_lib.files import write_whole

# In the order of the lessons.
DRAWINGS: dict[str, Callable[[], Canvas]] = {
    drawing.__name__: drawing
    for drawing in (
        course_map,
        two_orders,
        focal_modulation,
        receptive_field,
        spatiotemporal_modulation,
        space_time_cross,
        vfl_net,
    )
}


def main(folder: Path) -> None:
    """Write ``NAME.svg`` of each into a folder; ends with what cannot be written."""
    try:
        for name, draw in DRAWINGS.items():
            write_whole(folder / f"{name}.svg", draw().svg())
            print(folder / f"{name}.svg")
    except DVFLError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]))
