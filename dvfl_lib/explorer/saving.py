"""A record as one small file, and back.

Public names: ``save_record``, ``load_record``.

The file is a NumPy archive (.npz, compressed): arrays, and a description as JSON in
an array of bytes. Nothing in it is executed when it is read (no pickles). Maps are
kept as float16 with a factor for each, so that neither large nor small values are
lost; the rest is exact.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ..capture import BlockMaps, ModulationMaps
from ..errors import DVFLError
from ..files import write_whole
from .record import NetworkRecord, Outcome, Record, TokenReach

VERSION = 1
_MAPS = ("q", "m_space", "m_time", "product")
_BRANCHES = ("space", "time")


def save_record(record: Record, path: str | Path) -> Path:
    """Write a record whole or not at all.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
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
    arrays["about"] = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    path = Path(path)
    write_whole(path, file.getvalue())
    return path


def load_record(path: str | Path) -> Record:
    """Read a record; the inverse of ``save_record``.

    Raises:
        DVFLError: the file is missing, damaged, or of another kind or version.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            told = json.loads(file["about"].tobytes())
            if told["version"] != VERSION:
                raise DVFLError(
                    f"{path} was written by another version ({told['version']}, this "
                    f"is {VERSION}); record the clip again"
                )
            networks = [
                _unpack(file, f"n{number}", entry)
                for number, entry in enumerate(told["networks"])
            ]
            frames = file["frames"]
    except FileNotFoundError:
        raise DVFLError(f"there is no file {path}") from None
    except DVFLError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
    ) as error:
        raise DVFLError(
            f"{path} is no record of the explorer, or is damaged "
            f"({type(error).__name__}); record the clip again"
        ) from None
    return Record(
        told["title"],
        frames,
        tuple(told["classes"]),
        told["label"],
        bool(told["standin"]),
        tuple(networks),
    )


def _pack(
    arrays: dict[str, np.ndarray], mark: str, entry: NetworkRecord
) -> dict[str, Any]:
    """Put a network's arrays under names that begin with ``mark``; the rest told."""

    def put(name: str, values: np.ndarray) -> float:
        factor = float(np.abs(values).max()) or 1.0
        arrays[f"{mark}.{name}"] = (values / factor).astype(np.float16)
        return factor

    blocks = []
    for number, block in enumerate(entry.maps):
        base, factors = f"b{number}", {}
        for name in _MAPS:
            factors[name] = put(f"{base}.{name}", getattr(block, name))
        for branch in _BRANCHES:
            name = f"gates.{branch}"
            factors[name] = put(f"{base}.{name}", block.gates[branch])
            for level, lengths in enumerate(block.contexts[branch]):
                name = f"contexts.{branch}.{level}"
                factors[name] = put(f"{base}.{name}", lengths)
        factors["cam"] = put(f"{base}.cam", entry.cams[number])
        blocks.append(
            {
                "place": [block.stage, block.block],
                "channels": block.channels,
                "levels": block.levels,
                "factors": factors,
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


def _unpack(file: Any, mark: str, told: dict[str, Any]) -> NetworkRecord:
    blocks, cams = [], []
    for number, entry in enumerate(told["blocks"]):
        factors = entry["factors"]

        def get(name: str, number: int = number, factors: dict = factors) -> np.ndarray:
            values = file[f"{mark}.b{number}.{name}"].astype(np.float32)
            return values * np.float32(factors[name])

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
            file[f"{mark}.r{number}.tokens"],
            tuple((int(stage), int(block)) for stage, block in sources),
            tuple(file[f"{mark}.r{number}.{n}"] for n in range(len(sources))),
        )
        for number, sources in enumerate(told["reach"])
    )
    logits = file[f"{mark}.outcomes"]
    outcomes = tuple(
        Outcome(kind, name, values)
        for (kind, name), values in zip(told["outcomes"], logits, strict=True)
    )
    maps = ModulationMaps(tuple(blocks), file[f"{mark}.logits"])
    return NetworkRecord(
        told["name"], told["about"], maps, tuple(cams), reach, outcomes
    )
