"""The controls of the explorer: sliders, menus, boxes and arrow buttons.

Public names: ``make_controls``, ``block_options``, ``change_options``,
``of_width``.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from .record import Record
from .view import View


def make_controls(record: Record, view: View) -> dict[str, Any]:
    """The widgets by name; they observe nothing yet."""
    frames, height, width = view.maps(record).size
    names = [entry.name for entry in record.networks]
    late = {"continuous_update": False}
    wide, widest = of_width(360), of_width(430)
    make: dict[str, Any] = {
        "play": widgets.Play(min=1, max=frames, value=view.frame + 1, interval=400),
        "frame": _slider("frame", view.frame, frames),
        "network": widgets.Dropdown(options=names, description="network", **wide),
        "place": widgets.Dropdown(
            options=block_options(record, view.network), description="block", **widest
        ),
        "row": _slider("row", view.row, height),
        "column": _slider("column", view.column, width),
        "shared": widgets.Checkbox(value=True, description="one scale for all frames"),
        "signed": widgets.Checkbox(value=True, description="gates with their sign"),
        "overlay": widgets.FloatSlider(
            min=0.0, max=1.0, step=0.1, description="frame over map", **late, **wide
        ),
        "compare": widgets.Dropdown(
            options=names, value=view.compare, description="beside", **wide
        ),
        "temperature": widgets.FloatLogSlider(
            value=1.0, min=-0.3, max=1.3, step=0.1, description="T", **late, **wide
        ),
        "change": widgets.Dropdown(
            options=change_options(record, view.network),
            description="change",
            **widest,
        ),
    }
    for name, icon in zip(("up", "down", "left", "right"), "↑↓←→", strict=True):
        layout = widgets.Layout(width="40px")
        make[name] = widgets.Button(
            description=icon, tooltip=f"token one {name}", layout=layout
        )
    return make


def of_width(pixels: int) -> dict[str, dict[str, str]]:
    """Options of a control whose label and longest choice must be seen whole."""
    return {
        "style": {"description_width": "110px"},
        "layout": {"width": f"{pixels}px", "max_width": "98%"},
    }


def block_options(record: Record, network: str) -> list[tuple[str, tuple[int, int]]]:
    """Names of blocks that say the map's size, and their (stage, block)."""
    return [
        (
            f"stage {b.stage}, block {b.block} ({b.size[1]} x {b.size[2]} tokens)",
            (b.stage, b.block),
        )
        for b in record.network(network).maps
    ]


def change_options(record: Record, network: str) -> list[tuple[str, int]]:
    """Names of a network's outcomes and their numbers; -1 is none of them."""
    outcomes = record.network(network).outcomes
    return [("none", -1)] + [(o.name, n) for n, o in enumerate(outcomes)]


def _slider(name: str, value: int, most: int) -> widgets.IntSlider:
    """From 1 to ``most``; ``value`` counts from 0, as the view does."""
    return widgets.IntSlider(
        value=value + 1,
        min=1,
        max=most,
        description=name,
        continuous_update=False,
        style={"description_width": "60px"},
    )
