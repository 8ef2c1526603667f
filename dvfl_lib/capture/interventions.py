"""Change something, and see what the network says then.

Public names: ``Intervention``, ``answer_to``, ``under``, ``changed``; of the clip
``ordered``, ``shuffled``, ``reversed_``, ``frozen``, ``greyed``, ``masked``; of the
blocks ``level_off``, ``branch_off``, ``block_off``, ``only_in``.

A map shows where inner numbers are large; whether the answer depends on them, only a
change of the input or of the layer tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from .hooks import blocks_of, check_ready
from .trace import Branch, Place, in_place

Hook = Callable[[nn.Module, Any, Tensor], Tensor]
_ADJECTIVES = {"space": "spatial", "time": "temporal"}


@dataclass(frozen=True)
class Intervention:
    """One change, of the clip or of the blocks."""

    name: str  # what is changed, in words
    on_clip: Callable[[Tensor], Tensor] | None = None  # (1, T, 3, H, W) -> the same
    # From a block to one of its parts, or itself, and a forward hook on it.
    on_block: Callable[[Any], tuple[nn.Module, Hook]] | None = None
    place: Place | None = None  # the one block that on_block is for; None for all


def answer_to(model: nn.Module, clip: Tensor, *changes: Intervention) -> Tensor:
    """Logits (1, K) under changes, of a clip (1, T, 3, H, W), normalised.

    Changes of the clip are made in the order given. The network stays as it was.

    Raises:
        ModelError: training mode, more than one clip, or no such level, region, block.
    """
    check_ready(model, clip)
    with torch.no_grad(), under(model, *changes):
        return model(changed(clip, *changes))


def changed(clip: Tensor, *changes: Intervention) -> Tensor:
    """The clip (1, T, 3, H, W) after those of the changes that concern it."""
    for change in changes:
        if change.on_clip is not None:
            clip = change.on_clip(clip)
    return clip


@contextmanager
def under(model: nn.Module, *changes: Intervention) -> Iterator[None]:
    """Inside, the changes of the blocks hold; afterwards the network is as it was.

    What listens to the network inside (``capture_maps``) hears it changed.

    Raises:
        ModelError: no such level or block.
    """
    with ExitStack() as hooks:
        for change in changes:
            if change.on_block is None:
                continue
            blocks = blocks_of(model)
            one = change.place and [in_place(blocks, *change.place)]
            for name in one or blocks.values():
                part, hook = change.on_block(model.get_submodule(name))
                hooks.enter_context(part.register_forward_hook(hook))
        yield


def only_in(change: Intervention, stage: int, block: int) -> Intervention:
    """The same change of the blocks, in one of them alone; both count from 1."""
    name = f"{change.name} in stage {stage}, block {block} only"
    return replace(change, name=name, place=(stage, block))


def ordered(order: Sequence[int], name: str = "") -> Intervention:
    """At each place the frame of that number, counted from 0; any may come twice."""
    at = list(order)
    name = name or f"frames {' '.join(str(n + 1) for n in at)}"
    return Intervention(name, lambda clip: clip[:, at])


def shuffled(frames: int, seed: int = 0) -> Intervention:
    """The same ``frames`` frames in a random order, never the true one."""
    if frames < 2:
        raise ModelError(f"a shuffle takes 2 frames or more, not {frames}")
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(frames, generator=random)
    while torch.equal(order, torch.arange(frames)):
        order = torch.randperm(frames, generator=random)
    told = " ".join(str(n + 1) for n in order.tolist())
    return ordered(order.tolist(), f"frames shuffled: {told}")


def reversed_() -> Intervention:
    """The clip backwards."""
    return Intervention("clip backwards", lambda clip: clip.flip(1))


def frozen(frame: int) -> Intervention:
    """One frame, counted from 0, in the place of all: nothing moves."""
    name = f"frozen at frame {frame + 1}"
    return Intervention(name, lambda clip: clip[:, [frame]].expand_as(clip))


def greyed(
    top: int, left: int, bottom: int, right: int, frame: int | None = None
) -> Intervention:
    """Pixels grey, the lower and the right edge excluded, in one frame or in all.

    Grey is ImageNet's mean colour, which is zero after normalisation.
    """

    def cover(clip: Tensor) -> Tensor:
        clip = clip.clone()
        frames = slice(None) if frame is None else frame
        clip[:, frames, :, top:bottom, left:right] = 0.0
        return clip

    where = "all frames" if frame is None else f"frame {frame + 1}"
    name = f"grey rows {top} to {bottom}, columns {left} to {right} of {where}"
    return Intervention(name, cover)


def masked(
    row: int,
    column: int,
    parts: int | tuple[int, int] = 4,
    within: tuple[int, int] | None = None,
) -> Intervention:
    """A region grey in all frames: one of ``parts`` per side, counted from 0.

    Args:
        parts: regions per column and per row; one number for both. With a map's
            (H, W), a region is that of one token.
        within: height and width in pixels, from the upper left corner, that the
            regions divide, where a map does not cover the whole frame.
    """
    rows, columns = parts if isinstance(parts, tuple) else (parts, parts)

    def cover(clip: Tensor) -> Tensor:
        height, width = within or clip.shape[-2:]
        top, bottom = row * height // rows, (row + 1) * height // rows
        left, right = column * width // columns, (column + 1) * width // columns
        if not clip[..., top:bottom, left:right].numel():
            raise ModelError(
                f"there is no region ({row}, {column}) where {rows} x {columns} "
                f"regions divide {height} x {width} pixels"
            )
        return changed(clip, greyed(top, left, bottom, right))

    told = str(rows) if rows == columns else f"{rows} x {columns}"
    if within is not None:
        told += f" in the upper left {within[0]} x {within[1]} pixels"
    name = f"grey region: row {row + 1}, column {column + 1} of {told}"
    return Intervention(name, cover)


def level_off(branch: Branch, level: int) -> Intervention:
    """The gate of one level set to zero in all blocks; levels count from 1."""

    def hook(block: Any) -> tuple[nn.Module, Hook]:
        layer = block.modulation
        if not 1 <= level <= layer.focal_levels + 1:
            raise ModelError(f"levels are 1 to {layer.focal_levels + 1}, not {level}")
        # The last L + 1 outputs of f and f_temporal are the gates.
        place = level - layer.focal_levels - 2

        def close(module: nn.Module, given: Any, output: Tensor) -> Tensor:
            output = output.clone()
            output[..., place] = 0.0
            return output

        return {"space": layer.f, "time": layer.f_temporal}[branch], close

    return Intervention(f"{_ADJECTIVES[branch]} level {level} off", on_block=hook)


def branch_off(branch: Branch) -> Intervention:
    """One modulator set to one in all blocks, so that it changes nothing."""

    def hook(block: Any) -> tuple[nn.Module, Hook]:
        layer = block.modulation
        part = {"space": layer.h, "time": layer.h_temporal}[branch]
        return part, lambda module, given, output: torch.ones_like(output)

    return Intervention(f"{_ADJECTIVES[branch]} branch off", on_block=hook)


def block_off() -> Intervention:
    """Every block hands its input on unchanged; its layer computes, unused."""
    hook: Hook = lambda module, given, output: given[0]  # noqa: E731
    return Intervention("block off", on_block=lambda block: (block, hook))
