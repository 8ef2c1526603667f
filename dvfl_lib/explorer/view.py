"""What the explorer shows of a record: which frame, block, token, scale.

Public names: ``View``, ``first_view``, ``moved_to``, ``check_record``,
``check_view``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from ..capture import BlockMaps
from ..errors import DVFLError
from .covering import covered
from .record import NetworkRecord, Place, Record


@dataclass(frozen=True)
class View:
    """One state of the controls; changed by ``dataclasses.replace``.

    Attributes:
        network: name of the network shown.
        place: (stage, block).
        frame, row, column: the chosen token, counted from 0.
        shared: one colour scale for all frames, or each frame its own.
        signed: gates and contributions with their sign, or their size.
        overlay: how strongly the frame shows through the maps, 0 to 1.
        compare: name of the network beside it; "" for none.
        temperature: by which logits are divided.
        change: number of the intervention shown, -1 for none.
    """

    network: str
    place: Place
    frame: int = 0
    row: int = 0
    column: int = 0
    shared: bool = True
    signed: bool = True
    overlay: float = 0.0
    compare: str = ""
    temperature: float = 1.0
    change: int = -1

    def entry(self, record: Record) -> NetworkRecord:
        """The network shown."""
        return record.network(self.network)

    def beside(self, record: Record) -> NetworkRecord:
        """The network to compare with; the one shown where none is named."""
        return record.network(self.compare or self.network)

    def maps(self, record: Record) -> BlockMaps:
        """The block shown."""
        return self.entry(record).maps.at(*self.place)


def first_view(record: Record) -> View:
    """The middle token of the middle frame of the first block.

    Raises:
        DVFLError: what is given is no record.
    """
    check_record(record, "first_view")
    first = record.networks[0]
    view = View(first.name, first.maps.places[0], compare=record.networks[-1].name)
    frames, height, width = view.maps(record).size
    return replace(view, frame=frames // 2, row=height // 2, column=width // 2)


def moved_to(record: Record, view: View, network: str, place: Place) -> View:
    """The same view of another block; the token stays at its place in the picture.

    Where the network has no such block, the last block of that stage is taken.
    """
    entry = record.network(network)
    if place not in entry.maps.places:
        place = entry.last_place_of(place[0])
    old, new = view.maps(record).size, entry.maps.at(*place).size
    before = covered(record, view.entry(record), view.place)
    after = covered(record, entry, place)
    row, column = (
        min(int((at + 0.5) * pixels / o * n / within), n - 1)
        for at, pixels, o, n, within in zip(
            (view.row, view.column), before, old[1:], new[1:], after, strict=True
        )
    )
    return replace(view, network=network, place=place, row=row, column=column)


def check_record(record: Any, name: str) -> None:
    """Refuse what is no record.

    Args:
        record: what a user gave.
        name: of the function or class it was given to.

    Raises:
        DVFLError: says how a record is read.
    """
    if isinstance(record, Record):
        return
    told = repr(record) if isinstance(record, str) else type(record).__name__
    raise DVFLError(
        f"{name} takes a Record, not {told}; read a saved one with "
        "load_record('clip.npz'), or make one with record_clip"
    )


def check_view(record: Any, view: Any, name: str) -> None:
    """Refuse a view of what the record does not hold.

    Args:
        record, view: what a user gave.
        name: of the function they were given to.

    Raises:
        DVFLError: says which attribute is wrong, and what there is.
    """
    check_record(record, name)
    if not isinstance(view, View):
        raise DVFLError(
            f"{name} takes a View, not {type(view).__name__}; first_view(record) is one"
        )
    if not (isinstance(view.place, tuple) and len(view.place) == 2):
        raise DVFLError(f"view.place is (stage, block), not {view.place!r}")
    entry, maps = view.entry(record), view.maps(record)
    view.beside(record)
    frames, height, width = maps.size
    counts = {
        "frame": (0, frames),
        "row": (0, height),
        "column": (0, width),
        "change": (-1, len(entry.outcomes)),
    }
    for part, (least, count) in counts.items():
        value = getattr(view, part)
        if not isinstance(value, Integral) or not least <= value < count:
            raise DVFLError(
                f"view.{part} is a whole number from {least} to {count - 1} "
                f"(counted from 0), not {value!r}"
            )
    if not (isinstance(view.overlay, Real) and 0 <= view.overlay <= 1):
        raise DVFLError(f"view.overlay is from 0 to 1, not {view.overlay!r}")
    heat = view.temperature
    if not (isinstance(heat, Real) and math.isfinite(heat) and heat > 0):
        raise DVFLError(f"view.temperature is a number above 0, not {heat!r}")
