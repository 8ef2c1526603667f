"""Other right answers to the exercises of lesson 09."""

from __future__ import annotations

import itertools
import statistics

import numpy as np
from scipy import stats

from dvfl_lib.evaluation.comparison import compare_seeds, t_quantile


def by_sets(a, b):
    return [b[seed] - a[seed] for seed in sorted(a.keys() & b.keys())]


def by_arrays(a, b):
    seeds = list(filter(b.__contains__, a))
    first, second = (np.array([x[seed] for seed in seeds]) for x in (a, b))
    return tuple(second - first)


def by_the_library(a, b):
    found = compare_seeds(a, b)
    return found.mean, found.low, found.high


def by_scipy(a, b):
    d = np.subtract(b, a)
    low, high = stats.t.interval(0.95, len(d) - 1, d.mean(), stats.sem(d))
    return [float(d.mean()), float(low), float(high)]


def by_counting(sd, difference):
    reach = (t_quantile(n - 1) * sd / n**0.5 for n in itertools.count(2))
    return next(n for n, far in enumerate(reach, 2) if far < difference)


def by_recursion(sd, difference, n=2):
    enough = stats.t.ppf(0.975, n - 1) * sd < difference * np.sqrt(n)
    return np.int64(n) if enough else by_recursion(sd, difference, n + 1)


def by_sorted_pairs(figures):
    seen = set()
    for pairs in figures.values():
        seen.update(tuple(sorted(pair)) for pair in pairs)
    return len(seen) / 20


def by_a_list(figures):
    seen = []
    for one, other in itertools.chain.from_iterable(figures.values()):
        if (one, other) not in seen and (other, one) not in seen:
            seen.append((one, other))
    return sum(1 - 0.95 for _ in seen)


def holm_of_arrays(ps):
    values = np.array(list(ps.values()))
    order = values.argsort()
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(steps).clip(max=1)
    return dict(zip(ps, corrected.tolist(), strict=True))


def holm_by_definition(ps):
    def step(p):
        return p * sum(other >= p for other in ps.values())

    return {
        name: min(1, max(step(other) for other in ps.values() if other <= p))
        for name, p in ps.items()
    }


def by_signs(low, high, margin):
    if low > 0 or high < 0:
        return "ahead" if statistics.mean((low, high)) > 0 else "behind"
    return ("open", "equal")[max(abs(low), abs(high)) <= margin]


def by_matching(low, high, margin):
    match low > 0, high < 0, max(-low, high) > margin:
        case True, _, _:
            return "ahead"
        case _, True, _:
            return "behind"
        case _, _, True:
            return "open"
    return "equal"


def with_loops(studies, seeds, files):
    names = []
    for seed in seeds:
        for study in studies.values():
            for setting in study:
                name = f"{setting}_seed{seed}"
                if name + ".json" not in files and name not in names:
                    names.append(name)
    return names


def with_sets(studies, seeds, files):
    settings = set().union(*studies.values())
    done = {file.removesuffix(".json") for file in files if file.endswith(".json")}
    return {f"{s}_seed{n}" for s, n in itertools.product(settings, seeds)} - done


RIGHT = {
    "09.1": [(by_sets,), (by_arrays,)],
    "09.2": [(by_the_library,), (by_scipy,)],
    "09.3": [(by_counting,), (by_recursion,)],
    "09.5": [(by_sorted_pairs, holm_of_arrays), (by_a_list, holm_by_definition)],
    "09.6": [(by_signs,), (by_matching,)],
    "09.7": [(with_loops,), (with_sets,)],
}
