"""Other right answers to the exercises of lesson 01, in another style."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def pairs_counted(side):
    return sum(side * side for _ in range(side) for _ in range(side))


def summaries_by_numpy(side, levels):
    return int(np.ones((side, side, levels + 1)).sum())


def by_padding(values, kernel, row, column):
    k = kernel.shape[0]
    wide = F.pad(values, (k // 2,) * 4)
    return (wide[row : row + k, column : column + k] * kernel).sum().item()


def by_convolution(values, kernel, row, column):
    z = F.conv2d(
        values[None, None].double(), kernel[None, None].double(), padding="same"
    )
    return float(z[0, 0, row, column])


def by_unfold(z, windows):
    k = windows.shape[-1]
    wide = F.pad(z, (0, 0, k // 2, k // 2, k // 2, k // 2))
    tiles = wide.unfold(0, k, 1).unfold(1, k, 1)  # (H, W, C, k, k)
    return F.gelu(torch.einsum("hwcij,cij->hwc", tiles, windows))


def channel_by_channel(z, windows):
    maps = []
    for c, window in enumerate(windows):
        summed = F.conv2d(z[None, None, ..., c], window[None, None], padding="same")
        maps.append(nn.GELU()(summed)[0, 0])
    return torch.stack(maps, dim=-1)


def by_einsum(contexts, gates):
    return torch.einsum("lhwc,hwl->hwc", contexts, gates)


def by_matrices(contexts, gates):
    return (gates.unsqueeze(-2).double() @ contexts.permute(1, 2, 0, 3).double())[
        ..., 0, :
    ]


def by_recursion(windows):
    return windows[0] + by_recursion(windows[1:]) - 1 if windows else 1


def sum_less_number(windows):
    return sum(windows) - len(windows) + 1


def by_jacobian(layer, tokens, row, column):
    slopes = torch.autograd.functional.jacobian(lambda x: layer(x)[row, column], tokens)
    return slopes.abs().sum(dim=(0, -1)) > 0


def by_grad(layer, tokens, row, column):
    tokens.requires_grad = True
    (slopes,) = torch.autograd.grad(layer(tokens)[row, column].mean(), tokens)
    return slopes.norm(dim=2).bool()


class OneByOne(nn.Module):
    """Levels without Sequential, h linear, one level after the other by hand."""

    def __init__(self, dim, focal_levels=2, focal_window=3, focal_factor=2):
        super().__init__()
        self.f = nn.Linear(dim, dim + dim + focal_levels + 1)
        self.proj, self.h = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.focal_layers = nn.ModuleList(
            nn.Conv2d(dim, dim, k, padding="same", groups=dim, bias=False)
            for k in (focal_window + focal_factor * n for n in range(focal_levels))
        )

    def forward(self, x):
        made = self.f(x)
        dim = x.shape[-1]
        q, z, gates = made[..., :dim], made[..., dim : 2 * dim], made[..., 2 * dim :]
        contexts = []
        for layer in self.focal_layers:
            z = F.gelu(layer(z.movedim(-1, 1))).movedim(1, -1)
            contexts.append(z)
        contexts.append(F.gelu(z.mean((1, 2), keepdim=True)).expand_as(z))
        summed = torch.einsum("lbhwc,bhwl->bhwc", torch.stack(contexts), gates)
        return self.proj(self.h(summed).mul(q))


class Channelled(nn.Module):
    """Everything as (B, C, H, W); the linear layers are applied as convolutions."""

    def __init__(self, dim, focal_levels=2, focal_window=3, focal_factor=2):
        super().__init__()
        self.f = nn.Linear(dim, 2 * dim + (focal_levels + 1))
        self.focal_layers = nn.ModuleList()
        size = focal_window
        while len(self.focal_layers) < focal_levels:
            conv = nn.Conv2d(dim, dim, size, 1, size // 2, groups=dim, bias=False)
            self.focal_layers += [nn.Sequential(conv, nn.GELU())]
            size += focal_factor
        self.h = nn.Conv2d(dim, dim, kernel_size=1, bias=True)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        y = F.conv2d(x.permute(0, 3, 1, 2), self.f.weight[..., None, None], self.f.bias)
        q, z, gates = torch.tensor_split(y, (x.shape[3], 2 * x.shape[3]), dim=1)
        gates, total = list(gates.unbind(1)), torch.zeros_like(z)
        for layer in self.focal_layers:
            z = layer(z)
            total += z * gates.pop(0).unsqueeze(1)
        total += F.gelu(F.adaptive_avg_pool2d(z, 1)) * gates.pop().unsqueeze(1)
        return self.proj((q * self.h(total)).permute(0, 2, 3, 1))


RIGHT = {
    "01.1": [
        (pairs_counted, summaries_by_numpy),
        (
            lambda side: (side * side) ** 2.0,
            lambda side, levels: side * side * (1 + levels),
        ),
    ],
    "01.2": [(by_padding,), (by_convolution,)],
    "01.3": [(by_unfold,), (channel_by_channel,)],
    "01.4": [(by_einsum,), (by_matrices,)],
    "01.5": [(by_recursion,), (sum_less_number,)],
    "01.6": [(by_jacobian,), (by_grad,)],
    "01.7": [(OneByOne,), (Channelled,)],
}
