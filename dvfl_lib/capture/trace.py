"""What was written down of each block, and its proof.

Public names: ``ModulationTrace``, ``BlockTrace``, ``BranchTrace``, ``Amount``,
``Branch``; for the other files of this folder ``in_place``, ``frames_back``,
``pixels_back``.

Everything is laid out as (B, T, H, W, C), as in the layer's own input and output.
Stages and blocks count from 1, as in the drawings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import Tensor, nn, no_grad

from ..errors import ModelError
from ..modulation import SpatioTemporalFocalModulation, aggregate

Amount = Literal["q", "m_space", "m_time", "product", "output"]
Branch = Literal["space", "time"]
Found = TypeVar("Found")


def in_place(blocks: Mapping[tuple[int, int], Found], stage: int, block: int) -> Found:
    """What belongs to a place, out of a mapping by (stage, block).

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
        modulator: (B, T, H, W, C), after the 1 x 1 convolution ``h``.
    """

    contexts: tuple[Tensor, ...]
    gates: Tensor
    modulator: Tensor

    @property
    def levels(self) -> int:
        """L + 1: the convolutional levels and the global one."""
        return len(self.contexts)

    def contribution(self, level: int) -> Tensor:
        """gate * context of a level, 1 to L + 1: (B, T, H, W, C).

        Summed over the levels, this is what ``h`` turns into the modulator. A gate
        alone does not say which level counts: its context may be small.

        Raises:
            ModelError: there is no such level.
        """
        if not 1 <= level <= self.levels:
            raise ModelError(f"levels are 1 to {self.levels}, not {level}")
        return self.gates[..., level - 1 : level] * self.contexts[level - 1]


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

    def norms(self, amount: Amount, sample: int = 0) -> Tensor:
        """The length (L2 norm over channels) of a part at each token: (T, H, W).

        Args:
            amount: "q", "m_space", "m_time", "product" or "output".
            sample: which clip of the batch.
        """
        return getattr(self, amount)[sample].norm(dim=-1)

    def recompute(self, layer: SpatioTemporalFocalModulation) -> BlockTrace:
        """The block once more, its modulators and output computed from this trace.

        Contexts, gates and query are taken as they stand here; ``layer`` gives the
        weights of ``h``, ``h_temporal`` and ``proj``.
        """
        with no_grad():
            # (B*T, C, H, W), as the spatial branch has it
            z = [_frames_first(context) for context in self.space.contexts]
            m_space = layer.h(aggregate(z, _frames_first(self.space.gates)))
            m_space = frames_back(m_space, self.q)
            # (B, C, T, H*W), as the temporal branch has it
            z = [_pixels_last(context) for context in self.time.contexts]
            m_time = layer.h_temporal(aggregate(z, _pixels_last(self.time.gates)))
            m_time = pixels_back(m_time, self.q)
            output = layer.proj(self.q * m_space * m_time)
        space = BranchTrace(self.space.contexts, self.space.gates, m_space)
        time = BranchTrace(self.time.contexts, self.time.gates, m_time)
        return BlockTrace(
            self.stage, self.block, self.name, self.q, space, time, output
        )


@dataclass(frozen=True, eq=False)
class ModulationTrace:
    """All blocks of a network, in the order in which they computed.

    Attributes:
        blocks: one entry per modulation layer.
        result: what the network returned: for a classifier logits (B, K).
    """

    blocks: tuple[BlockTrace, ...]
    result: Any

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[BlockTrace]:
        return iter(self.blocks)

    def at(self, stage: int, block: int = 1) -> BlockTrace:
        """One block by its place, counted from 1.

        Raises:
            ModelError: there is no such block; the message lists those there are.
        """
        return in_place({(e.stage, e.block): e for e in self.blocks}, stage, block)

    def proof(self, model: nn.Module) -> float:
        """Largest difference between what was written down and what follows from it.

        Modulators and output of each block are computed again from contexts, gates
        and query. In float32 on a CPU the difference is 0: the same operations run
        on the same numbers in the same layout.

        Args:
            model: the network that was captured, with the same weights.
        """
        layers = dict(model.named_modules())
        worst = 0.0
        for entry in self.blocks:
            again = entry.recompute(layers[entry.name])
            for part in ("m_space", "m_time", "output"):
                gap = getattr(again, part) - getattr(entry, part)
                worst = max(worst, float(gap.abs().max()))
        return worst


# The layer's two layouts and back. Views, all of them: so a tensor comes back with
# the strides it had, and a convolution takes the same way through it.


def _frames_first(x: Tensor) -> Tensor:
    """(B, T, H, W, C) -> (B*T, C, H, W)."""
    return x.flatten(0, 1).permute(0, 3, 1, 2)


def frames_back(x: Tensor, like: Tensor) -> Tensor:
    """(B*T, C, H, W) -> (B, T, H, W, C); H and W may be 1."""
    return x.permute(0, 2, 3, 1).unflatten(0, like.shape[:2])


def _pixels_last(x: Tensor) -> Tensor:
    """(B, T, H, W, C) -> (B, C, T, H*W)."""
    return x.flatten(2, 3).permute(0, 3, 1, 2)


def pixels_back(x: Tensor, like: Tensor) -> Tensor:
    """(B, C, T, H*W) -> (B, T, H, W, C); T may be 1."""
    return x.permute(0, 2, 3, 1).unflatten(2, like.shape[2:4])
