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

from ..files import write_whole
from .record import NetworkRecord, Record
from .sheet import COLOURS

Array = np.ndarray
_PARTS = Path(__file__).parent / "page_parts"
_BRANCHES = ("space", "time")


class _Packer:
    """Arrays one after another; each put gives the description to find it again."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.length = 0

    def put(self, values: Array) -> dict[str, Any]:
        """Append an array, bytes as they are, anything else in 16-bit steps."""
        values = np.asarray(values)
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
        path: of the HTML file.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
    told, blob = pack_record(record)
    title = f"{record.title or 'A clip'}: modulator explorer"
    if record.standin:
        title += " (stand-in data)"
    parts = {
        "TITLE": html.escape(title),
        "STYLE": (_PARTS / "page.css").read_text("utf-8"),
        "SCRIPT": (_PARTS / "page.js").read_text("utf-8"),
        "TOLD": json.dumps(told).replace("<", "\\u003c"),
        "BLOB": base64.b64encode(blob).decode("ascii"),
    }
    # Taken apart at the marks, so that no value can be mistaken for a mark.
    pieces = (_PARTS / "page.html").read_text("utf-8").split("@@")
    text = "".join(parts[p] if n % 2 else p for n, p in enumerate(pieces))
    path = Path(path)
    write_whole(path, text.encode("utf-8"))
    return path


def pack_record(record: Record) -> tuple[dict[str, Any], bytes]:
    """The description of a record, for JSON, and the deflated arrays it points to."""
    packer = _Packer()
    told = {
        "title": record.title,
        "classes": list(record.classes),
        "label": record.label,
        "standin": record.standin,
        "frames": packer.put(record.frames),
        "luts": {name: packer.put(colours) for name, colours in COLOURS.items()},
        "networks": [_pack_network(packer, entry) for entry in record.networks],
    }
    return told, zlib.compress(b"".join(packer.pieces), 9)


def unpack_array(place: dict[str, Any], raw: bytes) -> Array:
    """An array from the inflated blob, as the page itself reads it."""
    dtype = np.dtype("<u2" if place["kind"] == "u2" else "u1")
    count = int(np.prod(place["shape"]))
    kept = np.frombuffer(raw, dtype, count, place["at"]).reshape(place["shape"])
    return kept if place["kind"] == "u1" else kept * place["step"] + place["base"]


def _pack_network(packer: _Packer, entry: NetworkRecord) -> dict[str, Any]:
    blocks = []
    for number, block in enumerate(entry.maps):
        told = {
            "stage": block.stage,
            "block": block.block,
            "size": list(block.size),
            "levels": block.levels,
            "space": packer.put(block.m_space),
            "time": packer.put(block.m_time),
            "product": packer.put(block.product),
            "cam": packer.put(entry.cams[number]),
            "gates": {b: packer.put(block.gates[b]) for b in _BRANCHES},
            "contribution": packer.put(block.contributions("space")),
        }
        if number < len(entry.reach):
            reach = entry.reach[number]
            told["reach"] = {
                "tokens": reach.tokens.tolist(),
                "sources": [list(place) for place in reach.sources],
                "maps": [packer.put(m) for m in reach.maps],
            }
        blocks.append(told)
    return {
        "name": entry.name,
        "about": entry.about,
        "logits": [float(v) for v in entry.logits],
        "blocks": blocks,
        "outcomes": [
            {"kind": o.kind, "name": o.name, "logits": [float(v) for v in o.logits]}
            for o in entry.outcomes
        ],
    }
