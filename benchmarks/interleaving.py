"""Contestants timed side by side, in one process, in turns.

Public names: ``interleave``, ``against``, ``Ratio``.

A machine is faster in one minute than in the next. So contestants take turns, and
what counts is the ratio within a round, of which the median is reported together
with the quartiles. In every round another contestant begins, so that none always
runs behind the same one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Times = dict[str, list[float]]  # contestant -> seconds, one per round


def interleave(
    contestants: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> Times:
    """Seconds of every contestant in every round; ``warm_up`` rounds do not count.

    Raises:
        ValueError: no contestant, or fewer than one round.
    """
    if not contestants or rounds < 1:
        raise ValueError("interleave needs contestants and at least one round")
    names = list(contestants)
    times: Times = {name: [] for name in names}
    for number in range(-warm_up, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            begun = clock()
            contestants[name]()
            if number >= 0:
                times[name].append(clock() - begun)
    return times


@dataclass(frozen=True)
class Ratio:
    """How many times faster than the reference, over the rounds.

    Attributes:
        median: of the ratios within a round; above 1 is faster.
        low, high: their quartiles.
        seconds: the contestant's median time.
    """

    median: float
    low: float
    high: float
    seconds: float


def against(times: Times, reference: str) -> dict[str, Ratio]:
    """Every contestant beside the reference, round by round.

    Raises:
        KeyError: the reference is not among the contestants.
    """
    base = times[reference]
    found = {}
    for name, mine in times.items():
        ratios = [b / m for b, m in zip(base, mine, strict=True)]
        low, high = _quartiles(ratios)
        found[name] = Ratio(
            median=round(statistics.median(ratios), 3),
            low=round(low, 3),
            high=round(high, 3),
            seconds=round(statistics.median(mine), 6),
        )
    return found


def _quartiles(values: list[float]) -> tuple[float, float]:
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
