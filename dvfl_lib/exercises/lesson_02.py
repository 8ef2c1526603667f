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
from .exercise import Part, call, changed, normal


def edited(function, table):
    """Mistakes "name: old => new", "&&" before one more edit, ";;" before the next."""
    made = {}
    for line in " ".join(table.split()).split(";;"):
        name, edits = line.split(": ", 1)
        pairs = (tuple(map(str.strip, e.split(" =>"))) for e in edits.split("&&"))
        made[name.strip()] = changed(function, *pairs)
    return made


def drawn(sizes, build=lambda rng, *given: copy.deepcopy(given)):
    """Cases by name: of each, what ``build`` makes of the rest; or just the rest."""
    return {name: lambda rng, one=one: build(rng, *one) for name, one in sizes.items()}


def guess(right, wrong):
    """A prediction, and wrong ones as "name 3, name 4"."""
    pairs = (one.strip().rsplit(" ", 1) for one in " ".join(wrong.split()).split(","))
    mistakes = {name: type(right)(int(value)) for name, value in pairs}
    return Part(right, mistakes=mistakes, predicted=True)


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
WRONG_SUMS = """own channel: in range(sequence.shape[1]) => in [channel_out] ;;
mean of those that exist: return total => return total * kernel.shape[2] / sum(0 <=
frame + s < len(sequence) for s in range(-reach, reach + 1)) ;;
edge repeated: 0 <= at < len(sequence) => True && [at, => [max(0, min(at, len(sequence)
- 1)), ;; a loop: 0 <= at < len(sequence) => True && [at, => [at % len(sequence), ;;
all outputs: [channel_out, channel, step + reach] => [:, channel, step + reach].sum() ;;
from its frame on: -reach, reach + 1 => 2 * reach + 1 && step + reach] => step] ;;
past only: -reach, reach + 1 => -2 * reach, 1 && p + reach] => p + 2 * reach] ;;
in and out: [channel_out, channel, => [channel, channel_out, ;;
mean over channels: n total => n total / sequence.shape[1] ;;
with GELU: n total => n F.gelu(torch.as_tensor(total)) ;; own frame: [at, => [frame, ;;
first channel: in range(sequence.shape[1]) => in [0] ;; negative index: 0 <= at => at ;;
output's channel: at, channel] => at, channel_out] ;; first frame never: 0 <= => 0 < ;;
window reversed: step + reach] => reach - step] ;; not added up: total += => total = ;;
middle alone: range(-reach, reach + 1) => [0] ;; one frame too many: < len => <= len ;;
no ends: 0 <= at < len(sequence) => True ;; reach forgotten: step + reach] => step] ;;
reach of one: kernel.shape[2] // 2 => 1 ;; one frame short: reach + 1) => reach)"""


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
WRONG_THERE = """reshape alone: rearrange(clip, "b t h w c -> (b h w) c t") =>
clip.reshape(-1, clip.shape[4], clip.shape[1]) ;; columns first: (b h w) => (b w h) ;;
reshaped at the end: (b h w) c t") => (b h w) t c").reshape(-1, clip.shape[4],
clip.shape[1]) ;; frames in the batch: (b h w) c t => (b t) c (h w) ;;
time across clips: b t h w c -> (b h w) c t => b t h w c -> (h w) c (b t) ;;
as in the library: (b h w) c t => b c t (h w) ;; clips last: (b h w) => (h w b) ;;
as in space: (b h w) c t => (b t) c h w ;; batch apart: (b h w) c t => b (h w) c t ;;
not flattened: (b h w) c t => b h w c t ;; T before C: (b h w) c t => (b h w) t c ;;
first clip: (clip, "b => (clip[:1], "b"""
WRONG_BACK = """C where T belongs: b t h w c => b c h w t ;; h as width: h=h => w=h ;;
T and C read wrongly: rearrange(s, "(b h w) c t -> b t h w c", b=b, h=h) => s.reshape(b,
h, -1, *s.shape[:0:-1]).permute(0, 3, 1, 2, 4) ;; clips read last: (b h w) => (h w b) ;;
transposed and reshaped: "(b h w) c t -> b t h w c", b=b, h=h) => "n c t -> n t
c").reshape(b, s.shape[2], h, -1, s.shape[1]) ;; pixels first: b t h w c => b h w t c ;;
back by reshape alone: rearrange(s, "(b h w) c t -> b t h w c", b=b, h=h) =>
s.reshape(b, s.shape[2], h, -1, s.shape[1]) ;; columns read first: (b h w) => (b w h) ;;
only unflattened: b t h w c => b h w c t ;; b and h exchanged: b=b, h=h => b=h, h=b ;;
time in front: b t h w c => t b h w c ;; W before H: b t h w c => b t w h c ;;
C after T: b t h w c => b t c h w"""


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
WRONG_COUNTS = """exchanged: if dense => if not dense ;;
windows multiplied: in windows => in [torch.tensor(windows).prod().item()] ;;
first stage: zip(widths, blocks, strict=True) => [(widths[0], blocks[0])] ;;
width seen: in windows => in [1 + sum(windows) - len(windows)] ;;
both branches: 1) * k => 1) * k + count * width * k * k ;; no length: 1) * k => 1) ;;
all blocks: count * width => sum(blocks) * width ;; one block: count * width => width ;;
in millions: return total => return total / 1e6 ;; always dense: if dense else 1 => ;;
always depth-wise: width if dense else 1 => 1 ;; square windows: 1) * k => 1) * k * k ;;
first window: in windows => in windows[:1] ;; bias: 1) * k => 1) * k + count * width ;;
last window: in windows => in windows[-1:] ;; last of all: total += => total ="""
WRONG_READS = """share of dense: width * => width**2 * ;;
lengths multiplied: sum(windows) => torch.tensor(windows).prod().item() ;;
width that is seen: sum(windows) => (1 + sum(windows) - len(windows)) ;;
root: weights / of_one => (weights * width / of_one) ** 0.5 ;;
groups: weights / of_one => of_one * width / weights ;;
upside down: weights / of_one => of_one / weights ;;
first window alone: sum(windows) => windows[0] ;;
last window alone: sum(windows) => windows[-1] ;;
windows counted: sum(windows) => len(windows) ;;
width not divided: width * blocks => blocks ;; windows not divided: * sum(windows) => ;;
blocks not divided: width * blocks => width"""


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
WRONG_MODULATORS = """mean over the frame: "t" => "p" ;; no gates: g[:, n, None] * => ;;
in and back by reshape: rearrange(context, "b t h w c -> (b h w) c t") =>
context.reshape(-1, context.shape[4], context.shape[1]) && rearrange(gates, "b t h w l
-> (b h w) l t") => gates.reshape(len(z0), -1, context.shape[1]) && return rearrange(z,
"(b h w) c t -> b t h w c", b=b, h=h) => return z.reshape(context.shape) ;;
back by reshape: return rearrange(z, "(b h w) c t -> b t h w c", b=b, h=h) => return
z.reshape(context.shape) ;; global left out: levels += [F.gelu(over(z, b, "t"))] => ;;
z0 as a level: = z0, [] => = z0, [z0] && levels += [F.gelu(over(z, b, "t"))] => ;;
GELU before the mean: F.gelu(over(z, b, "t")) => over(F.gelu(z), b, "t") ;;
depth-wise: conv1d(z, k, => conv1d(z, k * torch.eye(len(k))[..., None], ;;
GELU after all levels: z = F.gelu( => z = ( && [z] => [F.gelu(z)] ;;
all of z0: z = F.gelu( => one = F.gelu( && [z] => [one] ;; mean over all: "t" => "pt" ;;
GELU first: F.gelu(F.conv1d(z, => (F.conv1d(F.gelu(z), ;;
GELU at the end: rearrange(z, => rearrange(F.gelu(z), ;;
no GELU: z = F.gelu( => z = ( && F.gelu(over => (over ;;
global first: (levels) => (levels[-1:] + levels[:-1]) ;;
averaged: (levels)) => (levels)) / len(levels) ;; softmax: sum(g => sum(g.softmax(1) ;;
mean over frames and channels: "t" => "ct" ;; gates reversed: sum(g => sum(g.flip(1) ;;
gates of frame 0: n, None] => n, None, :1] ;; mean over all clips: "t" => "bpt" ;;
global without GELU: F.gelu(over => (over ;; mean of everything: "t" => "bpct" ;;
levels without GELU: z = F.gelu( => z = ( ;; reads z0: conv1d(z, => conv1d(z0, ;;
global of z0: over(z, => over(z0, ;; sigmoid: sum(g => sum(g.sigmoid() ;;
mean over the batch: "t" => "bp" ;; mean over channels: "t" => "c" """


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
WRONG_CROSSES = """plus: seen[t] => seen[t, r] = seen[t, :, c] ;;
windows only: seen[t] => seen[t, max(0, r - 3) : r + 4, max(0, c - 3) : c + 4] &&
seen[:, r, => seen[max(0, t - 3) : t + 4, r, ;; future only: seen[:, r => seen[t:, r ;;
nearest in all frames: seen[:, r, c] => seen[:, max(0, r - 1) : r + 2, max(0, c - 1) : c
+ 2] ;; seven wide: seen[t] => seen[t, max(0, r - 3) : r + 4, max(0, c - 3) : c + 4] ;;
nearest: seen[t] => seen[t, max(0, r - 1) : r + 2, max(0, c - 1) : c + 2] ;;
plus alone: seen[t] => seen[t, r] && seen[:, r, c] => seen[t, :, c] ;;
pixel of neighbours: seen[:, r, => seen[max(0, t - 1) : t + 2, r, ;;
without itself: return seen => seen[token] = False; return seen ;;
three frames: seen[:, r, => seen[max(0, t - 3) : t + 4, r, ;;
three planes: seen[:, r, c] => seen[:, r] = seen[:, :, c] ;;
neighbour frames: seen[t] => seen[max(0, t - 1) : t + 2] ;;
five frames: seen[:, r => seen[max(0, t - 2) : t + 3, r ;;
rows of all frames: seen[:, r, c] => seen[:, r] ;; everything: seen[t] => seen[:] ;;
past only: seen[:, r => seen[: t + 1, r ;; row and column: [:, r, c] => [:, c, r] ;;
time only: seen[t] => seen[:, r, c] ;; its row: seen[t] => seen[t, r] ;;
space only: [:, r, c] => [t]"""


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
WRONG_NUMBERS = """token twice: frames - 1 => frames ;; frame alone: + frames - 1 => ;;
cross for each, capped: one if blocks == 1 else clip => min(blocks * one, clip) ;;
plus in space: height * width + frames - 1 => height + width + frames - 2 ;;
itself never: return one => return -1 + one && else clip => else clip - 1 ;;
three arms: height * width + frames - 1 => height + width + frames ;;
cross for each: one if blocks == 1 else clip => blocks * one ;;
three frames each way: + frames - 1 => + min(frames, 7) - 1 ;;
pixel alone: height * width + frames - 1 => frames ;;
power: one if blocks == 1 else clip => one**blocks ;;
clip for each: else clip => else blocks * clip ;; at once: one if blocks == 1 else => ;;
without the token: frames - 1 => frames - 2 ;; two crosses: else clip => else 2 * one ;;
from three on: blocks == 1 => blocks < 3 ;; never more: if blocks == 1 else clip => ;;
exactly two: blocks == 1 => blocks != 2"""


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
WRONG_SWITCHES = """edits the original: copy.deepcopy(layer) => layer ;;
identity: layer.h_temporal.weight.zero_() => nn.init.dirac_(layer.h_temporal.weight) &&
s.fill_(1.0) => s.zero_() ;; weights left: layer.h_temporal.weight.zero_() => ;;
space, too: return layer => layer.h.weight.zero_(); layer.h.bias.fill_(1.0); return
layer ;; zero in the original: fill_(1.0) => zero_() && copy.deepcopy(layer) => layer ;;
nothing done: layer.h_temporal.weight.zero_() => && layer.h_temporal.bias.fill_(1.0) =>
;; space instead: h_temporal.weight => h.weight && h_temporal.bias => h.bias ;;
first map: h_temporal.weight => f_temporal.weight && h_temporal.bias => f_temporal.bias
;; proj: h_temporal.weight => proj.weight && h_temporal.bias => proj.bias ;;
weights one, bias zero: bias.fill_(1.0) => bias.zero_() && t.zero_() => t.fill_(1.0) ;;
image layer: return layer => return FocalModulation(layer.dim) ;;
weights one: weight.zero_() => weight.fill_(1.0) ;; zero: fill_(1.0) => zero_() ;;
bias left: layer.h_temporal.bias.fill_(1.0) =>"""


ALIKE = """all alike 11, they differ 6, one end 8, one frame at each end 9, level 2
alone 7, none alike 0, middle alone 1, lengths taken off 3, width taken off 4"""
ALIKE_SHORT = """all nine 9, two levels 3, they differ here 2, first end only 8, window
of five 5, window taken off 6, none of nine 0"""
SWAPPED = """the two 2, level 1 alone 3, window of level 2 4, windows 5, others only 14,
no frame 0"""


def part(function, cases, wrong, axes="", run=call):
    return Part(function, cases, edited(function, wrong), " ".join(axes), run)


PARTS = {
    "02.1": part(temporal_sum, drawn(SEQUENCES, a_sequence), WRONG_SUMS),
    "02.2": {
        "to_sequences": part(to_sequences, drawn(CLIPS, a_clip), WRONG_THERE, "NCT"),
        "from_sequences": part(
            from_sequences, drawn(CLIPS, apart), WRONG_BACK, "BTHWC"
        ),
    },
    "02.3": {
        "window_parameters": part(window_parameters, drawn(NETWORKS), WRONG_COUNTS),
        "channels_read": part(channels_read, drawn(WINDOWS), WRONG_READS),
    },
    "02.4": part(temporal_modulator, drawn(LAYERS, a_layer), WRONG_MODULATORS, "BTHWC"),
    "02.5": part(cross, drawn(TOKENS), WRONG_CROSSES, "THW"),
    "02.6": part(seen, drawn(BLOCKS), WRONG_NUMBERS),
    "02.7": part(
        without_time, drawn(UNTRAINED, fresh), WRONG_SWITCHES, "BTHWC", answers
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
