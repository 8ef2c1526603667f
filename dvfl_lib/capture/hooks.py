"""Running a network while hooks listen to its modulation layers.

Public names: ``capture``; for the other files of this folder ``trace_blocks``,
``blocks_of``, ``check_ready``.

Nothing of the network is changed or copied: forward hooks listen while it computes,
and are gone afterwards, even if it raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..modulation import SpatioTemporalFocalModulation
from .trace import BlockTrace, ModulationTrace, Place, assemble

_PLACE = re.compile(r"(?:^|\.)layers\.(\d+)\.blocks\.(\d+)\.modulation$")
# f, h, ..., and focal_layers.0: the level as a whole, not its convolution
_HEARD = re.compile(r"f|f_temporal|h|h_temporal|focal_layers\w*\.\d+")
Kept = TypeVar("Kept")


def capture(model: nn.Module, clip: Tensor) -> ModulationTrace:
    """Run a network on a clip and write down the parts of every modulation layer.

    Neither weights, gradients nor the training mode are touched; to see what the
    network does when it predicts, call ``model.eval()`` before. No gradient is
    recorded.

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
    kept: list[Kept] = []

    def finish(place: Place, name: str, seen: dict[str, Tensor], *call: Any) -> None:
        layer, _, output = call
        kept.append(keep(assemble(place, name, layer, seen, output)))
        seen.clear()

    def note(seen: dict[str, Tensor], key: str, *call: Any) -> None:
        seen[key] = call[2]  # module, inputs, output

    with torch.no_grad(), ExitStack() as hooks:
        for place, block in blocks_of(model).items():
            name, seen = f"{block}.modulation", {}
            layer = model.get_submodule(name)
            for key, part in layer.named_modules():
                if _HEARD.fullmatch(key):
                    handle = part.register_forward_hook(partial(note, seen, key))
                    hooks.enter_context(handle)  # removed on the way out
            hook = partial(finish, place, name, seen)
            hooks.enter_context(layer.register_forward_hook(hook))
        result = model(clip)
    return kept, result


def blocks_of(model: nn.Module) -> dict[Place, str]:
    """(stage, block) and name of each block, in the order in which they compute.

    Raises:
        ModelError: no block, or two of one place.
    """
    found: dict[Place, str] = {}
    for name, module in model.named_modules():
        numbers = _PLACE.search(name)
        if not (numbers and isinstance(module, SpatioTemporalFocalModulation)):
            continue
        place = int(numbers[1]) + 1, int(numbers[2]) + 1
        if place in found:
            raise ModelError(
                f"both {found[place]!r} and {name!r} are block {place[1]} of stage "
                f"{place[0]}: this module holds more than one network; give one of "
                "them by itself"
            )
        found[place] = name.removesuffix(".modulation")
    if not found:
        raise ModelError(
            f"{type(model).__name__} has no SpatioTemporalFocalModulation layer in a "
            "block to look into; create a network with dvfl_lib.create_model"
        )
    return found


def check_ready(model: nn.Module, clip: Tensor) -> None:
    """Refuse a network that is not wholly in eval mode, and what is not one clip."""
    if clip.ndim != 5 or len(clip) != 1:
        raise ModelError(
            f"a clip is (1, T, 3, H, W), one clip at a time; got {tuple(clip.shape)}"
        )
    if any(part.training for part in model.modules()):
        raise ModelError(
            "the network, or a part of it, is in training mode; call its eval() first"
        )
