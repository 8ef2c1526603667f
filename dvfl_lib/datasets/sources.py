"""What is published about each data set: where it lies, how large, how many clips.

Public names: ``SOURCES``, ``source_of``, ``DataSource``, ``Part``, ``Archive``.

The facts, with their sources, stand in ``sources.toml``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from ..errors import DatasetError


@dataclass(frozen=True)
class Archive:
    """One file to fetch. It is the same file, byte for byte, at all its addresses."""

    name: str
    addresses: tuple[str, ...] = ()  # in the order to try them; none: fetched by hand
    size: int | None = None  # bytes
    sha256: str = ""  # hexadecimal
    # Something that lies in it: the folder that holds this becomes the part's folder.
    # Empty: everything in the archive goes there as it is.
    landmark: str = ""
    # "archive", "archive of archives", "flat" (videos of UCF101 without folders),
    # "joined" (many parts of one tar.gz) or "file" (kept as it is).
    packing: str = "archive"


@dataclass(frozen=True)
class Part:
    """What one may ask for by itself: one of its choices, or all archives of a list."""

    name: str
    into: str  # the folder below the root that its content becomes
    choices: tuple[Archive, ...] = ()  # in the order to try them
    list_address: str = ""  # of a text file that names one archive in each line
    optional: bool = False  # fetched only where it is asked for by name
    note: str = ""


@dataclass(frozen=True)
class DataSource:
    """All of that for one data set."""

    name: str
    loader: str  # the file of this folder that reads it
    title: str
    page: str  # for people: terms, and the files by hand
    classes: int
    divided: str  # how it is divided, in words
    container: str  # of its videos
    cited: str  # where the numbers are from, for a reader
    parts: tuple[Part, ...]
    clips: int | None = None  # files of the unpacked data set
    also: tuple[int, ...] = ()  # other numbers of clips that are met
    # Split -> (training clips, test clips).
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    # Lines of the lists, where the archives hold fewer files than these.
    list_lines: tuple[int, int] | None = None
    official: bool = True  # whether it has official lists
    by_hand: str = ""  # what the reader must fetch; empty: nothing

    def count(self, split: str, subset: str) -> int | None:
        """Clips of one side of a split, or ``None`` where none is published."""
        pair = self.counts.get(split)
        return None if pair is None else pair[subset != "train"]


_TOLD = tomllib.loads(Path(__file__).with_name("sources.toml").read_text("utf-8"))
SOURCES = TypeAdapter(dict[str, DataSource]).validate_python(
    {name: {"name": name, **facts} for name, facts in _TOLD.items()}
)


def source_of(name: str) -> DataSource:
    """What is published about a data set.

    Raises:
        DatasetError: an unknown name.
    """
    found = SOURCES.get(name.lower())
    if found is None:
        raise DatasetError(
            f"nothing is known here about {name!r}. Known: {', '.join(SOURCES)}"
        )
    return found
