"""The three networks of a run: how each begins, and where its weights are.

Public names: ``RunNetworks``, ``Role``, ``ROLES``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from ..errors import CheckpointError
from ..evaluation.class_order import align_classes, released_classes
from ..recipes import NetworkRecipe, OptimRecipe
from ..seeding import fixed_rng
from ..vfl_net import VFLNet, create_model
from ..weights import (
    LoadReport,
    fetch_image_weights,
    load_checkpoint,
    load_image_weights,
)
from ..weights.reading import read_own_metadata
from .devices import processes
from .run_data import RunData

Role = Literal["teacher", "baseline", "distilled"]
ROLES: tuple[Role, ...] = ("teacher", "baseline", "distilled")


class RunNetworks(RunData):
    """The networks that the recipe names, for the classes of the data.

    Raises:
        DVFLError: (all methods) one of its children, with what to do about it.
    """

    def recipe_of(self, role: Role) -> NetworkRecipe:
        """Which network plays this role."""
        return self.recipe.teacher if role == "teacher" else self.recipe.student

    def _create(self, role: Role) -> VFLNet:
        """The network of a role with its random weights."""
        part = self.recipe_of(role)
        kind = "teacher" if role == "teacher" else "student"
        with fixed_rng(self.settings.seed, "initial weights", kind):
            return create_model(
                part.model,
                num_classes=len(self.train_list.classes),
                drop_path=part.drop_path,
                init=part.init,
            )

    def new_network(self, role: Role) -> tuple[VFLNet, LoadReport | None]:
        """The network before its first step, and what was loaded into it.

        Both students are the same to the last bit.
        """
        model, part = self._create(role), self.recipe_of(role)
        if not part.image_weights:
            return model, None
        folder = self.settings.cache_dir / "weights"
        with processes().main_process_first():
            path = fetch_image_weights(part.image_weights, folder)
        return model, load_image_weights(model, path)

    def trained(self, role: Role) -> VFLNet:
        """The network with the weights that held-out groups chose, in eval mode.

        A given teacher may number the classes in another way: the rows of its head
        are put into the order of the data, by name.

        Raises:
            CheckpointError: the file does not fit; its classes are others, or nobody
                knows their order.
        """
        model, path = self._create(role), self._weights_of(role)
        load_checkpoint(model, path)
        try:
            order = align_classes(self._classes_of(path), self.train_list.classes)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None
        with torch.no_grad():
            for parameter in model.head.parameters():  # (K, C) and (K,)
                parameter.copy_(parameter[list(order)])
        return model.eval()

    def _classes_of(self, path: Path) -> Sequence[str]:
        """The classes that a file's outputs stand for, in their order."""
        said, data = read_own_metadata(path), self.train_list
        if said:  # one of ours that names none is in the order of the data
            return [str(name) for name in said.get("classes") or data.classes]
        if not data.standin:
            return released_classes(data.name, data.classes)
        raise CheckpointError(
            "the file does not say in which order its classes are. Save the network "
            "with save_checkpoint and extra={'classes': ...}"
        )

    def _weights_of(self, role: Role) -> Path:
        if role == "teacher" and self.settings.teacher_weights:
            return Path(self.settings.teacher_weights).expanduser()
        return self.settings.run_dir / role / "best.safetensors"

    def _optim_of(self, role: Role) -> tuple[str, OptimRecipe]:
        """The recipe's part that trains a role, with its name."""
        part = "teacher_optim" if role == "teacher" else "optim"
        return part, getattr(self.recipe, part)
