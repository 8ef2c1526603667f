"""From a file of weights to a network that answers in a data set's order of classes.

Public names: ``Checkpoint``, ``ScoredNetwork``, ``WeightsInfo``, ``inspect_weights``,
``scored_network``, ``course_checkpoints``, ``COURSE_FILES``, ``ROLES``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    field_validator,
    model_validator,
)

from ..datasets import VideoDataset
from ..datasets.leakage import TrainingList
from ..datasets.sources import SOURCES
from ..environment import project_root, shown_path
from ..errors import CheckpointError, DatasetError, RecipeError
from ..recipes import DataRecipe
from ..standins.scenes import action_of
from ..weights.checkpoint import build_model, views_from_metadata
from ..weights.loading import Network, describe_tensors, network_of
from ..weights.reading import read_weights, weights_digest
from .class_order import (
    InClassOrder,
    align_classes,
    read_class_list,
    released_classes,
)
from .tables import data_name

Role = Literal["student", "baseline", "teacher"]
ROLES: tuple[Role, ...] = get_args(Role)
# The course's own networks, in data/assets. Their files do not say that they learned
# from the stand-in of seed 0.
COURSE_FILES: dict[Role, str] = {
    "student": "vfl_net_lab_student_64.safetensors",
    "baseline": "vfl_net_lab_student_64_baseline.safetensors",
    "teacher": "vfl_net_lab_teacher_64.safetensors",
}
COURSE_TRAINING = TrainingList("ucf101", "1", drawing=0)


class Checkpoint(BaseModel):
    """A file of weights, and what it is to be scored as.

    Attributes:
        role: "student", "baseline" or "teacher".
        path: .safetensors of this library, or the authors' .pth.
        dataset, split: for which it is; "" serves all.
        arch: the network it must hold, such as "vfl_net_nano"; "" takes what it holds.

    Also read from text: ``role=path``, ``role=path@dataset``,
    ``role=path@dataset:split``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    role: Role
    path: Path
    dataset: Literal["", *SOURCES] = ""  # type: ignore[valid-type]
    split: str = ""
    arch: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        role, equals, rest = value.partition("=")
        if not equals:
            raise ValueError(f"give ROLE=PATH, such as student={value}")
        path, at, where = rest.rpartition("@")
        dataset, _, split = where.partition(":")
        if not at or dataset not in SOURCES:  # a path may hold an @ too
            path, dataset, split = rest, "", ""
        return {"role": role, "path": path, "dataset": dataset, "split": split}

    @classmethod
    def read(cls, value: Any) -> Checkpoint:
        """From a dictionary or from text.

        Raises:
            RecipeError: what is wrong with it.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise RecipeError(
                f"checkpoint {value!r}: {told(error, cls.model_fields)}"
            ) from None

    @field_validator("path")
    @classmethod
    def _is_there(cls, path: Path) -> Path:
        path = path.expanduser()
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path


def told(error: ValidationError, known: Iterable[str] = ()) -> str:
    """Which parameter, and what is wrong with it."""
    lines = []
    for each in error.errors():
        place = ".".join(map(str, each["loc"])).removeprefix("options.")
        why = each["msg"].removeprefix("Value error, ")
        if each["type"] == "extra_forbidden":
            why = f"there is no such parameter. Known: {', '.join(known)}"
        lines.append(f"{place}: {why}" if place not in ("", "options") else why)
    return "; ".join(lines)


def course_checkpoints() -> tuple[Checkpoint, ...]:
    """The small networks of this course, which know the stand-ins' actions alone."""
    folder = project_root() / "data" / "assets"
    files = COURSE_FILES.items()
    return tuple(Checkpoint(role=role, path=folder / file) for role, file in files)


@dataclass(frozen=True)
class WeightsInfo:
    """What a file says of itself, and what its tensors tell; read once.

    Attributes:
        path: the file; stamp: its size and time of change when it was read.
        kind: "safetensors" or "pytorch"; metadata: what ``save_checkpoint`` wrote.
        network: its architecture; digest: of the tensors, see ``weights_digest``.
    """

    path: Path
    stamp: tuple[int, int]
    kind: str
    metadata: dict[str, Any]
    network: Network
    digest: str

    @property
    def trained_on(self) -> TrainingList | None:
        """The list it learned from, where the file says it."""
        told = self.metadata.get("trained_on")
        return None if told is None else TrainingList.from_dict(told)


def inspect_weights(checkpoint: Checkpoint) -> WeightsInfo:
    """Read a file and make sure that it holds a whole video network.

    Raises:
        CheckpointError: it holds something else, or another network than ``arch``.
    """
    path, stamp = checkpoint.path, _stamp(checkpoint.path)
    file = read_weights(path)
    network = network_of(file.tensors)
    try:
        build_model(file)  # what does not fit is better known now
    except CheckpointError as error:
        raise CheckpointError(f"{checkpoint.role}: {error}") from None
    if checkpoint.arch not in ("", network.name):
        raise CheckpointError(
            f"{checkpoint.role}: {path} holds {describe_tensors(file.tensors)}, not "
            f"{checkpoint.arch}"
        )
    digest = weights_digest(file.tensors)
    return WeightsInfo(path, stamp, file.kind, file.metadata, network, digest)


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@dataclass(frozen=True)
class ScoredNetwork:
    """A network on a data set; its weights are read when they are needed.

    Attributes:
        role: "student", "baseline" or "teacher".
        weights: its file; model: what it is called in ``vfl_net``.
        classes: its own names in the order of its outputs; order: the number of the
            output for each class of the data, see ``class_order.align_classes``.
        data: frames, sampling and pixels of a view; short_side before cropping.
        trained_on: the list it learned from; None where nothing says so.
        notes: what a reader of its results must know.
    """

    role: str
    weights: WeightsInfo
    model: str
    classes: tuple[str, ...]
    order: tuple[int, ...]
    data: DataRecipe
    short_side: int
    trained_on: TrainingList | None
    notes: tuple[str, ...]

    def load(self) -> InClassOrder:
        """The network in eval mode, on the CPU.

        Raises:
            CheckpointError: the file is another one than when it was opened.
        """
        path = self.weights.path
        if not path.is_file() or _stamp(path) != self.weights.stamp:
            raise CheckpointError(f"{path} was changed meanwhile: open it again")
        return InClassOrder(build_model(read_weights(path)), self.order).eval()


def check_classes(
    role: str, weights: WeightsInfo, dataset: str, standin: bool, classes: int
) -> None:
    """Refuse a head of another size.

    Raises:
        CheckpointError: the network tells another number of classes apart.
    """
    network = weights.network
    if network.num_classes == classes:
        return
    advice = "Use the weights of this data set"
    if standin:
        advice = (
            "Stand-ins show made-up actions alone. For the real data give "
            f"data_roots={{{dataset!r}: <its folder>}}"
        )
    raise CheckpointError(
        f"{role}: {weights.path} holds {network.name} with {network.num_classes} "
        f"classes, and the {data_name(dataset, standin)} has {classes} classes. "
        f"{advice}"
    )


def scored_network(
    role: str,
    weights: WeightsInfo,
    dataset: VideoDataset,
    class_order: str = "",
    size: dict[str, Any] | None = None,
    trained_on: TrainingList | None = None,
) -> ScoredNetwork:
    """Pair a network's classes with those of the data, by name.

    Args:
        dataset: gives the names of the classes.
        class_order: "authors", "own" (the data set's), a file of names, or "": what
            the file says, and for a .pth file, which says nothing, "authors".
        size: numbers of a view that replace those of the file.
        trained_on: what is known of the training, if the file does not say it.

    Raises:
        CheckpointError: another number of classes; classes that cannot be paired, or
            whose order nobody knows.
        RecipeError: a size that is impossible.
        DatasetError: a file of names that cannot be read.
    """
    path = weights.path
    check_classes(role, weights, dataset.name, dataset.standin, len(dataset.classes))
    names, notes = _names(role, weights, dataset, class_order)
    try:
        order = align_classes(names, dataset.classes, _partners(names, dataset))
    except (CheckpointError, DatasetError) as error:
        raise CheckpointError(f"{role}: {path}: {error}") from None
    data, short_side, stated = views_from_metadata(weights.metadata, size or {})
    if not stated:
        notes.append(
            f"{role} ({shown_path(path)}): the file does not say which views it was "
            "trained with; 8 frames of 224 pixels are taken, as in the papers."
        )
    name = weights.network.name
    return ScoredNetwork(
        role=role,
        weights=weights,
        model=name if name.isidentifier() else "of its own sizes",
        classes=names,
        order=order,
        data=data,
        short_side=short_side,
        trained_on=weights.trained_on or trained_on,
        notes=tuple(notes),
    )


def _names(
    role: str, weights: WeightsInfo, dataset: VideoDataset, class_order: str
) -> tuple[tuple[str, ...], list[str]]:
    """The network's classes in its order, and what to say about where they are from."""
    shown = f"{role} ({shown_path(weights.path)})"
    given = weights.metadata.get("classes")
    if not class_order and given:
        return tuple(map(str, given)), []
    if not class_order and weights.metadata.get("run"):
        class_order = "own"  # written by a training of this library, before it told
    if not class_order and weights.kind == "pytorch":
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
        f"{role}: {weights.path} does not say in which order its classes are. Give "
        f"class_orders={{{role!r}: ...}}: 'own' for the data set's order, 'authors' "
        "for that of the released checkpoints, or a file with a name in each line"
    )


def _partners(names: tuple[str, ...], dataset: VideoDataset) -> dict[str, str] | None:
    """Stand-ins show the same actions under the names of each data set."""
    if not dataset.standin:
        return None
    known = {action_of(name): name for name in names}
    return {name: known.get(action_of(name), name) for name in dataset.classes}
