"""What lessons show of the data sets: what is published, and how files lie on disk.

Public names: ``benchmarks_markdown``, ``folder_sketch``.
"""

from __future__ import annotations

from pathlib import Path

from ..datasets.disk import list_folder
from ..datasets.published import PUBLISHED, Benchmark
from ..datasets.unlisted import walk_data

_HEAD = (
    "| Data set | Classes | Clips | Divided by | Training / test clips | Files | "
    "Source of the numbers |\n|---|---|---|---|---|---|---|"
)
# How it is divided, its container, and where the numbers of ``published`` are from.
# The numbers of Kinetics-400 are those of its lists: its archives hold fewer files.
_TOLD = {
    "ucf50": (
        "no official list; groups",
        "AVI",
        "rows of the DVFL-Net repository's lists; its own page says 6,676",
    ),
    "ucf101": (
        "three pairs of lists; groups",
        "AVI",
        "[arXiv 1212.0402](https://arxiv.org/abs/1212.0402); lines of its lists",
    ),
    "hmdb51": (
        "three lists for each class",
        "AVI",
        "GluonCV's guide (the paper counts 6,849); 70 and 30 clips per class",
    ),
    "ssv2": (
        "one pair of lists; a third without labels",
        "WebM (VP9)",
        "GluonCV's guide; VideoMAEv2, docs/DATASET.md. Test is the validation list",
    ),
    "kinetics400": (
        "one pair of lists; a third without labels in most copies",
        "MP4",
        "lines of the lists at the CVD Foundation. Test is the validation list",
    ),
}
_KINETICS_LINES = (246_534, 19_906)  # cvdfoundation/kinetics-dataset


def benchmarks_markdown() -> str:
    """The five benchmarks as a table of published numbers, with their sources.

    Nothing in it was measured here.
    """
    rows = [_HEAD]
    for name, (divided, container, source) in _TOLD.items():
        known = PUBLISHED[name]
        cells = (
            f"[{known.title}]({known.page})",
            str(known.classes),
            f"{known.clips:,}" if known.clips else "differs from copy to copy",
            divided,
            _sides(known),
            container,
            source,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _sides(known: Benchmark) -> str:
    """ "9,537 / 3,783" for each official split; equal ones once."""
    if known.name == "kinetics400":
        pairs = [_KINETICS_LINES]
    else:
        splits = dict.fromkeys(c.split for c in known.counts if c.split != "authors")
        pairs = [(known.count(s, "train"), known.count(s, "test")) for s in splits]
    told = [f"{train:,} / {test:,}" for train, test in pairs]
    if len(told) > 1 and len(set(told)) == 1:
        return f"{told[0]} in each"
    return "; ".join(told) or "no official split"


def folder_sketch(root: str | Path) -> str:
    """One line for each thing that lies directly in a data set's folder.

    A folder's line is the path of its first file, and how many more it holds.

    Raises:
        DatasetError: it cannot be listed.
    """
    root, lines = Path(root), []
    for entry in list_folder(root):
        if not entry.is_dir():
            lines.append(entry.name)
            continue
        files = list(walk_data(Path(entry.path)))
        first = files[0].relative_to(root).as_posix() if files else f"{entry.name}/"
        rest = f"   and {len(files) - 1:,} more" if len(files) > 1 else ""
        lines.append(f"{first}{rest}")
    return "\n".join(lines)
