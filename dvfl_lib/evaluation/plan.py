"""What is to be scored, and how: checked in one place, before any work.

Public names: ``BenchmarkPlan``, ``RunOptions``, ``Checkpoint``, ``read_plan``,
``WeightsInfo``, ``parse_views``, ``ROLES``, ``COURSE_FILES``, ``COURSE_TRAINING``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..datasets.base import marked_standin, protocols_of
from ..datasets.leakage import TrainingList
from ..datasets.sources import SOURCES
from ..environment import processes, project_root
from ..errors import CheckpointError, RecipeError
from ..recipes import DataRecipe, did_you_mean, said_as_ours
from ..standins import StandinSize
from ..weights.checkpoint import build_model
from ..weights.loading import Network, describe_tensors, network_of
from ..weights.reading import read_weights, weights_digest

Role = Literal["student", "baseline", "teacher"]
ROLES: tuple[Role, ...] = get_args(Role)
# The course's own networks, in data/assets. Their files do not say that they learned
# from the stand-in of seed 0.
COURSE_FILES: dict[Role, str] = {
    "student": "vfl_net_lab_student_64.safetensors",
    "baseline": "vfl_net_lab_student_64_baseline.safetensors",
    "teacher": "vfl_net_lab_teacher_64.safetensors",
}
_ASSETS = project_root() / "data" / "assets"
COURSE_TRAINING = TrainingList("ucf101", "1", drawing=0)
_STANDIN_SIZE = {"groups": 22, "clips_per_group": 1, "min_frames": 12, "max_frames": 20}
DatasetName = Literal[*SOURCES]  # type: ignore[valid-type]
_OfView = Literal["frames", "crop", "short_side", "sampling", "stride"]
_OfStandin = Literal["groups", "clips_per_group", "min_frames", "max_frames"]


@dataclass(frozen=True)
class WeightsInfo:
    """What a file says of itself, and what its tensors tell."""

    kind: str  # "safetensors" or "pytorch"
    metadata: dict[str, Any]  # what ``save_checkpoint`` wrote
    network: Network  # its architecture
    digest: str  # of the tensors, see ``weights_digest``
    trained_on: TrainingList | None  # None where nothing says so


class Checkpoint(BaseModel):
    """A file of weights, and what it is to be scored as.

    Also read from text: ``role=path``, ``role=path@dataset``,
    ``role=path@dataset:split``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    role: Role
    path: Path  # .safetensors of this library, or the authors' .pth
    dataset: Literal["", *SOURCES] = ""  # type: ignore[valid-type]  # "" serves all
    split: str = ""  # "" serves all
    arch: str = ""  # the network it must hold; "" takes what it holds
    part: str = ""  # of a .pth with several sets of weights, see ``read_weights``

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
        return {"role": role, "path": path, "dataset": dataset, "split": split.lower()}

    @field_validator("path")
    @classmethod
    def _is_there(cls, path: Path) -> Path:
        if not path.expanduser().is_file():
            raise ValueError(f"there is no file {path}")
        return path.expanduser()

    @classmethod
    @said_as_ours()
    def read(cls, value: Any) -> Checkpoint:
        """From a dictionary or from text; ``RecipeError`` says what is wrong."""
        return cls.model_validate(value)

    @property
    def of_course(self) -> bool:
        """Whether it is one of the course's networks."""
        return self.path.resolve() in (
            (_ASSETS / file).resolve() for file in COURSE_FILES.values()
        )

    @cached_property
    def weights(self) -> WeightsInfo:
        """Of a whole network, and of that of ``arch``; the file is read once."""
        file = read_weights(self.path, self.part)
        try:
            build_model(file)  # what does not fit is better known now
        except CheckpointError as error:
            raise CheckpointError(f"{self.role}: {error}") from None
        network, digest = network_of(file.tensors), weights_digest(file.tensors)
        if self.arch not in ("", network.name):
            what = describe_tensors(file.tensors)
            raise CheckpointError(
                f"{self.role}: {self.path} holds {what}, not {self.arch}"
            )
        trained = COURSE_TRAINING if self.of_course else None
        if told := file.metadata.get("trained_on"):
            trained = TrainingList.from_dict(told)
        return WeightsInfo(file.kind, file.metadata, network, digest, trained)


class RunOptions(BaseModel):
    """How results are computed: what changes no question, and seldom an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: dict[_OfView, int | str] = {}  # replaces numbers of the checkpoints
    batch_size: int = Field(12, ge=1)  # views per forward pass; changes no result
    workers: int | None = Field(None, ge=0)  # None chooses; changes no result
    device: str = ""  # such as "cuda"; "" takes the accelerator if there is one
    precision: Literal["no", "bf16", "fp16"] = "no"  # "no" is float32
    max_unreadable: float = Field(0.02, ge=0, lt=1)  # share that may be left out unread
    standin_size: dict[_OfStandin, int] = {}  # for those that are drawn
    seed: int = Field(1, ge=0)  # of their scenes; the course's networks know seed 0
    progress: bool = True  # show bars

    @model_validator(mode="after")
    def _can_be(self) -> RunOptions:
        replace(DataRecipe(), **self.size)
        self.drawn  # noqa: B018  an impossible size is refused here
        try:
            torch.zeros(1, device=self.target)
        except (RuntimeError, AssertionError) as error:
            why = f"cannot be used here: {str(error).splitlines()[0]}"
            raise ValueError(f"device {self.device!r} {why}") from None
        return self

    @property
    def drawn(self) -> StandinSize:
        """The size of the stand-ins."""
        return StandinSize(**{**_STANDIN_SIZE, **self.standin_size})

    @property
    def target(self) -> torch.device:
        """The device itself."""
        return torch.device(self.device) if self.device else processes().device


class BenchmarkPlan(RunOptions):
    """What was asked for."""

    benchmarks: tuple[DatasetName, ...] = ()  # empty: those of data_roots, or all
    data_roots: dict[DatasetName, Path] = {}  # a stand-in is written for the others
    # Empty: the course's own networks, which know the stand-ins' actions alone.
    checkpoints: tuple[Checkpoint, ...] = Field((), validate_default=True)
    # One, several ("1,2" or a list), or "all": the three official ones, or the 25
    # groups of UCF50. Left out: those that the networks may be scored on.
    splits: dict[DatasetName, tuple[str, ...]] = {}
    views: str = "4x3"  # clips in time x crops in space
    run_dir: str = ""  # for results; "" for runs/benchmarks
    # "own", "authors" or a file of names, for files that do not name their classes.
    class_orders: dict[Role, str] = {}
    # Those you know to be trained on the training list of the split they are scored
    # on, where the file does not say so.
    trust_unknown_training: tuple[Role, ...] = ()

    @field_validator("data_roots", mode="before")
    @classmethod
    def _given(cls, roots: Any) -> Any:
        """An empty folder is none: a stand-in is drawn."""
        if isinstance(roots, Mapping):
            return {name: root for name, root in roots.items() if root}
        return roots

    @field_validator("data_roots")
    @classmethod
    def _are_there(cls, roots: dict[str, Path]) -> dict[str, Path]:
        for name, root in roots.items():
            if not root.expanduser().is_dir():
                raise ValueError(f"{name}: there is no folder {root}")
        return {name: root.expanduser() for name, root in roots.items()}

    @field_validator("checkpoints")
    @classmethod
    def _or_the_course_s(cls, given: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
        files = COURSE_FILES.items()
        return given or tuple(Checkpoint(role=r, path=_ASSETS / f) for r, f in files)

    @field_validator("splits", mode="before")
    @classmethod
    def _each_a_list(cls, splits: Any) -> Any:
        """One split, several, or "all"."""
        if not isinstance(splits, Mapping):
            return splits  # refused by its type
        found = {}
        for name, value in splits.items():
            if str(value).lower() == "all":
                value = (protocols_of(name) or (("1",),))[0]
            each = value if isinstance(value, (list, tuple)) else str(value).split(",")
            found[name] = tuple(str(split).lower() for split in each if split != "")
        return found

    @model_validator(mode="after")
    def _together(self) -> BenchmarkPlan:
        parse_views(self.views)
        named = {
            "data_roots": list(self.data_roots),
            "splits": list(self.splits),
            "checkpoints": [c.dataset for c in self.checkpoints if c.dataset],
        }
        for what, names in named.items():
            if idle := [name for name in names if name not in self.names]:
                raise ValueError(
                    f"{what} names {', '.join(idle)}, but benchmarks leaves it out"
                )
        real = [name for name, r in self.data_roots.items() if not marked_standin(r)]
        if real and any(c.of_course for c in self.files(real[0])):
            raise ValueError(
                f"data_roots gives real data for {real[0]}, but the small networks of "
                "the course know made-up actions only. Give checkpoints, such as "
                "['student=student.safetensors']"
            )
        places = [(c.role, c.dataset, c.split) for c in self.checkpoints]
        if twice := [place for place in places if places.count(place) > 1]:
            raise ValueError(f"checkpoints: two files for {' '.join(twice[0])}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The data sets, in the order they were given."""
        return self.benchmarks or tuple(self.data_roots) or tuple(SOURCES)

    def files(self, name: str) -> list[Checkpoint]:
        """Those for a data set."""
        return [c for c in self.checkpoints if c.dataset in ("", name)]

    def files_of(self, name: str, split: str) -> list[Checkpoint]:
        """One for each role: what is said for the split goes before the rest."""
        found: dict[str, Checkpoint] = {}
        for c in sorted(self.files(name), key=lambda c: (c.split, c.dataset)):
            if c.split in ("", split):
                found[c.role] = c
        roles = {c.role: c for c in self.files(name)}
        if not found or len(found) < len(roles):
            lone = " and ".join(role for role in roles if role not in found)
            raise RecipeError(
                f"checkpoints: none for {name}, split {split}{lone and ': '}{lone}"
            )
        return [found[role] for role in roles]


@said_as_ours()
def read_plan(parameters: Mapping[str, Any]) -> BenchmarkPlan:
    """The plan; ``RecipeError`` says which parameter is wrong."""
    known = BenchmarkPlan.model_fields
    for name in parameters:
        if name not in known:
            near = did_you_mean(name, known)
            raise RecipeError(f"there is no parameter {name!r}.{near}")
    return BenchmarkPlan(**{k: v for k, v in parameters.items() if v is not None})


def parse_views(views: str) -> tuple[int, int]:
    """ "4x3" -> (4 clips in time, 3 crops in space); ``RecipeError`` for others."""
    match = re.fullmatch(r"([1-9]\d?) ?x ?([13])", views)
    if match is None:
        raise RecipeError(
            f"views takes clips x crops with 1 or 3 crops, such as '4x3', not {views!r}"
        )
    return int(match[1]), int(match[2])
