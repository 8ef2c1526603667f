"""What the explorer shows of a record: which frame, block, token, scale.

Public names: ``View``, ``first_view``, ``moved_to``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..capture import BlockMaps
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
        compare: name of the network beside it.
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

    def maps(self, record: Record) -> BlockMaps:
        """The block shown."""
        return self.entry(record).maps.at(*self.place)


def first_view(record: Record) -> View:
    """The middle token of the middle frame of the first block."""
    first = record.networks[0]
    view = View(first.name, first.maps.places[0], compare=record.networks[-1].name)
    frames, height, width = view.maps(record).size
    return replace(view, frame=frames // 2, row=height // 2, column=width // 2)


def moved_to(record: Record, view: View, network: str, place: Place) -> View:
    """The same view of another block; the token stays at its place in the picture.

    Where the network has no such block, the last block of that stage is taken.
    """
    old = view.maps(record).size
    entry = record.network(network)
    if place not in entry.maps.places:
        place = entry.last_place_of(place[0])
    new = entry.maps.at(*place).size
    row, column = (
        min(int((at + 0.5) * n / o), n - 1)
        for at, n, o in zip((view.row, view.column), new[1:], old[1:], strict=True)
    )
    return replace(view, network=network, place=place, row=row, column=column)
