"""The front end as one script, and one HTML file in which a record is explored.

Public names: ``bundle``, ``style``, ``page_text``, ``write_page``.

The front end is the modules in ``front/``, which the notebook and the page share. They
are joined here, without a build step: each is a piece of one scope.
"""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from ..files import write_whole
from .asking import check_networks
from .packing import pack_record
from .record import Record

FRONT = Path(__file__).parent / "front"
# In this order; network.js is the text of a worker, and goes in as that.
MODULES = (
    "dom.js",
    "record.js",
    "asking.js",
    "state.js",
    "canvas.js",
    "boxes.js",
    "wires.js",
    "controls.js",
    "film.js",
    "answers.js",
    "layer.js",
    "token.js",
    "beside.js",
    "tour.js",
    "explorer.js",
)
_IMPORT = re.compile(r'^import\b[^;]*?\bfrom\s+"\./[\w.]+";[ \t]*\n', re.M)
_EXPORT = re.compile(r"^export (?=const|let|function|async|class)", re.M)


def bundle() -> str:
    """The front end as one module without imports, which exports ``render``."""
    network = json.dumps(_text("network.js"))
    parts = [f"const NETWORK_SOURCE = {_no_tags(network)};\n"]
    for name in MODULES:
        text = _text(name)
        parts.append(_EXPORT.sub("", _IMPORT.sub("", text)))
    return "\n".join(parts) + "\nexport default { render };\n"


def style() -> str:
    """The front end's CSS."""
    return _text("explorer.css")


def page_text(
    record: Record, networks: Mapping[str, nn.Module] | None = None, tour: int = 0
) -> str:
    """The whole page, of networks that were checked; as ``Explorer`` takes them."""
    told, raw = pack_record(record, networks)
    title = f"{record.title or 'A clip'}: modulator explorer"
    if record.standin:
        title += " (stand-in data)"
    parts = {
        "TITLE": html.escape(title),
        "STYLE": style(),
        "SCRIPT": bundle(),
        "TOLD": _no_tags(json.dumps(told, allow_nan=False)),
        "BLOB": base64.b64encode(zlib.compress(raw, 9)).decode("ascii"),
        "TOUR": str(int(tour)),
    }
    # Taken apart at the marks, so that no value can be mistaken for a mark.
    pieces = _text("page.html").split("@@")
    return "".join(parts[p] if n % 2 else p for n, p in enumerate(pieces))


def write_page(
    record: Record, path: str | Path, networks: Mapping[str, nn.Module] | None = None
) -> Path:
    """Write one HTML file that needs no Python, no server and no connection.

    Args:
        record: what is shown.
        path: of the file; "~" is the home folder.
        networks: the record's networks by name, in eval mode. Those that are small
            enough compute in the page, so that it answers to changes.

    Raises:
        DVFLError: networks that are not the recorded ones.
        RunDirectoryError: the folder cannot be written.
    """
    path = Path(path).expanduser()
    networks = check_networks(record, networks)
    write_whole(path, page_text(record, networks).encode())
    return path


def _text(name: str) -> str:
    return (FRONT / name).read_text("utf-8")


def _no_tags(text: str) -> str:
    """JSON that cannot end the script it stands in."""
    return text.replace("<", "\\u003c")
