"""The small layers around the modulation: patches, MLP, stochastic depth.

Public names: ``PatchEmbed``, ``Mlp``, ``DropPath``.

Source: the network of "Video-FocalNets" (arXiv 2307.06947) and "DVFL-Net"
(arXiv 2507.12426), as their released model code computes it.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.ops import StochasticDepth


class PatchEmbed(nn.Module):
    """Non-overlapping convolution that merges ``patch`` x ``patch`` tokens into one.

    Used as the stem (pixels -> stage 1) and between the stages (patch 2).
    A remainder that does not fill a patch is cut off, as in the released code.
    """

    def __init__(self, in_channels: int, out_channels: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, out_channels, patch, stride=patch)
        self.norm = nn.LayerNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C_in) -> (B, T, H // patch, W // patch, C_out)."""
        clips = x.shape[:2]
        x = x.flatten(0, 1).permute(0, 3, 1, 2)  # (B*T, C_in, H, W)
        x = self.proj(x).permute(0, 2, 3, 1)  # (B*T, H', W', C_out)
        return self.norm(x).unflatten(0, clips)  # (B, T, H', W', C_out)


class Mlp(nn.Module):
    """Two linear layers with GELU between, on each token by itself."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return self.fc2(self.act(self.fc1(x)))


class DropPath(StochasticDepth):
    """Drops a residual branch at random in training, for each *frame* by itself.

    Per frame and not per clip, because the released code's blocks work on
    (B*T, tokens, C) and their drop-path on the first of these dimensions.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p, mode="row")

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) -> the same shape."""
        if not self.training or self.p == 0.0:
            return x
        frames = x.flatten(0, 1)  # (B*T, H, W, C)
        return super().forward(frames).unflatten(0, x.shape[:2])  # (B, T, H, W, C)
