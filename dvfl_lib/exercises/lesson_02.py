"""Lesson 02, spatio-temporal modulation: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from ..modulation import FocalModulation, SpatioTemporalFocalModulation
from .exercise import Part, guess, normal


def drawn(sizes, build=lambda rng, *given: copy.deepcopy(given)):
    """Cases by name: of each, what ``build`` makes of the rest; or just the rest."""
    return {name: lambda rng, one=one: build(rng, *one) for name, one in sizes.items()}


# The lesson's clip with its ball and its lamp, (T, H, W, C), and its first kernel.
CLIP = torch.zeros(5, 3, 3, 2)
CLIP[[1, 2, 3], 1, [0, 1, 2], 0], CLIP[2, 0, 0, 1] = 3.0, 6.0
KERNEL = torch.tensor([[[-1.0, 0, 1], [0, 0, 0]], [[1 / 3] * 3] * 2])


# 02.1
def temporal_sum(sequence, kernel, frame, channel_out):
    reach, total = kernel.shape[2] // 2, 0.0
    for step in range(-reach, reach + 1):
        at = frame + step
        for channel in range(sequence.shape[1]):
            if 0 <= at < len(sequence):
                weight = kernel[channel_out, channel, step + reach]
                total += weight * sequence[at, channel]
    return total


def a_sequence(rng, t, c, c_out, k, frame, channel_out):
    if t == 5:
        return CLIP[:, 1, 1].clone(), KERNEL.clone(), frame, channel_out
    return normal(rng, t, c), normal(rng, c_out, c, k), frame, channel_out


SEQUENCES = {
    "the middle pixel in frame 1, output channel 1": (5, 2, 2, 3, 1, 1),
    "a frame in the middle": (7, 3, 3, 3, 3, 2),
    "the first frame": (7, 3, 3, 5, 0, 1),
    "the last frame": (7, 3, 3, 5, 6, 0),
    "five channels out of two": (11, 2, 5, 3, 4, 1),
    "a window wider than the clip": (2, 3, 3, 7, 1, 2),
}


# 02.2
def to_sequences(clip):
    return rearrange(clip, "b t h w c -> (b h w) c t")


def from_sequences(s, b, h):
    return rearrange(s, "(b h w) c t -> b t h w c", b=b, h=h)


def a_clip(rng, b, t, h, w, c):
    return (CLIP[None].clone() if b == 1 else normal(rng, b, t, h, w, c),)


def apart(rng, b, t, h, w, c):
    return to_sequences(*a_clip(rng, b, t, h, w, c)), b, h


CLIPS = {
    "the lesson's clip": (1, 5, 3, 3, 2),
    "five different sizes": (2, 7, 3, 11, 5),
    "as many frames as channels": (2, 3, 5, 7, 3),
    "all sizes equal": (3, 3, 3, 3, 3),
    "clips of one frame": (5, 1, 3, 2, 7),
}


# 02.3
def window_parameters(widths, blocks, windows, dense):
    total = 0
    for width, count in zip(widths, blocks, strict=True):
        for k in windows:
            total += count * width * (width if dense else 1) * k
    return total


def channels_read(weights, width, blocks, windows):
    of_one = width * blocks * sum(windows)
    return weights / of_one


NETWORKS = {
    "vfl_net_nano, dense": ([96, 192, 384, 768], [1, 1, 2, 1], (3, 5), True),
    "vfl_net_nano, depth-wise": ([96, 192, 384, 768], [1, 1, 2, 1], (3, 5), False),
    "one stage, one window, dense": ([5], [3], (7,), True),
    "three windows, dense": ([11, 13], [2, 7], (3, 5, 7), True),
    "three windows, depth-wise": ([11, 13], [2, 7], (3, 5, 7), False),
    "a stage without blocks": ([7, 11, 2], [3, 0, 5], (3, 5), True),
}
WINDOWS = {
    "the last stage of vfl_net_nano": (4_718_592, 768, 1, (3, 5)),
    "depth-wise": (2 * 13 * 8, 13, 2, (3, 5)),
    "in groups": (5 * 22 * 11 * 15, 22, 5, (3, 5, 7)),
    "dense, one window": (7 * 17 * 17 * 3, 17, 7, (3,)),
}


# 02.4
def temporal_modulator(context, gates, kernels):
    b, _, h, _, _ = context.shape
    z0 = rearrange(context, "b t h w c -> (b h w) c t")
    g = rearrange(gates, "b t h w l -> (b h w) l t")
    z, levels = z0, []
    for k in kernels:
        z = F.gelu(F.conv1d(z, k, padding=k.shape[2] // 2))
        levels += [z]
    levels += [F.gelu(over(z, b, "t"))]
    z = sum(g[:, n, None] * one for n, one in enumerate(levels))
    return rearrange(z, "(b h w) c t -> b t h w c", b=b, h=h)


def over(z, b, axes):
    """The mean of sequences over axes of (B, pixels, C, T), named b, p, c and t."""
    split = z.unflatten(0, (b, -1))
    dims = ["bpct".index(axis) for axis in axes]
    return split.mean(dims, keepdim=True).expand_as(split).flatten(0, 1)


def a_layer(rng, b, t, h, w, c, *windows):
    if b == 1:
        gates = torch.tensor([1.0, -0.5, 0.5]).expand(b, t, h, w, 3).clone()
        kernels = [KERNEL.clone(), torch.full((2, 2, 5), 0.1)]
        return *a_clip(rng, b, t, h, w, c), gates, kernels
    gates = normal(rng, b, t, h, w, len(windows) + 1)
    kernels = [normal(rng, c, c, k) / c for k in windows]
    return 2 * normal(rng, b, t, h, w, c), gates, kernels


LAYERS = {
    "the lesson's clip and gates": (1, 5, 3, 3, 2, 3, 5),
    "two clips, five sizes": (2, 7, 3, 5, 4, 3, 5),
    "one level": (2, 5, 3, 2, 3, 3),
    "three levels, as many frames as channels": (2, 5, 2, 3, 5, 3, 5, 7),
    "clips of one frame": (3, 1, 2, 5, 3, 3, 5),
}


# 02.5
def cross(shape, token):
    t, r, c = token
    seen = torch.zeros(shape, dtype=torch.bool)
    seen[t] = True
    seen[:, r, c] = True
    return seen


TOKENS = {
    "8 frames of 14 x 14, token 3, 5, 9": ((8, 14, 14), (3, 5, 9)),
    "a long clip of large frames": ((11, 13, 17), (7, 5, 12)),
    "the first token": ((7, 3, 11), (0, 0, 0)),
    "the last token": ((5, 7, 7), (4, 6, 6)),
    "one frame": ((1, 3, 5), (0, 1, 2)),
    "one pixel": ((13, 1, 1), (6, 0, 0)),
}


# 02.6
def seen(frames, height, width, blocks):
    one = height * width + frames - 1
    clip = frames * height * width
    return one if blocks == 1 else clip


BLOCKS = {
    "8 frames of 14 x 14, one block": (8, 14, 14, 1),
    "16 frames of 7 x 11, one block": (16, 7, 11, 1),
    "the same, two blocks": (16, 7, 11, 2),
    "eleven blocks": (7, 3, 5, 11),
    "a single frame, one block": (1, 14, 14, 1),
    "a single pixel, one block": (13, 1, 1, 1),
}


# 02.7
def without_time(layer):
    layer = copy.deepcopy(layer)
    layer.h_temporal.weight.zero_()
    layer.h_temporal.bias.fill_(1.0)
    return layer


def answers(answer, layer, clip):
    made = answer(layer)
    if isinstance(made, FocalModulation):
        raise TypeError("the image layer takes no clip")
    return made(clip) if isinstance(made, nn.Module) else made


def fresh(rng, levels, *sizes):
    layer = SpatioTemporalFocalModulation(sizes[-1], levels).requires_grad_(False)
    return layer, *a_clip(rng, *sizes)


UNTRAINED = {
    "the lesson's clip": (2, 1, 5, 3, 3, 2),
    "two clips": (2, 2, 7, 3, 5, 11),
    "one level": (1, 3, 2, 5, 3, 7),
    "three levels, one frame": (3, 2, 1, 7, 5, 3),
}


PARTS = {
    "02.1": Part(temporal_sum, drawn(SEQUENCES, a_sequence)),
    "02.2": {
        "to_sequences": Part(to_sequences, drawn(CLIPS, a_clip), axes="N C T"),
        "from_sequences": Part(from_sequences, drawn(CLIPS, apart), axes="B T H W C"),
    },
    "02.3": {
        "window_parameters": Part(window_parameters, drawn(NETWORKS)),
        "channels_read": Part(channels_read, drawn(WINDOWS)),
    },
    "02.4": Part(temporal_modulator, drawn(LAYERS, a_layer), axes="B T H W C"),
    "02.5": Part(cross, drawn(TOKENS), axes="T H W"),
    "02.6": Part(seen, drawn(BLOCKS)),
    "02.7": Part(without_time, drawn(UNTRAINED, fresh), axes="B T H W C", run=answers),
    "02.8": {
        "only_global": guess(False),
        "symmetric": guess(True),
        "no_time": guess(False),
        "alike": guess(5),
        "alike_one_level": guess(7),
        "swapped": guess(16),
    },
}
