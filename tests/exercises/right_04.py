"""Other right answers to the exercises of lesson 04."""

from contextlib import contextmanager
from itertools import product

import numpy as np
import torch

from dvfl_lib.explorer.record import rank_correlation


def furthest_off(proj, q, m_space, m_time, output):
    worst = 0.0
    again = proj(m_time * (m_space * q))
    for one, other in zip(
        again.flatten().tolist(), output.flatten().tolist(), strict=True
    ):
        worst = max(worst, one - other, other - one)
    return worst


def by_weights(proj, q, m_space, m_time, output):
    again = torch.einsum("...c,oc->...o", q * m_space * m_time, proj.weight) + proj.bias
    return torch.dist(again, output, p=float("inf"))


def by_einsum(modulator):
    return torch.einsum("...c,...c->...", modulator, modulator) ** 0.5


def by_numpy(modulator):
    return torch.from_numpy(np.linalg.norm(modulator.double().numpy(), axis=-1))


def from_ones(modulator):
    return torch.linalg.vector_norm(modulator - torch.ones_like(modulator), dim=-1)


def expanded(modulator):
    far = (modulator**2 - 2 * modulator + 1).double().sum(-1).clamp(min=0)
    return far.sqrt()


def vectors_measured(gates, contexts):
    parts = [gates[..., [n]] * z for n, z in enumerate(contexts)]
    sizes = torch.stack([torch.linalg.vector_norm(p, dim=-1) for p in parts], -1)
    return torch.where(gates < 0, -sizes, sizes)


def level_by_level(gates, contexts):
    found = torch.empty(gates.shape, dtype=torch.float64)
    for n, z in enumerate(contexts):
        for t in range(gates.shape[1]):
            frame = z[:, t if z.shape[1] > 1 else 0].double()
            found[:, t, ..., n] = gates[:, t, ..., n] * (frame**2).sum(-1).sqrt()
    return found


def times_a_mask(level, levels):
    def hook(module, given, output):
        mask = torch.ones(output.shape[-1])
        mask[output.shape[-1] - levels + level - 1] = 0
        return output * mask

    return hook


class Closed:
    """A hook that is an object."""

    def __init__(self, level, levels):
        self.behind = levels - level

    def __call__(self, module, given, output):
        place = output.shape[-1] - 1 - self.behind
        before, after = output[..., :place], output[..., place + 1 :]
        return torch.cat([before, torch.zeros_like(output[..., :1]), after], dim=-1)


@contextmanager
def hanging(place, hook):
    handle = place.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@torch.no_grad()
def clip_by_clip(network, place, hook, clips, labels):
    costs = []
    for clip, label in zip(clips, labels.tolist(), strict=True):
        with hanging(place, hook):
            after = torch.softmax(network(clip[None])[0], dim=0)[label]
        costs.append(torch.softmax(network(clip[None])[0], dim=0)[label] - after)
    return sum(costs) / len(costs)


def by_gather(network, place, hook, clips, labels):
    def loss():
        return torch.nn.functional.cross_entropy(
            network(clips).double(), labels, reduction="none"
        )

    before = loss()
    with hanging(place, hook):
        after = loss()
    return torch.exp(-before).mean() - torch.exp(-after).mean()


def by_numpy_tones(maps):
    values = maps.numpy().astype(np.float64)
    return torch.from_numpy(np.interp(values, [0.0, values.max()], [0.0, 1.0]))


def token_by_token(maps):
    most = max(maps.flatten().tolist())
    tones = torch.zeros(maps.shape)
    for place in product(*map(range, maps.shape)):
        tones[place] = float(maps[place]) / most
    return tones


def of_unique(first, second):
    both = []
    for maps in (first, second):
        _, which, counts = maps.unique(return_inverse=True, return_counts=True)
        last = counts.cumsum(0)
        both.append((last - (counts - 1) / 2)[which].flatten())
    return torch.corrcoef(torch.stack(both))[0, 1]


def by_sorting(first, second):
    def ranks(maps):
        values = maps.flatten().tolist()
        ordered = sorted(values)
        return [ordered.index(v) + (ordered.count(v) + 1) / 2 for v in values]

    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def by_library(first, second):
    return rank_correlation(first.numpy(), second.numpy())


RIGHT = {
    "04.1": [(furthest_off,), (by_weights,)],
    "04.2": [(by_einsum, from_ones), (by_numpy, expanded)],
    "04.3": [(vectors_measured,), (level_by_level,)],
    "04.4": [(times_a_mask, clip_by_clip), (Closed, by_gather)],
    "04.5": [(by_numpy_tones,), (token_by_token,)],
    "04.6": [(of_unique,), (by_sorting,), (by_library,)],
}
