"""A record as one small file, and back.

Public names: ``save_record``, ``load_record``.

The file is a NumPy archive (.npz, compressed): arrays, and a description as JSON in
an array of bytes. Nothing in it is executed when it is read (no pickles). Maps are
kept as float16, counted from an offset and by a factor of their own, so that neither
small nor nearly flat values are lost; the rest is exact.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..capture import BlockMaps, ModulationMaps
from ..errors import DVFLError
from ..files import write_whole
from .archive import read_arrays
from .paths import file_path
from .record import NetworkRecord, Outcome, Record, TokenReach
from .validation import validate
from .view import check_record

VERSION = 2
_MAPS = ("q", "m_space", "m_time", "product")
_BRANCHES = ("space", "time")


def save_record(record: Record, path: str | Path) -> Path:
    """Write a record whole or not at all.

    Raises:
        DVFLError: it is no record, or not a whole one.
        RunDirectoryError: the path names no file, or the folder cannot be written.
    """
    check_record(record, "save_record")
    validate(record)
    path = file_path(path, "save_record")
    arrays: dict[str, np.ndarray] = {"frames": record.frames}
    told: dict[str, Any] = {
        "version": VERSION,
        "title": record.title,
        "classes": list(record.classes),
        "label": record.label,
        "standin": record.standin,
        "networks": [
            _pack(arrays, f"n{number}", entry)
            for number, entry in enumerate(record.networks)
        ],
    }
    about = json.dumps(told, allow_nan=False).encode()
    arrays["about"] = np.frombuffer(about, dtype=np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_whole(path, file.getvalue())
    return path


def load_record(path: str | Path, *, memory: float = 1.0) -> Record:
    """Read a record; the inverse of ``save_record``.

    Args:
        path: of the file.
        memory: GiB that its arrays may take. A small file can unpack to much.

    Raises:
        DVFLError: the file is missing, damaged, too large, or of another kind or
            version.
    """
    path = file_path(path, "load_record")
    arrays = _read(path, memory)
    try:
        told = json.loads(arrays["about"].tobytes(), parse_constant=_refuse)
        version = told["version"]
        if version == VERSION:
            record = _unpack_record(arrays, told)
            validate(record)
            return record
    # Whatever a changed file says: a wrong type, a missing name, too deep a list, ...
    except Exception as error:
        raise _damaged(path, error) from None
    raise DVFLError(
        f"{path} was written by another version ({str(version)[:20]}, this is "
        f"{VERSION}); record the clip again"
    )


def _read(path: Path, memory: float) -> dict[str, np.ndarray]:
    try:
        return read_arrays(path, memory)
    except DVFLError:
        raise
    # zipfile, zlib and NumPy raise a dozen kinds for damaged files.
    except Exception as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DVFLError:
    told = str(error) if isinstance(error, DVFLError) else type(error).__name__
    return DVFLError(
        f"{path} is no record of the explorer, or is damaged ({told}); record the "
        "clip again"
    )


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _pack(
    arrays: dict[str, np.ndarray], mark: str, entry: NetworkRecord
) -> dict[str, Any]:
    """Put a network's arrays under names that begin with ``mark``; the rest told."""

    def put(name: str, values: np.ndarray) -> list[float]:
        arrays[f"{mark}.{name}"], scale = _halved(values)
        return scale

    blocks = []
    for number, block in enumerate(entry.maps):
        base, scales = f"b{number}", {}
        for name in _MAPS:
            scales[name] = put(f"{base}.{name}", getattr(block, name))
        for branch in _BRANCHES:
            name = f"gates.{branch}"
            scales[name] = put(f"{base}.{name}", block.gates[branch])
            for level, lengths in enumerate(block.contexts[branch]):
                name = f"contexts.{branch}.{level}"
                scales[name] = put(f"{base}.{name}", lengths)
        scales["cam"] = put(f"{base}.cam", entry.cams[number])
        blocks.append(
            {
                "place": [block.stage, block.block],
                "channels": block.channels,
                "levels": block.levels,
                "scales": scales,
            }
        )
    for number, reach in enumerate(entry.reach):
        arrays[f"{mark}.r{number}.tokens"] = reach.tokens.astype(np.int32)
        for source, values in enumerate(reach.maps):
            arrays[f"{mark}.r{number}.{source}"] = values
    arrays[f"{mark}.logits"] = entry.logits
    arrays[f"{mark}.outcomes"] = np.array([o.logits for o in entry.outcomes])
    return {
        "name": entry.name,
        "about": entry.about,
        "blocks": blocks,
        "reach": [[list(place) for place in r.sources] for r in entry.reach],
        "outcomes": [[o.kind, o.name] for o in entry.outcomes],
    }


def _halved(values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """float16 between -1 and 1, and the offset and factor that lead back.

    Values of one sign are counted from the one nearest to zero, so that a nearly flat
    map keeps its steps; values of both signs from zero, so that they keep their sign.
    """
    wide = values.astype(np.float64)
    low, high = float(wide.min()), float(wide.max())
    offset = low if low > 0 else high if high < 0 else 0.0
    factor = float(np.abs(wide - offset).max()) or 1.0
    return ((wide - offset) / factor).astype(np.float16), [offset, factor]


def _widened(values: np.ndarray, scale: list[float]) -> np.ndarray:
    """The inverse of ``_halved``, in float32."""
    if values.dtype != np.float16:
        raise ValueError("a map that is not float16")
    offset, factor = scale
    with np.errstate(all="ignore"):  # what is not finite is refused afterwards
        return (values.astype(np.float64) * factor + offset).astype(np.float32)


def _unpack_record(arrays: dict[str, np.ndarray], told: dict[str, Any]) -> Record:
    if not isinstance(told["classes"], list):  # a string would become its letters
        raise DVFLError("the names of classes are no list")
    networks = tuple(
        _unpack(arrays, f"n{number}", entry)
        for number, entry in enumerate(told["networks"])
    )
    return Record(
        told["title"],
        arrays["frames"],
        tuple(told["classes"]),
        told["label"],
        told["standin"],
        networks,
    )


def _unpack(
    arrays: dict[str, np.ndarray], mark: str, told: dict[str, Any]
) -> NetworkRecord:
    blocks, cams = [], []
    for number, entry in enumerate(told["blocks"]):
        scales = entry["scales"]

        def get(name: str, number: int = number, scales: dict = scales) -> np.ndarray:
            return _widened(arrays[f"{mark}.b{number}.{name}"], scales[name])

        levels = range(entry["levels"])
        blocks.append(
            BlockMaps(
                *entry["place"],
                entry["channels"],
                *(get(name) for name in _MAPS),
                {branch: get(f"gates.{branch}") for branch in _BRANCHES},
                {
                    branch: tuple(get(f"contexts.{branch}.{level}") for level in levels)
                    for branch in _BRANCHES
                },
            )
        )
        cams.append(get("cam"))
    reach = tuple(
        TokenReach(
            arrays[f"{mark}.r{number}.tokens"],
            tuple((int(stage), int(block)) for stage, block in sources),
            tuple(arrays[f"{mark}.r{number}.{n}"] for n in range(len(sources))),
        )
        for number, sources in enumerate(told["reach"])
    )
    logits = arrays[f"{mark}.outcomes"]
    outcomes = tuple(
        Outcome(kind, name, values)
        for (kind, name), values in zip(told["outcomes"], logits, strict=True)
    )
    maps = ModulationMaps(tuple(blocks), arrays[f"{mark}.logits"])
    return NetworkRecord(
        told["name"], told["about"], maps, tuple(cams), reach, outcomes
    )
