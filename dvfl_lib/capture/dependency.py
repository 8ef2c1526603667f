"""What a token depends on, and what speaks for a class: derivatives of a network.

Public names: ``dependency``, ``Dependency``, ``grad_cam``.

A dependency is the size of the derivative of a block's output at one token, after
every token of the input of the same block, and of each block before it. Through one
block the picture is a cross: the token's own frame, and its own pixel in all frames.
Through two blocks everything is reached.
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
from .hooks import blocks_of, check_ready
from .trace import Place, in_place

Token = tuple[int, int, int]
_BATCH = 32  # more tokens in one pass save no time
# Most pixels of the clips in a pass: one of published size (nano: about 1.2 GiB).
_PIXELS = 8 * 224 * 224


class _Enough(Exception):  # the asked block has computed
    pass


@dataclass(frozen=True, eq=False)
class Dependency:
    """What chosen tokens of one block's output depend on.

    Attributes:
        stage, block, tokens: what was asked, P tokens (t, y, x).
        sources: each block at whose input the derivative was taken: the block itself,
            then those before it, the nearest first.
        sizes: for each source float32 (P, T, H, W): an estimate of the Frobenius
            norm of the derivative of the output token after each input token, exactly
            0 where nothing is reached.
    """

    stage: int
    block: int
    tokens: tuple[Token, ...]
    sources: tuple[Place, ...]
    sizes: tuple[np.ndarray, ...]


def dependency(
    model: nn.Module,
    clip: Tensor,
    stage: int,
    block: int,
    tokens: Sequence[Token],
    *,
    probes: int = 2,
    batch: int | None = None,
    seed: int = 0,
    advance: Callable[[int], object] = lambda tokens: None,
) -> Dependency:
    """Backward passes from tokens of a block's output to the inputs of blocks.

    For random signs v, the mean of the squared length of v^T J over draws is the
    squared Frobenius norm of the Jacobian J (Hutchinson's estimate). The clip runs
    forwards once, in as many copies as tokens share a backward pass. Of the nano
    network, at 8 x 224 x 224, a token and probe take 1 to 2 seconds on a CPU core.

    Args:
        model, clip: as for ``capture``, one clip.
        stage, block: whose output; both count from 1.
        tokens: (t, y, x) each.
        probes: random vectors per token, drawn from ``seed``.
        batch: the most tokens that share a pass; by the clip's size if not given.
        advance: told after each batch how many tokens it had.

    Raises:
        ModelError: no such block or token, training mode, more than one clip.
    """
    check_ready(model, clip)
    blocks = blocks_of(model)
    in_place(blocks, stage, block)
    sources = list(blocks)[: list(blocks).index((stage, block)) + 1]
    batch = batch or min(_BATCH, _PIXELS // clip[:, :, 0].numel()) or 1
    share = math.ceil(len(tokens) / math.ceil(len(tokens) / batch))  # nearly full
    modules = [model.get_submodule(blocks[place]) for place in sources]
    inputs, output = _graph(model, clip.expand(share, *clip.shape[1:]), modules)
    size = tuple(output.shape[1:4])  # T, H, W
    tokens = [(int(t), int(y), int(x)) for t, y, x in tokens]
    for token in tokens:
        if min(token) < 0 or any(map(operator.ge, token, size)):
            raise ModelError(f"there is no token {token} in a map (T, H, W) = {size}")
    signs = _signs(len(tokens), output.shape[4], probes, seed)  # (probes, P, C)
    parts = []
    for part in (slice(n, n + share) for n in range(0, len(tokens), share)):
        parts.append(_sizes(inputs, output, tokens[part], signs[:, part]))
        advance(len(tokens[part]))
    sizes = tuple(np.concatenate(same) for same in zip(*parts, strict=True))
    return Dependency(stage, block, tuple(tokens), tuple(sources[::-1]), sizes[::-1])


def _graph(
    model: nn.Module, clips: Tensor, blocks: list[nn.Module]
) -> tuple[list[Tensor], Tensor]:
    """Inputs of some blocks and the last one's output, (N, T, H, W, C) each."""
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
        for block in blocks:
            hooks.enter_context(block.register_forward_pre_hook(enter))
        hooks.enter_context(blocks[-1].register_forward_hook(leave))
        with suppress(_Enough):
            model(clips)
    return inputs, outputs[0]


@torch.enable_grad()
def _sizes(
    inputs: list[Tensor], output: Tensor, tokens: list[Token], signs: Tensor
) -> list[np.ndarray]:
    """(P, T, H, W) at each input, for P tokens, each of another of the equal clips."""
    count = len(tokens)
    at = output[(torch.arange(count), *torch.tensor(tokens).unbind(1))]  # (P, C)
    total = [0.0] * len(inputs)
    for probe in signs:
        answer = (at * probe.to(at)).sum()
        found = torch.autograd.grad(answer, inputs, retain_graph=True)
        for number, gradient in enumerate(found):
            squares = gradient[:count].float().square().sum(-1)  # (P, T, H, W)
            total[number] += squares / len(signs)
    return [sum_.sqrt().cpu().numpy() for sum_ in total]


def _signs(tokens: int, channels: int, probes: int, seed: int) -> Tensor:
    """Random signs (probes, P, C) that do not depend on which tokens share a pass."""
    random = torch.Generator().manual_seed(seed)
    groups = []
    for n in range(0, tokens, _BATCH):
        size = (probes, min(_BATCH, tokens - n), channels)
        groups.append(torch.randint(0, 2, size, generator=random))
    return torch.cat(groups, dim=1) * 2 - 1


def grad_cam(model: nn.Module, clip: Tensor, target: int) -> dict[Place, np.ndarray]:
    """relu(sum_c w_c y_c) of each block's output y; w_c is the mean derivative.

    Which tokens speak *for one class*, ``target``, counted from 0: for each (stage,
    block) a map float32 (T, H, W), zero or more. Raises as ``dependency``.

    Source: Selvaraju et al., "Grad-CAM" (arXiv 1610.02391), equations 1 and 2, with
    the mean over space and time.
    """
    check_ready(model, clip)
    blocks = blocks_of(model)
    outputs: list[Tensor] = []

    def leave(module: nn.Module, given: Any, output: Tensor) -> Tensor:
        if not output.requires_grad:  # a frozen network: the graph begins here
            output = output.detach().requires_grad_()
        outputs.append(output)
        return output

    with torch.enable_grad(), ExitStack() as hooks:
        for name in blocks.values():
            hooks.enter_context(model.get_submodule(name).register_forward_hook(leave))
        logits = model(clip)
        gradients = torch.autograd.grad(logits[0, target], outputs)
    maps = {}
    for place, output, gradient in zip(blocks, outputs, gradients, strict=True):
        weights = gradient[0].mean(dim=(0, 1, 2))  # (C,)
        cam = (output[0].detach() @ weights).relu()  # (T, H, W)
        maps[place] = cam.float().cpu().numpy()
    return maps
