"""Two networks on the same videos: is the difference more than noise?

Public names: ``Comparison``, ``compare``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..errors import DatasetError
from .metrics import mcnemar_p, paired_interval
from .results import Evaluation

SIGNIFICANCE = 0.05


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
