"""Lesson 03, VFL-Net: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, clone, nn, zeros_like

from ..layers import Mlp, PatchEmbed
from ..modulation import SpatioTemporalFocalModulation
from ..vfl_net import VARIANTS, VFLNet, VFLNetConfig
from .exercise import Part, normal, whole


def toy_frame() -> Tensor:
    """Frame 1 of the lesson's clip, (8, 8, 3)."""
    frame = torch.zeros(8, 8, 3)
    frame[7, :, 1], frame[2:5, 2:5, 0] = 0.5, 1.0
    return frame


def cut(frame, p):
    rows, columns = frame.shape[0] // p, frame.shape[1] // p
    used = frame[: rows * p, : columns * p]
    squares = used.unflatten(0, (rows, p)).unflatten(2, (columns, p))
    return squares.permute(0, 2, 1, 3, 4).flatten(2)


patches = Part(
    cut,
    axes="rows columns numbers",
    cases={
        "frame 1 of the toy clip": lambda rng: (toy_frame(), 2),
        "patches of 3 x 3": lambda rng: (normal(rng, 9, 15, 2), 3),
        "a remainder below and at the right": lambda rng: (normal(rng, 11, 7, 3), 2),
        "a map of tokens, 5 x 5 of 8 channels": lambda rng: (normal(rng, 5, 5, 8), 2),
    },
)


def to_sum(patch: Tensor, out: int, *seed: int) -> tuple:
    """A patch with the weights of an embedding; with seed 0, the lesson's."""
    if seed:
        torch.manual_seed(*seed)
    proj = PatchEmbed(patch.shape[2], out, len(patch)).proj.requires_grad_(False)
    return patch, proj.weight, proj.bias


def summed(patch, weight, bias):
    sums = (weight.permute(0, 2, 3, 1) * patch).sum(dim=(1, 2, 3)) + bias
    centred = sums - sums.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt()


token = Part(
    summed,
    axes="channels",
    cases={
        "the lesson's patch": lambda rng: to_sum(toy_frame()[4:6, 4:6], 4, 0),
        "4 x 4 pixels": lambda rng: to_sum(normal(rng, 4, 4, 3), 5),
        "as many channels as pixels": lambda rng: to_sum(normal(rng, 3, 3, 3), 7),
        "a merge of tokens": lambda rng: to_sum(normal(rng, 2, 2, 5), 11),
    },
)
PARTS = {"03.1": {"patches": patches, "token": token}}


def drop_frames(x, rate, generator):
    coins = torch.rand(x.shape[0], x.shape[1], 1, 1, 1, generator=generator)
    return x * (coins >= rate) / (1 - rate)


def what_it_does(answer, x, rate, generator):
    """What is left of each number in many draws, told by its pattern."""

    def draws(number: int) -> list:
        coins = torch.Generator().manual_seed(7)
        return [answer(x, rate, coins) for _ in range(number)]

    outs = draws(150)
    if outs[0] is None:
        return None
    if any(not isinstance(out, Tensor) or out.shape != x.shape for out in outs):
        raise ValueError("asked is a tensor of the shape of x")
    left = torch.nan_to_num(torch.stack(outs) / x, nan=-1.0).round(decimals=3)
    alike = {
        f"all alike along {name}": bool((left == left.narrow(axis, 0, 1)).all())
        for axis, name in enumerate(("draws", "clips", "frames", "H", "W", "channels"))
    }
    values, kept = left.unique().tolist(), (left != 0).float().mean().item()
    near = kept if kept in (0, 1) else min(rate, 1 - rate, key=lambda s: abs(s - kept))
    return alike | {
        "share that is kept, about": round(near, 3),
        "left of a number": values if len(values) < 5 else "many numbers",
        "always as many": (left != 0).flatten(1).sum(1).unique().numel() == 1,
        "same generator, same coins": all(map(torch.equal, outs, draws(20))),
    }


def numbers(rng, rate: float) -> tuple:
    return whole(rng, 1, 10, 5, 7, 3, 2, 11).float(), rate, rng


PARTS["03.2"] = Part(
    drop_frames,
    run=what_it_does,
    cases={
        "the lesson's ones": lambda rng: (torch.ones(3, 8, 4, 4, 1), 0.5, rng),
        "a low rate": lambda rng: numbers(rng, 0.2),
        "a high rate": lambda rng: numbers(rng, 0.7),
        "rate zero": lambda rng: numbers(rng, 0.0),
    },
)


def by_depth(depths, full):
    steps, made = max(sum(depths) - 1, 1), []
    for stage, depth in enumerate(depths):
        before = sum(depths[:stage])
        made.append([full * n / steps for n in range(before, before + depth)])
    return made


PARTS["03.3"] = Part(
    by_depth,
    cases={
        "nano, 0.2": lambda rng: ((1, 1, 2, 1), 0.2),
        "Tiny's depths": lambda rng: ((2, 2, 6, 2), 0.1),
        "two stages": lambda rng: ((3, 2), whole(rng, 2, 9) / 10),
        "a single block": lambda rng: ((1,), 0.2),
    },
)


def two(x, n1, mix, n2, mlp):
    y = x + mix(n1(x))
    return y + mlp(n2(y))


def branches(rng, mix=None, mlp=None) -> tuple:
    """A toy block's parts with norms that differ; a branch may be another one."""
    norms = nn.LayerNorm(5), nn.LayerNorm(5)
    for norm in norms:
        norm.weight.data, norm.bias.data = normal(rng, 5), normal(rng, 5)
    mix, mlp = mix or SpatioTemporalFocalModulation(5, 2, 3, 2), mlp or Mlp(5, 20)
    return normal(rng, 2, 3, 7, 11, 5), norms[0], mix, norms[1], mlp


PARTS["03.4"] = Part(
    two,
    cases={
        "both branches give zeros": lambda rng: branches(rng, zeros_like, zeros_like),
        "a block as in the lesson": lambda rng: branches(rng),
        "the modulation gives zeros": lambda rng: branches(rng, zeros_like),
        "branches that return their input": lambda rng: branches(rng, clone, clone),
    },
)


def count(c, windows, ratio):
    gates, hidden = len(windows) + 1, ratio * c
    norms = 2 * (c + c)
    f = (c + 1) * (2 * c + gates)
    f_temporal = (c + 1) * (c + gates)
    mix = 3 * (c * c + c)  # h, h_temporal, proj
    space = sum(c * k * k for k in windows)
    time = sum(c * c * k for k in windows)
    mlp = hidden * (c + 1) + c * (hidden + 1)
    return norms + f + f_temporal + mix + space + time + mlp


PARTS["03.5"] = Part(
    count,
    cases={
        "a block of nano's first stage": lambda rng: (96, (3, 5), 4),
        "three levels": lambda rng: (whole(rng, 11, 30), (3, 5, 7), 4),
        "one level, another ratio": lambda rng: (whole(rng, 31, 60), (5,), 3),
        "one channel": lambda rng: (1, (3, 7), 2),
    },
)


def into_stages(frames, height, width, config):
    shapes, p, dim = [], config.patch_size, config.embed_dim
    rows, columns = height // p, width // p
    for _ in config.depths:
        shapes.append((frames, rows, columns, dim))
        rows, columns, dim = rows // 2, columns // 2, 2 * dim
    return shapes


NANO, BASE = VARIANTS["vfl_net_nano"], VARIANTS["video_focalnet_base"]
PARTS["03.6"] = Part(
    into_stages,
    cases={
        "nano, 8 x 224 x 224": lambda rng: (8, 224, 224, NANO),
        "Base, 5 x 96 x 160": lambda rng: (5, 96, 160, BASE),
        "two stages": lambda rng: (7, 9, 13, VFLNetConfig((3, 2), 6, patch_size=2)),
        "odd sides": lambda rng: (3, 47, 59, VFLNetConfig((1, 2, 1), 10, patch_size=3)),
    },
)


@cache
def tensors(depths, width, classes) -> dict[str, tuple]:
    with torch.device("meta"):
        state = VFLNet(VFLNetConfig(depths, width), classes).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


def start(video: tuple, image: tuple, axes=4) -> tuple[dict, dict]:
    file = [(n, s[:axes]) for n, s in tensors(*image).items() if "temporal" not in n]
    return dict(tensors(*video)), dict(file)


def match(video, image):
    filled = [n for n in video if image.get(n) == video[n]]
    random = [n for n in video if n not in filled]
    return filled, random, [n for n in image if n not in video]


def sorted_names(answer, video, image):
    """In any order, and each name once; what is no list of names stays as it is."""
    told = answer(video, image)
    if not isinstance(told, tuple | list):
        return told
    lists = tuple | list | set
    return [sorted(set(one)) if isinstance(one, lists) else one for one in told]


IN_LESSON = ((1, 1, 2, 1), 96, 101), ((2, 2, 6, 2), 96, 1000)
PARTS["03.7"] = Part(
    match,
    run=sorted_names,
    cases={
        "nano and the lesson's file": lambda rng: start(*IN_LESSON),
        "a shallower file": lambda rng: start(((2, 3), 8, 5), ((1, 3), 8, 7)),
        "axes cut off": lambda rng: start(((1, 2), 8, 5), ((2, 1), 8, 7), axes=2),
        "an empty file": lambda rng: (dict(tensors((1, 1), 8, 3)), {}),
    },
)
