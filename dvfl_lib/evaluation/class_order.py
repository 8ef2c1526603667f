"""A network's classes beside a data set's: found by name, never by place.

Public names: ``align_classes``, ``InClassOrder``, ``classes_of_file``,
``released_classes``, ``read_class_list``, ``swapped_classes``.

Two sources that number the same classes in another order are a quiet trap: every
answer comes out, and a few of them are wrong. UCF101's own list puts Hammering before
HammerThrow and JumpingJack before JumpRope, a plain sort of the folders the other way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets.base import VideoDataset, dataset_info, first_few, read_lines
from ..errors import CheckpointError, DatasetError
from ..standins.scenes import plain

_SWAPPED = 0.8  # share of both classes' videos that is taken for the other class


def align_classes(network: Sequence[str], data: Sequence[str]) -> tuple[int, ...]:
    """For each class of the data set, the number of the network's output for it.

    Names are compared letter by letter; if that does not pair them all, once more
    without regard to case, spaces and punctuation. Raises ``CheckpointError`` where a
    class has no partner, or two have one name.
    """
    for spelled in (str, plain):
        place = {spelled(name): number for number, name in enumerate(network)}
        wanted = [spelled(name) for name in data]
        if len(place) == len(network) == len(data) and set(wanted) == set(place):
            return tuple(place[name] for name in wanted)
    told = []
    sides = ((network, data, "network"), (data, network, "data set"))
    for names, others, whose in sides:
        bare, known = [*map(plain, names)], {*map(plain, others)}
        if twice := [repr(name) for name in bare if bare.count(name) > 1]:
            few = first_few(dict.fromkeys(twice))
            told.append(f"the {whose} has several classes of the name {few}")
        if lone := [repr(name) for name in names if plain(name) not in known]:
            told.append(f"only the {whose} has {first_few(lone)}")
    raise CheckpointError(
        f"the network's {len(network)} classes and the data set's {len(data)} cannot "
        f"be paired by name: {'; '.join(told)}. Use the weights of this data set, or "
        "give the names of the network's classes in their order"
    )


class InClassOrder(nn.Module):
    """A network whose outputs stand in the order of a data set's labels.

    ``order``: K numbers, see ``align_classes``. They are part of the state dict, so
    that results under another order are told apart.
    """

    def __init__(self, model: nn.Module, order: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("order", torch.tensor(list(order), dtype=torch.long))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, K), column k for the data set's class k."""
        return self.model(clip)[:, self.order]


def classes_of_file(
    kind: str, metadata: Mapping[str, Any], dataset: VideoDataset, class_order: str
) -> tuple[tuple[str, ...], str]:
    """A network's classes in its order, and what to say of where they are from.

    ``kind``, ``metadata``: see ``WeightsFile``. ``class_order``: "authors", "own" (the
    data set's), a file of names, or "": what the file says, and for a .pth file, which
    says nothing, "authors". ``CheckpointError`` where nobody knows.
    """
    if not class_order and metadata.get("classes"):
        return tuple(map(str, metadata["classes"])), ""
    if not class_order and metadata.get("run"):
        class_order = "own"  # written by a training of this library, before it told
    if class_order == "own":
        note = "its classes are taken to be in the data set's own order."
        return dataset.classes, note
    if class_order == "authors" or (not class_order and kind == "pytorch"):
        return released_classes(dataset.name, dataset.classes), (
            "the file does not name its classes; they are taken to be in the order of "
            "the authors' released checkpoints."
        )
    if class_order:
        return read_class_list(class_order), ""
    raise CheckpointError(
        "the file does not say in which order its classes are. Give class_orders: "
        "'own' for the data set's order, 'authors' for that of the released "
        "checkpoints, or a file with a name in each line"
    )


def released_classes(dataset: str, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes of a data set in the order of the checkpoints that were released.

    UCF101, UCF50: folders in a plain sort (lists of the DVFL-Net repository).
    Kinetics-400, Something-Something V2: the official order (label files of the
    Video-FocalNets repository). ``CheckpointError`` for all others.
    """
    info = dataset_info(dataset)
    if info.released_order is None:
        why = info.no_order or f"no checkpoints for {dataset!r} were released"
        raise CheckpointError(f"the order of the network's classes is not known: {why}")
    return tuple(info.released_order(classes))


def read_class_list(file: str | Path) -> tuple[str, ...]:
    """The names of a network's classes, one in each line, the first for output 0.

    Also reads the label files of the Video-FocalNets and DVFL-Net repositories: a
    first line ``id,name``, then the number and the name, which may hold commas.
    ``DatasetError`` for a file that is neither.
    """
    file = Path(file).expanduser()
    lines = read_lines(file, "Give the file that names the network's classes")
    if lines[0].replace(" ", "").lower() == "id,name":
        pairs = [line.partition(",") for line in lines[1:]]
        numbers = [number.strip() for number, _, _ in pairs]
        if numbers != [str(number) for number in range(len(pairs))]:
            raise DatasetError(f"{file}: its numbers are not 0, 1, 2, ... in order")
        lines = [name.strip().strip('"') for _, _, name in pairs]
    if len(lines) < 2:
        raise DatasetError(f"{file}: names {len(lines)} classes; two are the least")
    return tuple(lines)


def swapped_classes(
    confusion: np.ndarray, class_names: Sequence[str]
) -> list[tuple[str, str]]:
    """Pairs of classes that are nearly always taken for each other.

    A network does not learn that; an order of classes that does not fit shows so.
    """
    totals = confusion.sum(axis=1, keepdims=True)  # (K, 1)
    shares = confusion / np.maximum(totals, 1)
    often = (shares >= _SWAPPED) & (shares.T >= _SWAPPED)
    return [(class_names[a], class_names[b]) for a, b in np.argwhere(often) if a < b]
