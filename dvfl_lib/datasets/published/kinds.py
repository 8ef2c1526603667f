"""The kinds of things that are published about a benchmark.

Public names: ``Benchmark``, ``Part``, ``Archive``, ``Digest``, ``Count``, ``counts``,
``sha256``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..base import SUBSETS


@dataclass(frozen=True)
class Digest:
    """A published hash of a file's content."""

    kind: str  # "sha256" or "md5"
    value: str  # hexadecimal, lower case


@dataclass(frozen=True)
class Archive:
    """One file to fetch. It is the same file, byte for byte, at all its addresses."""

    name: str
    addresses: tuple[str, ...]  # in the order to try them
    into: str  # the folder below the root that its content becomes
    size: int | None = None  # bytes
    digest: Digest | None = None
    # Something that lies in it: the folder that holds this becomes ``into``. Empty:
    # everything in the archive goes into ``into`` as it is.
    landmark: str = ""
    # "archive", "archive of archives", "flat" (videos of UCF101 without folders),
    # "joined" (many parts of one tar.gz) or "file" (kept as it is).
    packing: str = "archive"


@dataclass(frozen=True)
class Part:
    """What one may ask for by itself."""

    name: str
    choices: tuple[Archive, ...] = ()  # any one will do, in the order to try them
    # The address of a text file that names one archive in each line; all of them go
    # into ``into``.
    list_address: str = ""
    into: str = ""
    optional: bool = False  # fetched only where it is asked for by name
    note: str = ""


@dataclass(frozen=True)
class Count:
    """How many clips one side of one split has."""

    split: str
    subset: str
    clips: int


@dataclass(frozen=True)
class Benchmark:
    """All of that for one benchmark."""

    name: str
    title: str
    page: str  # for people: terms, and the files by hand
    classes: int
    clips: int | None  # files of the unpacked data set
    counts: tuple[Count, ...]
    parts: tuple[Part, ...]
    official: bool = True  # whether it has official lists
    also: tuple[int, ...] = ()  # other numbers of clips that are met
    by_hand: str = ""  # what the reader must fetch; empty: nothing

    def count(self, split: str, subset: str) -> int | None:
        """Clips of one side of a split, or ``None`` where none is published."""
        found = [c for c in self.counts if (c.split, c.subset) == (split, subset)]
        return found[0].clips if found else None


def counts(table: dict[str, tuple[int, int]]) -> tuple[Count, ...]:
    """From ``{split: (training clips, test clips)}``."""
    return tuple(
        Count(split, subset, clips)
        for split, pair in table.items()
        for subset, clips in zip(SUBSETS, pair, strict=True)
    )


def sha256(value: str) -> Digest:
    """A SHA-256."""
    return Digest("sha256", value)
