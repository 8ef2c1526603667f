"""Is one better than the other? Two networks, or two ways of training.

Public names: ``compare``, ``Comparison`` (two trained networks on the same videos);
``compare_seeds``, ``SeedComparison``, ``t_quantile`` (two ways of training, several
seeds each).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import inf, isfinite, isinf, sqrt

from scipy.stats import t

from ..errors import DatasetError
from .metrics import CONFIDENCE, mcnemar_p, paired_interval
from .results import Evaluation

_ROUNDING = 1e-12  # differences of shares that are no further apart are equal


@dataclass(frozen=True)
class Comparison:
    """Network ``b`` against network ``a``, video by video."""

    a: str
    b: str
    n: int
    both: int  # videos that both got right
    only_a: int
    only_b: int
    neither: int
    difference: float  # share: accuracy of b minus accuracy of a
    low: float  # its 95 % interval (Agresti-Min)
    high: float
    p: float  # McNemar's exact test
    standin: bool

    @property
    def distinguishable(self) -> bool:
        """Whether chance alone would do this in fewer than 5 % of cases."""
        return self.p < 0.05

    @property
    def verdict(self) -> str:
        """One plain sentence, with no more in it than the numbers carry."""
        points = 100 * self.difference
        p = f"p = {self.p:.2g}" if self.p >= 1e-4 else "p < 0.0001"
        counts = f"(of {self.n} videos {self.only_b} right by {self.b} alone, "
        counts += f"{self.only_a} by {self.a} alone, {p})."
        if not self.distinguishable:
            return (
                f"The difference of {points:+.1f} points between {self.b} and {self.a} "
                f"is not distinguishable from noise between videos {counts}"
            )
        told = f"{abs(points):.1f} points {'better' if points > 0 else 'worse'} than"
        return f"{self.b} is {told} {self.a}: more than noise between videos {counts}"

    def to_dict(self) -> dict[str, object]:
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

    The test speaks of these two trained networks on these videos. Another seed trains
    other networks; how far those lie apart it cannot know. Raises ``DatasetError``
    where the two were not evaluated on the same list.
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
    n, both = len(a.videos), int((a.correct & b.correct).sum())
    only_a, only_b = int(a.correct.sum()) - both, int(b.correct.sum()) - both
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

    The interval is Student's t of 95 %, n - 1 degrees of freedom. It is endless for a
    single seed, and where all differences are equal: no spread then to judge noise by.
    """

    differences: tuple[float, ...]  # one per seed
    mean: float
    low: float
    high: float

    @property
    def n(self) -> int:
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


def compare_seeds(a: Sequence[float], b: Sequence[float]) -> SeedComparison:
    """Paired comparison of two ways of training, ``b`` against ``a``: a share per seed.

    A seed decides initial weights, order, augmentation and which labels are kept: ways
    trained with the same seed share all that, so their difference is taken seed by
    seed. The interval says where the mean over *all* seeds may lie. ``DatasetError``
    where results cannot be paired, or are no finite numbers.
    """
    if len(a) != len(b) or not a:
        raise DatasetError(
            f"{len(a)} and {len(b)} results cannot be paired: run both with the same "
            "seeds"
        )
    differences = tuple(y - x for x, y in zip(a, b, strict=True))
    for seed, difference in enumerate(differences):
        if not isfinite(difference):
            raise DatasetError(
                f"the results of seed number {seed} are {a[seed]} and {b[seed]}: only "
                "finite numbers can be compared; run that seed again"
            )
    mean = statistics.fmean(differences)
    if max(differences) - min(differences) <= _ROUNDING:  # a single seed, too
        return SeedComparison(differences, mean, -inf, inf)
    error = statistics.stdev(differences) / sqrt(len(differences))
    reach = t_quantile(len(differences) - 1) * error
    return SeedComparison(differences, mean, mean - reach, mean + reach)


def t_quantile(freedom: int) -> float:
    """How many standard errors a two-sided 95 % t interval reaches to either side.

    ``freedom``: degrees of freedom.
    """
    return float(t.ppf((1 + CONFIDENCE) / 2, freedom))
