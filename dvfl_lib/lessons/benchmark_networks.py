"""From a file of weights to a network that answers in a data set's order of classes.

Public names: ``Contestant``, ``contestant``, ``check_network``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets import VideoDataset
from ..datasets.leakage import TrainingList
from ..environment import shown_path
from ..errors import CheckpointError, DatasetError
from ..evaluation.class_order import (
    InClassOrder,
    align_classes,
    read_class_list,
    released_classes,
)
from ..evaluation.final_table import data_name
from ..recipes import DataRecipe
from ..standins.scenes import action_of
from ..vfl_net import VFLNet
from ..weights import load_checkpoint, views_from_metadata
from ..weights.loading import Network, describe_tensors, network_of
from ..weights.reading import WeightsFile, read_weights


@dataclass(frozen=True)
class Contestant:
    """A network on a benchmark; its weights are read when they are needed.

    Attributes:
        role: "student", "baseline" or "teacher".
        path: its file; model: what it is called in ``vfl_net``.
        classes: its own names in the order of its outputs; order: the number of the
            output for each class of the data, see ``class_order.align_classes``.
        data: frames, sampling and pixels of a view; short_side before cropping.
        trained_on: the list it learned from; None where nothing says so.
        notes: what a reader of its results must know.
    """

    role: str
    path: Path
    model: str
    network: Network
    classes: tuple[str, ...]
    order: tuple[int, ...]
    data: DataRecipe
    short_side: int
    trained_on: TrainingList | None
    notes: tuple[str, ...]

    def load(self) -> InClassOrder:
        """The network in eval mode, on the CPU."""
        model = VFLNet(self.network.config, self.network.num_classes)
        load_checkpoint(model, self.path)
        return InClassOrder(model.eval(), self.order).eval()


def contestant(
    role: str,
    path: Path,
    dataset: VideoDataset,
    class_order: str = "",
    size: dict[str, Any] | None = None,
    trained_on: TrainingList | None = None,
) -> Contestant:
    """Read what a file says of itself, and pair its classes with those of the data.

    Args:
        dataset: gives the names of the classes.
        class_order: "authors", "own" (the data set's), a file of names, or "": what
            the file says, and for a .pth file, which says nothing, "authors".
        size: numbers of a view that replace those of the file.
        trained_on: what is known of the training, if the file does not say it.

    Raises:
        CheckpointError: not a video network with a head for these classes; classes
            that cannot be paired, or whose order nobody knows.
        RecipeError: a size that is impossible.
        DatasetError: a file of names that cannot be read.
    """
    file, network = check_network(
        role, path, dataset.name, dataset.standin, len(dataset.classes)
    )
    names, notes = _names(role, file, dataset, class_order)
    try:
        order = align_classes(names, dataset.classes, _partners(names, dataset))
    except (CheckpointError, DatasetError) as error:
        raise CheckpointError(f"{role}: {path}: {error}") from None
    data, short_side, stated = views_from_metadata(file.metadata, size or {})
    if not stated:
        notes.append(
            f"{role} ({shown_path(path)}): the file does not say which views it was "
            "trained with; 8 frames of 224 pixels are taken, as in the papers."
        )
    known = file.metadata.get("trained_on")
    model = network.name if network.name.isidentifier() else "of its own sizes"
    return Contestant(
        role=role,
        path=path,
        model=model,
        network=network,
        classes=names,
        order=order,
        data=data,
        short_side=short_side,
        trained_on=trained_on if known is None else TrainingList.from_dict(known),
        notes=tuple(notes),
    )


def check_network(
    role: str, path: Path, benchmark: str, standin: bool, classes: int
) -> tuple[WeightsFile, Network]:
    """The content of a file that holds a video network with so many classes.

    Raises:
        CheckpointError: it holds something else.
    """
    file = read_weights(path)
    network, found = network_of(file.tensors), describe_tensors(file.tensors)
    if network is None or not network.video or network.num_classes is None:
        raise CheckpointError(
            f"{role}: {path} holds {found}; a video network of this family with a "
            "head for classes is needed"
        )
    if network.num_classes != classes:
        advice = "Use the weights of this data set"
        if standin:
            advice = (
                "Stand-ins show made-up actions alone. For the real data give "
                f"data_roots={{{benchmark!r}: <its folder>}}"
            )
        raise CheckpointError(
            f"{role}: {path} holds {found}, and the {data_name(benchmark, standin)} "
            f"has {classes} classes. {advice}"
        )
    return file, network


def _names(
    role: str, file: WeightsFile, dataset: VideoDataset, class_order: str
) -> tuple[tuple[str, ...], list[str]]:
    """The network's classes in its order, and what to say about where they are from."""
    shown = f"{role} ({shown_path(file.path)})"
    given = file.metadata.get("classes")
    if not class_order and given:
        return tuple(map(str, given)), []
    if not class_order and file.metadata.get("run"):
        class_order = "own"  # written by a training of this library, before it told
    if not class_order and file.kind == "pytorch":
        class_order = "authors"
    if class_order == "authors":
        names = released_classes(dataset.name, dataset.classes)
        return names, [
            f"{shown}: the file does not name its classes; they are taken to be in the "
            "order of the authors' released checkpoints."
        ]
    if class_order == "own":
        return dataset.classes, [
            f"{shown}: its classes are taken to be in the data set's own order."
        ]
    if class_order:
        return read_class_list(class_order), []
    raise CheckpointError(
        f"{role}: {file.path} does not say in which order its classes are. Give "
        f"class_orders={{{role!r}: ...}}: 'own' for the data set's order, 'authors' "
        "for that of the released checkpoints, or a file with a name in each line"
    )


def _partners(names: tuple[str, ...], dataset: VideoDataset) -> dict[str, str] | None:
    """Stand-ins show the same actions under the names of each benchmark."""
    if not dataset.standin:
        return None
    known = {action_of(name): name for name in names}
    return {name: known.get(action_of(name), name) for name in dataset.classes}
