"""Change one thing, and see what the network says then.

Public names: ``Intervention``, ``answer_to``, ``shuffled``, ``reversed_``, ``frozen``,
``masked``, ``level_off``, ``branch_off``, ``only_in``, ``usual_interventions``.

A map shows where inner numbers are large; whether the answer depends on them, only a
change of the input or of the layer tells.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..modulation import SpatioTemporalFocalModulation
from .hooks import blocks_of, check_ready
from .trace import Branch, Place, in_place

Hook = Callable[[nn.Module, Any, Tensor], Tensor]
Layer = SpatioTemporalFocalModulation
_ADJECTIVES = {"space": "spatial", "time": "temporal"}


@dataclass(frozen=True)
class Intervention:
    """One change, of the clip or of its modulation layers."""

    kind: str  # "order", "freeze", "mask", "level" or "branch"
    name: str  # what is changed, in words
    on_clip: Callable[[Tensor], Tensor] | None = None  # (1, T, 3, H, W) -> the same
    # From a layer to one of its parts and a forward hook on it.
    on_layer: Callable[[Layer], tuple[nn.Module, Hook]] | None = None
    place: Place | None = None  # the one block that on_layer is for; None for all


def answer_to(model: nn.Module, clip: Tensor, change: Intervention) -> Tensor:
    """Logits (1, K) under a change, of a clip (1, T, 3, H, W), normalised.

    The network stays as it was.

    Raises:
        ModelError: training mode, more than one clip, or no such level, region, block.
    """
    check_ready(model, clip)
    if change.on_clip is not None:
        clip = change.on_clip(clip)
    with torch.no_grad(), ExitStack() as hooks:
        if change.on_layer is not None:
            blocks = blocks_of(model)
            one = change.place and [in_place(blocks, *change.place)]
            for name in one or blocks.values():
                layer = model.get_submodule(f"{name}.modulation")
                part, hook = change.on_layer(layer)
                hooks.enter_context(part.register_forward_hook(hook))
        return model(clip)


def only_in(change: Intervention, stage: int, block: int) -> Intervention:
    """The same change of the layers, in one block alone; both count from 1."""
    name = f"{change.name} in stage {stage}, block {block} only"
    return replace(change, name=name, place=(stage, block))


def shuffled(frames: int, seed: int = 0) -> Intervention:
    """The same ``frames`` frames in a random order, never the true one."""
    if frames < 2:
        raise ModelError(f"a shuffle takes 2 frames or more, not {frames}")
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(frames, generator=random)
    while torch.equal(order, torch.arange(frames)):
        order = torch.randperm(frames, generator=random)
    told = " ".join(str(n + 1) for n in order.tolist())
    name = f"frames shuffled: {told}"
    return Intervention("order", name, lambda clip: clip[:, order])


def reversed_() -> Intervention:
    """The clip backwards."""
    return Intervention("order", "clip backwards", lambda clip: clip.flip(1))


def frozen(frame: int) -> Intervention:
    """One frame, counted from 0, in the place of all: nothing moves."""
    name = f"frozen at frame {frame + 1}"
    return Intervention("freeze", name, lambda clip: clip[:, [frame]].expand_as(clip))


def masked(
    row: int,
    column: int,
    parts: int | tuple[int, int] = 4,
    within: tuple[int, int] | None = None,
) -> Intervention:
    """A region grey in all frames: one of ``parts`` per side, counted from 0.

    Grey is ImageNet's mean colour, which is zero after normalisation.

    Args:
        parts: regions per column and per row; one number for both. With a map's
            (H, W), a region is that of one token.
        within: height and width in pixels, from the upper left corner, that the
            regions divide, where a map does not cover the whole frame.
    """
    rows, columns = parts if isinstance(parts, tuple) else (parts, parts)

    def cover(clip: Tensor) -> Tensor:
        clip = clip.clone()
        height, width = within or clip.shape[-2:]
        top, bottom = row * height // rows, (row + 1) * height // rows
        left, right = column * width // columns, (column + 1) * width // columns
        region = clip[..., top:bottom, left:right]
        if not region.numel():
            raise ModelError(
                f"there is no region ({row}, {column}) where {rows} x {columns} "
                f"regions divide {height} x {width} pixels"
            )
        region.zero_()
        return clip

    told = str(rows) if rows == columns else f"{rows} x {columns}"
    if within is not None:
        told += f" in the upper left {within[0]} x {within[1]} pixels"
    name = f"grey region: row {row + 1}, column {column + 1} of {told}"
    return Intervention("mask", name, cover)


def level_off(branch: Branch, level: int) -> Intervention:
    """The gate of one level set to zero in all blocks; levels count from 1."""

    def hook(layer: Layer) -> tuple[nn.Module, Hook]:
        if not 1 <= level <= layer.focal_levels + 1:
            raise ModelError(f"levels are 1 to {layer.focal_levels + 1}, not {level}")
        # The last L + 1 outputs of f and f_temporal are the gates.
        place = level - layer.focal_levels - 2

        def close(module: nn.Module, given: Any, output: Tensor) -> Tensor:
            output = output.clone()
            output[..., place] = 0.0
            return output

        return {"space": layer.f, "time": layer.f_temporal}[branch], close

    name = f"{_ADJECTIVES[branch]} level {level} off"
    return Intervention("level", name, on_layer=hook)


def branch_off(branch: Branch) -> Intervention:
    """One modulator set to one in all blocks, so that it changes nothing."""

    def hook(layer: Layer) -> tuple[nn.Module, Hook]:
        part = {"space": layer.h, "time": layer.h_temporal}[branch]
        return part, lambda module, given, output: torch.ones_like(output)

    return Intervention("branch", f"{_ADJECTIVES[branch]} branch off", on_layer=hook)


def usual_interventions(
    frames: int, levels: int, parts: int = 4
) -> tuple[Intervention, ...]:
    """Those that the explorer keeps with each clip: T frames, L + 1 levels.

    ``parts`` regions per side. One frame has no order and cannot move, so that nothing
    about time is changed then.
    """
    branches: tuple[Branch, ...] = ("space", "time")
    side = range(parts)
    times: list[Intervention] = []
    if frames > 1:
        times = [shuffled(frames), reversed_(), *map(frozen, range(frames))]
    return (
        *times,
        *(masked(row, column, parts) for row in side for column in side),
        *(level_off(b, n) for b in branches for n in range(1, levels + 1)),
        *map(branch_off, branches),
    )
