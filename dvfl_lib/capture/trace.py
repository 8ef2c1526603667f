"""What was written down of each block, and its proof.

Public names: ``ModulationTrace``, ``BlockTrace``, ``BranchTrace``, ``Branch``; for
the other files of this folder ``Place``, ``in_place``, ``assemble``.

Everything is laid out as (B, T, H, W, C), as in the layer's own input and output.
Stages and blocks count from 1, as in the drawings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn, no_grad

from ..errors import ModelError
from ..modulation import SpatioTemporalFocalModulation, aggregate

Branch = Literal["space", "time"]
Place = tuple[int, int]  # stage, block
Found = TypeVar("Found")


def in_place(blocks: Mapping[Place, Found], stage: int, block: int) -> Found:
    """What belongs to a place.

    Raises:
        ModelError: there is no such block; the message lists those there are.
    """
    if (stage, block) not in blocks:
        raise ModelError(
            f"there is no block {block} in stage {stage}; (stage, block) are "
            f"{', '.join(map(str, blocks))}"
        )
    return blocks[stage, block]


@dataclass(frozen=True, eq=False)
class BranchTrace:
    """One branch of a block: contexts and gates of L + 1 levels, and their answer.

    Attributes:
        contexts: z_1 ... z_{L+1}, each (B, T, H, W, C). The last is global: of size
            1 in H and W for the spatial branch, in T for the temporal one.
        gates: (B, T, H, W, L + 1), raw: no softmax, no sigmoid, of either sign.
        modulator: (B, T, H, W, C): ``h`` of the sum of gate * context.
    """

    contexts: tuple[Tensor, ...]
    gates: Tensor
    modulator: Tensor


@dataclass(frozen=True, eq=False)
class BlockTrace:
    """The parts of one block's modulation.

    Attributes:
        stage, block: its place; both count from 1, the block within its stage.
        name: the layer's name in ``model.named_modules()``.
        q: the query, (B, T, H, W, C).
        space, time: the two branches.
        output: what the layer returned, (B, T, H, W, C).
    """

    stage: int
    block: int
    name: str
    q: Tensor
    space: BranchTrace
    time: BranchTrace
    output: Tensor

    @property
    def m_space(self) -> Tensor:
        """The spatial modulator, (B, T, H, W, C)."""
        return self.space.modulator

    @property
    def m_time(self) -> Tensor:
        """The temporal modulator, (B, T, H, W, C)."""
        return self.time.modulator

    @property
    def product(self) -> Tensor:
        """m_space * m_time, by which the query is multiplied: (B, T, H, W, C)."""
        return self.m_space * self.m_time

    def norms(self, amount: str) -> Tensor:
        """The length (L2 norm over channels) of a part at each token: (T, H, W).

        Of the first clip; ``amount``: "q", "m_space", "m_time", "product", "output".
        """
        return getattr(self, amount)[0].norm(dim=-1)


@dataclass(frozen=True, eq=False)
class ModulationTrace:
    """All blocks of a network, in the order in which they computed.

    Attributes:
        blocks: one entry per modulation layer.
        result: what the network returned: for a classifier logits (B, K).
    """

    blocks: tuple[BlockTrace, ...]
    result: Any

    def __iter__(self) -> Iterator[BlockTrace]:
        return iter(self.blocks)

    def at(self, stage: int, block: int = 1) -> BlockTrace:
        """One block by its place, counted from 1. Raises as ``in_place``."""
        return in_place({(e.stage, e.block): e for e in self.blocks}, stage, block)

    def proof(self, model: nn.Module) -> float:
        """Largest difference between what was written down and what follows from it.

        Modulators and output of each block are computed again from contexts, gates
        and query. In float32 on a CPU the difference is 0: the same operations run
        on the same numbers in the same layout.

        Args:
            model: the network that was captured, with the same weights.
        """
        worst = 0.0
        for entry in self.blocks:
            again = _computed_again(entry, model.get_submodule(entry.name))
            kept = (entry.m_space, entry.m_time, entry.output)
            for ours, theirs in zip(again, kept, strict=True):
                worst = max(worst, float((ours - theirs).abs().max()))
        return worst


def assemble(
    place: Place,
    name: str,
    layer: SpatioTemporalFocalModulation,
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
    z = tuple(_frames_back(z, q) for z in [*local, whole])
    space = BranchTrace(z, gates, _frames_back(seen["h"], q))
    local = [seen[f"focal_layers_temporal.{n}"] for n in numbers]  # (B, C, T, H*W)
    whole = F.gelu(local[-1].mean(dim=2, keepdim=True))  # (B, C, 1, H*W)
    z = tuple(_pixels_back(z, q) for z in [*local, whole])
    time = BranchTrace(z, gates_t, _pixels_back(seen["h_temporal"], q))
    return BlockTrace(*place, name, q, space, time, output)


@no_grad()
def _computed_again(
    entry: BlockTrace, layer: SpatioTemporalFocalModulation
) -> tuple[Tensor, Tensor, Tensor]:
    """Both modulators and the output, from contexts, gates and query."""
    z = [_frames_first(context) for context in entry.space.contexts]
    m_space = layer.h(aggregate(z, _frames_first(entry.space.gates)))
    m_space = _frames_back(m_space, entry.q)
    z = [_pixels_last(context) for context in entry.time.contexts]
    m_time = layer.h_temporal(aggregate(z, _pixels_last(entry.time.gates)))
    m_time = _pixels_back(m_time, entry.q)
    return m_space, m_time, layer.proj(entry.q * m_space * m_time)


# The layer's two layouts and back. Views, all of them: so a tensor comes back with
# the strides it had, and a convolution takes the same way through it.


def _frames_first(x: Tensor) -> Tensor:
    """(B, T, H, W, C) -> (B*T, C, H, W), as the spatial branch has it."""
    return x.flatten(0, 1).permute(0, 3, 1, 2)


def _frames_back(x: Tensor, like: Tensor) -> Tensor:
    """(B*T, C, H, W) -> (B, T, H, W, C); H and W may be 1."""
    return x.permute(0, 2, 3, 1).unflatten(0, like.shape[:2])


def _pixels_last(x: Tensor) -> Tensor:
    """(B, T, H, W, C) -> (B, C, T, H*W), as the temporal branch has it."""
    return x.flatten(2, 3).permute(0, 3, 1, 2)


def _pixels_back(x: Tensor, like: Tensor) -> Tensor:
    """(B, C, T, H*W) -> (B, T, H, W, C); T may be 1."""
    return x.permute(0, 2, 3, 1).unflatten(2, like.shape[2:4])
