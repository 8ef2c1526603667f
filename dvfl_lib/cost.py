"""What a network costs: parameters and multiply-accumulates.

Public names: ``count_parameters``, ``count_macs``.

A *MAC* is one multiplication with its addition. Papers often print MACs under the
name of FLOPs; strictly one MAC is two of these. Counted are the linear layers and
the convolutions, which do nearly all of the work; norms, activations and the
gating products are left out, as most counters leave them out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .errors import ModelError

_COUNTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Number of values a training can change: ``total``, and ``temporal`` of these.

    ``temporal`` is the branch that a network for images does not have: parameters
    with "temporal" in their names.
    """
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    temporal = sum(size for name, size in sizes.items() if "temporal" in name)
    return {"total": sum(sizes.values()), "temporal": temporal}


def count_macs(
    model: nn.Module, frames: int = 8, size: int | tuple[int, int] = 224
) -> int:
    """Multiply-accumulates of one forward pass of one clip (1, frames, 3, size, size).

    Nothing is calculated: the pass runs on shapes alone (PyTorch's "meta" device),
    so that the largest network takes a fraction of a second. Weights and mode of
    ``model`` are not touched.

    Args:
        model: a video network.
        frames: T.
        size: pixels per side, or (height, width).

    Raises:
        ModelError: a clip of this size is none that the model takes.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(frames, height, width) < 1:
        raise ModelError(
            f"a clip of {frames} frames of {height} x {width} pixels is empty: frames "
            "and size must be at least 1"
        )
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        # weight[0] holds what one output value needs, whatever the kind of layer.
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    state = {
        name: torch.empty_like(value, device="meta")
        for name, value in model.state_dict(keep_vars=True).items()
    }
    clip = torch.empty(1, frames, 3, height, width, device="meta")
    clip = clip.to(next(iter(state.values())).dtype)
    layers = [layer for layer in model.modules() if isinstance(layer, _COUNTED)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.no_grad():
            functional_call(model, state, (clip,))
    finally:
        for hook in hooks:
            hook.remove()
    return total
