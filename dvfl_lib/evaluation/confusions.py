"""Which classes a network takes for which, and in which videos.

Public names: ``ConfusedPair``, ``confused_pairs``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .results import Evaluation


@dataclass(frozen=True)
class ConfusedPair:
    """Videos of class ``true`` that the network calls ``said``.

    Attributes:
        true, said: names of the classes.
        count: how many videos; of: how many the true class has.
        videos: their names, the surest mistake first.
    """

    true: str
    said: str
    count: int
    of: int
    videos: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary, for JSON."""
        return {
            "true": self.true,
            "said": self.said,
            "videos_confused": self.count,
            "videos_of_the_class": self.of,
            "videos": list(self.videos),
        }


def confused_pairs(result: Evaluation, most: int = 5) -> list[ConfusedPair]:
    """The most frequent confusions; of equal ones, in the order of the classes."""
    wrong = result.confusion - np.diag(np.diag(result.confusion))  # (K, K)
    order = np.argsort(-wrong, axis=None, kind="stable")[: max(0, most)]
    cells = [divmod(int(cell), len(wrong)) for cell in order]
    return [_pair(result, true, said) for true, said in cells if wrong[true, said]]


def _pair(result: Evaluation, true: int, said: int) -> ConfusedPair:
    mine = np.flatnonzero((result.labels == true) & (result.predictions == said))
    surest = mine[np.argsort(-result.probabilities[mine, said], kind="stable")]
    return ConfusedPair(
        true=result.class_names[true],
        said=result.class_names[said],
        count=len(mine),
        of=int((result.labels == true).sum()),
        videos=tuple(result.videos[i] for i in surest),
    )
