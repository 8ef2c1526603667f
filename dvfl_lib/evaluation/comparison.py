"""Is a difference more than noise? Paired over videos, and paired over seeds.

Public names: ``compare``, ``Comparison`` (two trained networks on the same videos);
``compare_seeds``, ``SeedComparison``, ``t_quantile`` (two ways of training, several
seeds each).

A seed decides initial weights, order, augmentation and which labels are kept. Two
ways trained with the same seed share all that, so their difference is taken seed by
seed. The seed, not the video, is what is repeated: the interval says where the mean
over *all* seeds may lie, judged by the few that were run.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf, isfinite, isinf, sqrt
from numbers import Real

from scipy.stats import t

from ..errors import DatasetError
from .metrics import CONFIDENCE, mcnemar_p, paired_interval
from .results import Evaluation

SIGNIFICANCE = 0.05
_ROUNDING = 1e-12  # differences of shares that are no further apart are equal


@dataclass(frozen=True)
class Comparison:
    """Network ``b`` against network ``a``, video by video.

    ``difference``, ``low`` and ``high`` are shares: accuracy of b minus accuracy
    of a, and its 95 % interval (Agresti-Min). ``p`` is McNemar's exact test.
    """

    a: str
    b: str
    n: int
    both: int  # videos that both got right
    only_a: int
    only_b: int
    neither: int
    difference: float
    low: float
    high: float
    p: float
    standin: bool

    @property
    def distinguishable(self) -> bool:
        """Whether chance alone would do this in fewer than 5 % of cases."""
        return self.p < SIGNIFICANCE

    @property
    def verdict(self) -> str:
        """One plain sentence, with no more in it than the numbers carry."""
        points = f"{100 * abs(self.difference):.1f} points"
        if not self.distinguishable:
            return (
                f"The difference of {100 * self.difference:+.1f} points between "
                f"{self.b} and {self.a} is not distinguishable from noise at this "
                f"size ({self.n} videos)."
            )
        side = "better" if self.difference > 0 else "worse"
        return f"{self.b} is {points} {side} than {self.a}: more than noise."

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary with units in its keys, for JSON."""
        values = asdict(self)
        for name in ("difference", "low", "high"):
            values[f"{name}_points"] = 100 * values.pop(name)
        return values | {
            "interval": "95 %, Agresti-Min for paired shares",
            "test": "McNemar, exact, two-sided",
            "verdict": self.verdict,
        }


def compare(a: Evaluation, b: Evaluation) -> Comparison:
    """Paired comparison of two evaluations (top-1), b against a.

    The test speaks of these two trained networks on these videos. Another seed
    trains other networks; how far those lie apart it cannot know.

    Raises:
        DatasetError: the two were not evaluated on the same list of videos.
    """
    if a.class_names != b.class_names or a.standin != b.standin:
        raise DatasetError(
            f"{a.name} and {b.name} were evaluated on different data sets "
            "and cannot be compared video by video"
        )
    if a.videos != b.videos or (a.labels != b.labels).any():
        odd = sorted(set(a.videos) ^ set(b.videos))
        example = f", for example {odd[0]}" if odd else " (another order or label)"
        raise DatasetError(
            f"{a.name} ({len(a.videos)} videos) and {b.name} ({len(b.videos)} "
            f"videos) were not evaluated on the same list{example}; "
            "evaluate both on one list first"
        )
    right_a, right_b = a.correct, b.correct
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    both, n = int((right_a & right_b).sum()), len(a.videos)
    low, high = paired_interval(only_a, only_b, n)
    return Comparison(
        a=a.name,
        b=b.name,
        n=n,
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=n - both - only_a - only_b,
        difference=(only_b - only_a) / n,
        low=low,
        high=high,
        p=mcnemar_p(only_a, only_b),
        standin=a.standin,
    )


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


def t_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """How many standard errors a two-sided t interval reaches to either side.

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
    return float(t.ppf((1 + confidence) / 2, freedom))
