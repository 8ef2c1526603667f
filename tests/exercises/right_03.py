"""Other right answers to the exercises of lesson 03."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from dvfl_lib.vfl_net import VFLNet


def by_numpy(frame, p):
    array = frame.numpy()
    height, width, channels = array.shape
    made = np.zeros((height // p, width // p, p * p * channels), dtype=np.float32)
    for i in range(height // p):
        for j in range(width // p):
            n = 0
            for a in range(p):
                for b in range(p):
                    made[i, j, n : n + channels] = array[i * p + a, j * p + b]
                    n += channels
    return torch.from_numpy(made)


def by_unfold(frame, p):
    columns = F.unfold(frame.movedim(-1, 0)[None], p, stride=p)[0]  # (C * p * p, tiles)
    tiles = columns.T.unflatten(1, (frame.shape[2], p * p)).transpose(1, 2).flatten(1)
    return tiles.unflatten(0, (frame.shape[0] // p, frame.shape[1] // p)).double()


def token_by_convolution(patch, weight, bias):
    out = F.conv2d(patch.permute(2, 0, 1)[None], weight, bias)[0, :, 0, 0]
    return F.layer_norm(out, out.shape)


def token_by_loops(patch, weight, bias):
    sums = []
    for kernel, own in zip(weight.double(), bias.double(), strict=True):
        total = own.clone()
        for i in range(patch.shape[0]):
            for j in range(patch.shape[1]):
                total += kernel[:, i, j] @ patch[i, j].double()
        sums.append(total)
    sums = torch.stack(sums)
    return (sums - sums.mean()) / (sums.var(unbiased=False) + 1e-5).sqrt()


def by_bernoulli(x, rate, generator):
    keep = torch.full(x.shape[:2], 1.0 - rate)
    return torch.einsum(
        "bt...,bt->bt...", x, keep.bernoulli(generator=generator) / keep
    )


def frame_by_frame(x, rate, generator):
    out = torch.zeros_like(x)
    for clip in range(x.shape[0]):
        for frame in range(x.shape[1]):
            if torch.rand(1, generator=generator).item() < 1 - rate:
                out[clip, frame] = x[clip, frame] / (1 - rate)
    return out


def rates_counted(depths, full):
    number, total, made = 0, sum(depths), []
    for depth in depths:
        stage = []
        for _ in range(depth):
            stage.append(0.0 if total == 1 else full * number / (total - 1))
            number += 1
        made.append(stage)
    return made


def rates_by_numpy(depths, full):
    line = np.linspace(0, full, sum(depths))
    return tuple(a.tolist() for a in np.split(line, np.cumsum(depths)[:-1]))


class Residual(nn.Module):
    def __init__(self, norm, branch):
        super().__init__()
        self.norm, self.branch = norm, branch

    def forward(self, x):
        return self.branch(self.norm(x)).add(x)


def block_of_modules(x, norm1, modulation, norm2, mlp):
    return nn.Sequential(Residual(norm1, modulation), Residual(norm2, mlp))(x)


def block_recursive(x, *layers):
    if not layers:
        return x
    norm, branch, *rest = layers
    return block_recursive(torch.add(x, branch(norm(x))), *rest)


def parameters_by_shapes(C, windows, ratio):
    levels = len(windows)
    shapes = [(C,)] * 4 + [(2 * C + levels + 1, C), (2 * C + levels + 1,)]
    shapes += [(C + levels + 1, C), (C + levels + 1,)]
    shapes += [(C, C), (C,)] * 3
    shapes += [(C, 1, k, k) for k in windows] + [(C, C, k) for k in windows]
    shapes += [(ratio * C, C), (ratio * C,), (C, ratio * C), (C,)]
    return sum(math.prod(shape) for shape in shapes)


def parameters_as_polynomial(C, windows, ratio):
    square = 6 + sum(windows) + 2 * ratio
    single = 11 + ratio + 2 * len(windows) + sum(k**2 for k in windows)
    return C * C * square + C * (single + 2) + 2 * (len(windows) + 1)


def shapes_at_once(frames, height, width, config):
    sides = [config.patch_size * 2**s for s in range(len(config.depths))]
    return [
        [frames, height // side, width // side, config.embed_dim * 2**s]
        for s, side in enumerate(sides)
    ]


def shapes_of_a_network(frames, height, width, config):
    with torch.device("meta"):
        model, shapes = VFLNet(config, 2), []
        x = model.patch_embed(torch.empty(1, frames, height, width, 3))
        for layer in model.layers:
            shapes.append(tuple(x.shape[1:]))
            x = layer.downsample(x) if layer.downsample else x
    return shapes


def fill_in_one_loop(video, image):
    filled, left, unused = [], [], list(image)
    for name, shape in video.items():
        if name in unused:
            unused.remove(name)
        (filled if image.get(name) == shape else left).append(name)
    return filled, left, unused


def fill_by_sets(video, image):
    filled = {name for name, _ in video.items() & image.items()}
    return [filled, video.keys() - filled, image.keys() - video.keys()]


RIGHT = {
    "03.1": [(by_numpy, token_by_convolution), (by_unfold, token_by_loops)],
    "03.2": [(by_bernoulli,), (frame_by_frame,)],
    "03.3": [(rates_counted,), (rates_by_numpy,)],
    "03.4": [(block_of_modules,), (block_recursive,)],
    "03.5": [(parameters_by_shapes,), (parameters_as_polynomial,)],
    "03.6": [(shapes_at_once,), (shapes_of_a_network,)],
    "03.7": [(fill_in_one_loop,), (fill_by_sets,)],
}
