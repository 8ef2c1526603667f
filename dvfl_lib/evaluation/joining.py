"""The test lists of several splits, looked at together.

Public names: ``joined``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import DatasetError
from .results import Evaluation


def joined(results: Sequence[Evaluation]) -> Evaluation:
    """One network's results on several lists of a benchmark as one result.

    A video that is on several lists counts once, as the first of them has it: the
    splits of HMDB51 are no partition. For a closer look at mistakes; the number of a
    benchmark is ``split_means.split_mean``.

    Raises:
        DatasetError: nothing, or results of several networks, data sets or views.
    """
    if not results:
        raise DatasetError("there is no result to join")
    first, seen, kept = results[0], set(), []
    for what in ("name", "dataset", "standin", "class_names", "views", "precision"):
        if any(getattr(result, what) != getattr(first, what) for result in results):
            raise DatasetError(f"results of several {what} cannot be joined")
    for result in results:
        kept.append([k for k, name in enumerate(result.videos) if name not in seen])
        seen |= set(result.videos)
    parts = list(zip(results, kept, strict=True))
    return replace(
        first,
        split=", ".join(result.split for result in results),
        videos=tuple(result.videos[k] for result, mine in parts for k in mine),
        labels=np.concatenate([result.labels[mine] for result, mine in parts]),
        probabilities=np.concatenate([r.probabilities[mine] for r, mine in parts]),
        unreadable=tuple(dict.fromkeys(u for r in results for u in r.unreadable)),
        seconds=sum(result.seconds for result in results),
    )
