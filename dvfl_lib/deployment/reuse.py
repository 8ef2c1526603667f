"""What of a frame is the same in every window, and the window's answer from that.

Public names: ``FrameFeatures``, ``frame_features``, ``window_logits``.

Two windows of a stream share frames. What of the work on a frame may be kept is what
comes before the first place where frames meet, and that is, in this order:

* the stem (``patch_embed``), which turns each frame into tokens by itself;
* in the first block ``norm1`` and both projections ``f`` and ``f_temporal``, which act
  on each token by itself;
* there, too, the spatial modulator: its convolutions and its global mean stay within
  a frame. So q * m_space is known before any other frame has come.

The first temporal convolution mixes frames. Even its inner results are not kept: at
both ends of a window it reads zeros where a longer window has frames, and the level
after it carries that further in. The global temporal context is a mean over the whole
window. From there on every frame's tokens depend on which window they are in, so the
rest (the temporal modulator, the first block's projection and MLP, all other blocks,
the head) is computed anew for each window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import ModelError
from ..vfl_net import VFLNet


class FrameFeatures(NamedTuple):
    """Of one frame, with h x w tokens of C channels in stage 1 and L focal levels."""

    tokens: Tensor  # (h, w, C) of the stem: the first block adds to them
    query: Tensor  # (h, w, C) q * m_space
    context: Tensor  # (h, w, C) z_0 of the temporal branch
    gates: Tensor  # (h, w, L + 1) of the temporal branch


def frame_features(model: VFLNet, frame: Tensor) -> FrameFeatures:
    """All that a window needs of one frame.

    Args:
        model: in eval mode.
        frame: (3, H, W), normalised, on the model's device.

    Raises:
        ModelError: the frame has another layout, or is too small.
    """
    clip = frame[None, None]  # (1, 1, 3, H, W)
    model.check_clip(clip)
    first = model.layers[0].blocks[0]
    layer = first.modulation
    levels = layer.focal_levels + 1
    tokens = model.patch_embed(clip.permute(0, 1, 3, 4, 2))  # (1, 1, h, w, C)
    x = first.norm1(tokens)
    q, context, gates = layer.f(x).split((layer.dim, layer.dim, levels), dim=-1)
    query = q * layer.spatial_modulator(context, gates)
    context_t, gates_t = layer.f_temporal(x).split((layer.dim, levels), dim=-1)
    return FrameFeatures(*(t[0, 0] for t in (tokens, query, context_t, gates_t)))


def window_logits(model: VFLNet, frames: Sequence[FrameFeatures]) -> Tensor:
    """The logits (K,) of a window of T frames, oldest first.

    The same sums as ``model(clip)[0]``, with the same rounding but for what a kernel
    does differently with one frame and with many.

    Args:
        model: in eval mode, where drop-path does nothing.
        frames: what ``frame_features`` of the same model gave.

    Raises:
        ModelError: no frame.
    """
    if not frames:
        raise ModelError("a window without frames has no answer")
    stacked = (torch.stack(same)[None] for same in zip(*frames, strict=True))
    tokens, query, context, gates = stacked  # each (1, T, h, w, .)
    first = model.layers[0].blocks[0]
    m_time = first.modulation.temporal_modulator(context, gates)
    x = tokens + first.modulation.proj(query * m_time)
    x = x + first.mlp(first.norm2(x))  # the first block ends here
    for block in model.layers[0].blocks[1:]:
        x = block(x)
    if model.layers[0].downsample is not None:
        x = model.layers[0].downsample(x)
    for layer in model.layers[1:]:
        x = layer(x)
    return model.forward_head(model.norm(x))[0]
