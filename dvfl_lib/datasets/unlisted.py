"""Files in a data set's folder that are of no list.

Public names: ``unlisted_files``, ``walk_data``.

Not every clip that belongs to a benchmark is on a side of a split: HMDB51 lists some
that it leaves out, the test clips of Something-Something V2 and Kinetics-400 come
without labels, and some damaged clips of Kinetics-400 have been replaced.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from .base import STANDIN_FILE
from .disk import is_video

# Where ``dvfl data get`` keeps what it fetched; nothing there is data.
ARCHIVES = "archives"
_PAPERS = (".txt", ".csv", ".json", ".md", ".pdf", ".html")
_HMDB51_LIST = re.compile(r".+_test_split[123]\.txt")
_KINETICS_FIELDS = {"youtube_id", "time_start", "time_end"}


def walk_data(root: Path) -> Iterator[Path]:
    """Every file below the root but hidden ones, caches and archives."""
    for folder, folders, names in os.walk(root):
        top = Path(folder) == root
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not (top and name == ARCHIVES)
        )
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)


def unlisted_files(
    name: str, root: Path, listed: Collection[Path]
) -> tuple[list[Path], list[Path]]:
    """(videos, other files) that no list of the benchmark accounts for.

    Lists and papers (.txt, .csv, .json, .md, .pdf, .html) are not counted.

    Args:
        name: of the benchmark.
        root: its folder.
        listed: the files of all its splits.
    """
    known = _also_known(name, root)
    if name == "kinetics400":  # one clip may be there damaged and whole
        known |= {path.name for path in listed}
    videos, others = [], []
    for path in walk_data(root):
        if path in listed or path.name in (STANDIN_FILE, "UNFINISHED.json"):
            continue
        if is_video(path.name):
            if path.name not in known:
                videos.append(path)
        elif path.suffix.lower() not in _PAPERS:
            others.append(path)
    return videos, others


def _also_known(name: str, root: Path) -> set[str]:
    """Names of clips that the lists name, on a side of a split or not."""
    found: set[str] = set()
    for path in walk_data(root) if name in _READERS else ():
        try:
            found |= _READERS[name](path)
        except (OSError, ValueError, TypeError, RecursionError, csv.Error):
            continue  # no list of this benchmark
    return found


def _of_hmdb51(path: Path) -> set[str]:
    if not _HMDB51_LIST.fullmatch(path.name):
        return set()
    lines = path.read_text("utf-8-sig").splitlines()
    return {line.rsplit(maxsplit=1)[0] for line in lines if line.strip()}


def _of_ssv2(path: Path) -> set[str]:
    if not path.name.endswith("test.json"):
        return set()
    entries = json.loads(path.read_text("utf-8"))
    return {f"{e['id']}.webm" for e in entries if isinstance(e, dict) and "id" in e}


def _of_kinetics400(path: Path) -> set[str]:
    if path.suffix != ".csv":
        return set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not _KINETICS_FIELDS <= set(rows.fieldnames or ()):
            return set()
        return {
            f"{row['youtube_id']}_{int(row['time_start']):06d}"
            f"_{int(row['time_end']):06d}.mp4"
            for row in rows
        }


_READERS = {
    "hmdb51": _of_hmdb51,
    "ssv2": _of_ssv2,
    "kinetics400": _of_kinetics400,
}
