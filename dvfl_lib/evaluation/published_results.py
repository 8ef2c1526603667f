"""What was published about these networks on the five benchmarks.

Public names: ``PublishedResult``, ``PUBLISHED_RESULTS``, ``published_for``,
``differences``.

Numbers are those of the authors' own pages; nobody has reproduced them here. What no
readable source gives is ``None`` and stays blank wherever it is shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..datasets.base import protocols_of
from .results import Evaluation, Views

_DVFL = "github.com/hayatkhan8660-maker/DVFL-Net, README, model zoo"
_PAPER = "arXiv 2507.12426: evaluated there, but no readable source has the number"
_FEW = 0.01  # share of missing or unreadable videos that moves no result
_FOCAL = "github.com/TalalWasim/Video-FocalNets, README, model zoo"


@dataclass(frozen=True)
class PublishedResult:
    """One network on one benchmark, as its authors state it.

    Attributes:
        benchmark: the name in ``benchmarks``.
        role: "teacher", "baseline" (VFL-Net, on labels alone) or "student" (DVFL-Net).
        network, model: the authors' name, and the name in ``vfl_net``.
        top1, top5: per cent, or None.
        split: the name in ``benchmarks``; "" where no such split can be had.
        clips, crops, frames, crop: the views, or None where they are not stated.
        source: where it stands; address: of that page.
    """

    benchmark: str
    role: str
    network: str
    model: str
    top1: float | None
    top5: float | None
    split: str
    clips: int | None
    crops: int | None
    frames: int | None
    crop: int | None
    source: str

    @property
    def address(self) -> str:
        """The page to read."""
        if self.source.startswith("arXiv "):
            return f"https://arxiv.org/abs/{self.source.split()[1].rstrip(':')}"
        return f"https://{self.source.partition(',')[0]}"

    @property
    def split_rule(self) -> str:
        """The list of test videos, in words."""
        if not protocols_of(self.benchmark):
            return "official validation list"
        return "authors' own 80/20 lists"

    @property
    def views(self) -> str:
        """Clips x crops, or that they are not stated."""
        if self.clips is None:
            return "views not stated"
        return f"{self.clips} x {self.crops} views"

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary, for JSON; None where a number is not known."""
        values = asdict(self)
        for name in ("top1", "top5"):
            values[f"{name}_percent"] = values.pop(name)
        return values | {"split_rule": self.split_rule, "address": self.address}


# network: role, name in vfl_net
_NETWORKS = {
    "Video-FocalNet-B": ("teacher", "video_focalnet_base"),
    "Video-FocalNet-S": ("teacher", "video_focalnet_small"),
    "Video-FocalNet-T": ("teacher", "video_focalnet_tiny"),
    "VFL-Net": ("baseline", "vfl_net_nano"),
    "DVFL-Net": ("student", "vfl_net_nano"),
}
# The model zoo of the DVFL-Net repository: top-1, top-5 of each network. No views
# are stated beside it. Its example of an evaluation names 4 x 3, but as it is written
# there these options do not reach the program.
_ZOO_BENCHMARKS = ("hmdb51", "ucf50", "ucf101")
_ZOO = {
    "Video-FocalNet-B": ((84.2, 93.6), (91.1, 98.7), (91.9, 99.4)),
    "Video-FocalNet-S": ((83.4, 92.4), (90.8, 97.9), (91.2, 98.9)),
    "Video-FocalNet-T": ((81.5, 91.1), (90.1, 97.1), (90.7, 98.4)),
    "VFL-Net": ((71.6, 88.5), (81.4, 91.4), (82.5, 93.7)),
    "DVFL-Net": ((82.7, 92.8), (86.6, 95.2), (88.4, 96.1)),
}
# The model zoo of the Video-FocalNets repository: top-1 alone. The views are those
# of the command in the same README that evaluates these checkpoints.
_FOCAL_ZOO = (
    ("kinetics400", "Video-FocalNet-B", 83.6),
    ("kinetics400", "Video-FocalNet-S", 81.4),
    ("kinetics400", "Video-FocalNet-T", 79.8),
    ("ssv2", "Video-FocalNet-B", 71.1),
)


def _row(
    benchmark: str,
    network: str,
    numbers: tuple[float | None, float | None],
    split: str,
    views: tuple[int, int] | None,
    source: str,
) -> PublishedResult:
    role, model = _NETWORKS[network]
    clips, crops = views or (None, None)
    # Both repositories' settings; of what only the paper has, nothing is known.
    frames, crop = (None, None) if source == _PAPER else (8, 224)
    views_told = (clips, crops, frames, crop)
    return PublishedResult(
        benchmark, role, network, model, *numbers, split, *views_told, source
    )


def _rows() -> list[PublishedResult]:
    rows = []
    for network, results in _ZOO.items():
        for benchmark, numbers in zip(_ZOO_BENCHMARKS, results, strict=True):
            # The lists of HMDB51 follow no rule: no such split can be had.
            split = "" if benchmark == "hmdb51" else "authors"
            rows.append(_row(benchmark, network, numbers, split, None, _DVFL))
    for benchmark, network, top1 in _FOCAL_ZOO:
        rows.append(_row(benchmark, network, (top1, None), "1", (4, 3), _FOCAL))
    for benchmark in ("kinetics400", "ssv2"):
        for network in ("VFL-Net", "DVFL-Net"):
            rows.append(_row(benchmark, network, (None, None), "1", None, _PAPER))
    return rows


PUBLISHED_RESULTS: tuple[PublishedResult, ...] = tuple(_rows())


def published_for(benchmark: str, role: str, model: str) -> PublishedResult | None:
    """What to set beside a measured result: the same role, the same network if any.

    A teacher of another size is set beside the Base network, which taught in the
    paper; ``differences`` says that it is another network.
    """
    found = [
        row
        for row in PUBLISHED_RESULTS
        if (row.benchmark, row.role) == (benchmark, role)
    ]
    return next(
        (row for row in found if row.model == model), found[0] if found else None
    )


def differences(
    published: PublishedResult, measured: Evaluation, missing: int | None = 0
) -> list[str]:
    """Why the two numbers must not be compared; an empty list where they may be.

    Comparable means: real data of the same benchmark, the same network, the same rule
    for the test list, the same views, and hardly a video left out.

    Args:
        missing: how many videos of the list are not on the disk; None where nobody
            knows.
    """
    if published.top1 is None:
        return ["no published number is known"]
    why = []
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
    elif not _same_views(published, measured.views):
        why.append("other views")
    if missing is None:
        why.append("no list says how many videos are missing")
    out = (missing or 0) + len(measured.unreadable)
    share = out / (out + len(measured.videos))
    if share > _FEW:
        why.append(f"{100 * share:.1f} % of the listed videos missing or unreadable")
    return why


def _same_views(published: PublishedResult, views: Views) -> bool:
    stated = (published.clips, published.crops, published.frames, published.crop)
    return (
        stated == (views.clips, views.crops, views.frames, views.crop)
        and views.sampling == "segments"
    )
