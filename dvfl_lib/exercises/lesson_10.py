"""Lesson 10, on the device: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .comparing import same
from .exercise import Part, given, guess, normal


# 10.1
def two_least(numbers, tensors, each, gigabytes, gigamacs):
    moved, made = 4 * tensors * numbers, each * numbers
    return 1000 * moved / (1e9 * gigabytes), 1000 * made / (1e9 * gigamacs)


least_times = Part(
    two_least,
    cases={
        "the linear layer": given(2_408_448, 2, 96, 151, 103),
        "a copy of ten": given(24_084_480, 2, 0, 151, 103),
        "two read, one written": given(1_000_003, 3, 9, 37.5, 83),
        "one number": given(1, 2, 7, 1.1e-7, 5e-8),
    },
)


# 10.2
def in_turns(ways, rounds, clock):
    first, taken = next(iter(ways)), {name: [] for name in ways}
    for number in range(-1, rounds):
        for name, way in ways.items():
            begun = clock()
            way()
            if number >= 0:
                taken[name].append(clock() - begun)
    of_first = taken[first]
    return {
        name: median(a / b for a, b in zip(of_first, own, strict=True))
        for name, own in taken.items()
    }


def machine(rounds, spread=1.0, slower=3.0, **seconds):
    """A case: a machine that is cold at first, and slower from half-time on.

    A way that is called out of turn takes longer. All times are exact.
    """
    names = list(seconds)

    def drawn(rng):
        took = spread * torch.rand(len(names), rounds + 9, generator=rng).double()
        took += torch.tensor(list(seconds.values()))[:, None]
        took[:, 0] += 10 * torch.rand(len(names), generator=rng)
        took = (1024 * took).round() / 1024
        state = {"now": 0.0, "calls": 0, "next": 0} | dict.fromkeys(names, 0)
        half = len(names) * (rounds // 2 + 1)

        def way(place, name):
            slow = slower if state["calls"] >= half else 1.0
            slow *= 1.0 if place == state["next"] else 1.5
            state["next"] = (place + 1) % len(names)
            state["now"] += slow * took[place, min(state[name], rounds + 8)].item()
            state["calls"] += 1
            state[name] += 1

        ways = {n: lambda k=k, n=n: way(k, n) for k, n in enumerate(names)}
        return ways, rounds, lambda: state["now"]

    return drawn


ratios = Part(
    in_turns,
    cases={
        "as_rows beside sequences": machine(15, 0.0, sequences=1.25, as_rows=1.0),
        "times that vary": machine(7, sequences=0.6, as_rows=0.4),
        "three ways": machine(5, whole=0.5, small=0.8, large=0.5),
        "one round": machine(1, linear=0.5, as_convolution=0.5),
        "an even number of rounds": machine(6, written_out=1.2, in_place=0.5),
    },
)


# 10.3
def as_rows(x, weight):
    z = x.flatten(2, 3).permute(0, 3, 1, 2)
    z = F.conv2d(z, weight[..., None], padding=(weight.shape[-1] // 2, 0))
    return z.permute(0, 2, 3, 1).reshape(x.shape)


def sequences(x, weight):
    b, t, h, w, c = x.shape
    s = x.permute(0, 2, 3, 4, 1).reshape(-1, c, t)
    s = F.conv1d(s, weight, padding=weight.shape[-1] // 2)
    return s.view(b, h, w, c, t).permute(0, 4, 1, 2, 3)


class Memory(TorchDispatchMode):
    """Notes what convolutions are given, and keeps all large tensors that are made."""

    def __init__(self, size):
        super().__init__()
        self.size, self.made, self.given = size, {}, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **kwargs or {})
        if func is torch.ops.aten.convolution.default:
            self.given.append(args[0])
        if isinstance(made, Tensor) and made.numel() >= self.size:
            self.made.setdefault(made.untyped_storage().data_ptr(), made)
        return made


def without_a_copy(answer, x, weight):
    """What comes out; a note where it is right, and x was laid out anew for it."""
    with torch.no_grad(), Memory(x.numel()) as memory:
        value = answer(x, weight)
    there = x.untyped_storage().data_ptr()
    tells = min(x.shape[1], weight.shape[2]) > 1 and same(sequences(x, weight), value)
    for t in memory.given if tells else ():
        if t.ndim == 5:
            raise RuntimeError("the numbers are right, from a 3-d convolution")
        known = t.is_contiguous() or t.movedim(1, -1).is_contiguous()
        if not known or t.untyped_storage().data_ptr() != there:
            raise RuntimeError("the numbers are right, from a copy of x")
    return value


def clip_and_weight(b, t, h, w, c, k):
    return lambda rng: (normal(rng, b, t, h, w, c), normal(rng, c, c, k))


over_time = Part(
    as_rows,
    run=without_a_copy,
    axes="B T H W C",
    cases={
        "eight frames, kernel 5": clip_and_weight(1, 8, 4, 4, 6, 5),
        "a batch, kernel 3": clip_and_weight(5, 7, 3, 11, 2, 3),
        "all sizes equal": clip_and_weight(3, 3, 3, 3, 3, 3),
        "one frame": clip_and_weight(2, 1, 5, 3, 7, 5),
        "kernel 1": clip_and_weight(2, 5, 3, 7, 3, 1),
    },
    mistakes={
        "copied": sequences,
    },
)


# 10.4
def gated_sum(contexts, gates):
    total = gates[0] * contexts[0]
    for g, z in zip(gates[1:], contexts[1:], strict=True):
        total.addcmul_(g, z)
    return total


def in_training(answer, contexts, gates):
    """What comes out; a note where it is right, and something else is not as asked."""
    leaves = [t.clone().requires_grad_() for t in (contexts, gates)]
    z, g = (leaf * 1 for leaf in leaves)
    try:
        with Memory(contexts[0].numel()) as memory:
            value = answer(z, g)
    except RuntimeError as error:
        written = RuntimeError("an argument was written over")
        raise (written if "inplace" in str(error) else error) from None
    if not same((gates * contexts).sum(0), value):
        return value
    if not (torch.equal(z, leaves[0]) and torch.equal(g, leaves[1])):
        raise RuntimeError("an argument was written over")
    value.square().sum().backward()
    known = {t.untyped_storage().data_ptr() for t in (z, g)}
    if len(memory.made.keys() - known) > 1:
        raise RuntimeError("more than one large tensor was made")
    return value


def levels(count, t, h, w, c):
    return lambda rng: (normal(rng, count, t, h, w, c), normal(rng, count, t, h, w, 1))


gated_sum_ = Part(
    gated_sum,
    run=in_training,
    axes="T H W C",
    cases={
        "three levels": levels(3, 8, 4, 4, 6),
        "five levels": levels(5, 7, 3, 11, 2),
        "two levels": levels(2, 5, 3, 7, 13),
        "all sizes equal": levels(3, 3, 3, 3, 3),
    },
)


# 10.5
def row_by_row(weight):
    s = weight.abs().amax(dim=1, keepdim=True) / 64
    return s * (weight / s).round()


rounded = Part(
    row_by_row,
    axes="K C",
    cases={
        "five weights": given(torch.tensor([[0.016, 0.168, -0.024, 0.047, -0.297]])),
        "seven rows of five": lambda rng: (normal(rng, 7, 5),),
        "large columns": lambda rng: (normal(rng, 3, 11) * torch.logspace(1, 0, 11),),
        "large rows": lambda rng: (
            normal(rng, 5, 5) * torch.logspace(-2, 1, 5)[:, None],
        ),
    },
)


def to_integers(x, low, high):
    s = (high - low) / 255
    z = round(-low / s)
    return ((x / s).round() + z).clamp(0, 255)


def as_floats(answer, *arguments):
    """Integers or whole floats, of one byte or of more."""
    value = answer(*arguments)
    return value.double() if isinstance(value, Tensor) else value


quantise = Part(
    to_integers,
    run=as_floats,
    cases={
        "from -0.17 to 4.62": given(torch.tensor([0.0, 1.0, -0.1]), -0.17, 4.62),
        "larger than seen": lambda rng: (9 * normal(rng, 5, 7), -0.17, 4.62),
        "both signs": lambda rng: (normal(rng, 31), -1.1, 1.5),
        "just at the upper end": given(
            torch.tensor([201.5, 0.0, 17.25, -60.0]), -53.5, 201.5
        ),
        "nothing below 0": lambda rng: (normal(rng, 3, 2, 11), 0.0, 2.3),
    },
)


# 10.6
COUNTS = {
    "a": guess(200),
    "b": guess("B"),
    "c": guess(False),
    "d": guess("too short"),
    "e": guess(False),
    "f": guess(2),
    "g": guess(1.6),
}


# 10.7
def windows_of(num_frames, frames, stride, every):
    span = (frames - 1) * stride + 1
    return [
        list(range(last - span + 1, last + 1, stride))
        for last in range(span - 1, num_frames, every)
    ]


windows = Part(
    windows_of,
    cases={
        "the lesson's stream": given(37, 8, 4, 4),
        "answers every third frame": given(55, 5, 5, 3),
        "just one window": given(26, 4, 7, 5),
        "too short": given(20, 8, 3, 2),
        "no gaps": given(11, 3, 1, 2),
    },
)


PARTS = {
    "10.1": least_times,
    "10.2": ratios,
    "10.3": over_time,
    "10.4": gated_sum_,
    "10.5": {"rounded": rounded, "quantise": quantise},
    "10.6": COUNTS,
    "10.7": windows,
}
