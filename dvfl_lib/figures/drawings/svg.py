"""A figure as SVG: the same bytes each time, and with its description inside.

Public names: ``svg_of``.
"""

from __future__ import annotations

import io
from xml.etree import ElementTree

from matplotlib import rc_context
from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_LINK = "http://www.w3.org/1999/xlink"
# What decides how the file is written: letters as paths, ids of no chance.
_SETTINGS = {"svg.fonttype": "path", "svg.image_inline": True, "path.simplify": False}


def svg_of(figure: Figure, *, name: str, title: str, description: str) -> bytes:
    """The figure as an SVG file that needs no other file, font or network.

    A screen reader finds its title and description; ``name`` makes their ids differ
    from those of other drawings on the same page.
    """
    written = io.BytesIO()
    with rc_context({**_SETTINGS, "svg.hashsalt": name}):
        figure.savefig(
            written,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK)
    root = ElementTree.fromstring(written.getvalue())
    for part in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(part)
    # Matplotlib's one style rule, for this file only and not for a page around it.
    for parent in root.iter():
        for part in parent.findall(f"{{{_SVG}}}defs"):
            if part.find(f"{{{_SVG}}}style") is not None:
                parent.remove(part)
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
    for place, (tag, words) in enumerate([("title", title), ("desc", description)]):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", id=f"{name}-{tag}")
        element.text = words
        element.tail = "\n"
        root.insert(place, element)
    for side, inches in zip(("width", "height"), figure.get_size_inches(), strict=True):
        root.set(side, f"{96 * inches:g}")  # CSS pixels
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
