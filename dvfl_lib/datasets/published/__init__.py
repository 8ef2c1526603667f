"""What is published about each benchmark: where it lies, how large, how many clips.

Public names: ``PUBLISHED``, ``published``, ``Benchmark``, ``Part``, ``Archive``,
``Digest``, ``Count``.

Every number has its source beside it. What no source gives is ``None``: then nothing
is checked against it. The tests fetch none of these files.
"""

from __future__ import annotations

from ...errors import DatasetError
from .hmdb51 import HMDB51
from .kinds import Archive, Benchmark, Count, Digest, Part
from .kinetics400 import KINETICS400
from .ssv2 import SSV2
from .ucf import UCF50, UCF101

__all__ = [
    "PUBLISHED",
    "Archive",
    "Benchmark",
    "Count",
    "Digest",
    "Part",
    "published",
]

PUBLISHED: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (UCF50, UCF101, HMDB51, SSV2, KINETICS400)
}


def published(name: str) -> Benchmark:
    """What is published about a benchmark.

    Raises:
        DatasetError: an unknown name.
    """
    found = PUBLISHED.get(str(name).lower())
    if found is None:
        raise DatasetError(
            f"nothing is known here about {name!r}. Known: {', '.join(PUBLISHED)}"
        )
    return found
