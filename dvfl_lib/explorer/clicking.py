"""A picture that says where it was clicked, by the optional package anywidget.

Public names: ``picture_widget``, ``put``, ``can_click``.

The core widgets know no click on a picture. Without anywidget a picture is a core
``Image``, and arrows and sliders pick the token.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import ipywidgets
import traitlets

from .sheet import Picture

try:
    import anywidget
except ImportError:
    anywidget = None

Listener = Callable[[float, float], None]

_SCRIPT = """
function render({model, el}) {
  const image = document.createElement("img");
  let address = "";
  const draw = () => {
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([model.get("value")], {type: "image/png"}));
    image.src = address;
    image.alt = model.get("words");
  };
  image.style.cssText = "cursor: crosshair; max-width: 100%";
  image.addEventListener("click", (event) => {
    const share = image.naturalWidth / image.clientWidth;
    const count = model.get("clicked")[2] + 1;
    model.set("clicked", [event.offsetX * share, event.offsetY * share, count]);
    model.save_changes();
  });
  model.on("change:value", draw);
  draw();
  el.appendChild(image);
  return () => URL.revokeObjectURL(address);
}
export default {render};
"""


if anywidget is not None:

    class ClickPicture(anywidget.AnyWidget):
        """A PNG, its words, and the last click: (x, y) in its pixels, and a count."""

        _esm = _SCRIPT
        value = traitlets.Bytes().tag(sync=True)
        words = traitlets.Unicode().tag(sync=True)
        clicked = traitlets.List([0.0, 0.0, 0]).tag(sync=True)


def can_click() -> bool:
    """Whether pictures take clicks: anywidget is there, and this is not Colab.

    Colab shows widgets of other packages only after it was told to fetch them.
    """
    return anywidget is not None and "google.colab" not in sys.modules


def picture_widget(listener: Listener | None) -> Any:
    """A widget for ``put``; a core ``Image`` where it takes no clicks.

    Args:
        listener: called with the pixel (x, y) of each click; None for no clicks.
    """
    if listener is None or not can_click():
        # Its box would stretch it to the full width, which blurs it.
        layout = {"align_self": "flex-start", "max_width": "100%"}
        return ipywidgets.Image(format="png", layout=layout)
    widget = ClickPicture()
    widget.observe(lambda event: listener(*event["new"][:2]), "clicked")
    return widget


def put(widget: Any, picture: Picture) -> None:
    """Show a picture in a widget of ``picture_widget``."""
    if hasattr(widget, "words"):
        widget.words = picture.words
    widget.value = picture.png
