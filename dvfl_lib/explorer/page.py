"""One HTML file in which a record is explored, without a kernel or a network.

Public names: ``write_page``, ``pack_record``, ``unpack_array``.

The page holds its style, its script, a description as JSON and one blob: all arrays
one after another, deflated and in base64. Maps are 16-bit steps between the smallest
and the largest value of each; frames and dependencies are bytes, and exact.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DVFLError
from ..files import write_whole
from .covering import covered
from .paths import file_path
from .record import NetworkRecord, Record
from .sheet import COLOURS
from .view import check_record

Array = np.ndarray
_PARTS = Path(__file__).parent / "page_parts"
_SCRIPTS = ("data.js", "canvas.js", "page.js")  # one scope, in this order
_BRANCHES = ("space", "time")


class _Packer:
    """Arrays one after another; each put gives the description to find it again."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.length = 0

    def put(self, values: Array, where: str) -> dict[str, Any]:
        """Append an array, bytes as they are, anything else in 16-bit steps.

        Raises:
            DVFLError: a value that is no finite number; ``where`` says of what.
        """
        values = _finite(values, where)
        base, step = 0.0, 1.0
        if values.dtype == np.uint8:
            kind, kept = "u1", values
        else:
            wide = values.astype(np.float64)
            base = float(wide.min()) if wide.size else 0.0
            step = (float(wide.max()) - base) / 65535 if wide.size else 0.0
            kind = "u2"
            kept = np.rint((wide - base) / (step or 1.0)).astype("<u2")
        at = self.length
        raw = kept.tobytes()
        raw += bytes(len(raw) % 2)  # the next one begins at an even byte
        self.pieces.append(raw)
        self.length += len(raw)
        return {
            "at": at,
            "kind": kind,
            "shape": list(values.shape),
            "base": base,
            "step": step,
        }


def write_page(record: Record, path: str | Path) -> Path:
    """Write the page of a record, whole or not at all.

    Args:
        record: what is shown.
        path: of the HTML file; "~" is the home folder.

    Raises:
        DVFLError: what is given is no record, or holds a number that is not finite.
        RunDirectoryError: the path names no file, or its folder cannot be written.
    """
    check_record(record, "write_page")
    path = file_path(path, "write_page")
    told, blob = pack_record(record)
    title = f"{record.title or 'A clip'}: modulator explorer"
    if record.standin:
        title += " (stand-in data)"
    parts = {
        "TITLE": html.escape(title),
        "STYLE": (_PARTS / "page.css").read_text("utf-8"),
        "SCRIPT": "".join((_PARTS / name).read_text("utf-8") for name in _SCRIPTS),
        "TOLD": json.dumps(told, allow_nan=False).replace("<", "\\u003c"),
        "BLOB": base64.b64encode(blob).decode("ascii"),
    }
    # Taken apart at the marks, so that no value can be mistaken for a mark.
    pieces = (_PARTS / "page.html").read_text("utf-8").split("@@")
    text = "".join(parts[p] if n % 2 else p for n, p in enumerate(pieces))
    # A title made of a file's name may hold bytes that are no UTF-8.
    write_whole(path, text.encode("utf-8", "replace"))
    return path


def pack_record(record: Record) -> tuple[dict[str, Any], bytes]:
    """The description of a record, for JSON, and the deflated arrays it points to."""
    packer = _Packer()
    told = {
        "title": record.title,
        "classes": list(record.classes),
        "label": record.label,
        "standin": record.standin,
        "frames": packer.put(record.frames, "frames"),
        "luts": {name: packer.put(lut, name) for name, lut in COLOURS.items()},
        "networks": [_pack_network(packer, record, e) for e in record.networks],
    }
    return told, zlib.compress(b"".join(packer.pieces), 9)


def unpack_array(place: dict[str, Any], raw: bytes) -> Array:
    """An array from the inflated blob, as the page itself reads it."""
    dtype = np.dtype("<u2" if place["kind"] == "u2" else "u1")
    count = int(np.prod(place["shape"]))
    kept = np.frombuffer(raw, dtype, count, place["at"]).reshape(place["shape"])
    return kept if place["kind"] == "u1" else kept * place["step"] + place["base"]


def _finite(values: Any, where: str) -> Array:
    values = np.asarray(values)
    if not np.isfinite(values).all():
        raise DVFLError(
            f"{where}: there are values that are no finite numbers, which a page "
            "cannot show; look for NaN in the network's weights"
        )
    return values


def _pack_network(
    packer: _Packer, record: Record, entry: NetworkRecord
) -> dict[str, Any]:
    return {
        "name": entry.name,
        "about": entry.about,
        "logits": _finite(entry.logits, f"logits of {entry.name}").tolist(),
        "blocks": [
            _pack_block(packer, record, entry, number)
            for number in range(len(entry.maps))
        ],
        "outcomes": [
            {
                "kind": o.kind,
                "name": o.name,
                "logits": _finite(o.logits, f"{entry.name}, {o.name}").tolist(),
            }
            for o in entry.outcomes
        ],
    }


def _pack_block(
    packer: _Packer, record: Record, entry: NetworkRecord, number: int
) -> dict[str, Any]:
    block = entry.maps.blocks[number]
    place = (block.stage, block.block)

    def put(values: Array) -> dict[str, Any]:
        where = f"{entry.name}, stage {block.stage}, block {block.block}"
        return packer.put(values, where)

    told = {
        "stage": block.stage,
        "block": block.block,
        "size": list(block.size),
        "covered": list(covered(record, entry, place)),  # pixels: height, width
        "levels": block.levels,
        "space": put(block.m_space),
        "time": put(block.m_time),
        "product": put(block.product),
        "cam": put(entry.cams[number]),
        "gates": {branch: put(block.gates[branch]) for branch in _BRANCHES},
        "contribution": put(block.contributions("space")),
    }
    if number < len(entry.reach):
        reach = entry.reach[number]
        told["reach"] = {
            "tokens": reach.tokens.tolist(),
            "sources": [list(source) for source in reach.sources],
            "maps": [put(maps) for maps in reach.maps],
        }
    return told
