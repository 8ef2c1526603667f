"""Checkpoints of our own: weights and how they were made, in one safetensors file.

Public names: ``save_checkpoint``, ``read_metadata``, ``load_model``, ``build_model``,
``views_told``, ``views_from_metadata``, ``PretrainedVFLNet``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from safetensors.torch import save

from ..errors import CheckpointError
from ..files import write_whole
from ..recipes import DataRecipe
from ..vfl_net import VARIANTS, VFLNet, VFLNetConfig
from .loading import check_fit, describe_tensors, load_checkpoint, network_of
from .reading import DIGEST_KEY, METADATA_KEY, WeightsFile, own_digest, read_weights

_OWN_KEYS = ("format", "model", "config", "num_classes", "recipe")
_COUNTS = ("clips", "crops")
_VIEW = ("frames", "sampling", "stride", "crop", "short_side", *_COUNTS)


def save_checkpoint(
    model: VFLNet,
    path: str | Path,
    recipe: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write the weights and what is known of them as one safetensors file.

    The file is written whole or not at all, equal input gives equal bytes, and a
    checksum of all of it lets ``read_weights`` notice damage.

    Args:
        recipe: the run's recipe, as ``Recipe.to_dict()`` gives it.
        extra: further entries of the metadata, such as ``classes`` or ``epoch``; all
            of it must be expressible in JSON.
    """
    metadata = {
        "format": 1,
        "model": _name(model.config),
        "config": asdict(model.config),
        "num_classes": model.num_classes,
        "recipe": recipe,
    } | (extra or {})
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    metadata |= {DIGEST_KEY: own_digest(metadata, tensors)}
    # One entry only: safetensors keeps several in no fixed order.
    text = {METADATA_KEY: json.dumps(metadata)}
    write_whole(Path(path), save(tensors, metadata=text))


def _name(config: VFLNetConfig) -> str | None:
    return next((name for name, known in VARIANTS.items() if known == config), None)


def read_metadata(source: str | Path | WeightsFile) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote beside the weights.

    A dictionary with ``model`` (a name, or None for a size without one), ``config``,
    ``num_classes``, ``recipe``, and the entries of ``extra``; ``CheckpointError`` for a
    file that is not one of ours.
    """
    file = read_weights(source)
    if any(key not in file.metadata for key in _OWN_KEYS):
        raise CheckpointError(
            f"{file.path} was not written by save_checkpoint, so it does not say how "
            "it was made. Create its model by name and fill it with load_checkpoint."
        )
    return file.metadata


def load_model(source: str | Path | WeightsFile) -> tuple[VFLNet, dict[str, Any]]:
    """The network that ``save_checkpoint`` saved, and the file's metadata.

    The network is in eval mode, in float32 and without drop-path. Raises as
    ``read_metadata`` and ``build_model``.
    """
    file = read_weights(source)
    metadata = read_metadata(file)
    return build_model(file), metadata


def build_model(file: WeightsFile) -> VFLNet:
    """The network whose weights a file holds, whoever wrote it: eval mode, float32.

    Raises:
        CheckpointError: no video network of this family with a head for classes,
            tensors that are not exactly its own, a value that is NaN or infinite, or
            metadata that speak of another network.
    """
    network = network_of(file.tensors)
    if network is None or not network.video or network.num_classes is None:
        raise CheckpointError(
            f"{file.path} holds {describe_tensors(file.tensors)}; a video network of "
            "this family with a head for classes is needed"
        )
    # Built of nothing, without a random draw; copies of the tensors become its own.
    with torch.device("meta"):
        model = VFLNet(network.config, network.num_classes)
    check_fit(model, file)
    told = {"config": asdict(model.config), "num_classes": model.num_classes}
    metadata = file.metadata
    if "config" in metadata and json.loads(json.dumps(told)) != {
        name: metadata.get(name) for name in told
    }:
        raise CheckpointError(
            f"{file.path} contradicts itself: its metadata say {metadata.get('model')} "
            f"with {metadata.get('num_classes')} classes, its weights are "
            f"{describe_tensors(file.tensors)}. Use the file as it was written, and "
            "the version of this library that wrote it."
        )
    own = {n: t.to(torch.float32, copy=True) for n, t in file.tensors.items()}
    model.load_state_dict(own, assign=True)
    return model.eval()


def views_told(metadata: dict[str, Any]) -> dict[str, Any]:
    """What a file tells of the views of its training and evaluation.

    Some or none of ``frames``, ``sampling``, ``stride``, ``crop``; ``short_side``
    before cropping, ``clips``, ``crops``.
    """
    recipe = metadata.get("recipe") or {}
    told = (recipe.get("data") or {}) | (recipe.get("evaluate") or {})
    told |= metadata.get("views") or {}
    return {name: told[name] for name in _VIEW if told.get(name) is not None}


def views_from_metadata(
    metadata: dict[str, Any], size: dict[str, Any]
) -> tuple[DataRecipe, int, bool]:
    """Views as in the training of the file if it tells, else as in the papers.

    ``metadata`` may be empty; numbers in ``size`` replace those of the file.
    Returns the numbers, the short side before cropping, and whether they were told;
    a size that is impossible is a RecipeError.
    """
    known = {n: v for n, v in views_told(metadata).items() if n not in _COUNTS} | size
    data = replace(DataRecipe(), **({"short_side": 224} | known))
    return data, data.short_side, "crop" in known


class PretrainedVFLNet(
    VFLNet, PyTorchModelHubMixin, library_name="dvfl_lib", tags=["video-classification"]
):
    """A network with ``save_pretrained`` and ``from_pretrained`` of huggingface_hub.

    A folder holds ``config.json`` (these arguments) and ``model.safetensors`` (the
    official names; also a checkpoint of ours, for ``dvfl predict``). Only what is on
    this machine is read, unless ``from_pretrained`` gets ``local_files_only=False``;
    every tensor must fit.

    Args:
        architecture: one of ``list_models()``; None for a size without a name.
        class_names: of the head, in the order of its outputs.
        sizes: the fields of ``VFLNetConfig``, for a size without a name.
        about: what else ``save_checkpoint`` notes, such as ``recipe`` or ``standin``.
    """

    def __init__(
        self,
        architecture: str | None,
        num_classes: int,
        class_names: Sequence[str] = (),
        sizes: dict[str, Any] | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        if architecture not in VARIANTS and not sizes:
            raise CheckpointError(f"there is no architecture {architecture!r}")
        config = VARIANTS.get(architecture) or VFLNetConfig(
            **{k: tuple(v) if k == "depths" else v for k, v in sizes.items()}
        )
        if class_names and len(class_names) != num_classes:
            raise CheckpointError(
                f"{len(class_names)} class_names for {num_classes} classes"
            )
        super().__init__(config, num_classes)
        self.class_names, self.about = tuple(class_names), dict(about or {})

    @classmethod
    def of(cls, model: VFLNet, metadata: dict[str, Any]) -> PretrainedVFLNet:
        """A copy of a network, with what is known of it: see ``load_model``."""
        about = {
            k: v for k, v in metadata.items() if k not in _OWN_KEYS or k == "recipe"
        }
        names, name = about.pop("classes", None) or [], _name(model.config)
        sizes = None if name else asdict(model.config)
        new = cls(name, model.num_classes, list(names), sizes, about)
        new.load_state_dict(model.state_dict())
        return new.train(model.training)

    @classmethod
    def from_pretrained(cls, *args: Any, **options: Any) -> PretrainedVFLNet:
        """Read a folder of ``save_pretrained``; see ``PyTorchModelHubMixin``."""
        return super().from_pretrained(*args, **{"local_files_only": True, **options})

    def _save_pretrained(self, save_directory: Path) -> None:
        about = dict(self.about, classes=list(self.class_names) or None)
        recipe = about.pop("recipe", None)
        save_checkpoint(self, save_directory / "model.safetensors", recipe, about)

    @classmethod
    def _load_as_safetensor(
        cls, model: VFLNet, model_file: str, map_location: str, strict: bool
    ) -> VFLNet:
        load_checkpoint(model, model_file)  # strict always
        return model.to(map_location).eval()

    _load_as_pickle = _load_as_safetensor
