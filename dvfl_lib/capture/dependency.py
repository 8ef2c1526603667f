"""What a token depends on: through one block, and through all blocks before it.

Public names: ``dependency``, ``Dependency``.

The size of the derivative of a block's output at one token, after every token of the
input of the same block, and of each block before it. Through one block the picture
is a cross in space and time: the token's own frame, and its own pixel in all frames.
Elsewhere the derivative is exactly zero. Through two blocks everything is reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ModelError
from .listening import blocks_of
from .trace import in_place

Token = tuple[int, int, int]


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
    batch: int = 32,
    seed: int = 0,
) -> Dependency:
    """Backward passes from tokens of a block's output to the inputs of blocks.

    For random signs v, the mean of the squared length of v^T J over draws is the
    squared Frobenius norm of the Jacobian J (Hutchinson's estimate). Each probe is
    one backward pass for ``batch`` tokens at a time. Weights, their gradients and
    the training mode are not touched; call ``model.eval()`` before.

    Args:
        model: a ``VFLNet``, or a module that holds its blocks under their names.
        clip: (1, T, 3, H, W) float, normalised, on the model's device.
        stage, block: whose output; both count from 1.
        tokens: (t, y, x) of each token, within the block's (T, H, W).
        probes: random vectors per token.
        batch: tokens that share a pass; costs memory.
        seed: of the random signs.

    Raises:
        ModelError: no such block or token, or more than one clip.
    """
    places = dict(blocks_of(model))
    in_place(places, stage, block)
    if clip.ndim != 5 or len(clip) != 1:
        raise ModelError(f"a clip is (1, T, 3, H, W); got {tuple(clip.shape)}")
    before = list(places)[: list(places).index((stage, block)) + 1]
    modules = [places[place] for place in before]
    random = torch.Generator().manual_seed(seed)
    tokens = [tuple(int(n) for n in token) for token in tokens]
    parts = [
        _derivatives(model, clip, modules, tokens[n : n + batch], probes, random)
        for n in range(0, len(tokens), batch)
    ]
    sizes = [np.concatenate(same) for same in zip(*parts, strict=True)]
    return Dependency(
        stage, block, tuple(tokens), tuple(before[::-1]), tuple(sizes[::-1])
    )


def _derivatives(
    model: nn.Module,
    clip: Tensor,
    modules: list[nn.Module],
    tokens: list[Token],
    probes: int,
    random: torch.Generator,
) -> list[np.ndarray]:
    """Sizes (P, T, H, W) at the input of each module, for the last one's output."""
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []

    def enter(module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # The first input begins the graph: what lies before it is not asked.
        x = given[0] if inputs else given[0].detach().requires_grad_()
        inputs.append(x)
        return (x, *given[1:])

    def leave(module: nn.Module, given: Any, output: Tensor) -> None:
        outputs.append(output)
        raise _Enough

    with torch.enable_grad(), ExitStack() as hooks:
        for module in modules:
            hooks.enter_context(module.register_forward_pre_hook(enter))
        hooks.enter_context(modules[-1].register_forward_hook(leave))
        with suppress(_Enough):
            model(clip.expand(len(tokens), *clip.shape[1:]))
        output = outputs[0]  # (P, T, H, W, C)
        _check_tokens(tokens, output.shape[1:4])
        rows = torch.arange(len(tokens))
        at = output[(rows, *torch.tensor(tokens).unbind(1))]  # (P, C)
        total = [torch.zeros(x.shape[:-1], device=x.device) for x in inputs]
        for _ in range(probes):
            signs = torch.randint(0, 2, at.shape, generator=random) * 2 - 1
            probe = signs.to(at)
            found = torch.autograd.grad((at * probe).sum(), inputs, retain_graph=True)
            for sum_, gradient in zip(total, found, strict=True):
                sum_ += gradient.float().square().sum(-1) / probes
    return [sum_.sqrt().cpu().numpy() for sum_ in total]


def _check_tokens(tokens: list[Token], size: Sequence[int]) -> None:
    for token in tokens:
        if len(token) != 3 or not all(
            0 <= n < most for n, most in zip(token, size, strict=True)
        ):
            raise ModelError(
                f"there is no token {token} in a map of (T, H, W) = {tuple(size)}"
            )
