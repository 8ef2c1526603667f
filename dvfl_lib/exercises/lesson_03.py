"""Lesson 03, VFL-Net: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, clone, nn, zeros_like

from ..layers import Mlp, PatchEmbed
from ..modulation import SpatioTemporalFocalModulation
from ..vfl_net import VARIANTS, VFLNet, VFLNetConfig
from .exercise import Part, changed, normal, whole


def edits(function: Callable) -> Callable[[str], dict[str, Callable]]:
    """Mistakes of a table: "name: old -> new" in a line, "|" between several edits."""

    def made(line: str) -> tuple[str, Callable]:
        name, _, told = line.partition(": ")
        pairs = [one.split("->") for one in told.split(" | ")]
        return name, changed(function, *((a.strip(), b.strip()) for a, b in pairs))

    return lambda table: dict(map(made, table.strip().splitlines()))


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
    mistakes=edits(cut)("""
strips: squares.permute(0, 2, 1, 3, 4).flatten(2) -> used.reshape(rows, columns, -1)
strips of all: squares.permute(0, 2, 1, 3, 4) -> frame.reshape(rows, columns, -1)
channels first: 2, 1, 3, 4 -> 2, 4, 1, 3
column by column: 2, 1, 3, 4 -> 2, 3, 1, 4
map turned: 0, 2, 1 -> 2, 0, 1
each begins a pixel later: squares.permute(0, 2, 1, 3, 4) ->\
 frame.unfold(0, p, 1).unfold(1, p, 1)[:rows, :columns].movedim(2, -1)
not in one row: .flatten(2) ->
one list: .flatten(2) -> .flatten(2).flatten(0, 1)
"""),
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
    mistakes=edits(summed)("""
other order: weight.permute(0, 2, 3, 1) -> weight.reshape(-1, *patch.shape)
multiplied as they are: .permute(0, 2, 3, 1) ->
rows and columns: 0, 2, 3, 1 -> 0, 3, 2, 1
no bias: + bias ->
bias each time: + bias -> + bias * patch.numel()
no norm: centred / (centred.square().mean() + 1e-5).sqrt() -> sums
one sum for all: sum(dim=(1, 2, 3)) -> sum()
"""),
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
    kept = (left != 0).float().mean().item()
    near = kept if kept in (0, 1) else min(rate, 1 - rate, key=lambda s: abs(s - kept))
    return alike | {
        "share that is kept, about": round(near, 3),
        "left of a number": left.unique().tolist(),
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
    mistakes=edits(drop_frames)("""
each clip: x.shape[1], 1, 1 -> 1, 1, 1
clips share: x.shape[0] -> 1
one coin: x.shape[0], x.shape[1] -> 1, 1
each number: x.shape[0], x.shape[1], 1, 1, 1 -> *x.shape
each token: x.shape[0], x.shape[1], 1, 1, 1 -> *x.shape[:4], 1
each channel: 1, 1, 1, -> 1, 1, x.shape[4],
not scaled: / (1 - rate) ->
exchanged: >= -> <
exchanged, not scaled: >= -> < | / (1 - rate) -> * 1
all exchanged: >= -> < | (1 - rate) -> rate
by the rate: (1 - rate) -> rate
times: / (1 - rate) -> * (1 - rate)
own coins: , generator=generator ->
dropout: x.shape[0], x.shape[1], 1, 1, 1, generator=generator -> *x.shape
clips, own coins: x.shape[1], 1, 1, 1, generator=generator -> 1, 1, 1, 1
nothing drawn: * (coins >= rate) / (1 - rate) -> * (1 - rate)
"""),
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
    mistakes=edits(by_depth)("""
begins again: before, before + depth) -> depth) | n / steps -> n / max(depth - 1, 1)
one list: return made -> return sum(made, [])
one for a stage: n / steps -> stage / max(len(depths) - 1, 1)
one rate a stage: n made -> n [full * s / max(stage, 1) for s in range(stage + 1)]
all full: full * n / steps -> full
last not full: max(sum(depths) - 1, 1) -> sum(depths)
first not zero: n / steps -> (n + 1) / sum(depths)
divided by nothing: max(sum(depths) - 1, 1) -> sum(depths) - 1
backwards: n / -> (steps - n) /
"""),
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
    mistakes=edits(two)("""
norm after the sum: x + mix(n1(x)) -> n1(x + mix(x)) | y + mlp(n2(y)) -> n2(y + mlp(y))
norm after the branch: mix(n1(x)) -> n1(mix(x)) | mlp(n2(y)) -> n2(mlp(y))
straight way normed: x + mix(n1(x)) -> n1(x); y = n2(y + mix(y)) | n2(y) -> y
both read x: n2(y) -> n2(x)
added to x: return y + -> return x +
only the second: x + mix(n1(x)) -> x
no straight way: x + mix -> mix | y + mlp -> mlp
first not straight: x + mix -> mix
second not straight: y + mlp -> mlp
no norms: n1(x) -> x | n2(y) -> y
no first norm: n1(x) -> x
no second norm: n2(y) -> y
one norm twice: n2(y) -> n1(y)
norms exchanged: n1(x) -> n2(x) | n2(y) -> n1(y)
one arch: x + mix -> mix | y + mlp -> x + mlp
reads the branch alone: n2(y) -> n2(y - x)
Mlp first: mix(n1(x)) -> mlp(n2(x)) | mlp(n2(y)) -> mix(n1(y))
Mlp first, other norms: x + mix -> x + mlp | y + mlp -> y + mix
only the first: + mlp(n2(y)) ->
"""),
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
    mistakes=edits(count)("""
depth-wise in time: c * c * k -> c * k
dense in space: c * k * k -> c * c * k * k
windows of k: c * k * k -> c * k
squares in time: c * c * k -> c * c * k * k
as in space: c * c * k -> c * k * k
window biases: + space -> + space + 2 * c * len(windows)
no gates: len(windows) + 1 -> 0
no global gate: len(windows) + 1 -> len(windows)
f twice: (c + gates) -> (2 * c + gates)
no f_temporal: + f_temporal ->
no temporal branch: + f_temporal -> | 3 * ( -> 2 * ( | + time ->
no windows in time: + time ->
no windows in space: + space ->
a square layer left out: 3 * ( -> 2 * (
two square layers left out: 3 * ( -> (
no biases: + 1) * (2 -> ) * (2 | + 1) * (c + g -> ) * (c + g | * c + c) -> * c) |\
 (c + 1) + c -> c + c | (hidden + 1) -> hidden
no norms: norms + ->
half the norms: (c + c) -> c
no Mlp: + mlp ->
half an Mlp: + c * (hidden + 1) ->
Mlp without biases: hidden * (c + 1) -> hidden * c | (hidden + 1) -> hidden
both biases narrow: hidden * (c + 1) -> hidden * c + c
both biases wide: c * (hidden + 1) -> hidden * c + hidden
gates without biases: + 1) * (2 -> ) * (2 | + 1) * (c + g -> ) * (c + g
three without biases: (c * c + c) -> c * c
always three gates: len(windows) + 1 -> 3
always four: ratio * c -> 4 * c
"""),
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
    mistakes=edits(into_stages)("""
leaving: return shapes -> return shapes[1:] + shapes[-1:]
merge after the last: n shapes -> n [*shapes[1:], (frames, rows, columns, dim)]
merged in each block: config.depths -> range(sum(config.depths))
each block: for _ in -> for n in | append(( -> extend([( | dim)) -> dim)] * n)
turned: frames, rows, columns -> frames, columns, rows
rounded up: height // p, width // p -> -(-height // p), -(-width // p) |\
 rows // 2, columns // 2 -> -(-rows // 2), -(-columns // 2)
merge rounded up: rows // 2, columns // 2 -> -(-rows // 2), -(-columns // 2)
divided: height // -> height / | width // -> width / | rows // -> rows / | s // -> s /
frames merged: 2 * dim -> 2 * dim; frames //= 2
one side merged: columns // 2 -> columns
to a quarter: rows // 2 -> rows // 4 | columns // 2 -> columns // 4
channels times four: 2 * dim -> 4 * dim
channels stay: 2 * dim -> dim
doubled at once: config.embed_dim -> 2 * config.embed_dim
patches each time: rows // 2 -> rows // p | columns // 2 -> columns // p
pixels: height // p, width // p -> height, width
always four: config.patch_size -> 4
channels early: rows, columns, dim)) -> dim, rows, columns))
with the batch: append(( -> append((1,
"""),
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
    told = answer(video, image)
    return (
        [sorted(set(names)) for names in told]
        if isinstance(told, tuple | list)
        else told
    )


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
    mistakes=edits(match)("""
by name alone: image.get(n) == video[n] -> n in image
by shape: image.get(n) == video[n] -> video[n] in image.values() |\
 n not in video] -> image[n] not in video.values()]
filled by shape: image.get(n) == video[n] -> video[n] in image.values()
in order: n for n in video if image.get(n) == video[n] ->\
 n for n, m in zip(video, image) if video[n] == image[m]
misfits unused: not in video -> not in filled
misfits nowhere: not in filled -> not in image
unused misfits: not in filled -> not in image |\
 image if n not in video -> video if n in image and n not in filled
misfits unused, not random: not in filled -> not in image |\
 not in video -> not in filled
temporal alone: image.get(n) == video[n] -> "temporal" not in n
random temporal alone: n not in filled -> "temporal" in n
by the words: image.get(n) == video[n] -> "temporal" not in n and "head" not in n
random by the words: n not in filled -> "temporal" in n or "head" in n
not asked for: image.get(n) -> image[n]
random before filled: return filled, random -> return random, filled
unused of the network: image if n not in video -> video if n not in image
"""),
)
