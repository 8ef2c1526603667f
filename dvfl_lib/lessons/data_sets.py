"""What lessons show of the data sets: what is published, and how files lie on disk.

Public names: ``benchmarks_markdown``, ``folder_sketch``.
"""

from __future__ import annotations

from pathlib import Path

from ..datasets.check import walk_data
from ..datasets.listing import list_folder
from ..datasets.sources import SOURCES, DataSource

_HEAD = (
    "| Data set | Classes | Clips | Divided by | Training / test clips | Files | "
    "Source of the numbers |\n|---|---|---|---|---|---|---|"
)


def benchmarks_markdown() -> str:
    """The five benchmarks as a table of published numbers, with their sources.

    Nothing in it was measured here.
    """
    rows = [_HEAD]
    for known in SOURCES.values():
        cells = (
            f"[{known.title}]({known.page})",
            str(known.classes),
            f"{known.clips:,}" if known.clips else "differs from copy to copy",
            known.divided,
            _sides(known),
            known.container,
            known.cited,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _sides(known: DataSource) -> str:
    """ "9,537 / 3,783" for each official split; equal ones once."""
    counts = {s: pair for s, pair in known.counts.items() if s != "authors"}
    pairs = [known.list_lines] if known.list_lines else list(counts.values())
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
