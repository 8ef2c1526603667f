"""Lesson 04, seeing modulators: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from .exercise import Part, changed, guess, normal, whole


def each(function: Callable, old: str, **new: str) -> dict[str, Callable]:
    """A mistake for each text that could stand in the place of ``old``."""
    made = {name: changed(function, (old, text)) for name, text in new.items()}
    return {name.replace("_", " "): mistake for name, mistake in made.items()}


# 04.1
def worst(proj, q, m_space, m_time, output):
    again = proj(q * m_space * m_time)
    return float((again - output).abs().max())


def written(rng: torch.Generator, wrong: dict | None = None, noise=0.0) -> tuple:
    """A layer's last step, its output wrong at some places."""
    proj = nn.Linear(2, 2).double().requires_grad_(False)  # order of factors is free
    q, m_space, m_time = (normal(rng, 2, 5, 3, 7, 2).double() for _ in range(3))
    output = proj(q * m_space * m_time) + noise * normal(rng, 2, 5, 3, 7, 2).abs()
    for place, amount in (wrong or {}).items():
        output.view(-1)[place] += amount
    return proj, q, m_space, m_time, output


proven = Part(
    worst,
    cases={
        "as it was written down": written,
        "one number written down too large": lambda rng: written(rng, {11: 0.5}),
        "one number too small": lambda rng: written(rng, {241: -0.75}),
        "all of them too small": lambda rng: written(rng, {29: -3.0}, noise=-0.2),
        "all of them too large": lambda rng: written(rng, noise=0.3),
    },
)


# 04.2
def length_of(modulator):
    return modulator.square().sum(dim=-1).sqrt()


def away(modulator):
    return (modulator - 1).square().sum(dim=-1).sqrt()


FLAT, PEAK = [1.0] * 16, [4.0] + [0.0] * 15
MODULATORS = {
    "two tokens, both 4 long": lambda rng: (torch.tensor([[[[FLAT, PEAK]]]]),),
    "both signs": lambda rng: (normal(rng, 2, 5, 3, 7, 11),),
    "near rest": lambda rng: (1 + 0.1 * normal(rng, 1, 5, 3, 2, 7),),
    "all axes of one size": lambda rng: (normal(rng, 3, 3, 3, 3, 3) - 0.5,),
    "one channel": lambda rng: (normal(rng, 1, 3, 2, 5, 1),),
}

lengths = Part(
    length_of,
    cases=MODULATORS,
    mistakes={
        "rest taken off": away,
    },
    axes="B T H W",
)

from_rest = Part(
    away,
    cases=MODULATORS,
    mistakes={
        "from zero": length_of,
        "lengths subtracted": lambda m: m.norm(dim=-1) - m.shape[-1] ** 0.5,
        "lengths compared": lambda m: (m.norm(dim=-1) - m.shape[-1] ** 0.5).abs(),
        "one from the length": lambda m: m.norm(dim=-1) - 1,
        "four from the length": lambda m: m.norm(dim=-1) - 4,
        "size of four less": lambda m: (m.norm(dim=-1) - 4).abs(),
    },
    axes="B T H W",
)


# 04.3
def signed_lengths(gates, contexts):
    sizes = [z.square().sum(dim=-1).sqrt() for z in contexts]
    return torch.stack([gates[..., n] * size for n, size in enumerate(sizes)], dim=-1)


def vectors(gates, contexts):
    return [gates[..., n, None] * z for n, z in enumerate(contexts)]


def two_gates(rng: torch.Generator) -> tuple:
    """Two gates of the same size, two contexts of different length."""
    contexts = [torch.tensor(z).view(1, 1, 1, 1, 2) for z in ([3.0, -4.0], [0.6, 0.8])]
    return torch.tensor([-0.5, 0.5]).view(1, 1, 1, 1, 2), contexts


def levels_of(b, t, h, w, c, local, *, of_all="frame") -> Callable:
    """Gates, local contexts and a global one: of each frame, or of each place."""
    last = (b, t, 1, 1, c) if of_all == "frame" else (b, 1, h, w, c)

    def arguments(rng: torch.Generator) -> tuple:
        contexts = [normal(rng, b, t, h, w, c) + 0.5 for _ in range(local)]
        return normal(rng, b, t, h, w, local + 1), [*contexts, normal(rng, *last) / 3]

    return arguments


contributions = Part(
    signed_lengths,
    cases={
        "two gates of the same size": two_gates,
        "in space: the global one of each frame": levels_of(2, 5, 3, 7, 11, 2),
        "in time: of each place": levels_of(1, 5, 3, 7, 2, 2, of_all="place"),
        "four levels and the global one": levels_of(1, 2, 5, 3, 7, 4),
        "all axes of one size": levels_of(3, 3, 3, 3, 3, 2),
    },
    mistakes={
        "squares": lambda g, z: signed_lengths(g, z).square() * g.sign(),
        "sizes differ": lambda g, z: (
            g * torch.stack([c.norm(dim=-1) for c in z], dim=-1)
        ),
        "levels first": lambda g, z: signed_lengths(g, z).movedim(-1, 0),
        "shares": lambda g, z: F.normalize(signed_lengths(g, z), p=1, dim=-1),
        "summed up": lambda g, z: signed_lengths(g, z).sum(dim=-1),
        "vectors": lambda g, z: torch.stack(vectors(g, z), dim=-2),
        "vectors added": lambda g, z: sum(vectors(g, z)),
        "length of the sum": lambda g, z: sum(vectors(g, z)).norm(dim=-1),
    },
    axes="B T H W L",
)


# 04.4
def closing(level, levels):
    def hook(module, given, output):
        output = output.clone()
        output[..., level - levels - 1] = 0.0
        return output

    return hook


closed = Part(
    closing,
    cases={
        "level 2 of three": lambda rng: (
            2,
            3,
            torch.arange(1.0, 8).view(1, 1, 1, 1, 7),
        ),
        "the first of three": lambda rng: (1, 3, normal(rng, 2, 5, 3, 7, 11)),
        "the global one": lambda rng: (3, 3, normal(rng, 1, 5, 3, 2, 7)),
        "one of five": lambda rng: (2, 5, normal(rng, 7, 7, 3, 7, 13)),
        "gates and nothing else": lambda rng: (1, 2, normal(rng, 2, 2, 2, 2, 2)),
    },
    run=lambda answer, n, of, y: answer(n, of)(nn.Identity(), (y,), y),
)


def cost(network, place, hook, clips, labels):
    def share():
        return network(clips).softmax(dim=1)[range(len(labels)), labels]

    before = share()
    handle = place.register_forward_hook(hook)
    after = share()
    handle.remove()
    return float((before - after).mean())


def state(network: nn.Module) -> dict[str, list]:
    """What an answer may leave behind in a network."""
    layers = list(network.modules())
    return {
        "hooks": [len(layer._forward_hooks) for layer in layers],
        "training": [layer.training for layer in layers],
        "gradients": [weight.requires_grad for weight in network.parameters()],
    }


def tidily(answer, network, place, *given):
    """What comes out the second time, or what is left behind then."""
    place.register_forward_hook(lambda *given: None)  # somebody else's
    before = state(network)
    _, value = (answer(network, place, *given) for _ in range(2))
    after = state(network)
    left = [name for name in before if before[name] != after[name]]
    if "hooks" in left:
        more = sum(after["hooks"]) > sum(before["hooks"])
        return "a hook is left" if more else "a hook is gone"
    return f"not as before: {', '.join(left)}" if left else value


def small(clips: int, classes: int, inner: int = 1) -> Callable:
    """A network with random weights; one layer is put to rest, or made to help."""

    def arguments(rng: torch.Generator) -> tuple:
        layers = nn.Linear(24, 7), nn.GELU(), nn.Linear(7, classes)
        network = nn.Sequential(nn.Flatten(), *layers).requires_grad_(False).eval()
        network.scale = nn.Parameter(torch.ones(1))  # has a gradient, is not used
        network[3].weight.mul_(5)
        seen, labels = normal(rng, clips, 2, 3, 2, 2), whole(rng, 0, classes, clips)
        if inner == 1:
            return network, network[1], lambda m, x, y: torch.ones_like(y), seen, labels
        labels = network(seen).abs().argmin(dim=1)
        return network, network[3], lambda m, x, y: -y.abs(), seen, labels

    return arguments


def rising(rng: torch.Generator) -> tuple:
    """Two answers: the first is "Rising" and has 0.90, and 0.18 with the hook."""
    network, layer, _, clip, labels = small(1, 2, inner=3)(rng)
    layer.weight.zero_()
    layer.bias.copy_(torch.tensor([0.9, 0.1]).log())
    changed_to = torch.tensor([[0.18, 0.82]]).log()
    return network, layer, lambda *given: changed_to, clip, labels * 0


effect = Part(
    cost,
    cases={
        "Rising, 0.90 and then 0.18": rising,
        "five clips": small(5, 3),
        "as many clips as classes": small(7, 7),
        "a change that helps": small(5, 3, inner=3),
        "one clip": small(1, 11),
    },
    run=tidily,
)


# 04.5
def to_tones(maps):
    return maps / maps.max()


def frames(*tops: float, h: int, w: int) -> Callable:
    """Maps that are zero nowhere; ``tops`` are the largest values of the frames."""

    def arguments(rng: torch.Generator) -> tuple:
        top = torch.tensor(tops).view(-1, 1, 1)
        maps = top * (0.1 + 0.8 * torch.rand(len(tops), h, w, generator=rng))
        maps[:, h // 2, w // 2] = top[:, 0, 0]
        return (maps,)

    return arguments


FADING = [[[1.8, 3.3]], [[1.8, 4.4]]]
tones = Part(
    to_tones,
    cases={
        "a ground of 1.8 in both frames": lambda rng: (torch.tensor(FADING),),
        "frames that grow brighter": frames(1.2, 2.5, 3.0, 5.0, 4.8, h=3, w=7),
        "all below one": frames(0.75, 0.3, 0.5, h=5, w=2),
        "one frame": frames(20.0, h=5, w=7),
        "all axes of one size": frames(4.0, 11.0, 6.0, h=3, w=3),
    },
    mistakes={
        "own ends": lambda maps: torch.stack([to_tones(m - m.min()) for m in maps]),
        "darkest is black": lambda maps: to_tones(maps - maps.min()),
    },
    axes="T H W",
)


# 04.6
def mean_ranks(values, share=0.5):
    below = (values < values[:, None]).sum(dim=1)
    equal = (values == values[:, None]).sum(dim=1)
    return below + 1 + share * (equal - 1)


def correlation(first, second):
    a, b = (mean_ranks(maps.flatten()).double() for maps in (first, second))
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / (a.norm() * b.norm()))


agreement = Part(
    correlation,
    cases={
        "reversed order": lambda rng: (lambda x: (x, -x.exp()))(normal(rng, 1, 2, 3)),
        "the same order": lambda rng: (lambda x: (x, x.exp()))(normal(rng, 2, 3, 5)),
        "all different": lambda rng: (normal(rng, 5, 3, 7), normal(rng, 5, 3, 7)),
        "often zero": lambda rng: (normal(rng, 3, 5, 2), normal(rng, 3, 5, 2).relu()),
        "few different values": lambda rng: tuple(normal(rng, 2, 2, 7, 3).round()),
    },
    mistakes={
        "frame by frame": lambda a, b: sum(map(correlation, a, b)) / len(a),
    },
)


# 04.7
SENTENCES = "share reversal half same_for_all needed region nearer untrained".split()
TRUE = ["reversal", "half", "region"]
sentences = {name: guess(name in TRUE) for name in SENTENCES}

PARTS = {
    "04.1": proven,
    "04.2": {"length": lengths, "from_rest": from_rest},
    "04.3": contributions,
    "04.4": {"closed": closed, "effect": effect},
    "04.5": tones,
    "04.6": agreement,
    "04.7": {**sentences, "tokens": guess(211)},
}
