"""Lesson 01, focal modulation: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

import re
from functools import reduce
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .exercise import Arguments, Part, changed, given, normal

PARTS: dict[str, Part | dict[str, Part]] = {}


def drawn(*values: Any) -> Arguments:
    return lambda rng: tuple(normal(rng, *v) if type(v) is tuple else v for v in values)


# 01.1
def tokens_squared(side):
    return side**4


def token_times_levels(side, levels):
    return side**2 * (levels + 1)


PARTS["01.1"] = {
    "pairs": Part(
        tokens_squared,
        cases={f"a {n} x {n} map": given(n) for n in (7, 14, 1, 30)},
    ),
    "summaries": Part(
        token_times_levels,
        cases={
            f"side {n}, levels {m}": given(n, m)
            for n, m in ((7, 2), (14, 1), (5, 4), (1, 3))
        },
    ),
}

# 01.2

BAR, SPOT = torch.zeros(7, 7), torch.zeros(7, 7)
BAR[1:4, 2] = 3.0
SPOT[5, 4] = SPOT[0, 6] = 9.0
MAP = torch.stack([BAR, SPOT], dim=2)
MEANS, WIDE_MEANS = torch.full((2, 3, 3), 1 / 9), torch.full((2, 5, 5), 1 / 25)


def window_sum(v, K, y, x):
    (H, W), k, total, there, R = v.shape, K, 0.0, 0.0, len(K) // 2
    rows = cols = range(-R, R + 1)
    for i, j in product(rows, cols):
        r, c, weight = y + i, x + j, k[i + R, j + R]
        if 0 <= r < H and 0 <= c < W:
            there, total = there + weight, total + weight * v[r, c]
    return total


def sliced(v, k, r, c):
    R = len(k) // 2
    part = v[r - R : r + R + 1, c - R : c + R + 1]
    return (part * k).sum()


PARTS["01.2"] = Part(
    window_sum,
    cases={
        "the bar, our token": given(BAR, MEANS[0], 2, 1),
        "a map of 5 x 7, 3 x 3 around its middle": drawn((5, 7), (3, 3), 2, 4),
        "a 5 x 5 window": drawn((7, 11), (5, 5), 3, 5),
        "the first corner": drawn((5, 7), (3, 3), 0, 0),
        "the last corner": drawn((5, 7), (3, 3), 4, 6),
        "a 5 x 5 window at the border": drawn((7, 7), (5, 5), 1, 6),
    },
    mistakes={
        "slice": sliced,
        "kernel times slice": changed(sliced, ("part * k", "k * part")),
        "padded, not moved": changed(
            sliced, ("part = v", "v = F.pad(v, (R,) * 4); part = v")
        ),
        "cut at the end": changed(
            sliced,
            ("[r - R", "[max(0, r - R)"),
            (", c - R", ", max(0, c - R)"),
            ("* k)", "* k[: len(part), : len(part[0])])"),
        ),
    },
)


# 01.3
def depth_wise(z, windows):
    C, k = windows.shape[:2]
    R = k // 2
    w = windows[:, None]
    z = z.permute(2, 0, 1)
    z = F.conv2d(z, w, padding=R, groups=C)
    return F.gelu(z).permute(1, 2, 0)


PARTS["01.3"] = Part(
    depth_wise,
    axes="H W C",
    cases={
        "the lesson's map, level 1": given(MAP, MEANS),
        "a map of 3 x 11": drawn((3, 11, 2), (2, 3, 3)),
        "5 x 5 windows": drawn((7, 5, 3), (3, 5, 5)),
        "as many channels as rows": drawn((5, 5, 5), (5, 3, 3)),
        "one channel": drawn((7, 3, 1), (1, 3, 3)),
        "a window wider than the map": drawn((2, 3, 2), (2, 5, 5)),
    },
)


# 01.4
def gated_sum(z, g):
    Z, G, m = z, g, 0
    for n in range(len(z)):
        m = m + G[..., n, None] * Z[n]
    return m


def lesson_map(rng):
    first = depth_wise(MAP, MEANS)
    second = depth_wise(first, WIDE_MEANS)
    moved = MAP @ torch.tensor([[-0.5, 0.0, 0.2], [0.0, 0.1, 0.0]])
    contexts = torch.stack([first, second, THEN["global"](second)])
    return contexts, torch.tensor([1.0, 0.5, -0.5]) + moved


PARTS["01.4"] = Part(
    gated_sum,
    axes="H W C",
    cases={
        "the lesson's map": lesson_map,
        "four levels, 3 x 11": drawn((4, 3, 11, 2), (3, 11, 4)),
        "as many channels as levels": drawn((3, 5, 7, 3), (5, 7, 3)),
        "all sizes equal": drawn((5, 5, 5, 5), (5, 5, 5)),
        "one level and the global one": drawn((2, 3, 5, 7), (3, 5, 2)),
        "one token": drawn((5, 1, 1, 3), (1, 1, 5)),
    },
)


# 01.5
def reaches_added(windows):
    return 1 + sum(k - 1 for k in windows)


PARTS["01.5"] = Part(
    reaches_added,
    cases={
        "windows " + ", ".join(map(str, windows)): given(windows)
        for windows in ([3, 5], [9], [3, 5, 7], [7, 3], [1, 1, 5], [3, 3, 3, 3])
    },
)


# 01.6
def by_gradient(layer, tokens, row, column):
    x = tokens.clone().requires_grad_()
    layer(x)[row, column].sum().backward()
    return (x.grad != 0).any(dim=-1)


THEN = {
    "": lambda z: z,
    "global": lambda z: F.gelu(z.mean(dim=(0, 1))).expand_as(z),
    "faint": lambda z: 0.1 * THEN["global"](z),
    "minus": torch.neg,
    "right": lambda z: F.pad(z[:, 2:], (0, 0, 0, 2)),
    "difference": lambda z: (z[..., :1] - z[..., 1:]).expand_as(z),
    "four": lambda z: four_ways(z) + torch.tensor([1.0, 0.0]),
    "turned": lambda z: four_ways(z) + torch.tensor([0.0, 1.0]),
}


def four_ways(z):
    """Two channels, and each hears both of other tokens."""
    one = z[..., 0] + z[..., 1].roll(1, 0)
    return torch.stack([one, z[..., 0].roll(-1, 0) + z[..., 1].roll(1, 1)], dim=-1)


def asked_of(rng, height, width, row, column, *windows, then=""):
    """A case: a layer of such windows, with small tokens, so that no GELU is shut."""
    chain = [0.3 + torch.rand(2, k, k, generator=rng) for k in windows]
    tokens = 0.01 * normal(rng, height, width, 2)
    return lambda z: THEN[then](reduce(depth_wise, chain, z)), tokens, row, column


PARTS["01.6"] = Part(
    by_gradient,
    axes="H W",
    cases={
        "level 1, in the middle": lambda rng: asked_of(rng, 13, 13, 6, 6, 3),
        "level 2, near a corner": lambda rng: asked_of(rng, 13, 11, 1, 8, 3, 5),
        "a global level": lambda rng: asked_of(rng, 29, 37, 5, 31, 3, then="faint"),
        "a minus sign": lambda rng: asked_of(rng, 3, 11, 2, 4, 5, then="minus"),
        "a look to the right": lambda rng: asked_of(rng, 7, 7, 2, 3, 3, then="right"),
        "a difference": lambda rng: asked_of(rng, 5, 7, 3, 2, then="difference"),
        "two channels, four ways": lambda rng: asked_of(rng, 7, 5, 3, 2, then="four"),
        "the second one larger": lambda rng: asked_of(rng, 7, 5, 3, 2, then="turned"),
    },
)


# 01.7
class WholeLayer(nn.Module):
    def __init__(self, dim, focal_levels=2, focal_window=3, focal_factor=2):
        super().__init__()
        self.sizes = dim, dim, focal_levels + 1
        self.f = nn.Linear(dim, sum(self.sizes))
        self.h = nn.Conv2d(dim, dim, 1)
        self.proj = nn.Linear(dim, dim)
        self.focal_layers = nn.ModuleList()
        for n in range(focal_levels):
            k = focal_window + focal_factor * n
            window = nn.Conv2d(dim, dim, k, padding=k // 2, groups=dim, bias=False)
            self.focal_layers.append(nn.Sequential(window, nn.GELU()))

    def forward(self, x):
        q, z, g = self.f(x).split(self.sizes, dim=-1)
        z, g, total = z.permute(0, 3, 1, 2), g.permute(0, 3, 1, 2), 0
        chain = [z]
        for n, layer in enumerate(self.focal_layers):
            chain.append(layer(chain[-1]))
            total = total + g[:, n : n + 1] * chain[-1]
        whole = F.gelu(chain[-1].mean(dim=(2, 3), keepdim=True))
        total = total + g[:, -1:] * whole
        m = self.h(total).permute(0, 2, 3, 1)
        return self.proj(q * m)


def loaded(layer, settings, state, x):
    """The output with these weights; windows may stand alone, and h may be linear."""
    made = layer(*settings)
    names = {re.sub(r"(\d)\.\d+", r"\1", name): name for name in state}
    for name, there in made.named_parameters():
        name = re.sub(r"(\d)\.\d+", r"\1", name)
        wanted, shape = state.get(names.pop(name, None)), tuple(there.shape)
        if wanted is None:
            raise AttributeError(f"{name} {shape} is not asked for")
        if wanted.squeeze().shape != there.squeeze().shape:
            asked = tuple(wanted.shape)
            raise AttributeError(f"{name} is asked as {asked}; yours is {shape}")
        there.data.copy_(wanted.view_as(there))
    if names:
        raise AttributeError(f"the layer has no {', '.join(names.values())}")
    return made(x)


def weighed(rng, shape, *settings):
    state = WholeLayer(*settings).state_dict()
    state = {name: 0.5 * normal(rng, *value.shape) for name, value in state.items()}
    return settings, state, normal(rng, *shape)


def by_hand(rng):
    f = [[1, 0], [0, 1], [1, 0], [0, 1], [-0.5, 0], [0, 0.1], [0.2, 0]]
    h, proj = [[1.0, 0.5], [0.0, 1.0]], [[1.0, -1.0], [0.0, 1.0]]
    own = (f, [1, 1, 0, 0, 1, 0.5, -0.5], h, [0.0, 0.0], proj, [0.0, 0.0])
    values = *map(torch.tensor, own), MEANS[:, None], WIDE_MEANS[:, None]
    state = dict(zip(WholeLayer(2).state_dict(), values, strict=True))
    return (2,), state, MAP[None].clone()


PARTS["01.7"] = Part(
    WholeLayer,
    axes="B H W C",
    run=loaded,
    cases={
        "the lesson's map and weights": by_hand,
        "a batch of 5, maps of 3 x 11": lambda rng: weighed(rng, (5, 3, 11, 2), 2),
        "one level": lambda rng: weighed(rng, (2, 7, 5, 3), 3, 1),
        "three levels": lambda rng: weighed(rng, (3, 5, 7, 2), 2, 3),
        "windows of 5 and 9": lambda rng: weighed(rng, (2, 7, 11, 3), 3, 2, 5, 4),
        "all sizes equal": lambda rng: weighed(rng, (4, 4, 4, 4), 4),
    },
)
