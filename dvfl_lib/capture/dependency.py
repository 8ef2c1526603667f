"""What a token depends on, and what speaks for a class: derivatives of a network.

Public names: ``dependency``, ``Dependency``, ``grad_cam``.

A dependency is the size of the derivative of a block's output at one token, after
every token of the input of the same block, and of each block before it. Through one
block the picture is a cross in space and time: the token's own frame, and its own
pixel in all frames. Elsewhere the derivative is exactly zero. Through two blocks
everything is reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ModelError
from .hooks import blocks_of, check_ready
from .trace import in_place

Token = tuple[int, int, int]
_BATCH = 32  # more tokens in one pass save no time
# Most pixels of the clips that share a pass: one clip of published size, with which
# the nano network's pass holds about 1.2 GiB at its highest.
_PIXELS = 8 * 224 * 224


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
        batch: the most tokens that share a pass; by the clip's size if not given.
        seed: of the random signs. The batch does not change them.
        advance: told after each batch how many tokens it had.

    Raises:
        ModelError: no such block or token.
    """
    check_ready(model, clip)
    places = dict(blocks_of(model))
    in_place(places, stage, block)
    before = list(places)[: list(places).index((stage, block)) + 1]
    modules = [places[place] for place in before]
    batch = batch or min(_BATCH, _PIXELS // clip[:, :, 0].numel()) or 1
    passes = math.ceil(len(tokens) / batch)
    share = math.ceil(len(tokens) / passes)  # all passes are nearly full
    graph = _Graph(model, clip.expand(share, *clip.shape[1:]), modules)
    size = graph.output.shape[1:]  # T, H, W, C
    tokens = _checked(tokens, size[:3])
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


def _checked(tokens: Sequence[Token], size: Sequence[int]) -> list[Token]:
    """Tokens as Python's numbers, each within a map (T, H, W)."""
    checked = [(int(t), int(y), int(x)) for t, y, x in tokens]
    for token in checked:
        if not all(0 <= n < most for n, most in zip(token, size, strict=True)):
            raise ModelError(
                f"there is no token {token} in a map of (T, H, W) = {tuple(size)}"
            )
    return checked


def grad_cam(
    model: nn.Module, clip: Tensor, target: int
) -> dict[tuple[int, int], np.ndarray]:
    """relu(sum_c w_c y_c) of each block's output y; w_c is the mean derivative.

    A comparison for the modulators' maps: it asks which tokens speak *for one class*.
    One forward and one backward pass for all blocks. Weights, their gradients and the
    training mode are not touched.

    Source: Selvaraju et al., "Grad-CAM" (arXiv 1610.02391), equations 1 and 2, with
    the mean over space and time.

    Args:
        model: a ``VFLNet``, or a module that holds its blocks under their names.
        clip: (1, T, 3, H, W) float, normalised, on the model's device.
        target: the class, counted from 0.

    Returns for each (stage, block) a map float32 (T, H, W), zero or more.

    Raises:
        ModelError: no such class, more than one clip, or training mode.
    """
    check_ready(model, clip)
    places = dict(blocks_of(model))
    outputs: list[Tensor] = []

    def leave(module: nn.Module, given: Any, output: Tensor) -> Tensor:
        if not output.requires_grad:  # a frozen network: the graph begins here
            output = output.detach().requires_grad_()
        outputs.append(output)
        return output

    with torch.enable_grad(), ExitStack() as hooks:
        for module in places.values():
            hooks.enter_context(module.register_forward_hook(leave))
        logits = model(clip)
        if not 0 <= target < logits.shape[1]:
            raise ModelError(f"classes are 0 to {logits.shape[1] - 1}, not {target}")
        gradients = torch.autograd.grad(logits[0, target], outputs)
    maps = {}
    pairs = zip(outputs, gradients, strict=True)
    for place, (output, gradient) in zip(places, pairs, strict=True):
        weights = gradient[0].mean(dim=(0, 1, 2))  # (C,)
        cam = (output[0].detach() @ weights).relu()  # (T, H, W)
        maps[place] = cam.float().cpu().numpy()
    return maps
