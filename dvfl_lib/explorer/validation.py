"""What has to hold of a record, so that every picture can be drawn from it.

Public names: ``validate``, ``validate_maps``, ``check_request``, ``check_words``,
``KINDS``.

A record comes from two places that may be wrong: a network that gives NaN, and a file
that somebody changed. Both are refused here, in one way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..capture import BlockMaps, ModulationMaps
from ..errors import DVFLError
from .record import NetworkRecord, Record, TokenReach

Array = np.ndarray
KINDS = ("order", "freeze", "mask", "level", "branch")  # of outcomes
_BRANCHES = ("space", "time")


def validate(record: Record) -> None:
    """Names, shapes and number types agree, and every number is finite.

    Raises:
        DVFLError: something does not hold; the message says what, and where.
    """
    check_words(record.classes, record.title, record.label, record.standin)
    frames = record.frames
    _need(
        isinstance(frames, np.ndarray)
        and frames.dtype == np.uint8
        and frames.ndim == 4
        and frames.shape[3] == 3
        and frames.size > 0,
        "the frames are not uint8 (T, H, W, 3)",
    )
    _need(_all_of(record.networks, NetworkRecord), "there is no network in it")
    for entry in record.networks:
        _check_network(entry, frames.shape[:3], len(record.classes))
    names = [entry.name for entry in record.networks]
    _need(len(set(names)) == len(names), f"two networks have one name: {names}")


def validate_maps(
    at: str, maps: ModulationMaps, frames: tuple[int, int, int], classes: int
) -> None:
    """As ``validate``, for the maps of one network.

    Args:
        at: what the message begins with, such as "network 'student'".
        maps: of the network.
        frames: (T, H, W) of the clip.
        classes: how many there are.
    """
    _need(_all_of(maps.blocks, BlockMaps), f"{at}: there is no block")
    _array(f"{at}: logits", maps.logits, (classes,))
    for block in maps:
        numbers = (block.stage, block.block, block.channels)
        _need(
            all(type(n) is int and n >= 1 for n in numbers),
            f"{at}: stage, block and channels are not whole numbers from 1 on",
        )
        _check_block(f"{at}, block {(block.stage, block.block)}", block, frames)
    places = list(maps.places)
    _need(
        places == sorted(set(places)),
        f"{at}: the blocks {places} do not rise, or one is there twice",
    )


def check_words(classes: Any, title: Any, label: Any, standin: Any) -> None:
    """What is told of a clip; see ``Record``.

    Raises:
        DVFLError: something of another kind, or a label that is no class.
    """
    _text("title", title)
    _need(
        isinstance(classes, tuple) and len(classes) > 0,
        "there are no names of classes",
    )
    for name in classes:
        _text("the name of a class", name)
    _text("label", label)
    _need(
        label in ("", *classes),
        f"the label {label!r} is none of the classes; leave it empty if the true "
        "class is not known",
    )
    _need(isinstance(standin, bool), f"standin is True or False, not {standin!r}")


def check_request(frames: Any, networks: Any, classes: Any, about: Any) -> None:
    """What ``record_clip`` is given, as far as its types go.

    Raises:
        DVFLError: something of another kind; the message says what is wanted.
    """
    if isinstance(frames, Tensor):
        got = f"{str(frames.dtype).removeprefix('torch.')} {tuple(frames.shape)}"
    else:
        got = f"no tensor but {type(frames).__name__} (torch.from_numpy makes one)"
    _need(
        isinstance(frames, Tensor)
        and frames.ndim == 4
        and frames.shape[1] == 3
        and frames.dtype == torch.uint8
        and frames.numel() > 0,
        f"frames are a uint8 tensor (T, 3, H, W); got {got}",
    )
    _need(
        isinstance(networks, Mapping)
        and all(isinstance(model, nn.Module) for model in networks.values()),
        "networks are given by name: {'student': model}",
    )
    _need(len(networks) > 0, "a record needs at least one network")
    for name in networks:
        _text("the name of a network", name)
    _need(
        isinstance(classes, Sequence) and not isinstance(classes, (str, bytes)),
        f"classes are a list of names, not {type(classes).__name__}",
    )
    _need(
        isinstance(about, Mapping) and all(isinstance(n, str) for n in about.values()),
        "about has one line for each network: {'student': 'trained on ...'}",
    )


def _text(what: str, value: Any) -> None:
    """A string that can be written in any file."""
    _need(isinstance(value, str), f"{what} is a string, not {type(value).__name__}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise DVFLError(f"{what} {value!r} holds half a character") from None


def _need(holds: bool, told: str) -> None:
    if not holds:
        raise DVFLError(told)


def _all_of(values: Any, kind: type) -> bool:
    """A tuple of at least one thing, all of one kind."""
    return (
        isinstance(values, tuple)
        and len(values) > 0
        and all(isinstance(value, kind) for value in values)
    )


def _array(
    what: str,
    values: Any,
    shape: tuple[int, ...],
    dtype: type = np.float32,
    least: float | None = None,
) -> None:
    """An array of this shape and type, of finite numbers of at least ``least``."""
    _need(
        isinstance(values, np.ndarray)
        and values.dtype == dtype
        and values.shape == shape,
        f"{what}: not {np.dtype(dtype).name} {shape}",
    )
    _need(bool(np.isfinite(values).all()), f"{what}: NaN or infinite numbers")
    if least is not None and values.size:
        _need(float(values.min()) >= least, f"{what}: numbers below {least}")


def _check_network(
    entry: NetworkRecord, frames: tuple[int, int, int], classes: int
) -> None:
    _text("the name of a network", entry.name)
    _need(bool(entry.name), "a network has no name")
    at = f"network {entry.name!r}"
    _text(f"{at}: what it is", entry.about)
    validate_maps(at, entry.maps, frames, classes)
    blocks = entry.maps.blocks
    _need(len(entry.cams) == len(blocks), f"{at}: not one Grad-CAM for each block")
    for block, cam in zip(blocks, entry.cams, strict=True):
        _array(f"{at}: Grad-CAM", cam, block.size, least=0)
    _need(
        len(entry.reach) in (0, len(blocks)),
        f"{at}: dependencies of some blocks, but not of all",
    )
    for number, reach in enumerate(entry.reach):
        _check_reach(at, reach, blocks[: number + 1][::-1])
    for outcome in entry.outcomes:
        _need(outcome.kind in KINDS, f"{at}: an outcome of no known kind")
        _text(f"{at}: the name of an outcome", outcome.name)
        _array(f"{at}, {outcome.name}: logits", outcome.logits, (classes,))


def _check_block(at: str, block: BlockMaps, frames: tuple[int, int, int]) -> None:
    _need(
        isinstance(block.q, np.ndarray) and block.q.ndim == 3 and block.q.size > 0,
        f"{at}: its query is no map (T, H, W)",
    )
    size = block.size
    _need(
        size[0] == frames[0]
        and all(tokens <= side for tokens, side in zip(size, frames, strict=True)),
        f"{at}: a map of {size} does not fit frames of {frames}",
    )
    for name in ("q", "m_space", "m_time", "product"):
        _array(f"{at}: {name}", getattr(block, name), size, least=0)
    whole = {"space": (size[0], 1, 1), "time": (1, *size[1:])}  # of the global level
    _need(
        set(block.gates) == set(block.contexts) == set(_BRANCHES),
        f"{at}: gates or contexts of other branches than {_BRANCHES}",
    )
    levels = block.levels
    _need(levels >= 1, f"{at}: it has no level")
    for branch in _BRANCHES:
        told = f"{at}, {branch}"
        _array(f"{told}: gates", block.gates[branch], (levels, *size))
        contexts = block.contexts[branch]
        _need(len(contexts) == levels, f"{told}: not one context for each level")
        for level, context in enumerate(contexts, 1):
            shape = size if level < levels else whole[branch]
            _array(f"{told}: context {level}", context, shape, least=0)


def _check_reach(at: str, reach: TokenReach, blocks: tuple[BlockMaps, ...]) -> None:
    """Of one block: itself first, then those before it."""
    at = f"{at}: dependencies of block {(blocks[0].stage, blocks[0].block)}"
    _need(
        reach.sources == tuple((b.stage, b.block) for b in blocks),
        f"{at}: not of it and all blocks before it",
    )
    tokens = reach.tokens
    _need(
        isinstance(tokens, np.ndarray)
        and tokens.dtype.kind == "i"
        and tokens.ndim == 2
        and tokens.shape[1] == 3,
        f"{at}: tokens are no whole numbers (P, 3)",
    )
    inside = (tokens >= 0) & (tokens < np.array(blocks[0].size))
    _need(bool(inside.all()), f"{at}: a token outside of the map")
    _need(len(reach.maps) == len(blocks), f"{at}: not one map for each source")
    for block, maps in zip(blocks, reach.maps, strict=True):
        _array(f"{at}: maps", maps, (len(tokens), *block.size), np.uint8)
