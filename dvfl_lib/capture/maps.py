"""The reduced form of a trace: one number per token and part, small enough to keep.

Public names: ``capture_maps``, ``ModulationMaps``, ``BlockMaps``.

A whole trace is about a hundred times as large as what a picture needs. Here each
block is reduced while the network runs, to lengths (L2 norms over channels) and gates.
Everything is NumPy, for one clip, with the axes (T, H, W).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from .hooks import check_ready, trace_blocks
from .trace import BlockTrace, Branch, Place, in_place

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class BlockMaps:
    """One block's modulation, reduced to a number per token.

    Attributes:
        stage, block: its place; both count from 1, the block within its stage.
        channels: C, over which the lengths were taken.
        q, m_space, m_time, product: lengths of query, modulators and of
            m_space * m_time, each float32 (T, H, W).
        rest: for "space", "time" and "product" float32 (T, H, W): the length of
            m - 1, how far a modulator is from the one that changes nothing.
        gates: for "space" and "time" float32 (L + 1, T, H, W), raw, of either sign.
        contexts: for "space" and "time" the lengths of the L + 1 contexts. The global
            ones are (T, 1, 1) and (1, H, W), the others (T, H, W).
    """

    stage: int
    block: int
    channels: int
    q: Array
    m_space: Array
    m_time: Array
    product: Array
    rest: dict[str, Array]
    gates: dict[str, Array]
    contexts: dict[str, tuple[Array, ...]]

    @property
    def size(self) -> tuple[int, int, int]:
        """(T, H, W): frames and tokens per side."""
        return self.q.shape

    @property
    def levels(self) -> int:
        """L + 1: the convolutional levels and the global one."""
        return len(self.contexts["space"])

    def contributions(self, branch: Branch) -> Array:
        """gate * length of the context, signed: float32 (L + 1, T, H, W).

        Its absolute value is the length of gate * context, and its sign the gate's.
        """
        lengths = [np.broadcast_to(z, self.size) for z in self.contexts[branch]]
        return self.gates[branch] * np.stack(lengths)


@dataclass(frozen=True, eq=False)
class ModulationMaps:
    """All blocks of a network on one clip.

    Attributes:
        blocks: in the order in which they computed.
        logits: float32 (K,).
    """

    blocks: tuple[BlockMaps, ...]
    logits: Array

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[BlockMaps]:
        return iter(self.blocks)

    @property
    def places(self) -> tuple[Place, ...]:
        """(stage, block) of each block."""
        return tuple((entry.stage, entry.block) for entry in self.blocks)

    def at(self, stage: int, block: int = 1) -> BlockMaps:
        """One block by its place, counted from 1. Raises as ``in_place``."""
        return in_place(dict(zip(self.places, self.blocks, strict=True)), stage, block)


def capture_maps(model: nn.Module, clip: Tensor) -> ModulationMaps:
    """Run a network on one clip and keep a number per token of each part.

    As ``capture``, but each block is reduced as soon as it has computed; the clip is
    (1, T, 3, H, W), and training mode is refused.
    """
    check_ready(model, clip)
    blocks, result = trace_blocks(model, clip, _reduce)
    return ModulationMaps(tuple(blocks), _numpy(result[0]))


def _reduce(entry: BlockTrace) -> BlockMaps:
    parts = ("q", "m_space", "m_time", "product")
    branches = {"space": entry.space, "time": entry.time}
    modulators = {"space": entry.m_space, "time": entry.m_time}
    modulators["product"] = entry.product
    return BlockMaps(
        entry.stage,
        entry.block,
        entry.q.shape[-1],
        *(_numpy(entry.norms(part)) for part in parts),
        {name: _numpy((m[0] - 1).norm(dim=-1)) for name, m in modulators.items()},
        {name: _numpy(b.gates[0].permute(3, 0, 1, 2)) for name, b in branches.items()},
        {
            name: tuple(_numpy(z[0].norm(dim=-1)) for z in b.contexts)
            for name, b in branches.items()
        },
    )


def _numpy(x: Tensor) -> Array:
    return np.ascontiguousarray(x.float().cpu().numpy())
