"""Lesson 09, what is forward KL worth: the code of its exercises.

Public names: ``PARTS``.
"""

from __future__ import annotations

from math import ceil, sqrt
from operator import sub

import torch
from scipy.stats import t

from ..evaluation.comparison import t_quantile
from .exercise import Part, guess
from .lesson_07 import in_order


def shares(rng, count, low=0.4):
    return (low + torch.rand(count, generator=rng, dtype=torch.float64) / 3).tolist()


def one_sided(freedom):  # two mistakes in the TOML call it
    return t.ppf(0.95, freedom)


def differences(a, b):
    return [b[seed] - a[seed] for seed in b if seed in a]


def sorted_values(answer, a, b):
    found = answer(a, b)
    return sorted(found) if isinstance(found, list | tuple) else found


def runs(rng, *seeds):
    return dict(zip(seeds, shares(rng, len(seeds)), strict=True))


by_seed = Part(
    differences,
    run=sorted_values,
    cases={
        "two seeds": lambda rng: ({0: 0.5, 1: 0.5}, {0: 0.7, 1: 0.74}),
        "in another order": lambda rng: (runs(rng, 0, 1, 2, 3), runs(rng, 2, 0, 3, 1)),
        "eight seeds and three": lambda rng: (
            runs(rng, *range(8)),
            runs(rng, 5, 2) | {6: 0.0},
        ),
        "each has seeds of its own": lambda rng: (
            runs(rng, 0, 1, 2),
            runs(rng, 2, 3, 1),
        ),
        "a failed run": lambda rng: (runs(rng, 0, 1, 2), runs(rng, 0, 1) | {2: 1 / 12}),
    },
    mistakes={
        "by position": lambda a, b: list(map(sub, b.values(), a.values())),
        "by size": lambda a, b: list(map(sub, *map(sorted, (b.values(), a.values())))),
        "missing as zero": lambda a, b: [b.get(n, 0) - a.get(n, 0) for n in a | b],
        "all pairs": lambda a, b: [y - x for x in a.values() for y in b.values()],
        "mean": lambda a, b: sum(differences(a, b)) / len(differences(a, b)),
    },
)


def paired_interval(a, b):
    d = [y - x for x, y in zip(a, b, strict=True)]
    n, mean = len(d), sum(d) / len(d)
    s = sqrt(sum((x - mean) ** 2 for x in d) / (n - 1))
    reach = t_quantile(n - 1) * s / sqrt(n)
    return mean, mean - reach, mean + reach


def unpaired(a, b, freedom=None):
    n, means = len(a), [sum(x) / len(x) for x in (a, b)]
    squares = [sum((v - m) ** 2 for v in x) for x, m in zip((a, b), means, strict=True)]
    reach = t_quantile(freedom or 2 * n - 2) * sqrt(sum(squares) / (n - 1) / n)
    mean = means[1] - means[0]
    return mean, mean - reach, mean + reach


def two_ways(rng, seeds, gain):
    a, own = shares(rng, seeds), shares(rng, seeds)
    return a, [x + gain + y / 4 for x, y in zip(a, own, strict=True)]


interval = Part(
    paired_interval,
    cases={
        "two seeds gain 20 and 24 points": lambda rng: ([0.5, 0.5], [0.7, 0.74]),
        "three seeds": lambda rng: two_ways(rng, 3, 0.1),
        "eight seeds": lambda rng: two_ways(rng, 8, 0.0),
        "five seeds, a loss": lambda rng: two_ways(rng, 5, -0.3),
        "seven seeds, one failed": lambda rng: (
            shares(rng, 7),
            [0.08] + shares(rng, 6),
        ),
        "two seeds that disagree": lambda rng: ([0.3, 0.2], [0.4, 0.9]),
    },
    mistakes={
        "unpaired": unpaired,
        "unpaired, n - 1": lambda a, b: unpaired(a, b, len(a) - 1),
    },
)


def seeds_needed(sd, difference):
    n = 2
    while t_quantile(n - 1) * sd / sqrt(n) >= difference:
        n += 1
    return n


def ratio(rng, low, high):
    """A standard deviation, and a difference that it is so many times as large as."""
    drawn, sd = torch.rand(2, generator=rng, dtype=torch.float64).tolist()
    return 5 + sd, (5 + sd) / (low + (high - low) * drawn)


def by_bell_curve(sd, difference, steps=1.96):
    return ceil((steps * sd / difference) ** 2)


how_many = Part(
    seeds_needed,
    cases={
        "as in 20 and 24 points": lambda rng: (4 / sqrt(2), 22.0),
        "scatters a little": lambda rng: ratio(rng, 0.04, 0.1),
        "scatters half as much": lambda rng: ratio(rng, 0.45, 0.55),
        "scatters more": lambda rng: ratio(rng, 1.2, 1.4),
        "scatters much more": lambda rng: ratio(rng, 3.0, 3.5),
    },
    mistakes={
        "bell curve, one seed": by_bell_curve,
        "not whole": lambda sd, gap: (1.96 * sd / gap) ** 2,
        "once corrected": lambda sd, gap: by_bell_curve(
            sd, gap, t_quantile(max(1, by_bell_curve(sd, gap) - 1))
        ),
    },
)


def by_chance(figures):
    pairs = [frozenset(pair) for row in figures.values() for pair in row]
    return 0.05 * len(set(pairs))


def drawn_figures(rng, figures, rows, settings):
    drawn = [torch.randperm(settings, generator=rng).tolist() for _ in range(99)]
    pairs = [(f"s{one}", f"s{other}") for one, other, *_ in drawn]
    return ({f"f{n}": pairs[n * rows : (n + 1) * rows] for n in range(figures)},)


def of_the_lesson(rng):
    """38 comparisons, two of which stand in two figures."""
    pairs = [(f"setting {n}", "labels") for n in range(38)]
    return ({"alpha": pairs[:20], "loss": pairs[20:], "released": pairs[:2]},)


expected_by_luck = Part(
    by_chance,
    cases={
        "38 comparisons": of_the_lesson,
        "one figure": lambda rng: ({"views": [("1", "new"), ("2", "new")]},),
        "three settings": lambda rng: drawn_figures(rng, 5, 7, 3),
        "eleven settings": lambda rng: drawn_figures(rng, 3, 13, 11),
        "no comparison": lambda rng: ({"alpha": [], "loss": []},),
    },
    mistakes={
        "of any": lambda figures: 1 - 0.95 ** (20 * by_chance(figures)),
        "rounded": lambda figures: round(by_chance(figures)),
    },
)


def holm(ps):
    corrected, last = {}, 0.0
    for rank, name in enumerate(sorted(ps, key=ps.get)):
        last = max(last, min(1.0, (len(ps) - rank) * ps[name]))
        corrected[name] = last
    return corrected


def from_the_largest(ps, factor):
    """What Holm's correction is mistaken for: each at most the one above it."""
    corrected, last, names = {}, 1.0, sorted(ps, key=ps.get)
    for rank in reversed(range(len(ps))):
        last = min(last, factor(len(ps), rank) * ps[names[rank]])
        corrected[names[rank]] = last
    return corrected


def drawn_ps(rng, count, most):
    drawn = (torch.rand(count, generator=rng, dtype=torch.float64) * most).tolist()
    return ({f"comparison {7 * n % 17}": p for n, p in enumerate(drawn)},)


LESSON_08 = {"student, baseline": 0.0294, "student, teacher": 0.26}
LESSON_08 |= {"teacher, baseline": 0.0012}

corrected_ps = Part(
    holm,
    cases={
        "the three of lesson 08": lambda rng: (LESSON_08,),
        "eleven, some large": lambda rng: drawn_ps(rng, 11, 0.9),
        "thirteen small ones": lambda rng: drawn_ps(rng, 13, 0.02),
        "equal ones": lambda rng: ({"d": 0.02, "a": 0.01, "c": 0.02, "b": 0.011},),
        "one alone": lambda rng: drawn_ps(rng, 1, 0.05),
    },
    mistakes={
        "share of false ones": lambda ps: from_the_largest(
            ps, lambda n, rank: n / (rank + 1)
        ),
        "down from the largest": lambda ps: from_the_largest(
            ps, lambda n, rank: n - rank
        ),
    },
)


def verdict(low, high, margin):
    if low > 0:
        return "ahead"
    if high < 0:
        return "behind"
    return "equal" if -margin <= low and high <= margin else "open"


def case(*numbers):
    return lambda rng: numbers


four_words = Part(
    verdict,
    cases={
        "alpha 0.3, -63 to +63, margin 3": case(-63, 63, 3),
        "forward KL, all labels, margin 3": case(-0.8, 4.0, 3),
        "reverse KL, all labels, margin 1": case(-0.7, 0.9, 1),
        "squared error, all labels, margin 3": case(-2.0, -0.4, 3),
        "forward KL, few labels, margin 3": case(16.0, 43.4, 3),
        "reverse KL, few labels, margin 3": case(-14.2, 1.9, 3),
        "0.3 to 0.9, margin 1": case(0.3, 0.9, 1),
        "0 to 5, margin 2": case(0, 5, 2),
        "-5 to 0, margin 2": case(-5, 0, 2),
        "-2 to 2, margin 2": case(-2, 2, 2),
        "-1.5 to 0.5, margin 1": case(-1.5, 0.5, 1),
        "-0.5 to 1.5, margin 1": case(-0.5, 1.5, 1),
        "-0.4 to 0.5, margin 1": case(-0.4, 0.5, 1),
        "0.5 to 5, margin 2": case(0.5, 5, 2),
    },
    mistakes={
        "exchanged": lambda low, high, margin: verdict(-high, -low, margin),
        "by the mean": lambda low, high, margin: verdict(
            *[(low + high) / 2] * 2, margin
        ),
    },
)


def to_run(studies, seeds, files):
    settings = {setting for study in studies.values() for setting in study}
    names = [f"{setting}_seed{seed}" for setting in settings for seed in seeds]
    return [name for name in names if f"{name}.json" not in files]


def left(rng, seeds, *done):
    """Files of the runs that are done, and the log of one that was interrupted."""
    last = f"seed{seeds[-1]}"
    begun = [f"runs/{n}_{last}/student/log.jsonl" for n in ("kl", "alpha_0.1")]
    begun += [f"runs/kl_{last}/{name}/kl_{last}.json" for name in ("student", "old")]
    files = [f"{name}_seed{seed}.json" for name, seed in done] + begun
    studies = {
        "alpha": ["labels", "alpha_0.1", "kl", "kl_teacher_8"],
        "loss": ["labels", "kl", "reverse_kl"],
    }
    return studies, seeds, files


still_to_run = Part(
    to_run,
    run=in_order,
    cases={
        "one seed, nothing done": lambda rng: ({"reduced": ["labels", "kl"]}, [0], []),
        "two studies": lambda rng: left(rng, [0, 1], ("labels", 0), ("kl", 0)),
        "seeds 1 and 10": lambda rng: left(
            rng, [1, 10], ("reverse_kl", 10), ("labels", 10)
        ),
        "a seed more": lambda rng: left(
            rng, [0, 7, 8], ("labels", 0), ("alpha_0.1", 0), ("reverse_kl", 0)
        ),
        "done with others": lambda rng: left(rng, [3], ("labels", 4), ("old", 3)),
    },
)


PARTS = {
    "09.1": by_seed,
    "09.2": interval,
    "09.3": how_many,
    "09.4": {
        "authors": guess(False),
        "same_rate": guess(True),
        "views": guess(False),
        "teachers": guess(True),
        "bars": guess(False),
    },
    "09.5": {"by_chance": expected_by_luck, "holm": corrected_ps},
    "09.6": four_words,
    "09.7": still_to_run,
}
