"""Grad-CAM of every block, as a comparison for the modulators.

Public names: ``grad_cam``.

Source: Selvaraju et al., "Grad-CAM" (arXiv 1610.02391), equations 1 and 2, with the
mean over space and time. It asks another question than a modulator's length does:
which tokens speak *for one class*.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ModelError
from .budget import counted
from .checks import check_gradients, check_ready, one_answer, whole
from .listening import blocks_of


def grad_cam(
    model: nn.Module, clip: Tensor, target: int, *, memory: float = 4.0
) -> dict[tuple[int, int], np.ndarray]:
    """relu(sum_c w_c y_c) of each block's output y; w_c is the mean derivative.

    One forward and one backward pass for all blocks. Weights, their gradients and
    the training mode are not touched.

    Args:
        model: a ``VFLNet``, or a module that holds its blocks under their names.
        clip: (1, T, 3, H, W) float, normalised, on the model's device.
        target: the class, counted from 0.
        memory: GiB that the passes may take.

    Returns for each (stage, block) a map float32 (T, H, W), zero or more.

    Raises:
        ModelError: no such class, more than one clip, training mode, or more than
            ``memory`` needed.
    """
    check_ready(model, clip)
    check_gradients(model)
    target = whole("target", target)
    places = dict(blocks_of(model))
    outputs: list[Tensor] = []

    def leave(module: nn.Module, given: Any, output: Tensor) -> Tensor:
        if not output.requires_grad:  # a frozen network: the graph begins here
            output = output.detach().requires_grad_()
        outputs.append(output)
        return output

    with torch.enable_grad(), counted(model, memory), ExitStack() as hooks:
        for module in places.values():
            hooks.enter_context(module.register_forward_hook(leave))
        logits = one_answer(model(clip))
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
