"""What the authors state, and when a measured number may stand beside it.

Public names: ``PublishedResult``, ``PUBLISHED_RESULTS``, ``PUBLISHED_PARAMETERS``,
``published_for``, ``differences``.

The numbers stand in ``published.toml``, with their sources.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from .results import Evaluation

_FEW = 0.01  # share of missing or unreadable videos that moves no result


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """One network on one data set, as its authors state it; None is not stated."""

    benchmark: str  # the data set's name in ``datasets``
    role: str  # "teacher", "baseline" (VFL-Net, on labels alone), "student" (DVFL-Net)
    network: str  # the authors' name
    model: str  # the name in ``vfl_net``
    top1: float | None = None  # per cent
    top5: float | None = None
    split: str  # the name in ``datasets``; "" where no such split can be had
    clips: int | None = None
    crops: int | None = None
    frames: int | None = None
    crop: int | None = None
    source: str  # where it stands
    split_rule: str  # the list of test videos, in words

    @property
    def address(self) -> str:
        """The page to read."""
        if self.source.startswith("arXiv "):
            return f"https://arxiv.org/abs/{self.source.split()[1].rstrip(':')}"
        return f"https://{self.source.partition(',')[0]}"

    @property
    def views(self) -> str:
        """Clips x crops, or that they are not stated."""
        known = f"{self.clips} x {self.crops} views"
        return "views not stated" if self.clips is None else known

    def to_dict(self) -> dict[str, object]:
        values = asdict(self)
        for name in ("top1", "top5"):
            values[f"{name}_percent"] = values.pop(name)
        return values | {"address": self.address}


_TOLD = tomllib.loads(Path(__file__).with_name("published.toml").read_text("utf-8"))
# Network -> how many, as the page says that has its numbers on UCF101.
PUBLISHED_PARAMETERS: dict[str, str] = _TOLD["parameters"]
PUBLISHED_RESULTS: tuple[PublishedResult, ...] = tuple(
    PublishedResult(**page, **row, **_TOLD["networks"][row["network"]])
    for page in _TOLD["page"]
    for row in page.pop("rows")
)


def published_for(benchmark: str, role: str, model: str) -> PublishedResult | None:
    """What to set beside a measured result: the same role, the same network if any.

    A teacher of another size is set beside the Base network, which taught in the
    paper; ``differences`` says that it is another network.
    """
    place = (benchmark, role)
    found = [row for row in PUBLISHED_RESULTS if (row.benchmark, row.role) == place]
    same = [row for row in found if row.model == model]
    return next(iter([*same, *found]), None)


def differences(published: PublishedResult, measured: Evaluation) -> list[str]:
    """Why the two numbers must not be compared; an empty list where they may be."""
    if published.top1 is None:
        return ["no published number is known"]
    why, views = [], measured.views
    seen = (views.clips, views.crops, views.frames, views.crop)
    stated = (published.clips, published.crops, published.frames, published.crop)
    if measured.standin:
        why.append("stand-in data")
    if measured.dataset != published.benchmark:
        why.append(f"another benchmark ({measured.dataset})")
    if measured.model != published.model:
        why.append("another network")
    if measured.split != published.split or measured.subset != "test":
        why.append("another test list")
    if published.clips is None:
        why.append("published views not stated")
    elif seen != stated or views.sampling != "segments":
        why.append("other views")
    if measured.missing is None:
        why.append("no list says how many videos are missing")
    out = (measured.missing or 0) + len(measured.unreadable)
    share = out / (out + len(measured.videos))
    if share > _FEW:
        why.append(f"{100 * share:.1f} % of the listed videos missing or unreadable")
    return why
