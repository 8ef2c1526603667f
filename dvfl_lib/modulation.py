"""Spatio-temporal focal modulation: the one layer that the whole course is about.

Public names: ``SpatioTemporalFocalModulation``, ``FocalModulation``,
``TemporalConv1d``, ``aggregate``, ``summarise``.

Every token asks with a query q, and is answered by two summaries of its
surroundings: one over space (its own frame), one over time (its own pixel):

    y = proj(q * h(sum_l g_l z_l) * h_t(sum_l g'_l z'_l))

with contexts z_l gathered at growing *focal levels*, and gates g_l that are raw
linear outputs (neither softmax nor sigmoid).

``FocalModulation`` is its older sister for images, which lesson 01 builds first: no
temporal branch. The networks of this library use the video layer alone.

Source: the network of "Video-FocalNets" (arXiv 2307.06947) and "DVFL-Net"
(arXiv 2507.12426), as their released model code computes it; for images "Focal
Modulation Networks" (arXiv 2203.11926).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class TemporalConv1d(nn.Conv1d):
    """A 1-d convolution over time, run for all pixels of a clip at once.

    The weights are those of ``nn.Conv1d``: (C_out, C_in / groups, k). The networks
    have *dense* ones (one group), because the published parameter counts need them.
    The input is (B, C, T, N) with N pixels, and the kernel slides along T only: the
    same sums as B*N separate sequences would give, without moving any memory.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, T, N) -> (B, C_out, T, N), zero-padded in time."""
        weight = self.weight.unsqueeze(-1)  # (C_out, C_in / groups, k, 1)
        padding = (self.padding[0], 0)
        return F.conv2d(x, weight, self.bias, padding=padding, groups=self.groups)


def aggregate(contexts: list[Tensor], gates: Tensor) -> Tensor:
    """Gated sum of the contexts: sum_l gates[:, l] * contexts[l].

    ``contexts``: L + 1 tensors (N, C, ., .), the last may have size 1 where it is
    a global mean; ``gates``: (N, L + 1, ., .). Returns (N, C, ., .).
    """
    total = contexts[0] * gates[:, :1]
    for level, context in enumerate(contexts[1:], start=1):
        total = total + context * gates[:, level : level + 1]
    return total


def summarise(
    layers: nn.ModuleList, z: Tensor, gates: Tensor, over: tuple[int, ...]
) -> Tensor:
    """The contexts of all levels, summed by their gates: a modulator before ``h``.

    Each level reads the one before it; the last, global one is the mean over the
    dimensions ``over``. ``z``: z_0, (N, C, ., .); ``gates``: (N, L + 1, ., .).
    Returns (N, C, ., .).
    """
    contexts = []
    for layer in layers:
        z = layer(z)
        contexts.append(z)
    contexts.append(F.gelu(z.mean(dim=over, keepdim=True)))
    return aggregate(contexts, gates)


class FocalModulation(nn.Module):
    """q * modulator, for every token of an image.

    Args:
        dim: number of channels C.
        focal_levels: L, the number of convolutional levels; a global one follows.
        focal_window: kernel size of the first level (odd).
        focal_factor: by how much the kernel grows per level.

    Shapes: (B, H, W, C) -> (B, H, W, C). H and W are read off the input.

    Source: "Focal Modulation Networks" (arXiv 2203.11926); state-dict keys are those
    of Microsoft's FocalNets.
    """

    def __init__(
        self,
        dim: int,
        focal_levels: int = 2,
        focal_window: int = 3,
        focal_factor: int = 2,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.focal_levels = focal_levels
        self.f = nn.Linear(dim, 2 * dim + focal_levels + 1)
        self.h = nn.Conv2d(dim, dim, kernel_size=1)
        self.proj = nn.Linear(dim, dim)
        self.focal_layers = nn.ModuleList()
        for level in range(focal_levels):
            k = focal_window + focal_factor * level
            spatial = nn.Conv2d(dim, dim, k, padding=k // 2, groups=dim, bias=False)
            self.focal_layers.append(nn.Sequential(spatial, nn.GELU()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
        levels = self.focal_levels + 1
        q, context, gates = self.f(x).split((self.dim, self.dim, levels), dim=-1)
        z = context.permute(0, 3, 1, 2)  # (B, C, H, W)
        g = gates.permute(0, 3, 1, 2)  # (B, L+1, H, W)
        modulator = self.h(summarise(self.focal_layers, z, g, (2, 3)))  # (B, C, H, W)
        return self.proj(q * modulator.permute(0, 2, 3, 1))  # (B, H, W, C)


class SpatioTemporalFocalModulation(nn.Module):
    """q * (spatial modulator) * (temporal modulator), for every token of a clip.

    Args:
        dim: number of channels C.
        focal_levels: L, the number of convolutional levels; a global one follows.
        focal_window: kernel size of the first level (odd).
        focal_factor: by how much the kernel grows per level.

    Shapes: (B, T, H, W, C) -> (B, T, H, W, C). T, H and W are read off the input.

    Source: facts of the released ``videofocalnet.py`` (lines 83-98 and 105-157).
    State-dict keys are those of the released code, so its checkpoints load.
    """

    def __init__(
        self,
        dim: int,
        focal_levels: int = 2,
        focal_window: int = 3,
        focal_factor: int = 2,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.focal_levels = focal_levels
        self.f = nn.Linear(dim, 2 * dim + focal_levels + 1)
        self.f_temporal = nn.Linear(dim, dim + focal_levels + 1)
        self.h = nn.Conv2d(dim, dim, kernel_size=1)
        self.h_temporal = TemporalConv1d(dim, dim, kernel_size=1)
        self.proj = nn.Linear(dim, dim)
        self.focal_layers = nn.ModuleList()
        self.focal_layers_temporal = nn.ModuleList()
        for level in range(focal_levels):
            k = focal_window + focal_factor * level
            # In space one kernel per channel, in time all channels to all.
            spatial = nn.Conv2d(dim, dim, k, padding=k // 2, groups=dim, bias=False)
            temporal = TemporalConv1d(dim, dim, k, padding=k // 2, bias=False)
            self.focal_layers.append(nn.Sequential(spatial, nn.GELU()))
            self.focal_layers_temporal.append(nn.Sequential(temporal, nn.GELU()))

    def spatial_modulator(self, context: Tensor, gates: Tensor) -> Tensor:
        """What each frame says about itself.

        ``context``: z_0, (B, T, H, W, C); ``gates``: (B, T, H, W, L + 1).
        Returns (B, T, H, W, C).
        """
        batch = context.shape[:2]
        z = context.flatten(0, 1).permute(0, 3, 1, 2)  # (B*T, C, H, W)
        g = gates.flatten(0, 1).permute(0, 3, 1, 2)  # (B*T, L+1, H, W)
        summary = summarise(self.focal_layers, z, g, over=(2, 3))
        modulator = self.h(summary)  # (B*T, C, H, W)
        return modulator.permute(0, 2, 3, 1).unflatten(0, batch)  # (B, T, H, W, C)

    def temporal_modulator(self, context: Tensor, gates: Tensor) -> Tensor:
        """What each pixel says about its own past and future.

        ``context``: z_0, (B, T, H, W, C); ``gates``: (B, T, H, W, L + 1).
        Returns (B, T, H, W, C).
        """
        pixels = context.shape[2:4]
        z = context.flatten(2, 3).permute(0, 3, 1, 2)  # (B, C, T, H*W)
        g = gates.flatten(2, 3).permute(0, 3, 1, 2)  # (B, L+1, T, H*W)
        summary = summarise(self.focal_layers_temporal, z, g, over=(2,))
        modulator = self.h_temporal(summary)  # (B, C, T, H*W)
        return modulator.permute(0, 2, 3, 1).unflatten(2, pixels)  # (B, T, H, W, C)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) -> (B, T, H, W, C)."""
        levels = self.focal_levels + 1
        # Both branches read the same x, side by side; the query comes from space.
        q, context, gates = self.f(x).split((self.dim, self.dim, levels), dim=-1)
        context_t, gates_t = self.f_temporal(x).split((self.dim, levels), dim=-1)
        m_space = self.spatial_modulator(context, gates)
        m_time = self.temporal_modulator(context_t, gates_t)
        return self.proj(q * m_space * m_time)

    def extra_repr(self) -> str:
        """Shown by ``print(module)``."""
        return f"dim={self.dim}, focal_levels={self.focal_levels}"
