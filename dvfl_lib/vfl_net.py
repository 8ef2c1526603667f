"""VFL-Net: patch embedding, four stages of focal modulation, a linear head.

Public names: ``VFLNet``, ``VFLNetConfig``, ``VARIANTS``, ``create_model``,
``list_models``.

``vfl_net_nano`` is the student of DVFL-Net (arXiv 2507.12426), the three
``video_focalnet_*`` are those of Video-FocalNets (arXiv 2307.06947): the same
network in four sizes, with the released code's state-dict keys. The names with
``_lab_`` are small teaching sizes of our own, for a laptop.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import torch
from torch import Tensor, nn

from .errors import ModelError, check_int
from .fast import Form, set_form
from .layers import DropPath, Mlp, PatchEmbed
from .modulation import SpatioTemporalFocalModulation


@dataclass(frozen=True)
class VFLNetConfig:
    """What tells one variant from another."""

    depths: tuple[int, ...]  # blocks per stage
    embed_dim: int  # channels of the first stage; each stage doubles them
    patch_size: int = 4  # pixels per side of a stage-1 token
    focal_levels: int = 2
    focal_window: int = 3
    focal_factor: int = 2
    mlp_ratio: float = 4.0

    @property
    def smallest_side(self) -> int:
        """Fewest pixels per side that leave one token in the last stage."""
        return self.patch_size * 2 ** (len(self.depths) - 1)


VARIANTS: dict[str, VFLNetConfig] = {
    "vfl_net_nano": VFLNetConfig(depths=(1, 1, 2, 1), embed_dim=96),
    "video_focalnet_tiny": VFLNetConfig(depths=(2, 2, 6, 2), embed_dim=96),
    "video_focalnet_small": VFLNetConfig(depths=(2, 2, 18, 2), embed_dim=96),
    "video_focalnet_base": VFLNetConfig(depths=(2, 2, 18, 2), embed_dim=128),
    # Teaching sizes: the same code with fewer channels and stages.
    "vfl_net_lab_student": VFLNetConfig(depths=(1, 1, 1), embed_dim=16),
    "vfl_net_lab_teacher": VFLNetConfig(depths=(1, 1, 2), embed_dim=32),
}


class FocalModulationBlock(nn.Module):
    """x + modulation(norm(x)), then x + mlp(norm(x)); both with drop-path."""

    def __init__(self, dim: int, config: VFLNetConfig, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.modulation = SpatioTemporalFocalModulation(
            dim, config.focal_levels, config.focal_window, config.focal_factor
        )
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * config.mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) -> (B, T, H, W, C)."""
        x = x + self.drop_path(self.modulation(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Stage(nn.Module):
    """Blocks at one resolution, then (but for the last stage) a 2 x 2 merge."""

    def __init__(
        self, dim: int, drop_paths: list[float], config: VFLNetConfig, merge: bool
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            FocalModulationBlock(dim, config, rate) for rate in drop_paths
        )
        self.downsample = PatchEmbed(dim, 2 * dim, 2) if merge else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H, W, C) -> (B, T, H/2, W/2, 2C), or the same shape if none merges."""
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class VFLNet(nn.Module):
    """A video classifier built of spatio-temporal focal modulation.

    Args:
        config: the variant's sizes.
        num_classes: outputs of the head.
        drop_path: stochastic-depth rate of the last block; earlier blocks get a
            share that grows linearly from zero.
        init: ``"released"`` draws linear weights from a normal of std 0.02, cut at
            two, as the released code does; ``"fan_in"`` uses std 1/sqrt(inputs)
            and starts both modulators' biases at one, so that the product
            q * m_space * m_time begins near q: small networks that start from
            nothing leave their plateau sooner with it.
        form: ``"readable"`` computes as the lessons show it, ``"fast"`` the same
            numbers (to rounding) in another arrangement; see ``dvfl_lib.fast``.
            Weights are alike. ``fast.set_form`` changes it later.

    Shapes: clip (B, T, 3, H, W) -> logits (B, num_classes). Any T; H and W at
    least ``config.smallest_side``. There is no position embedding.
    """

    def __init__(
        self,
        config: VFLNetConfig,
        num_classes: int,
        drop_path: float = 0.0,
        init: Literal["released", "fan_in"] = "released",
        form: Form = "fast",
    ) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.patch_embed = PatchEmbed(3, config.embed_dim, config.patch_size)
        # On the CPU even where the weights are built elsewhere ("meta" included).
        rates = torch.linspace(0, drop_path, sum(config.depths), device="cpu")
        self.layers = nn.ModuleList(
            Stage(
                config.embed_dim * 2**stage,
                stage_rates.tolist(),
                config,
                merge=stage < len(config.depths) - 1,
            )
            for stage, stage_rates in enumerate(rates.split(config.depths))
        )
        self.num_features = config.embed_dim * 2 ** (len(config.depths) - 1)
        self.norm = nn.LayerNorm(self.num_features)
        self.head = nn.Linear(self.num_features, num_classes)
        self._init_weights(init)
        set_form(self, form)

    def _init_weights(self, init: str) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                std = 0.02 if init == "released" else module.in_features**-0.5
                nn.init.trunc_normal_(module.weight, std=std, a=-2.0, b=2.0)
                nn.init.zeros_(module.bias)
            elif init == "fan_in" and isinstance(module, SpatioTemporalFocalModulation):
                nn.init.ones_(module.h.bias)
                nn.init.ones_(module.h_temporal.bias)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> normalised tokens of the last stage (B, T, h, w, C)."""
        x = clip.permute(0, 1, 3, 4, 2)  # (B, T, H, W, 3)
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def forward_head(self, features: Tensor) -> Tensor:
        """(B, T, h, w, C) -> logits (B, num_classes): mean over space, then time."""
        return self.head(features.mean(dim=(2, 3)).mean(dim=1))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> logits (B, num_classes).

        Raises:
            ModelError: the clip has another layout, or its frames are too small.
        """
        self.check_clip(clip)
        return self.forward_head(self.forward_features(clip))

    def check_clip(self, clip: Tensor) -> None:
        """Refuse what is no clip with a message that says what a clip is."""
        if clip.ndim != 5 or clip.shape[2] != 3 or 0 in clip.shape:
            raise ModelError(
                "a clip is (batch, frames, 3, height, width), none of them empty; "
                f"got {tuple(clip.shape)}"
            )
        least = self.config.smallest_side
        if min(clip.shape[3:]) < least:
            raise ModelError(
                f"frames of {clip.shape[3]} x {clip.shape[4]} pixels are too small: "
                f"this model needs at least {least} x {least}"
            )


def list_models() -> list[str]:
    """The names that ``create_model`` knows, the published sizes first."""
    return list(VARIANTS)


def create_model(
    name: str,
    num_classes: int = 400,
    drop_path: float = 0.0,
    init: Literal["released", "fan_in"] = "released",
    form: Form = "fast",
) -> VFLNet:
    """Build a network by name, with random weights.

    Args:
        name: one of ``list_models()``.
        num_classes, drop_path, init, form: see ``VFLNet``.

    Raises:
        ModelError: unknown name or impossible value.
    """
    if not isinstance(name, str) or name not in VARIANTS:
        near = get_close_matches(str(name), VARIANTS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ModelError(
            f"there is no model {name!r}.{hint} Known: {', '.join(VARIANTS)}"
        )
    check_int("num_classes", num_classes, 1)
    if not isinstance(drop_path, (int, float)) or not 0.0 <= drop_path < 1.0:
        raise ModelError(f"drop_path must be in [0, 1), not {drop_path!r}")
    if init not in ("released", "fan_in"):
        raise ModelError(f"init must be 'released' or 'fan_in', not {init!r}")
    return VFLNet(VARIANTS[name], num_classes, drop_path, init, form)
