"""Running a network while hooks listen to its modulation layers.

Public names: ``capture``; for the other files of this folder ``trace_blocks``,
``blocks_of``, ``check_ready``.

Nothing of the network is changed or copied: forward hooks listen while it computes,
and are gone afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ModelError
from ..modulation import SpatioTemporalFocalModulation
from ..vfl_net import FocalModulationBlock
from .trace import BlockTrace, BranchTrace, ModulationTrace, frames_back, pixels_back

_PLACE = re.compile(r"(?:^|\.)layers\.(\d+)\.blocks\.(\d+)\.modulation$")
Kept = TypeVar("Kept")


def capture(model: nn.Module, clip: Tensor) -> ModulationTrace:
    """Run a network on a clip and write down the parts of every modulation layer.

    Neither weights, gradients nor the training mode are touched; to see what the
    network does when it predicts, call ``model.eval()`` before. No gradient is
    recorded. The hooks are removed even if the network raises.

    Args:
        model: a ``VFLNet``, or a module that holds its blocks under their names.
        clip: (B, T, 3, H, W) float, normalised, on the model's device.

    Raises:
        ModelError: the model has no modulation layer, or is more than one network; or
            as the model itself.
    """
    blocks, result = trace_blocks(model, clip, lambda entry: entry)
    return ModulationTrace(tuple(blocks), result)


def trace_blocks(
    model: nn.Module, clip: Tensor, keep: Callable[[BlockTrace], Kept]
) -> tuple[list[Kept], Any]:
    """Hand each block's trace to ``keep`` as soon as the block has computed.

    Only what ``keep`` returns is held on to, so that of a large network never more
    than one whole block is in memory. Returns what was kept, and the network's
    result. Raises as ``capture``.
    """
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, SpatioTemporalFocalModulation)
    ]
    if not layers:
        raise ModelError(
            f"{type(model).__name__} has no SpatioTemporalFocalModulation layer to "
            "look into; create a network with dvfl_lib.create_model"
        )
    _check_one_network([(_place_of(name), name) for name, _ in layers])
    kept: dict[str, Kept] = {}

    def hand_over(entry: BlockTrace) -> None:
        if entry.name in kept:
            raise ModelError(
                f"the layer {entry.name!r} computed twice in one pass; give a module "
                "that runs each block once"
            )
        kept[entry.name] = keep(entry)

    with torch.no_grad(), ExitStack() as hooks:
        for name, layer in layers:
            for handle in _listen(layer, name, hand_over):
                hooks.enter_context(handle)  # removed on the way out
        result = model(clip)
    return list(kept.values()), result


def blocks_of(
    model: nn.Module,
) -> Iterator[tuple[tuple[int, int], FocalModulationBlock]]:
    """(stage, block) and module of each block, in the order in which they compute.

    Raises:
        ModelError: two blocks of one place, or a block that has none.
    """
    blocks = [
        (_place_of(f"{name}.modulation"), name, module)
        for name, module in model.named_modules()
        if isinstance(module, FocalModulationBlock)
    ]
    _check_one_network([(place, name) for place, name, _ in blocks])
    for place, _, module in blocks:
        yield place, module


def check_ready(model: nn.Module, clip: Tensor) -> None:
    """A network in eval mode, all of it, and one clip.

    Raises:
        ModelError: something else; the message says what to do.
    """
    if clip.ndim != 5 or len(clip) != 1:
        raise ModelError(
            f"a clip is (1, T, 3, H, W), one clip at a time; got {tuple(clip.shape)}"
        )
    training = [name for name, part in model.named_modules() if part.training]
    if training:
        part = f" (its part {training[0]!r})" if training[0] else ""
        raise ModelError(
            f"the network is in training mode{part}; call its eval() first, on the "
            "whole network"
        )


def _listen(
    layer: SpatioTemporalFocalModulation,
    name: str,
    hand_over: Callable[[BlockTrace], None],
) -> Iterator[Any]:
    """Hang hooks on the parts of a layer; the layer's own comes last of all."""
    stage, block = _place_of(name)
    seen: dict[str, Tensor] = {}

    def note(key: str, module: nn.Module, inputs: Any, output: Tensor) -> None:
        seen[key] = output

    def finish(module: nn.Module, inputs: Any, output: Tensor) -> None:
        hand_over(_assemble(layer, (stage, block, name), seen, output))
        seen.clear()

    for key, part in layer.named_modules():
        # f, h, ..., and focal_layers.0: the level as a whole, not its convolution
        if re.fullmatch(r"f|f_temporal|h|h_temporal|focal_layers\w*\.\d+", key):
            yield part.register_forward_hook(partial(note, key))
    yield layer.register_forward_hook(finish)


def _place_of(name: str) -> tuple[int, int]:
    found = _PLACE.search(name)
    if not found:
        raise ModelError(
            f"the layer {name or 'itself'!r} is not the modulation of a block; its "
            "name should end like layers.0.blocks.0.modulation"
        )
    return int(found[1]) + 1, int(found[2]) + 1


def _check_one_network(places: Iterable[tuple[tuple[int, int], str]]) -> None:
    """Refuse a module that holds two networks: their blocks would be mixed."""
    seen: dict[tuple[int, int], str] = {}
    for place, name in places:
        if place in seen:
            raise ModelError(
                f"both {seen[place]!r} and {name!r} are block {place[1]} of stage "
                f"{place[0]}: this module holds more than one network; give one of "
                "them by itself"
            )
        seen[place] = name


def _assemble(
    layer: SpatioTemporalFocalModulation,
    place: tuple[int, int, str],
    seen: dict[str, Tensor],
    output: Tensor,
) -> BlockTrace:
    """Name and lay out what the hooks of one layer heard."""
    dim, numbers = layer.dim, range(layer.focal_levels)
    q, _, gates = seen["f"].split((dim, dim, layer.focal_levels + 1), dim=-1)
    gates_t = seen["f_temporal"][..., dim:]
    local = [seen[f"focal_layers.{n}"] for n in numbers]  # (B*T, C, H, W) each
    # The global level is no module: the mean of the last context, then GELU.
    whole = F.gelu(local[-1].mean(dim=(2, 3), keepdim=True))  # (B*T, C, 1, 1)
    space = BranchTrace(
        tuple(frames_back(z, q) for z in [*local, whole]),
        gates,
        frames_back(seen["h"], q),
    )
    local = [seen[f"focal_layers_temporal.{n}"] for n in numbers]  # (B, C, T, H*W)
    whole = F.gelu(local[-1].mean(dim=2, keepdim=True))  # (B, C, 1, H*W)
    time = BranchTrace(
        tuple(pixels_back(z, q) for z in [*local, whole]),
        gates_t,
        pixels_back(seen["h_temporal"], q),
    )
    return BlockTrace(*place, q, space, time, output)
