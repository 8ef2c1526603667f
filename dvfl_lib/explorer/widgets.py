"""The explorer in a notebook, on the core widgets of ipywidgets 7.7.1 and later.

Public names: ``Explorer``.

No control runs a network: all of them read the record. Only the buttons of live.py
do, which are there where networks are given. Pictures are PNG bytes in ``Image``
widgets, lines and bars SVG in ``HTML`` widgets, and below each picture stands in
words what it shows. With the optional package anywidget a click on a map picks its
token (clicking.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as widgets
from torch import nn

from .clicking import can_click, picture_widget, put
from .controls import block_options, change_options, make_controls
from .lines import probability_bars, token_lines
from .live import LiveControls
from .pictures import compare_row, reach_rows, row_a, row_b
from .record import Record
from .sheet import Picture, token_at
from .view import View, check_record, first_view, moved_to

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
_PICKED = ("row_a", "row_b", "compare")  # where a click picks a token
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
# Controls that count from 1, as captions do; the view counts from 0.
_COUNTED = ("frame", "row", "column")


class Explorer(widgets.VBox):
    """Look into a record: the last expression of a cell shows it.

    Args:
        record: see ``record_clip`` and ``load_record``.
        networks: the record's networks by name, in eval mode, to ask them more:
            then ``live`` has the buttons. What they answer is added to ``record``,
            which ``save_record`` keeps.

    Attributes:
        record: what is shown.
        view: the present state of all controls.
        controls: the widgets by name: "frame", "play", "network", "place", "row",
            "column", "up", "down", "left", "right", "shared", "signed", "overlay",
            "compare", "temperature", "change".
        pictures: the widgets by name: "row_a", "row_b", "reach", "compare" (Image),
            "lines", "bars" (HTML); ``words`` has the words below each Image.
        live: the buttons that ask a network, or None.

    Raises:
        DVFLError: what is given is no record, or networks that it does not hold.
    """

    def __init__(
        self, record: Record, networks: Mapping[str, nn.Module] | None = None
    ) -> None:
        check_record(record, "Explorer")
        super().__init__()
        self.record, self.view = record, first_view(record)
        self.controls = make_controls(record, self.view)
        self.pictures: dict[str, Any] = {
            name: picture_widget(self._picker(name) if name in _PICKED else None)
            for name in _PICTURES
        } | {name: widgets.HTML() for name in _DRAWN}
        self._shown: dict[str, Picture] = {}
        self.words = {name: widgets.HTML() for name in _PICTURES}
        self.status = widgets.HTML()
        self._quiet = False
        self._late: set[str] = set()  # pictures that are not yet drawn as they are
        for name in _CONCERNS:
            self.controls[name].observe(self._listener(name), "value")
        for name, step in (("up", -1), ("down", 1)):
            self.controls[name].on_click(self._stepper("row", step))
        for name, step in (("left", -1), ("right", 1)):
            self.controls[name].on_click(self._stepper("column", step))
        widgets.link(
            (self.controls["play"], "value"), (self.controls["frame"], "value")
        )
        self.live = None
        if networks is not None and networks != {}:
            self.live = LiveControls(networks, self._state, self._answered, self._tell)
        self._draw(_EVERY)
        self.children = self._arranged()

    def __repr__(self) -> str:
        # Not that of a box: it would hold every picture, byte by byte.
        networks = ", ".join(entry.name for entry in self.record.networks)
        return f"Explorer of {self.record.title!r}: {networks}"

    def _listener(self, name: str) -> Callable[[dict[str, Any]], None]:
        def changed(event: dict[str, Any]) -> None:
            if not self._quiet:
                self._act(lambda: self._change(name, event["new"]))

        return changed

    def _act(self, act: Callable[[], None]) -> None:
        """Do what a control asks for; what goes wrong is told above the pictures."""
        try:
            act()
            self.status.value = ""
        except Exception as error:
            self._tell(error)
            raise

    def _state(self) -> tuple[Record, View]:
        return self.record, self.view

    def _tell(self, error: Exception) -> None:
        told = escape(f"{type(error).__name__}: {error}")
        self.status.value = f"<b style='color:#a00'>{told}</b>"

    def _picker(self, name: str) -> Callable[[float, float], None]:
        """What a click at a pixel of a picture does: both sliders move there."""

        def picked(x: float, y: float) -> None:
            size = self.view.maps(self.record).size[1:]
            token = token_at(self._shown[name], x, y, size)
            if token is not None:
                self.view = replace(self.view, row=token[0], column=token[1])
                self._follow(new_network=False)
                self._act(lambda: self._draw(_CONCERNS["row"]))

        return picked

    def _answered(self, record: Record, outcome: bool) -> None:
        """A network was asked: show what it said."""
        self.record, self.status.value = record, ""
        if outcome:
            last = len(self.view.entry(record).outcomes) - 1
            self.controls["change"].options = change_options(record, self.view.network)
            self.controls["change"].value = last
        else:
            self._draw(("reach",))

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
                controls["place"].options = block_options(self.record, view.network)
                controls["change"].options = change_options(self.record, view.network)
                controls["change"].value = view.change
            controls["place"].value = view.place
            sides = view.maps(self.record).size[1:]
            for name, side in zip(("row", "column"), sides, strict=True):
                controls[name].max = side
                controls[name].value = getattr(view, name) + 1
        finally:
            self._quiet = False
        if self.live is not None:
            self.live.follow()

    def _draw(self, names: Iterable[str]) -> None:
        """Draw some pictures, and those again that an error kept from it before."""
        self._late.update(names)
        if len(self.record.networks) == 1:
            self._late.discard("compare")  # there is nothing beside
        troubles = []
        for name in sorted(self._late, key=_EVERY.index):
            try:
                self._draw_one(name)
                self._late.remove(name)
            except Exception as error:
                troubles.append(error)  # the others are drawn all the same
        if troubles:
            raise troubles[0]

    def _draw_one(self, name: str) -> None:
        if name in _DRAWN:
            self.pictures[name].value = _DRAWN[name](self.record, self.view)
            return
        picture = _PICTURES[name](self.record, self.view)
        self._shown[name] = picture
        put(self.pictures[name], picture)
        said = f"<small style='color:#595959'>{escape(picture.words)}</small>"
        self.words[name].value = said

    def _arranged(self) -> tuple[widgets.Widget, ...]:
        c, p = self.controls, self.pictures
        mark = " (stand-in data)" if self.record.standin else ""
        title = f"<b>{escape(self.record.title)}{mark}</b>"
        several = len(self.record.networks) > 1  # else there is nothing beside
        below = "Two networks, and one change" if several else "One change"
        how = "A click on a map, or these, pick" if can_click() else "These pick"
        return (
            widgets.HTML(title),
            _row([c["play"], c["frame"], c["network"]]),
            _row([c["place"], c["overlay"]]),
            widgets.HTML(f"<small>{how} the token.</small>"),
            _row([c["row"], c["column"], c["left"], c["right"], c["up"], c["down"]]),
            _row([c["shared"], c["signed"]]),
            self.status,
            *(part for n in ("row_a", "row_b") for part in (p[n], self.words[n])),
            p["lines"],
            widgets.HTML("<b>What the token depends on</b>"),
            p["reach"],
            self.words["reach"],
            widgets.HTML(f"<b>{below}</b>"),
            _row([*([c["compare"]] if several else []), c["temperature"], c["change"]]),
            *([self.live] if self.live else []),
            *([p["compare"], self.words["compare"]] if several else []),
            p["bars"],
        )


def _row(parts: list[widgets.Widget]) -> widgets.HBox:
    """Controls side by side; on a narrow page they go on in the next line."""
    return widgets.HBox(parts, layout=widgets.Layout(flex_flow="row wrap"))
