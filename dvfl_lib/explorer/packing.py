"""A record as a description and one row of bytes: for the page, the widget, a file.

Public names: ``pack_record``, ``pack_maps``, ``Packer``, ``save_record``,
``load_record``.

The description can be written as JSON. Where it stands for an array it has ``at`` (its
first byte), ``kind``, ``shape``, ``base`` and ``step``: bytes ("u1") are exact; "u2"
are 16-bit steps, value = base + step * number, between the smallest and the largest
value of the array; "f4" is exact. The front end (front/record.js) reads the same.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from torch import nn

from ..capture import BlockMaps, ModulationMaps
from ..errors import DVFLError
from ..figures import colour_of
from ..figures.maps import AMOUNT, SIGNED
from ..files import write_whole
from ..vfl_net import VFLNet
from .record import NetworkRecord, Record, TokenReach, covered

Array = np.ndarray
Told = dict[str, Any]
VERSION = 3
# All networks of a page together: what 16-bit weights of more would make too long.
MOST_WEIGHTS = 1_400_000
_MARK = b"dvfl explorer record\n"
_KINDS: dict[str, Any] = {kind: np.dtype(f"<{kind}") for kind in ("u1", "u2", "f4")}
_BRANCHES = ("space", "time")
_MAPS = {"q": "q", "space": "m_space", "time": "m_time", "product": "product"}
_RESTS = ("space", "time", "product")


class Packer:
    """Arrays one after another, each at a multiple of four bytes.

    Args:
        exact: numbers as float32, not in 16-bit steps.
    """

    def __init__(self, exact: bool = False) -> None:
        self.exact = exact
        self._pieces: list[bytes] = []
        self._length = 0

    def put(self, values: Array) -> Told:
        """Append an array and say where it is.

        Raises:
            DVFLError: a number that is not finite.
        """
        low, high = float(values.min()), float(values.max())
        if not math.isfinite(high - low):
            raise DVFLError(
                "there are NaN or infinite numbers in it; look for them in the "
                "network's weights"
            )
        base, step = 0.0, 1.0
        if values.dtype == np.uint8:
            kind, kept = "u1", values
        elif self.exact:
            kind, kept = "f4", values.astype("<f4")
        else:
            kind, base, step = "u2", low, (high - low) / 65535 or 1.0
            kept = np.rint((values.astype(np.float64) - base) / step).astype("<u2")
        at, raw = self._length, kept.tobytes()
        self._pieces.append(raw + bytes(-len(raw) % 4))
        self._length += len(self._pieces[-1])
        shape = list(values.shape)
        return {"at": at, "kind": kind, "shape": shape, "base": base, "step": step}

    def raw(self) -> bytes:
        """All that was put."""
        return b"".join(self._pieces)


def pack_record(
    record: Record,
    networks: Mapping[str, nn.Module] | None = None,
    *,
    exact: bool = False,
    kernel: bool = False,
) -> tuple[Told, bytes]:
    """The description of a record and the bytes that it points to.

    Args:
        record: what is packed.
        networks: some of the record's by name: the weights of each ``VFLNet`` go in
            as long as all of them are no more than ``MOST_WEIGHTS`` numbers.
        exact: see ``Packer``.
        kernel: whether these networks can be asked by messages.
    """
    packer, networks = Packer(exact), networks or {}
    colours = {"amount": AMOUNT, "signed": SIGNED}
    steps = np.arange(256)
    told: Told = {
        "version": VERSION,
        "title": record.title,
        "classes": list(record.classes),
        "label": record.label,
        "standin": record.standin,
        "frames": packer.put(record.frames),
        "luts": {
            key: packer.put(matplotlib.colormaps[name](steps, bytes=True)[:, :3])
            for key, name in colours.items()
        },
        "networks": [],
    }
    room = MOST_WEIGHTS
    for number, entry in enumerate(record.networks):
        model = networks.get(entry.name)
        config = weights = None
        if _is_plain(model):
            config = asdict(model.config)
            count = sum(value.numel() for value in model.state_dict().values())
            if count <= room:
                room -= count
                weights = {"config": config, "tensors": _pack_weights(packer, model)}
        told["networks"].append(
            {
                "name": entry.name,
                "about": entry.about,
                "colour": colour_of(entry.name, number),
                "logits": entry.logits.tolist(),
                "blocks": _pack_blocks(packer, entry, record.frames.shape[1:3]),
                "config": config,
                "weights": weights,
                "kernel": kernel and model is not None,
            }
        )
    return told, packer.raw()


def pack_maps(packer: Packer, maps: ModulationMaps, sides: tuple[int, int]) -> Told:
    """Logits and blocks of one network; ``sides``: height and width of the frames."""
    blocks = [
        _pack_block(packer, block, pixels)
        for block, pixels in zip(maps, covered(maps, sides), strict=True)
    ]
    return {"logits": maps.logits.tolist(), "blocks": blocks}


def _is_plain(model: nn.Module | None) -> bool:
    """Whether its weights tell all that a network computes: the page has no more."""
    hooks = ("_forward_hooks", "_forward_pre_hooks")
    return type(model) is VFLNet and not any(
        getattr(part, name) for part in model.modules() for name in hooks
    )


def _pack_weights(packer: Packer, model: VFLNet) -> Told:
    state = model.state_dict()
    return {
        key: packer.put(value.float().cpu().numpy()) for key, value in state.items()
    }


def _pack_block(packer: Packer, block: BlockMaps, pixels: tuple[int, int]) -> Told:
    return {
        "stage": block.stage,
        "block": block.block,
        "size": list(block.size),
        "covered": list(pixels),
        "channels": block.channels,
        "levels": block.levels,
        **{key: packer.put(getattr(block, name)) for key, name in _MAPS.items()},
        "rest": {key: packer.put(block.rest[key]) for key in _RESTS},
        "gates": {branch: packer.put(block.gates[branch]) for branch in _BRANCHES},
        "contexts": {
            branch: [packer.put(z) for z in block.contexts[branch]]
            for branch in _BRANCHES
        },
    }


def _pack_blocks(
    packer: Packer, entry: NetworkRecord, sides: tuple[int, int]
) -> list[Told]:
    """Of the record: with Grad-CAM, and with what tokens depend on."""
    blocks = pack_maps(packer, entry.maps, sides)["blocks"]
    for number, (told, cam) in enumerate(zip(blocks, entry.cams, strict=True)):
        told["cam"], told["reach"] = packer.put(cam), None
        if entry.reach:
            told["reach"] = pack_reach(packer, entry.reach[number])
    return blocks


def pack_reach(packer: Packer, reach: TokenReach) -> Told:
    """What tokens of one block depend on."""
    return {
        "tokens": reach.tokens.tolist(),
        "sources": [list(place) for place in reach.sources],
        "maps": [packer.put(maps) for maps in reach.maps],
    }


def save_record(record: Record, path: str | Path) -> Path:
    """Write a record whole or not at all: maps in 16-bit steps, the rest exact.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
    path = Path(path).expanduser()
    told, raw = pack_record(record)
    text = json.dumps(told, allow_nan=False).encode()  # has no line feed
    write_whole(path, _MARK + zlib.compress(text + b"\n" + raw, 9))
    return path


def load_record(path: str | Path, *, memory: float = 1.0) -> Record:
    """Read a record; the inverse of ``save_record``. Nothing in it is executed.

    Args:
        path: of the file.
        memory: GiB that it may unpack to: a small file can hold much.

    Raises:
        DVFLError: the file is missing, damaged, too large, or of another kind or
            version.
    """
    path = Path(path).expanduser()
    try:
        content = path.read_bytes()
    except OSError as trouble:
        raise DVFLError(f"{path} cannot be read: {trouble.strerror}") from None
    try:
        return _unpack(content, memory)
    # Whatever a changed file says: a wrong type, a missing name, too deep a list, ...
    except Exception as error:
        why = str(error) if isinstance(error, DVFLError) else type(error).__name__
        raise DVFLError(
            f"{path} is no record of the explorer, or is damaged ({why}); record the "
            "clip again"
        ) from None


def _unpack(content: bytes, memory: float) -> Record:
    if not content.startswith(_MARK):
        raise DVFLError("it does not begin as one")
    inflater = zlib.decompressobj()
    most = int(memory * 2**30)
    content = inflater.decompress(content[len(_MARK) :], most)
    if inflater.unconsumed_tail:
        raise DVFLError(f"it unpacks to more than memory={memory:g} GiB")
    if not inflater.eof:
        raise DVFLError("its end is missing")
    text, _, raw = content.partition(b"\n")
    told = json.loads(text)
    if told["version"] != VERSION:
        raise DVFLError("another version wrote it")
    return _Reader(raw).record(told)


class _Reader:
    """The inverse of ``Packer``: arrays of the shape that they must have."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._left = len(raw)  # no byte is for two arrays: they would fill the memory

    def get(self, told: Told, shape: tuple[int, ...], exact: bool = False) -> Array:
        """float32 of finite numbers, or uint8 where ``exact``."""
        dtype, count = _KINDS[told["kind"]], math.prod(shape)
        self._left -= count * dtype.itemsize
        same = tuple(told["shape"]) == shape and (dtype == np.uint8) == exact
        if not same or self._left < 0:
            raise DVFLError("an array of another kind")
        values = np.frombuffer(self._raw, dtype, count, told["at"]).reshape(shape)
        if exact:
            return values.copy()
        with np.errstate(all="ignore"):  # what is not finite is refused below
            wide = values * float(told["step"]) + float(told["base"])
            values = wide.astype(np.float32)
        if not np.isfinite(values).all():
            raise DVFLError("NaN or infinite numbers")
        return values

    def record(self, told: Told) -> Record:
        """Everything of a record's file."""
        shape = tuple(told["frames"]["shape"])
        frames = self.get(told["frames"], shape, exact=True)
        if len(shape) != 4 or shape[3] != 3 or not frames.size:
            raise DVFLError("frames that are no pictures")
        names, classes = tuple(told["classes"]), len(told["classes"])
        networks = tuple(self.network(e, shape[0], classes) for e in told["networks"])
        words = told["title"], frames, names, told["label"], told["standin"]
        return Record(*words, networks)

    def network(self, told: Told, frames: int, classes: int) -> NetworkRecord:
        """One network; of ``frames`` frames and ``classes`` names."""
        logits = np.array(told["logits"], np.float32)
        if logits.shape != (classes,) or not np.isfinite(logits).all():
            raise DVFLError("logits that do not fit the classes")
        blocks = tuple(self.block(entry, frames) for entry in told["blocks"])
        maps = ModulationMaps(blocks, logits)
        places = maps.places
        if not places or list(places) != sorted(set(places)):
            raise DVFLError("blocks out of order")
        cams, reach = [], []
        for number, entry in enumerate(told["blocks"]):
            cams.append(self.get(entry["cam"], blocks[number].size))
            if told["blocks"][0]["reach"]:  # of all blocks, or of none
                reach.append(self.reach(entry["reach"], blocks[number::-1]))
        words = told["name"], told["about"]
        return NetworkRecord(*words, maps, tuple(cams), tuple(reach))

    def block(self, told: Told, frames: int) -> BlockMaps:
        """One block's maps."""
        numbers = (told["stage"], told["block"], told["channels"], told["levels"])
        size = tuple(told["size"])
        whole = {"space": (size[0], 1, 1), "time": (1, *size[1:])}
        if not all(type(n) is int and 0 < n <= 2**16 for n in (*numbers, *size)):
            raise DVFLError("numbers that are no counts")
        if len(size) != 3 or size[0] != frames:
            raise DVFLError("maps that do not fit the frames")
        *place, levels = numbers  # stage, block, channels
        gates, contexts = {}, {}
        for branch in _BRANCHES:
            gates[branch] = self.get(told["gates"][branch], (levels, *size))
            shapes = [size] * (levels - 1) + [whole[branch]]
            pairs = zip(told["contexts"][branch], shapes, strict=True)
            contexts[branch] = tuple(self.get(*pair) for pair in pairs)
        rest = {key: self.get(told["rest"][key], size) for key in _RESTS}
        parts = {name: self.get(told[key], size) for key, name in _MAPS.items()}
        return BlockMaps(*place, **parts, rest=rest, gates=gates, contexts=contexts)

    def reach(self, told: Told, blocks: tuple[BlockMaps, ...]) -> TokenReach:
        """Of one block: itself first, then those before it."""
        tokens = np.array(told["tokens"])
        sizes = [block.size for block in blocks]
        if tokens.dtype.kind != "i" or tokens.shape[1:] != (3,):
            raise DVFLError("tokens that are none")
        if tokens.min() < 0 or (tokens >= sizes[0]).any():
            raise DVFLError("tokens outside of their map")
        pairs = zip(told["maps"], sizes, strict=True)
        count = len(tokens)
        maps = tuple(self.get(m, (count, *size), exact=True) for m, size in pairs)
        sources = tuple((block.stage, block.block) for block in blocks)
        return TokenReach(tokens, sources, maps)
