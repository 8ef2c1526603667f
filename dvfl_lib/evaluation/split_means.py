"""One number for a benchmark of several splits: the mean, and how far they spread.

Public names: ``SplitMean``, ``split_mean``.

UCF101 and HMDB51 have three official splits, and the number of a method is the mean
over them, each with a network of its own. UCF50 has no list; leaving out one group
after the other gives 25 numbers, five groups at a time gives 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev

from ..datasets.base import protocols_of
from ..errors import DatasetError
from .results import Evaluation


@dataclass(frozen=True)
class SplitMean:
    """The mean of a network's accuracies over splits; all shares are in [0, 1].

    Attributes:
        name, dataset, standin: of the evaluations.
        splits: in the order of the protocol; whole: whether none is missing.
        videos: on all test lists together.
        top1, top5: means over the splits, each split counting alike; top5 is None
            where it is not meaningful.
        spread: sample standard deviation of the top-1 accuracies; None for one split.
        low, high: the least and the greatest of them.
    """

    name: str
    dataset: str
    standin: bool
    splits: tuple[str, ...]
    whole: bool
    videos: int
    top1: float
    top5: float | None
    spread: float | None
    low: float
    high: float

    def __str__(self) -> str:
        if self.spread is None:
            return f"{100 * self.top1:.1f} %"
        return f"{100 * self.top1:.1f} % ± {100 * self.spread:.1f}"

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary with units in its keys, for JSON."""
        values = asdict(self)
        for name in ("top1", "top5", "spread", "low", "high"):
            share = values.pop(name)
            unit = "points" if name == "spread" else "percent"
            values[f"{name}_{unit}"] = None if share is None else 100 * share
        return values | {"spread_is": "sample standard deviation over the splits"}


def split_mean(results: Sequence[Evaluation]) -> SplitMean:
    """The mean over one network's results on splits of one benchmark.

    Raises:
        DatasetError: none; results of several networks, benchmarks or views; a split
            twice; splits of several protocols.
    """
    if not results:
        raise DatasetError("there is no result to take a mean of")
    for what in ("name", "dataset", "standin", "subset", "views"):
        found = {getattr(result, what) for result in results}
        if len(found) > 1:
            raise DatasetError(
                f"a mean over splits needs results of one {what}, not of "
                f"{', '.join(sorted(map(str, found)))}"
            )
    order = _protocol(results[0].dataset, [result.split for result in results])
    kept = sorted(results, key=lambda result: order.index(result.split))
    tops = [result.top1.correct / result.top1.n for result in kept]
    fives = [r.top5 and r.top5.correct / r.top5.n for r in kept]
    return SplitMean(
        name=kept[0].name,
        dataset=kept[0].dataset,
        standin=kept[0].standin,
        splits=tuple(result.split for result in kept),
        whole=len(kept) == len(order),
        videos=sum(len(result.videos) for result in kept),
        top1=mean(tops),
        top5=None if None in fives else mean(fives),
        spread=stdev(tops) if len(tops) > 1 else None,
        low=min(tops),
        high=max(tops),
    )


def _protocol(dataset: str, splits: list[str]) -> tuple[str, ...]:
    """The set of splits that these belong to."""
    if len(set(splits)) < len(splits):
        raise DatasetError(f"{dataset}: a split is there twice: {', '.join(splits)}")
    for protocol in protocols_of(dataset):
        if set(splits) <= set(protocol):
            return protocol
    if len(splits) == 1:
        return tuple(splits)
    raise DatasetError(
        f"{dataset}: the splits {', '.join(splits)} do not belong to one protocol, so "
        "their mean says nothing"
    )
