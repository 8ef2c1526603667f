"""Change one thing, and see what the network says then.

Public names: ``Intervention``, ``answer_to``, ``shuffled``, ``reversed_``, ``frozen``,
``masked``, ``level_off``, ``branch_off``, ``only_in``, ``usual_interventions``.

A map shows where a network's inner numbers are large; whether its answer depends on
them is another question, and only a change of the input or of the layer answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..modulation import SpatioTemporalFocalModulation
from .hooks import blocks_of, check_ready
from .trace import Branch, in_place

Hook = Callable[[nn.Module, Any, Tensor], Tensor]
_ADJECTIVES = {"space": "spatial", "time": "temporal"}


@dataclass(frozen=True)
class Intervention:
    """One change.

    Attributes:
        kind: "order", "freeze", "mask", "level" or "branch".
        name: what is changed, in words.
        on_clip: from clip (1, T, 3, H, W) to clip, or None.
        on_layer: yields (part of a layer, hook), for each modulation layer, or None.
        place: (stage, block) of the one block that ``on_layer`` is for; None for all.
    """

    kind: str
    name: str
    on_clip: Callable[[Tensor], Tensor] | None = None
    on_layer: (
        Callable[[SpatioTemporalFocalModulation], Iterator[tuple[nn.Module, Hook]]]
        | None
    ) = None
    place: tuple[int, int] | None = None


def answer_to(model: nn.Module, clip: Tensor, change: Intervention) -> Tensor:
    """Logits (1, K) of the network under a change; the network stays as it was.

    Args:
        model: a ``VFLNet``, or a module that holds one.
        clip: (1, T, 3, H, W) float, normalised, on the model's device.
        change: see the functions below.

    Raises:
        ModelError: training mode, more than one clip, or a change that does not fit
            the clip or the network.
    """
    check_ready(model, clip)
    if change.on_clip is not None:
        clip = change.on_clip(clip)
    with torch.no_grad(), ExitStack() as hooks:
        for layer in _layers(model, change):
            for part, hook in change.on_layer(layer):
                hooks.enter_context(part.register_forward_hook(hook))
        return model(clip)


def _layers(
    model: nn.Module, change: Intervention
) -> list[SpatioTemporalFocalModulation]:
    """The modulation layers that a change is for."""
    if change.on_layer is None:
        return []
    if change.place is not None:
        model = in_place(dict(blocks_of(model)), *change.place)
    kind = SpatioTemporalFocalModulation
    return [layer for layer in model.modules() if isinstance(layer, kind)]


def only_in(change: Intervention, stage: int, block: int) -> Intervention:
    """The same change of the layers, in one block alone; both count from 1.

    Raises:
        ModelError: a change of the clip, which is the same for all blocks.
    """
    if change.on_layer is None:
        raise ModelError(f"{change.name!r} changes the clip, not a block")
    name = f"{change.name} in stage {stage}, block {block} only"
    return replace(change, name=name, place=(stage, block))


def shuffled(frames: int, seed: int = 0) -> Intervention:
    """The same frames in a random order, never the true one.

    Args:
        frames: T of the clip, 2 or more.
        seed: of the order.
    """
    if frames < 2:
        raise ModelError(f"a shuffle takes 2 frames or more, not {frames}")
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(frames, generator=random)
    while torch.equal(order, torch.arange(frames)):
        order = torch.randperm(frames, generator=random)
    told = " ".join(str(n + 1) for n in order.tolist())

    def shuffle(clip: Tensor) -> Tensor:
        if clip.shape[1] != frames:
            raise ModelError(
                f"an order of {frames} frames does not fit a clip of {clip.shape[1]}"
            )
        return clip[:, order]

    return Intervention("order", f"frames shuffled: {told}", shuffle)


def reversed_() -> Intervention:
    """The clip backwards."""
    return Intervention("order", "clip backwards", lambda clip: clip.flip(1))


def frozen(frame: int) -> Intervention:
    """One frame, counted from 0, in the place of all: nothing moves."""

    def freeze(clip: Tensor) -> Tensor:
        if not 0 <= frame < clip.shape[1]:
            raise ModelError(f"there is no frame {frame} in {clip.shape[1]} frames")
        return clip[:, frame : frame + 1].expand_as(clip)

    return Intervention("freeze", f"frozen at frame {frame + 1}", freeze)


def masked(
    row: int,
    column: int,
    parts: int | tuple[int, int] = 4,
    within: tuple[int, int] | None = None,
) -> Intervention:
    """A region grey in all frames: one of ``parts`` per side, counted from 0.

    Grey is ImageNet's mean colour, which is zero after normalisation.

    Args:
        row, column: which region.
        parts: how many regions there are from top to bottom and from left to right;
            one number for both. With a map's (H, W), a region is that of one token.
        within: height and width in pixels, from the upper left corner, that the
            regions divide; None for the whole frame. A map covers less than that
            where sizes do not divide.
    """
    rows, columns = parts if isinstance(parts, tuple) else (parts, parts)
    if not (0 <= row < rows and 0 <= column < columns):
        raise ModelError(
            f"there is no region ({row}, {column}) in {rows} x {columns} regions"
        )

    def cover(clip: Tensor) -> Tensor:
        clip = clip.clone()
        height, width = within or clip.shape[-2:]
        top, bottom = row * height // rows, (row + 1) * height // rows
        left, right = column * width // columns, (column + 1) * width // columns
        if top == bottom or left == right:
            raise ModelError(
                f"{rows} x {columns} regions are more than {height} x {width} pixels "
                "have room for; take fewer"
            )
        clip[..., top:bottom, left:right] = 0.0
        return clip

    told = str(rows) if rows == columns else f"{rows} x {columns}"
    if within is not None:
        told += f" in the upper left {within[0]} x {within[1]} pixels"
    name = f"grey region: row {row + 1}, column {column + 1} of {told}"
    return Intervention("mask", name, cover)


def level_off(branch: Branch, level: int) -> Intervention:
    """The gate of one level set to zero in all blocks; levels count from 1."""

    def hooks(
        layer: SpatioTemporalFocalModulation,
    ) -> Iterator[tuple[nn.Module, Hook]]:
        if not 1 <= level <= layer.focal_levels + 1:
            raise ModelError(f"levels are 1 to {layer.focal_levels + 1}, not {level}")
        # The last L + 1 outputs of f and f_temporal are the gates.
        place = level - layer.focal_levels - 2

        def close(module: nn.Module, given: Any, output: Tensor) -> Tensor:
            output = output.clone()
            output[..., place] = 0.0
            return output

        yield {"space": layer.f, "time": layer.f_temporal}[branch], close

    name = f"{_ADJECTIVES[branch]} level {level} off"
    return Intervention("level", name, on_layer=hooks)


def branch_off(branch: Branch) -> Intervention:
    """One modulator set to one in all blocks, so that it changes nothing."""

    def hooks(
        layer: SpatioTemporalFocalModulation,
    ) -> Iterator[tuple[nn.Module, Hook]]:
        part = {"space": layer.h, "time": layer.h_temporal}[branch]
        yield part, lambda module, given, output: torch.ones_like(output)

    return Intervention("branch", f"{_ADJECTIVES[branch]} branch off", on_layer=hooks)


def usual_interventions(
    frames: int, levels: int, parts: int = 4
) -> tuple[Intervention, ...]:
    """Those that the explorer keeps with each clip.

    Args:
        frames: T of the clip. One frame has no order and cannot move, so that nothing
            about time is changed then.
        levels: L + 1.
        parts: regions per side; 0 for none.
    """
    branches: tuple[Branch, ...] = ("space", "time")
    grid = [(row, column) for row in range(parts) for column in range(parts)]
    times: tuple[Intervention, ...] = ()
    if frames > 1:
        stills = (frozen(frame) for frame in range(frames))
        times = (shuffled(frames), reversed_(), *stills)
    return (
        *times,
        *(masked(row, column, parts) for row, column in grid),
        *(level_off(b, n) for b in branches for n in range(1, levels + 1)),
        *(branch_off(branch) for branch in branches),
    )
