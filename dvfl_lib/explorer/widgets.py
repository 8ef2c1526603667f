"""The explorer in a notebook, on the core widgets of ipywidgets 7.7.1 and later.

Public names: ``Explorer``.

No control runs a network: all of them read the record. Pictures are PNG bytes in
``Image`` widgets, lines and bars SVG in ``HTML`` widgets, and below each picture
stands in words what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as widgets

from .lines import probability_bars, token_lines
from .pictures import Picture, compare_row, reach_rows, row_a, row_b
from .record import Record
from .view import View, first_view, moved_to

_PICTURES: dict[str, Callable[[Record, View], Picture]] = {
    "row_a": row_a,
    "row_b": row_b,
    "reach": reach_rows,
    "compare": compare_row,
}
_DRAWN: dict[str, Callable[[Record, View], str]] = {
    "lines": token_lines,
    "bars": probability_bars,
}
_EVERY = (*_PICTURES, *_DRAWN)
# Which pictures a control changes; the others are left as they are.
_CONCERNS: dict[str, tuple[str, ...]] = {
    "frame": ("row_a", "row_b", "reach", "compare", "lines"),
    "network": _EVERY,
    "place": ("row_a", "row_b", "reach", "compare", "lines"),
    "row": ("row_a", "row_b", "reach", "compare", "lines"),
    "column": ("row_a", "row_b", "reach", "compare", "lines"),
    "shared": ("row_a", "row_b", "compare"),
    "signed": ("row_b", "lines"),
    "overlay": ("row_a", "row_b", "compare"),
    "compare": ("compare", "bars"),
    "temperature": ("bars",),
    "change": ("bars",),
}


# These controls count from 1, as the captions do; the view counts from 0.
_COUNTED = ("frame", "row", "column")


class Explorer(widgets.VBox):
    """Look into a record: the last expression of a cell shows it.

    Args:
        record: see ``record_clip`` and ``load_record``.

    Attributes:
        record: what is shown.
        view: the present state of all controls.
        controls: the widgets by name: "frame", "play", "network", "place", "row",
            "column", "up", "down", "left", "right", "shared", "signed", "overlay",
            "compare", "temperature", "change".
        pictures: the widgets by name: "row_a", "row_b", "reach", "compare" (Image),
            "lines", "bars" (HTML); ``words`` has the words below each Image.
    """

    def __init__(self, record: Record) -> None:
        super().__init__()
        self.record, self.view = record, first_view(record)
        self.controls = self._make_controls()
        self.pictures: dict[str, Any] = {
            name: widgets.Image(format="png") for name in _PICTURES
        } | {name: widgets.HTML() for name in _DRAWN}
        self.words = {name: widgets.HTML() for name in _PICTURES}
        self.status = widgets.HTML()
        self._quiet = False
        for name in _CONCERNS:
            self.controls[name].observe(self._listener(name), "value")
        for name, step in (("up", -1), ("down", 1)):
            self.controls[name].on_click(self._stepper("row", step))
        for name, step in (("left", -1), ("right", 1)):
            self.controls[name].on_click(self._stepper("column", step))
        widgets.link(
            (self.controls["play"], "value"), (self.controls["frame"], "value")
        )
        self._draw(_EVERY)
        self.children = self._arranged()

    def __repr__(self) -> str:
        # Not that of a box: it would hold every picture, byte by byte.
        networks = ", ".join(entry.name for entry in self.record.networks)
        return f"Explorer of {self.record.title!r}: {networks}"

    def _make_controls(self) -> dict[str, Any]:
        record, view = self.record, self.view
        frames, height, width = view.maps(record).size
        names = [entry.name for entry in record.networks]
        late = {"continuous_update": False}
        wide = {"style": {"description_width": "90px"}}
        make: dict[str, Any] = {
            "play": widgets.Play(min=1, max=frames, value=view.frame + 1, interval=400),
            "frame": _slider("frame", view.frame, frames),
            "network": widgets.Dropdown(options=names, description="network", **wide),
            "place": widgets.Dropdown(
                options=self._places(view.network), description="block", **wide
            ),
            "row": _slider("row", view.row, height),
            "column": _slider("column", view.column, width),
            "shared": widgets.Checkbox(
                value=True, description="one scale for all frames"
            ),
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
                options=self._changes(view.network), description="change", **wide
            ),
        }
        for name, icon in zip(("up", "down", "left", "right"), "↑↓←→", strict=True):
            layout = widgets.Layout(width="40px")
            make[name] = widgets.Button(
                description=icon, tooltip=f"token one {name}", layout=layout
            )
        return make

    def _places(self, network: str) -> list[tuple[str, tuple[int, int]]]:
        """Names of blocks that say the map's size."""
        maps = self.record.network(network).maps
        return [
            (
                f"stage {b.stage}, block {b.block} ({b.size[1]} x {b.size[2]} tokens)",
                (b.stage, b.block),
            )
            for b in maps
        ]

    def _changes(self, network: str) -> list[tuple[str, int]]:
        outcomes = self.record.network(network).outcomes
        return [("none", -1)] + [(o.name, n) for n, o in enumerate(outcomes)]

    def _listener(self, name: str) -> Callable[[dict[str, Any]], None]:
        def changed(event: dict[str, Any]) -> None:
            if self._quiet:
                return
            try:
                self._change(name, event["new"])
                self.status.value = ""
            except Exception as error:
                told = escape(f"{type(error).__name__}: {error}")
                self.status.value = f"<b style='color:#a00'>{told}</b>"
                raise

        return changed

    def _stepper(self, name: str, step: int) -> Callable[[Any], None]:
        """A button that moves a slider; at the border it stays."""

        def moved(button: Any) -> None:
            slider = self.controls[name]
            slider.value = min(max(slider.value + step, slider.min), slider.max)

        return moved

    def _change(self, name: str, value: Any) -> None:
        """One control has a new value: new view, and what it concerns drawn anew."""
        view, record = self.view, self.record
        if name == "network":
            self.view = replace(moved_to(record, view, value, view.place), change=-1)
            self._follow(new_network=True)
        elif name == "place":
            self.view = moved_to(record, view, view.network, tuple(value))
            self._follow(new_network=False)
        else:
            counted = value - 1 if name in _COUNTED else value
            self.view = replace(view, **{name: counted})
        self._draw(_CONCERNS[name])

    def _follow(self, *, new_network: bool) -> None:
        """Set the controls by the view, without drawing for each of them."""
        controls, view = self.controls, self.view
        self._quiet = True
        try:
            if new_network:
                controls["place"].options = self._places(view.network)
                controls["change"].options = self._changes(view.network)
                controls["change"].value = view.change
            controls["place"].value = view.place
            sides = view.maps(self.record).size[1:]
            for name, side in zip(("row", "column"), sides, strict=True):
                controls[name].max = side
                controls[name].value = getattr(view, name) + 1
        finally:
            self._quiet = False

    def _draw(self, names: Iterable[str]) -> None:
        for name in names:
            if name in _PICTURES:
                picture = _PICTURES[name](self.record, self.view)
                self.pictures[name].value = picture.png
                said = f"<small style='color:#595959'>{escape(picture.words)}</small>"
                self.words[name].value = said
            else:
                self.pictures[name].value = _DRAWN[name](self.record, self.view)

    def _arranged(self) -> tuple[widgets.Widget, ...]:
        c, p = self.controls, self.pictures
        mark = " (stand-in data)" if self.record.standin else ""
        title = f"<b>{escape(self.record.title)}{mark}</b>"
        return (
            widgets.HTML(title),
            _row([c["play"], c["frame"], c["network"]]),
            _row([c["place"], c["overlay"]]),
            _row([c["row"], c["column"], c["left"], c["right"], c["up"], c["down"]]),
            _row([c["shared"], c["signed"]]),
            self.status,
            *(part for n in ("row_a", "row_b") for part in (p[n], self.words[n])),
            p["lines"],
            widgets.HTML("<b>What the token depends on</b>"),
            p["reach"],
            self.words["reach"],
            widgets.HTML("<b>Two networks, and one change</b>"),
            _row([c["compare"], c["temperature"], c["change"]]),
            p["compare"],
            self.words["compare"],
            p["bars"],
        )


def _row(parts: list[widgets.Widget]) -> widgets.HBox:
    """Controls side by side; on a narrow page they go on in the next line."""
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap"))


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
