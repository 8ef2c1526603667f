"""Other right answers to the exercises of lesson 02."""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from dvfl_lib.modulation import SpatioTemporalFocalModulation


def sum_by_convolution(sequence, kernel, frame, channel_out):
    reach = kernel.shape[2] // 2
    return F.conv1d(sequence.T[None], kernel, padding=reach)[0, channel_out, frame]


def sum_by_padding(sequence, kernel, frame, channel_out):
    k = kernel.shape[2]
    around = np.pad(sequence.double().numpy(), ((k // 2, k // 2), (0, 0)))
    window = around[frame : frame + k]  # (k, C in)
    return float((window.T * kernel[channel_out].numpy()).sum())


def sum_by_einsum(sequence, kernel, frame, channel_out):
    steps = [
        (n, place)
        for n, place in enumerate(range(frame - kernel.shape[2] // 2, len(sequence)))
        if place >= 0 and n < kernel.shape[2]
    ]
    there, places = (list(one) for one in zip(*steps, strict=True))
    return torch.einsum("ck,kc->", kernel[channel_out][:, there], sequence[places])


def there_by_loops(clip):
    b, _, h, w, _ = clip.shape
    made = []
    for one in range(b):
        for row in range(h):
            for column in range(w):
                made.append(clip[one, :, row, column].T)
    return torch.stack(made)


def back_by_loops(sequences, b, h):
    w = len(sequences) // (b * h)
    made = torch.empty(b, sequences.shape[2], h, w, sequences.shape[1])
    for n, sequence in enumerate(sequences):
        made[n // (h * w), :, n // w % h, n % w] = sequence.T
    return made


def there_by_numpy(clip):
    moved = np.moveaxis(clip.numpy(), 1, -1)
    return torch.tensor(moved.reshape(-1, clip.shape[4], clip.shape[1])).double()


def back_by_movedim(sequences, b, h):
    return sequences.unflatten(0, (b, h, -1)).movedim(-1, 1)


def count_by_layers(widths, blocks, windows, dense):
    total = 0
    with torch.device("meta"):
        for width, many in zip(widths, blocks, strict=True):
            for k in windows:
                groups = 1 if dense else width
                layer = nn.Conv1d(width, width, k, groups=groups, bias=False)
                total += many * layer.weight.numel()
    return total


def count_by_numpy(widths, blocks, windows, dense):
    return np.sum(np.array(widths) ** (2 if dense else 1) * blocks) * sum(windows)


def read_by_steps(weights, width, blocks, windows):
    return weights // blocks // width // sum(windows)


def read_by_search(weights, width, blocks, windows):
    of_one = sum(width * k for _ in range(blocks) for k in windows)
    return next(n for n in range(1, width + 1) if n * of_one == weights)


def modulator_by_library(context, gates, kernels):
    layer = SpatioTemporalFocalModulation(context.shape[4], len(kernels))
    layer.requires_grad_(False)
    for level, kernel in zip(layer.focal_layers_temporal, kernels, strict=True):
        level[0].weight.copy_(kernel)
    layer.h_temporal.bias.zero_()
    nn.init.dirac_(layer.h_temporal.weight)
    return layer.temporal_modulator(context, gates)


def modulator_by_pixels(context, gates, kernels):
    made = torch.zeros(context.shape, dtype=torch.float64)
    b, t, h, w, _ = context.shape
    for n in range(b * h * w):
        place = n // (h * w), slice(None), n // w % h, n % w
        z, g, total = context[place].double(), gates[place].double(), 0
        for level, kernel in enumerate(kernels):
            reach = kernel.shape[2] // 2
            around = F.pad(z, (0, 0, reach, reach)).unfold(0, 2 * reach + 1, 1)
            z = F.gelu(torch.einsum("tik,oik->to", around, kernel.double()))
            total = total + g[:, level, None] * z
        made[place] = total + g[:, -1:] * F.gelu(z.sum(0) / t)
    return made


def cross_by_places(shape, token):
    t, row, column = (torch.arange(n) for n in shape)
    own_frame = (t == token[0])[:, None, None]
    own_pixel = (row == token[1])[:, None] & (column == token[2])
    return own_frame | own_pixel


def cross_by_lists(shape, token):
    frame, *pixel = token
    return torch.tensor(
        [
            [
                [t == frame or [r, c] == pixel for c in range(shape[2])]
                for r in range(shape[1])
            ]
            for t in range(shape[0])
        ]
    )


def seen_by_sets(frames, height, width, blocks):
    found = {(0, 0, 0)}
    for _ in range(min(blocks, 2)):
        crosses = set()
        for frame, row, column in found:
            crosses |= {(frame, r, c) for r in range(height) for c in range(width)}
            crosses |= {(t, row, column) for t in range(frames)}
        found = crosses
    return len(found)


def seen_by_exclusion(frames, height, width, blocks):
    clip = math.prod((frames, height, width))
    unseen = (frames - 1) * (height * width - 1) if blocks < 2 else 0
    return float(clip - unseen)


def timeless_by_gates(layer):
    """Gates of zero leave the last bias alone."""
    made = copy.deepcopy(layer)
    made.f_temporal.weight[made.dim :] = 0
    made.f_temporal.bias[made.dim :] = 0
    made.h_temporal.bias = nn.Parameter(torch.ones(made.dim), requires_grad=False)
    return made


def timeless_by_state(layer):
    made = SpatioTemporalFocalModulation(layer.dim, layer.focal_levels)
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    state["h_temporal.weight"] *= 0
    state["h_temporal.bias"][:] = 1
    made.load_state_dict(state)
    return made


RIGHT = {
    "02.1": [(sum_by_convolution,), (sum_by_padding,), (sum_by_einsum,)],
    "02.2": [(there_by_loops, back_by_loops), (there_by_numpy, back_by_movedim)],
    "02.3": [(count_by_layers, read_by_steps), (count_by_numpy, read_by_search)],
    "02.4": [(modulator_by_library,), (modulator_by_pixels,)],
    "02.5": [(cross_by_places,), (cross_by_lists,)],
    "02.6": [(seen_by_sets,), (seen_by_exclusion,)],
    "02.7": [(timeless_by_gates,), (timeless_by_state,)],
}
