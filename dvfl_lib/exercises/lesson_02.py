"""Lesson 02, spatio-temporal modulation: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from ..modulation import SpatioTemporalFocalModulation
from .exercise import Part, call, changed, normal


def edited(function, table):
    """Mistakes "name: old => new", "&&" before one more edit, ";;" before the next."""
    made = {}
    for line in " ".join(table.split()).split(";;"):
        name, edits = line.split(": ", 1)
        pairs = (tuple(map(str.strip, e.split(" =>"))) for e in edits.split("&&"))
        made[name.strip()] = changed(function, *pairs)
    return made


def drawn(build, sizes):
    """Cases by name: of each, what ``build`` is given after the generator."""
    return {
        name: lambda rng, size=size: build(rng, *size) for name, size in sizes.items()
    }


def fixed(cases):
    """Cases by name: of each, the arguments, where nothing is drawn."""
    return drawn(lambda rng, *arguments: copy.deepcopy(arguments), cases)


def guess(right, wrong):
    """A prediction, and wrong ones as "name 3, name 4"."""
    pairs = (one.strip().rsplit(" ", 1) for one in wrong.split(","))
    mistakes = {name: type(right)(int(value)) for name, value in pairs}
    return Part(right, mistakes=mistakes, predicted=True)


def lesson_clip():
    """The lesson's clip with its ball and its lamp, (T, H, W, C) = (5, 3, 3, 2)."""
    clip = torch.zeros(5, 3, 3, 2)
    for frame, column in ((1, 0), (2, 1), (3, 2)):
        clip[frame, 1, column, 0] = 3.0
    clip[2, 0, 0, 1] = 6.0
    return clip


def lesson_kernel():
    """Channel 0: the ball's change. Channel 1: everything, divided by three."""
    kernel = torch.full((2, 2, 3), 1 / 3)
    kernel[0] = torch.tensor([[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    return kernel


# 02.1
def temporal_sum(sequence, kernel, frame, channel_out):
    reach, total = kernel.shape[2] // 2, 0.0
    for step in range(-reach, reach + 1):
        for channel_in in range(sequence.shape[1]):
            if 0 <= frame + step < len(sequence):
                weight = kernel[channel_out, channel_in, step + reach]
                total += weight * sequence[frame + step, channel_in]
    return total


def a_sequence(rng, t, c, c_out, k, frame, channel_out):
    if t == 5:
        return lesson_clip()[:, 1, 1], lesson_kernel(), frame, channel_out
    return normal(rng, t, c), normal(rng, c_out, c, k), frame, channel_out


SEQUENCES = {
    "the middle pixel in frame 1, output channel 1": (5, 2, 2, 3, 1, 1),
    "a frame in the middle": (7, 3, 3, 3, 3, 2),
    "the first frame": (7, 3, 3, 5, 0, 1),
    "the last frame": (7, 3, 3, 5, 6, 0),
    "five channels out of two": (11, 2, 5, 3, 4, 1),
    "a window wider than the clip": (2, 3, 3, 7, 1, 2),
}
WRONG_SUMS = """own channel: in range(sequence.shape[1]) => in [channel_out] ;;
first channel: in range(sequence.shape[1]) => in [0] ;;
in and out: [channel_out, channel_in, => [channel_in, channel_out, ;;
window reversed: step + reach] => reach - step] ;;
a loop: if 0 <= frame + step < len(sequence): => if True: &&
[frame + step, => [(frame + step) % len(sequence), ;;
negative index: if 0 <= frame => if frame ;; first frame never: if 0 <= => if 0 < ;;
edge repeated: if 0 <= frame + step < len(sequence): => if True: &&
[frame + step, => [max(0, min(frame + step, len(sequence) - 1)), ;;
one frame short: range(-reach, reach + 1) => range(-reach, reach) ;;
from its frame on: -reach, reach + 1 => 2 * reach + 1 && step + reach] => step] ;;
past only: -reach, reach + 1 => -2 * reach, 1 && p + reach] => p + 2 * reach] ;;
all outputs: [channel_out, channel_in, step + reach] =>
[:, channel_in, step + reach].sum() ;;
mean over channels: return total => return total / sequence.shape[1] ;;
mean of those that exist: return total => return total * kernel.shape[2] /
sum(0 <= frame + s < len(sequence) for s in range(-reach, reach + 1)) ;;
with GELU: return total => return F.gelu(torch.as_tensor(total))"""


# 02.2
def to_sequences(clip):
    return rearrange(clip, "b t h w c -> (b h w) c t")


def from_sequences(sequences, b, h):
    return rearrange(sequences, "(b h w) c t -> b t h w c", b=b, h=h)


def a_clip(rng, b, t, h, w, c):
    return (lesson_clip()[None] if b == 1 else normal(rng, b, t, h, w, c),)


def pixels_of_a_clip(rng, b, t, h, w, c):
    return to_sequences(*a_clip(rng, b, t, h, w, c)), b, h


CLIPS = {
    "the lesson's clip": (1, 5, 3, 3, 2),
    "five different sizes": (2, 7, 3, 11, 5),
    "as many frames as channels": (2, 3, 5, 7, 3),
    "all sizes equal": (3, 3, 3, 3, 3),
    "clips of one frame": (5, 1, 3, 2, 7),
}
WRONG_THERE = """reshape alone: rearrange(clip, "b t h w c -> (b h w) c t") =>
clip.reshape(-1, clip.shape[4], clip.shape[1]) ;;
reshaped at the end: (b h w) c t") =>
(b h w) t c").reshape(-1, clip.shape[4], clip.shape[1]) ;;
T before C: (b h w) c t => (b h w) t c ;; columns first: (b h w) => (b w h) ;;
clips last: (b h w) => (h w b) ;; as in space: (b h w) c t => (b t) c h w ;;
frames in the batch: (b h w) c t => (b t) c (h w) ;;
as in the library: (b h w) c t => b c t (h w) ;;
batch apart: (b h w) c t => b (h w) c t ;; not flattened: (b h w) c t => b h w c t"""
WRONG_BACK = """C where T belongs: b t h w c => b c h w t ;;
pixels first: b t h w c => b h w t c ;; only unflattened: b t h w c => b h w c t ;;
C after T: b t h w c => b t c h w ;; W before H: b t h w c => b t w h c ;;
columns read first: (b h w) => (b w h) ;; clips read last: (b h w) => (h w b) ;;
h as width: h=h => w=h ;;
back by reshape alone: rearrange(sequences, "(b h w) c t -> b t h w c", b=b, h=h) =>
sequences.reshape(b, sequences.shape[2], h, -1, sequences.shape[1]) ;;
T and C read wrongly: rearrange(sequences, "(b h w) c t -> b t h w c", b=b, h=h) =>
sequences.reshape(b, h, -1, *sequences.shape[:0:-1]).permute(0, 3, 1, 2, 4)"""


# 02.3
def window_parameters(widths, blocks, windows, dense):
    total = 0
    for width, count in zip(widths, blocks, strict=True):
        for k in windows:
            total += count * width * (width if dense else 1) * k
    return total


def channels_read(weights, width, blocks, windows):
    return weights / (width * blocks * sum(windows))


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
WRONG_COUNTS = """exchanged: if dense => if not dense ;;
always dense: if dense else 1 => ;; always depth-wise: width if dense else 1 => 1 ;;
first window: in windows => in windows[:1] ;; no length: 1) * k => 1) ;;
last window: in windows => in windows[-1:] ;; one block: count * width => width ;;
windows multiplied: in windows => in [torch.tensor(windows).prod().item()] ;;
all blocks: count * width => sum(blocks) * width ;;
bias: 1) * k => 1) * k + count * width ;; square windows: 1) * k => 1) * k * k ;;
both branches: 1) * k => 1) * k + count * width * k * k"""
WRONG_READS = """share of dense: width * => width**2 * ;;
groups: weights / (width * blocks * sum(windows)) =>
width**2 * blocks * sum(windows) / weights ;;
root: weights / (width * blocks * sum(windows)) =>
(weights / (blocks * sum(windows))) ** 0.5 ;;
width not divided: width * blocks => blocks ;;
blocks not divided: width * blocks => width ;;
windows not divided: * sum(windows)) => ) ;;
windows counted: sum(windows) => len(windows) ;;
first window alone: sum(windows) => windows[0] ;;
last window alone: sum(windows) => windows[-1]"""


# 02.4
def temporal_modulator(context, gates, kernels):
    b, _, h, _, _ = context.shape
    z = rearrange(context, "b t h w c -> (b h w) c t")
    g = rearrange(gates, "b t h w l -> (b h w) l t")
    contexts = []
    for k in kernels:
        z = F.gelu(F.conv1d(z, k, padding=k.shape[2] // 2))
        contexts.append(z)
    contexts.append(F.gelu(over(z, b, "t")))
    total = sum(g[:, n, None] * one for n, one in enumerate(contexts))
    return rearrange(total, "(b h w) c t -> b t h w c", b=b, h=h)


def over(z, b, axes):
    """The mean of sequences over axes of (B, pixels, C, T), named b, p, c and t."""
    split = z.unflatten(0, (b, -1))
    dims = ["bpct".index(axis) for axis in axes]
    return split.mean(dims, keepdim=True).expand_as(split).flatten(0, 1)


def a_layer(rng, b, t, h, w, c, *windows):
    if b == 1:
        gates = torch.tensor([1.0, -0.5, 0.5]).expand(b, t, h, w, 3).clone()
        return lesson_clip()[None], gates, [lesson_kernel(), torch.full((2, 2, 5), 0.1)]
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
WRONG_MODULATORS = """mean over the frame: "t" => "p" ;; mean over all: "t" => "pt" ;;
mean over the batch: "t" => "bp" ;; mean over channels: "t" => "c" ;;
mean over frames and channels: "t" => "ct" ;;
reads z0: contexts = [] => contexts, z0 = [], z && conv1d(z, => conv1d(z0, ;;
global of z0: contexts = [] => contexts, z0 = [], z && over(z, => over(z0, ;;
z0 as a level: contexts = [] => contexts = [z] &&
contexts.append(F.gelu(over(z, b, "t"))) => ;;
global left out: contexts.append(F.gelu(over(z, b, "t"))) => ;;
global without GELU: (F.gelu(over(z, b, "t"))) => (over(z, b, "t")) ;;
levels without GELU: z = F.gelu( => z = ( ;;
GELU after all levels: z = F.gelu( => z = ( && append(z) => append(F.gelu(z)) ;;
no GELU: z = F.gelu( => z = ( && append(F.gelu( => append(( ;;
GELU first: F.gelu(F.conv1d(z, => (F.conv1d(F.gelu(z), ;;
depth-wise: conv1d(z, k, => conv1d(z, k * torch.eye(len(k))[..., None], ;;
softmax: sum(g => sum(g.softmax(1) ;; sigmoid: sum(g => sum(g.sigmoid() ;;
no gates: g[:, n, None] * => ;; gates of frame 0: n, None] => n, None, :1] ;;
averaged: enumerate(contexts)) => enumerate(contexts)) / len(contexts) ;;
gates reversed: sum(g => sum(g.flip(1) ;;
global first: enumerate(contexts) => enumerate(contexts[-1:] + contexts[:-1])"""


# 02.5
def cross(shape, token):
    frame, row, column = token
    seen = torch.zeros(shape, dtype=torch.bool)
    seen[frame] = True
    seen[:, row, column] = True
    return seen


TOKENS = {
    "8 frames of 14 x 14, token 3, 5, 9": ((8, 14, 14), (3, 5, 9)),
    "a long clip of large frames": ((11, 13, 17), (7, 5, 12)),
    "the first token": ((7, 3, 11), (0, 0, 0)),
    "the last token": ((5, 7, 7), (4, 6, 6)),
    "one frame": ((1, 3, 5), (0, 1, 2)),
    "one pixel": ((13, 1, 1), (6, 0, 0)),
}
WRONG_CROSSES = """plus: seen[frame] => seen[frame, row] = seen[frame, :, column] ;;
three planes: seen[:, row, column] => seen[:, row] = seen[:, :, column] ;;
three frames: seen[:, row, => seen[max(0, frame - 3) : frame + 4, row, ;;
pixel of neighbours: seen[:, row, => seen[max(0, frame - 1) : frame + 2, row, ;;
seven wide: seen[frame] =>
seen[frame, max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] ;;
windows only: seen[frame] =>
seen[frame, max(0, row - 3) : row + 4, max(0, column - 3) : column + 4] &&
seen[:, row, => seen[max(0, frame - 3) : frame + 4, row, ;;
neighbour frames: seen[frame] => seen[max(0, frame - 1) : frame + 2] ;;
everything: seen[frame] => seen[:] ;; space only: [:, row, column] => [frame] ;;
time only: seen[frame] => seen[:, row, column] ;;
past only: seen[:, row => seen[: frame + 1, row ;;
without itself: return seen => seen[token] = False; return seen ;;
row and column: [:, row, column] => [:, column, row] ;;
opposite: return seen => return ~seen"""


# 02.6
def seen(frames, height, width, blocks):
    one, clip = height * width + frames - 1, frames * height * width
    return one if blocks == 1 else clip


BLOCKS = {
    "8 frames of 14 x 14, one block": (8, 14, 14, 1),
    "16 frames of 7 x 11, one block": (16, 7, 11, 1),
    "the same, two blocks": (16, 7, 11, 2),
    "eleven blocks": (7, 3, 5, 11),
    "a single frame, one block": (1, 14, 14, 1),
    "a single pixel, one block": (13, 1, 1, 1),
}
WRONG_NUMBERS = """token twice: frames - 1 => frames ;;
without the token: frames - 1 => frames - 2 ;;
plus in space: height * width + frames - 1 => height + width + frames - 2 ;;
three frames each way: + frames - 1 => + min(frames, 7) - 1 ;;
frame alone: + frames - 1 => ;; pixel alone: height * width + frames - 1 => frames ;;
at once: one if blocks == 1 else => ;; never more: if blocks == 1 else clip => ;;
cross for each: one if blocks == 1 else clip => blocks * one ;;
cross for each, capped: one if blocks == 1 else clip => min(blocks * one, clip) ;;
power: one if blocks == 1 else clip => one**blocks ;;
exactly two: blocks == 1 => blocks != 2 ;; from three on: blocks == 1 => blocks < 3"""


# 02.7
def without_time(layer):
    layer = copy.deepcopy(layer)
    layer.h_temporal.weight.zero_()
    layer.h_temporal.bias.fill_(1.0)
    return layer


def answers(answer, layer, clip):
    """What the layer that comes out gives for the clip."""
    made = answer(layer)
    return made(clip) if isinstance(made, nn.Module) else made


def untrained(rng, levels, *sizes):
    layer = SpatioTemporalFocalModulation(sizes[-1], levels).requires_grad_(False)
    return layer, *a_clip(rng, *sizes)


UNTRAINED = {
    "the lesson's clip": (2, 1, 5, 3, 3, 2),
    "two clips": (2, 2, 7, 3, 5, 11),
    "one level": (1, 3, 2, 5, 3, 7),
    "three levels, one frame": (3, 2, 1, 7, 5, 3),
}
WRONG_SWITCHES = """edits the original: copy.deepcopy(layer) => layer ;;
zero: fill_(1.0) => zero_() ;;
zero in the original: fill_(1.0) => zero_() && copy.deepcopy(layer) => layer ;;
bias left: layer.h_temporal.bias.fill_(1.0) => ;;
weights left: layer.h_temporal.weight.zero_() => ;;
weights one: weight.zero_() => weight.fill_(1.0) ;;
weights one, bias zero: bias.fill_(1.0) => bias.zero_() && t.zero_() => t.fill_(1.0) ;;
identity: layer.h_temporal.weight.zero_() => nn.init.dirac_(layer.h_temporal.weight) &&
s.fill_(1.0) => s.zero_() ;;
nothing done: layer.h_temporal.weight.zero_() => &&
layer.h_temporal.bias.fill_(1.0) => ;;
space instead: h_temporal.weight => h.weight && h_temporal.bias => h.bias ;;
space, too: return layer =>
layer.h.weight.zero_(); layer.h.bias.fill_(1.0); return layer"""


def part(function, cases, wrong, axes="", run=call):
    return Part(function, cases, edited(function, wrong), axes, run)


ALIKE = """all alike 11, they differ 6, one end 8, one frame at each end 9,
level 2 alone 7, none alike 0, middle alone 1, lengths taken off 3, width taken off 4"""
ALIKE_SHORT = """all nine 9, two levels 3, they differ here 2, first end only 8,
window of five 5, window taken off 6, none of nine 0"""
SWAPPED = """the two 2, level 1 alone 3, window of level 2 4, windows 5,
others only 14, no frame 0"""
PARTS = {
    "02.1": part(temporal_sum, drawn(a_sequence, SEQUENCES), WRONG_SUMS),
    "02.2": {
        "to_sequences": part(to_sequences, drawn(a_clip, CLIPS), WRONG_THERE, "N C T"),
        "from_sequences": part(
            from_sequences, drawn(pixels_of_a_clip, CLIPS), WRONG_BACK, "B T H W C"
        ),
    },
    "02.3": {
        "window_parameters": part(window_parameters, fixed(NETWORKS), WRONG_COUNTS),
        "channels_read": part(channels_read, fixed(WINDOWS), WRONG_READS),
    },
    "02.4": part(
        temporal_modulator, drawn(a_layer, LAYERS), WRONG_MODULATORS, "B T H W C"
    ),
    "02.5": part(cross, fixed(TOKENS), WRONG_CROSSES, "T H W"),
    "02.6": part(seen, fixed(BLOCKS), WRONG_NUMBERS),
    "02.7": part(
        without_time, drawn(untrained, UNTRAINED), WRONG_SWITCHES, "B T H W C", answers
    ),
    "02.8": {
        "only_global": guess(False, "a mean hears order 1"),
        "symmetric": guess(True, "only reversal 0"),
        "no_time": guess(False, "time still on 1"),
        "alike": guess(5, ALIKE),
        "alike_one_level": guess(7, ALIKE_SHORT),
        "swapped": guess(16, SWAPPED),
    },
}
