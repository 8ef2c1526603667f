"""VFL-Net as its equations read: the form that faster ones are measured against.

Each line of the equations (docstrings of ``dvfl_lib.modulation``, ``dvfl_lib.vfl_net``)
is a line here, and each layer gets its input in the layout that PyTorch documents for
it: frames as (B*T, C, H, W) to the convolution over space, the sequence of every pixel
as (B*H*W, C, T) to that over time. So data are laid out anew several times in each
block; nothing else is slow on purpose. Weights have the names and shapes of the
library's network, of which no part is used.

Public names: ``StraightforwardNet``, ``straightforward``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dvfl_lib.vfl_net import VFLNet, VFLNetConfig


class _Modulation(nn.Module):
    """Y = proj(Q * Ms * Mt), with B clips of T frames: (B*T, H, W, C) in and out."""

    def __init__(self, dim: int, levels: int, window: int, factor: int) -> None:
        super().__init__()
        self.dim, self.levels = dim, levels
        self.f = nn.Linear(dim, 2 * dim + levels + 1)
        self.f_temporal = nn.Linear(dim, dim + levels + 1)
        self.h = nn.Conv2d(dim, dim, 1)
        self.h_temporal = nn.Conv1d(dim, dim, 1)
        self.proj = nn.Linear(dim, dim)
        space, time = [], []
        for level in range(levels):
            k = window + factor * level
            conv = nn.Conv2d(dim, dim, k, padding=k // 2, groups=dim, bias=False)
            space.append(nn.Sequential(conv, nn.GELU()))
            conv = nn.Conv1d(dim, dim, k, padding=k // 2, bias=False)
            time.append(nn.Sequential(conv, nn.GELU()))
        self.focal_layers = nn.ModuleList(space)
        self.focal_layers_temporal = nn.ModuleList(time)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        C, L = self.dim, self.levels
        H, W = x.shape[1:3]
        # Q, Zs, Gs = f(X), as (B*T, ., H, W)
        projected = self.f(x).permute(0, 3, 1, 2).contiguous()
        q, z, gates = projected.split((C, C, L + 1), dim=1)
        # Ms = h(sum_l Gs_l * Zs_l)
        total = torch.zeros_like(q)
        for level in range(L):
            z = self.focal_layers[level](z)
            total = total + gates[:, level : level + 1] * z
        z = F.gelu(z.mean(dim=(2, 3), keepdim=True))
        m_space = self.h(total + gates[:, L:] * z)  # (B*T, C, H, W)

        # Zt, Gt = f_t(X), as (B*H*W, ., T)
        projected = self.f_temporal(x).unflatten(0, (-1, frames))  # (B, T, H, W, .)
        projected = projected.permute(0, 2, 3, 4, 1).flatten(0, 2).contiguous()
        z, gates = projected.split((C, L + 1), dim=1)
        # Mt = h_t(sum_l Gt_l * Zt_l)
        total = torch.zeros_like(z)
        for level in range(L):
            z = self.focal_layers_temporal[level](z)
            total = total + gates[:, level : level + 1] * z
        z = F.gelu(z.mean(dim=2, keepdim=True))
        m_time = self.h_temporal(total + gates[:, L:] * z)  # (B*H*W, C, T)

        m_time = m_time.unflatten(0, (-1, H, W)).permute(0, 4, 3, 1, 2)
        m_time = m_time.flatten(0, 1).contiguous()  # (B*T, C, H, W)
        y = (q * m_space * m_time).permute(0, 2, 3, 1).contiguous()  # (B*T, H, W, C)
        return self.proj(y)


class _Mlp(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class _Block(nn.Module):
    """x + modulation(norm(x)), then x + mlp(norm(x)): (B*T, H, W, C) in and out."""

    def __init__(self, dim: int, config: VFLNetConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        sizes = (config.focal_levels, config.focal_window, config.focal_factor)
        self.modulation = _Modulation(dim, *sizes)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = _Mlp(dim, int(dim * config.mlp_ratio))

    def forward(self, x: Tensor, frames: int) -> Tensor:
        x = x + self.modulation(self.norm1(x), frames)
        return x + self.mlp(self.norm2(x))


class _Patches(nn.Module):
    """A convolution that merges patches, then a norm: (B*T, H, W, C) out."""

    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, stride=patch)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B*T, C, H, W) in."""
        return self.norm(self.proj(x).permute(0, 2, 3, 1).contiguous())


class _Stage(nn.Module):
    def __init__(self, dim: int, depth: int, config: VFLNetConfig, last: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(dim, config) for _ in range(depth))
        self.downsample = None if last else _Patches(dim, 2 * dim, 2)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        for block in self.blocks:
            x = block(x, frames)
        if self.downsample is None:
            return x
        return self.downsample(x.permute(0, 3, 1, 2).contiguous())


class StraightforwardNet(nn.Module):
    """The whole network, without stochastic depth: (B, T, 3, H, W) -> (B, K)."""

    def __init__(self, config: VFLNetConfig, num_classes: int) -> None:
        super().__init__()
        dim, last = config.embed_dim, len(config.depths) - 1
        self.patch_embed = _Patches(3, dim, config.patch_size)
        self.layers = nn.ModuleList(
            _Stage(dim * 2**stage, depth, config, stage == last)
            for stage, depth in enumerate(config.depths)
        )
        self.norm = nn.LayerNorm(dim * 2**last)
        self.head = nn.Linear(dim * 2**last, num_classes)

    def forward(self, clip: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> logits (B, K)."""
        frames = clip.shape[1]
        x = self.patch_embed(clip.flatten(0, 1))  # (B*T, H, W, C)
        for stage in self.layers:
            x = stage(x, frames)
        x = self.norm(x).unflatten(0, (-1, frames))  # (B, T, H, W, C)
        return self.head(x.mean(dim=(2, 3)).mean(dim=1))


def straightforward(model: VFLNet) -> StraightforwardNet:
    """The straightforward form of a network: copies of its weights, its mode."""
    twin = StraightforwardNet(model.config, model.num_classes)
    twin.load_state_dict(model.state_dict())
    return twin.to(next(model.parameters())).train(model.training)
