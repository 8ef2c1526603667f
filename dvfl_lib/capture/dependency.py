"""What a token depends on: through one block, and through all blocks before it.

Public names: ``dependency``, ``Dependency``.

The size of the derivative of a block's output at one token, after every token of the
input of the same block, and of each block before it. Through one block the picture
is a cross in space and time: the token's own frame, and its own pixel in all frames.
Elsewhere the derivative is exactly zero. Through two blocks everything is reached.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ModelError
from .budget import GIB, counted
from .checks import check_gradients, check_ready, whole
from .listening import blocks_of
from .trace import in_place

Token = tuple[int, int, int]
_BATCH = 32  # more tokens in one pass save no time


class _Enough(Exception):
    """The asked block has computed: what comes after it is not needed."""


@dataclass(frozen=True, eq=False)
class Dependency:
    """What chosen tokens of one block's output depend on.

    Attributes:
        stage, block: the block whose output was asked.
        tokens: the P tokens asked for, each (t, y, x).
        sources: (stage, block) of each block at whose input the derivative was
            taken: the block itself, then those before it, the nearest first.
        sizes: for each source float32 (P, T, H, W): an estimate of the Frobenius
            norm of the derivative of the output token after each input token. Where
            nothing is reached it is exactly 0.
    """

    stage: int
    block: int
    tokens: tuple[Token, ...]
    sources: tuple[tuple[int, int], ...]
    sizes: tuple[np.ndarray, ...]

    def reached(self) -> np.ndarray:
        """How many tokens of each source count at all: int (P, sources)."""
        return np.stack([(s > 0).sum(axis=(1, 2, 3)) for s in self.sizes], axis=1)


def dependency(
    model: nn.Module,
    clip: Tensor,
    stage: int,
    block: int,
    tokens: Sequence[Token],
    *,
    probes: int = 2,
    batch: int = _BATCH,
    memory: float = 4.0,
    seed: int = 0,
    advance: Callable[[int], object] = lambda tokens: None,
) -> Dependency:
    """Backward passes from tokens of a block's output to the inputs of blocks.

    For random signs v, the mean of the squared length of v^T J over draws is the
    squared Frobenius norm of the Jacobian J (Hutchinson's estimate). The clip runs
    forwards once, in as many copies as tokens share a backward pass. Weights, their
    gradients and the training mode are not touched.

    From the nano network's last block, at 8 x 224 x 224, each token and probe takes
    1 to 2 seconds on a CPU core.

    Args:
        model: a ``VFLNet``, or a module that holds its blocks under their names.
        clip: (1, T, 3, H, W) float, normalised, on the model's device.
        stage, block: whose output; both count from 1.
        tokens: (t, y, x) of each token, within the block's (T, H, W).
        probes: random vectors per token.
        batch: the most tokens that share a pass.
        memory: GiB that the passes may take; fewer tokens share a pass if need be.
        seed: of the random signs. The batch does not change them.
        advance: told after each batch how many tokens it had.

    Raises:
        ModelError: no such block or token, or one token takes more than ``memory``.
    """
    check_ready(model, clip)
    check_gradients(model)
    probes, batch = whole("probes", probes, 1), whole("batch", batch, 1)
    places = dict(blocks_of(model))
    in_place(places, stage, block)
    before = list(places)[: list(places).index((stage, block)) + 1]
    modules = [places[place] for place in before]
    with counted(model, memory) as kept:
        graph = _Graph(model, clip, modules)
    size = graph.output.shape[1:]  # T, H, W, C
    tokens = _checked(tokens, size[:3])
    share = _share(len(tokens), int(min(batch, memory * GIB / kept.peak)))
    if share > 1:
        del graph  # before the larger one is made
        graph = _Graph(model, clip.expand(share, *clip.shape[1:]), modules)
    signs = _signs(len(tokens), size[3], probes, seed)  # (probes, P, C)
    parts = []
    for part in (slice(n, n + share) for n in range(0, len(tokens), share)):
        parts.append(graph.sizes(tokens[part], signs[:, part]))
        advance(len(tokens[part]))
    sizes = tuple(np.concatenate(same) for same in zip(*parts, strict=True))
    return Dependency(stage, block, tuple(tokens), tuple(before[::-1]), sizes[::-1])


class _Graph:
    """One forward pass, up to the last of some blocks, kept for many backward passes.

    Attributes:
        inputs: of each block, (N, T, H, W, C).
        output: of the last one.
    """

    def __init__(
        self, model: nn.Module, clips: Tensor, modules: list[nn.Module]
    ) -> None:
        self.inputs: list[Tensor] = []
        outputs: list[Tensor] = []

        def enter(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            # The first input begins the graph: what lies before it is not asked.
            x = given[0] if self.inputs else given[0].detach().requires_grad_()
            self.inputs.append(x)
            return (x, *given[1:])

        def leave(module: nn.Module, given: Any, output: Tensor) -> None:
            outputs.append(output)
            raise _Enough

        with torch.enable_grad(), ExitStack() as hooks:
            for module in modules:
                hooks.enter_context(module.register_forward_pre_hook(enter))
            hooks.enter_context(modules[-1].register_forward_hook(leave))
            with suppress(_Enough):
                model(clips)
        self.output = outputs[0]

    @torch.enable_grad()
    def sizes(self, tokens: list[Token], signs: Tensor) -> list[np.ndarray]:
        """(P, T, H, W) at the input of each block, for P tokens of the output.

        Args:
            tokens: no more than clips; each takes one of the equal clips.
            signs: (probes, P, C).
        """
        count = len(tokens)
        rows = torch.arange(count)
        at = self.output[(rows, *torch.tensor(tokens).unbind(1))]  # (P, C)
        total = [0.0] * len(self.inputs)
        for probe in signs:
            answer = (at * probe.to(at)).sum()
            found = torch.autograd.grad(answer, self.inputs, retain_graph=True)
            for number, gradient in enumerate(found):
                squares = gradient[:count].float().square().sum(-1)  # (P, T, H, W)
                total[number] += squares / len(signs)
        return [sum_.sqrt().cpu().numpy() for sum_ in total]


def _signs(tokens: int, channels: int, probes: int, seed: int) -> Tensor:
    """Random signs (probes, P, C) that do not depend on which tokens share a pass."""
    random = torch.Generator().manual_seed(seed)
    groups = []
    for n in range(0, tokens, _BATCH):
        size = (min(_BATCH, tokens - n), channels)
        drawn = [torch.randint(0, 2, size, generator=random) for _ in range(probes)]
        groups.append(torch.stack(drawn))
    return torch.cat(groups, dim=1) * 2 - 1


def _share(tokens: int, most: int) -> int:
    """How many tokens go through together: few passes, all of them nearly full."""
    passes = math.ceil(tokens / max(1, most))
    return math.ceil(tokens / passes)


def _checked(tokens: Sequence[Token], size: Sequence[int]) -> list[Token]:
    """Tokens as whole numbers, each within a map (T, H, W)."""
    checked = []
    for token in tokens:
        try:
            t, y, x = (operator.index(n) for n in token)
        except (TypeError, ValueError):
            raise ModelError(
                f"a token is three whole numbers (t, y, x), not {token!r}"
            ) from None
        if not all(0 <= n < most for n, most in zip((t, y, x), size, strict=True)):
            raise ModelError(
                f"there is no token {(t, y, x)} in a map of (T, H, W) = {tuple(size)}"
            )
        checked.append((t, y, x))
    if not checked:
        raise ModelError("no token was given: name at least one (t, y, x)")
    return checked
