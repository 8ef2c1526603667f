"""Files of weights and test lists opened: which network may be scored where.

Public names: ``Opening``, ``BenchmarkList``, ``ScoredNetwork``, ``WeightsInfo``,
``inspect_weights``, ``scored_network``.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..datasets import VideoDataset, create_dataset
from ..datasets.base import dataset_info, protocols_of
from ..datasets.leakage import TrainingList, standin_seed, training_list, why_leaks
from ..environment import processes, project_root, shown_path
from ..errors import CheckpointError, DatasetError, RecipeError
from ..files import can_write
from ..recipes import DataRecipe
from ..standins import write_standin
from ..standins.scenes import ACTIONS, action_of
from ..weights.checkpoint import build_model, views_from_metadata
from ..weights.loading import Network, describe_tensors, network_of
from ..weights.reading import read_weights, weights_digest
from .class_order import InClassOrder, align_classes, read_class_list, released_classes
from .plan import COURSE_TRAINING, BenchmarkPlan, Checkpoint
from .tables import data_name

_UCF50_GROUPS = 25  # without which UCF50 is not whole


@dataclass(frozen=True)
class WeightsInfo:
    """What a file says of itself, and what its tensors tell; read once."""

    path: Path
    stamp: tuple[int, int]  # its size and time of change when it was read
    kind: str  # "safetensors" or "pytorch"
    metadata: dict[str, Any]  # what ``save_checkpoint`` wrote
    network: Network  # its architecture
    digest: str  # of the tensors, see ``weights_digest``

    @property
    def trained_on(self) -> TrainingList | None:
        """The list it learned from, where the file says it."""
        told = self.metadata.get("trained_on")
        return None if told is None else TrainingList.from_dict(told)


def inspect_weights(checkpoint: Checkpoint) -> WeightsInfo:
    """Read a file and make sure that it holds a whole network, and that of ``arch``."""
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
    """A network on a data set; its weights are read when they are needed."""

    role: str  # "student", "baseline" or "teacher"
    weights: WeightsInfo
    model: str  # what it is called in ``vfl_net``
    classes: tuple[str, ...]  # its own names, in the order of its outputs
    order: tuple[int, ...]  # output for each class of the data, see ``align_classes``
    data: DataRecipe  # frames, sampling and pixels of a view
    short_side: int  # before cropping
    trained_on: TrainingList | None  # None where nothing says so
    notes: tuple[str, ...]  # what a reader of its results must know

    def load(self) -> InClassOrder:
        """The network in eval mode, on the CPU; refused if the file was changed."""
        path = self.weights.path
        if not path.is_file() or _stamp(path) != self.weights.stamp:
            raise CheckpointError(f"{path} was changed meanwhile: open it again")
        return InClassOrder(build_model(read_weights(path)), self.order).eval()


def check_classes(
    role: str, weights: WeightsInfo, dataset: str, standin: bool, classes: int
) -> None:
    """Refuse a head of another size: the network tells other classes apart."""
    name, own = weights.network.name, weights.network.num_classes
    advice = "Use the weights of this data set"
    if standin:
        advice = "Stand-ins show made-up actions alone. For the real data give "
        advice += f"data_roots={{{dataset!r}: <its folder>}}"
    if own != classes:
        raise CheckpointError(
            f"{role}: {weights.path} holds {name} with {own} classes, and the "
            f"{data_name(dataset, standin)} has {classes} classes. {advice}"
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
        class_order: "authors", "own" (the data set's), a file of names, or "": what
            the file says, and for a .pth file, which says nothing, "authors".
        size: numbers of a view that replace those of the file.
        trained_on: what is known of the training, if the file does not say it.

    Raises:
        CheckpointError: another number of classes; classes that cannot be paired, or
            whose order nobody knows.
    """
    path = weights.path
    check_classes(role, weights, dataset.name, dataset.standin, len(dataset.classes))
    names, notes = _names(role, weights, dataset, class_order)
    partner = None
    try:
        if dataset.standin:  # the same actions under the names of each data set
            known = {action_of(name): name for name in names}
            own = {name: action_of(name) for name in dataset.classes}
            partner = {name: known.get(action, name) for name, action in own.items()}
        order = align_classes(names, dataset.classes, partner)
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
        note = (
            f"{shown}: the file does not name its classes; they are taken to be in the "
            "order of the authors' released checkpoints."
        )
        return released_classes(dataset.name, dataset.classes), [note]
    if class_order == "own":
        note = f"{shown}: its classes are taken to be in the data set's own order."
        return dataset.classes, [note]
    if class_order:
        return read_class_list(class_order), []
    raise CheckpointError(
        f"{role}: {weights.path} does not say in which order its classes are. Give "
        f"class_orders={{{role!r}: ...}}: 'own' for the data set's order, 'authors' "
        "for that of the released checkpoints, or a file with a name in each line"
    )


@dataclass(frozen=True)
class BenchmarkList:
    """The test side of one split, and the networks that are scored on it."""

    dataset: VideoDataset
    networks: dict[str, ScoredNetwork]

    @property
    def place(self) -> tuple[str, str]:
        """Data set and split."""
        return self.dataset.name, self.dataset.split


class Opening:
    """Opens one data set after the other; each file of weights is read once."""

    def __init__(self, plan: BenchmarkPlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.notes: list[str] = []
        self._read: dict[Checkpoint, WeightsInfo] = {}

    def lists(self, name: str) -> list[BenchmarkList]:
        """All test lists of one data set, with the networks that are scored there."""
        plan, root = self.plan, self.plan.data_roots.get(name)
        drawing = plan.options.seed if root is None else standin_seed(root)
        files: dict[str, dict[str, WeightsInfo]] = {}
        for split in self._splits(name, drawing):
            given = plan.files_of(name, split).items()
            files[split] = {role: self._weights(c) for role, c in given}
            if drawing is not None:  # twelve classes: known before anything is drawn
                for role, weights in files[split].items():
                    check_classes(role, weights, name, True, len(ACTIONS))
                    self._refuse(role, weights, TrainingList(name, split, drawing))
        if root is None:
            root = self._standin(name)
        return [self._list(name, root, *listed) for listed in files.items()]

    def _list(
        self, name: str, root: Path, split: str, networks: dict[str, WeightsInfo]
    ) -> BenchmarkList:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            dataset = create_dataset(name, root, split, "test")
        shown = [str(w.message).replace(str(root), shown_path(root)) for w in told]
        self.notes += [f"{name}: {text}" for text in shown]
        scored, size = {}, self.plan.options.size
        for role, weights in networks.items():
            order = self.plan.class_orders.get(role, "")
            known = (role, weights, dataset, order, size, self._course_training)
            scored[role] = scored_network(*known)
            self._refuse(role, weights, training_list(dataset))
        return BenchmarkList(dataset, scored)

    def _weights(self, checkpoint: Checkpoint) -> WeightsInfo:
        key = checkpoint.model_copy(update={"dataset": "", "split": ""})
        if key not in self._read:
            self._read[key] = inspect_weights(checkpoint)
        return self._read[key]

    @property
    def _course_training(self) -> TrainingList | None:
        """What the course's networks learned from; their files do not say it."""
        return None if self.plan.checkpoints else COURSE_TRAINING

    def _splits(self, name: str, drawing: int | None) -> tuple[str, ...]:
        """Those asked for, or those that the networks may be scored on."""
        plan = self.plan
        if asked := plan.splits.get(name):
            return asked
        files = plan.files(name)
        if named := dict.fromkeys(c.split for c in files if c.split):
            return tuple(named)
        lists = [self._weights(checkpoint).trained_on for checkpoint in files]
        place = (name, drawing)
        trained = {t.split for t in lists if t and (t.dataset, t.drawing) == place}
        trusted = plan.trust_unknown_training and not trained and protocols_of(name)
        if len(trained) > 1 or trusted:
            raise RecipeError(
                f"splits: say on which splits of {name} the networks shall be scored; "
                "they do not tell it, or were trained on several"
            )
        if trained:
            return tuple(trained)
        if drawing is not None:  # drawn anew: no network has seen any of it
            standin_splits = dataset_info(name).standin_splits
            return standin_splits or (protocols_of(name) or (("1",),))[0]
        # The released checkpoints, which say nothing, know all other lists of UCF50
        # and UCF101.
        return ("authors",) if "authors" in dataset_info(name).splits else ("1",)

    def _refuse(self, role: str, weights: WeightsInfo, test: TrainingList) -> None:
        """Raise if a network may have learned from the videos of this test list."""
        trained = weights.trained_on or self._course_training
        why = why_leaks(trained, test)
        trusted = role in self.plan.trust_unknown_training
        if not why or (trained is None and trusted):
            return
        advice = ""
        if trained is None:
            advice = ". If you know that it was trained on this split: "
            advice += f"trust_unknown_training=[{role!r}]"
            if (name := test.dataset) != "hmdb51":
                advice += f"; for a released one: splits={{{name!r}: 'authors'}}"
        place = f"{role} on {test.dataset}, split {test.split}"
        raise DatasetError(f"{place}: {why}{advice}")

    def _standin(self, name: str) -> Path:
        options = self.plan.options
        size, seed = options.drawn, options.seed
        if name == "ucf50":
            size = replace(size, groups=max(size.groups, _UCF50_GROUPS))
        data = project_root() / "data"
        place = data if can_write(data) else self.folder
        drawn = f"seed{seed}_{size.groups}x{size.clips_per_group}"
        drawn = f"{drawn}_{size.min_frames}to{size.max_frames}"
        # To start another process takes longer than to draw a few hundred clips.
        few = size.groups * size.clips_per_group <= 2 * _UCF50_GROUPS
        workers = 1 if few else os.cpu_count() or 1
        root = place / "standins" / drawn / name
        with processes().main_process_first():
            return write_standin(name, root, seed, size, workers, options.progress)
