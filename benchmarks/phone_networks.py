"""X3D and MoViNet, the video networks that were designed for phones.

No kept library has both, so they are written here from their published tables, to be
compared by parameters, work and time. Weights are random, and nobody's are loaded.
MoViNet is the base form, which sees a whole clip; its streaming form is not here.

Sources: Feichtenhofer, "X3D" (arXiv 2004.04730), table 1 with the expansion of section
4.2 (depth 2.2, bottleneck 2.25); Kondratyuk et al., "MoViNets" (arXiv 2103.11511), the
tables of its appendix as its authors released them (github.com/tensorflow/models:
24 expanded channels in the first block of A0, where the paper has 40).

Public names: ``PHONE_NETWORKS``. Each is built with a number of classes and takes
clips (B, 3, T, H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn
from torchvision.ops import Conv3dNormActivation

Layer = Callable[[], nn.Module]
Kernel = tuple[int, int, int]
_POINT, _CUBE, _LONG = (1, 1, 1), (3, 3, 3), (5, 3, 3)
_FLAT3, _FLAT5 = (1, 3, 3), (1, 5, 5)
# Of each stage: channels, expanded channels of its blocks, their kernels.
_A0 = (
    (8, [24], [_FLAT5]),
    (32, [80] * 3, [_CUBE] * 3),
    (56, [184, 112, 184], [_LONG, _CUBE, _CUBE]),
    (56, [184] * 4, [_LONG, *[_CUBE] * 3]),
    (104, [384, 280, 280, 344], [_LONG, *[_FLAT5] * 3]),
)
_A2 = (
    (16, [40, 40, 64], [_FLAT5, _CUBE, _CUBE]),
    (40, [96, 120, 96, 96, 120], [_CUBE] * 5),
    (72, [240, 160, 240, 192, 240], [_LONG, *[_CUBE] * 4]),
    (72, [240, 240, 240, 240, 144, 240], [_LONG, *[_CUBE] * 3, _FLAT5, _CUBE]),
    (
        144,
        [480, 384, 384, 480, 480, 480, 576],
        [_LONG, *[_FLAT5] * 4, _CUBE, _FLAT3],
    ),
)


def _conv(
    enters: int,
    leaves: int,
    kernel: Kernel,
    act: Layer | None = None,
    stride: int = 1,
    groups: int = 1,
) -> nn.Module:
    """Convolution, batch norm, activation; the stride is one of space."""
    steps, how = (1, stride, stride), dict(groups=groups, activation_layer=act)
    return Conv3dNormActivation(enters, leaves, kernel, steps, **how)


class _Gated(nn.Module):
    """Squeeze and excitation: channels times gates, which see the mean of a clip."""

    def __init__(self, channels: int, share: float, act: Layer, gate: Layer) -> None:
        super().__init__()
        hidden = max(8, int(channels * share + 4) // 8 * 8)  # a multiple of 8 ...
        hidden += 8 * (hidden < 0.9 * channels * share)  # ... and not much too small
        first, last = nn.Conv3d(channels, hidden, 1), nn.Conv3d(hidden, channels, 1)
        self.gates = nn.Sequential(first, act(), last, gate())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gates(x.mean(dim=(2, 3, 4), keepdim=True))


class _Block(nn.Module):
    """Expand, convolve each channel by itself, contract; added to its input."""

    def __init__(self, body: Sequence[nn.Module], skip: nn.Module, act: Layer) -> None:
        super().__init__()
        self.body, self.skip, self.act = nn.Sequential(*body), skip, act()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.skip(x) + self.body(x))


def _head(enters: int, wide: int, classes: int, act: Layer, bias: bool) -> list:
    pooled, last = nn.AdaptiveAvgPool3d(1), nn.Conv3d(wide, 2048, 1, bias=bias)
    scores = nn.Linear(2048, classes)
    return [_conv(enters, wide, _POINT, act), pooled, last, act(), nn.Flatten(), scores]


def _x3d(classes: int) -> nn.Module:
    layers = [nn.Conv3d(3, 24, _FLAT3, (1, 2, 2), (0, 1, 1), bias=False)]
    layers.append(_conv(24, 24, (5, 1, 1), nn.ReLU, groups=24))
    enters = 24
    for depth, leaves in ((3, 24), (5, 48), (11, 96), (7, 192)):
        inner = int(2.25 * leaves)
        for number in range(depth):
            stride = 1 if number else 2
            gated = [_Gated(inner, 1 / 16, nn.ReLU, nn.Sigmoid)] * (number % 2 == 0)
            body = [
                _conv(enters, inner, _POINT, nn.ReLU),
                _conv(inner, inner, _CUBE, None, stride, groups=inner),
                *gated,
                nn.SiLU(),
                _conv(inner, leaves, _POINT),
            ]
            skip: nn.Module = nn.Identity()
            if enters != leaves:
                skip = _conv(enters, leaves, _POINT, None, stride)
            elif stride == 2:  # the first stage halves and keeps its channels
                skip = nn.Conv3d(enters, leaves, 1, (1, 2, 2), bias=False)
            layers.append(_Block(body, skip, nn.ReLU))
            enters = leaves
    return nn.Sequential(*layers, *_head(enters, 432, classes, nn.ReLU, bias=False))


def _movinet(stem: int, stages: Sequence, wide: int, classes: int) -> nn.Module:
    act = nn.Hardswish
    layers: list[nn.Module] = [_conv(3, stem, _FLAT3, act, 2)]
    enters = stem
    for stage, (leaves, expanded, kernels) in enumerate(stages):
        for number, (inner, kernel) in enumerate(zip(expanded, kernels, strict=True)):
            stride = 2 if number == 0 and stage != 3 else 1  # the fourth halves nothing
            body = [
                _conv(enters, inner, _POINT, act),
                _conv(inner, inner, kernel, act, stride, groups=inner),
                _Gated(inner, 1 / 4, act, nn.Hardsigmoid),
                _conv(inner, leaves, _POINT),
            ]
            skip: list[nn.Module] = []
            if stride == 2:
                skip.append(nn.AvgPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)))
            if enters != leaves:
                skip.append(_conv(enters, leaves, _POINT))
            layers.append(_Block(body, nn.Sequential(*skip), nn.Identity))
            enters = leaves
    return nn.Sequential(*layers, *_head(enters, wide, classes, act, bias=True))


# X3D-S and X3D-M are one network, on clips of two sizes.
PHONE_NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "x3d_s": _x3d,
    "x3d_m": _x3d,
    "movinet_a0": partial(_movinet, 8, _A0, 480),
    "movinet_a2": partial(_movinet, 16, _A2, 640),
}
