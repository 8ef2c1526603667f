"""Two ways of training, several seeds each: is the difference more than noise?

Public names: ``SeedComparison``, ``compare_seeds``, ``t_quantile``.

A seed decides initial weights, order, augmentation and which labels are kept. Two
ways trained with the same seed share all that, so their difference is taken seed by
seed. The seed, not the video, is what is repeated: the interval says where the mean
over *all* seeds may lie, judged by the few that were run.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import atan, cos, exp, inf, isfinite, isinf, lgamma, log, pi, sqrt
from numbers import Real

from ..errors import DatasetError

CONFIDENCE = 0.95
_ROUNDING = 1e-12  # differences of shares that are no further apart are equal
_FAR = 1e9  # standard errors


@dataclass(frozen=True)
class SeedComparison:
    """``b`` minus ``a``, seed by seed, as shares.

    Attributes:
        differences: one per seed.
        mean: their mean.
        low, high: the 95 % interval of the mean (Student's t, n - 1 degrees of
            freedom); minus and plus infinity for a single seed, and where all
            differences are equal: there is no spread then to judge noise by.
    """

    differences: tuple[float, ...]
    mean: float
    low: float
    high: float

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.differences)

    @property
    def distinguishable(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0

    @property
    def verdict(self) -> str:
        """One plain sentence, with no more in it than the numbers carry."""
        said = f"{100 * self.mean:+.1f} points, mean of {self.n} seeds"
        if self.n == 1:
            return f"{said}: one seed says nothing about noise."
        if isinf(self.low):
            return f"{said}: equal in all of them, which says nothing about noise."
        span = f"95 % interval {100 * self.low:+.1f} to {100 * self.high:+.1f}"
        if self.distinguishable:
            return f"{said} ({span}): more than noise between seeds."
        return f"{said} ({span}): not told apart from noise between seeds."

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary, for JSON; infinity becomes None."""
        values = asdict(self)
        for end in ("low", "high"):
            values[end] = None if abs(values[end]) == inf else values[end]
        return values | {"interval": "95 %, paired Student's t over seeds"}


def compare_seeds(a: Sequence[float], b: Sequence[float]) -> SeedComparison:
    """Paired comparison of two ways of training, ``b`` against ``a``.

    Args:
        a, b: one share per seed, in the same order of seeds.

    Raises:
        DatasetError: none, or not as many of one as of the other; or a result that
            is no finite number.
    """
    if len(a) != len(b) or not a:
        raise DatasetError(
            f"{len(a)} and {len(b)} results cannot be paired: run both with the same "
            "seeds"
        )
    for seed, pair in enumerate(zip(a, b, strict=True)):
        if not all(isinstance(value, Real) and isfinite(value) for value in pair):
            raise DatasetError(
                f"the results of seed number {seed} are {pair[0]} and {pair[1]}: only "
                "finite numbers can be compared; run that seed again"
            )
    differences = tuple(y - x for x, y in zip(a, b, strict=True))
    mean = statistics.fmean(differences)
    if max(differences) - min(differences) <= _ROUNDING:  # a single seed, too
        return SeedComparison(differences, mean, -inf, inf)
    error = statistics.stdev(differences) / sqrt(len(differences))
    reach = t_quantile(len(differences) - 1) * error
    return SeedComparison(differences, mean, mean - reach, mean + reach)


@lru_cache
def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """How many standard errors a two-sided t interval reaches to either side.

    Found by bisection on the integral of the density of Student's t (Simpson's
    rule); right to about 1e-6.

    Args:
        freedom: degrees of freedom, at least 1.
        confidence: share of all cases that the interval is to cover, below 1.

    Raises:
        DatasetError: one of them is out of range.
    """
    if freedom < 1 or not 0 < confidence < 1:
        raise DatasetError(
            f"there is no t interval of confidence {confidence} with {freedom} "
            "degrees of freedom: give one between 0 and 1, and two seeds or more"
        )
    low, high = 0.0, 1.0
    while high < _FAR and _central_share(high, freedom) < confidence:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if _central_share(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _central_share(reach: float, freedom: int) -> float:
    """Probability of -reach < t < reach.

    Substituting t = sqrt(freedom) tan(u) gives cos(u) ** (freedom - 1) to integrate,
    smooth and over a bounded range.
    """
    end, steps = atan(reach / sqrt(freedom)), 2000
    width = end / steps
    weights = (1 if n in (0, steps) else 4 if n % 2 else 2 for n in range(steps + 1))
    area = sum(w * cos(n * width) ** (freedom - 1) for n, w in enumerate(weights))
    scale = lgamma((freedom + 1) / 2) - lgamma(freedom / 2) - 0.5 * log(pi)
    return 2 * exp(scale) * area * width / 3
