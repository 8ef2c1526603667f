"""Checkpoints of our own: weights and how they were made, in one safetensors file.

Public names: ``save_checkpoint``, ``read_metadata``, ``load_model``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from ..errors import CheckpointError
from ..files import write_whole
from ..vfl_net import VARIANTS, VFLNet
from .matching import (
    Network,
    check_finite,
    describe_tensors,
    disagreement,
    match_tensors,
    network_of,
)
from .reading import METADATA_KEY, read_own_metadata, read_weights

_OWN_KEYS = ("format", "model", "config", "num_classes", "recipe")


def save_checkpoint(
    model: VFLNet,
    path: str | Path,
    recipe: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write the weights and what is known of them as one safetensors file.

    The file is written whole or not at all, and equal input gives equal bytes.

    Args:
        model: its name, sizes and number of classes go into the metadata.
        path: where to; its folder is made if need be, an older file replaced.
        recipe: the run's recipe, as ``Recipe.to_dict()`` gives it.
        extra: further entries beside these, such as ``classes`` or ``epoch``; all
            of it must be expressible in JSON.

    Raises:
        RunDirectoryError: the file cannot be written; an older one is untouched.
    """
    names = [name for name, config in VARIANTS.items() if config == model.config]
    metadata = {
        "format": 1,
        "model": names[0] if names else None,
        "config": asdict(model.config),
        "num_classes": model.num_classes,
        "recipe": recipe,
    }
    clash = [key for key in extra or {} if key in _OWN_KEYS]
    if clash:
        raise CheckpointError(
            f"extra may not hold {', '.join(clash)}: save_checkpoint sets these itself."
        )
    # One entry only: safetensors keeps several in no fixed order.
    text = {METADATA_KEY: json.dumps({**metadata, **(extra or {})})}
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    write_whole(Path(path), save(tensors, metadata=text))


def read_metadata(path: str | Path) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote beside the weights, without reading these.

    Returns a dictionary with ``model`` (a name, or None for a size without one),
    ``config``, ``num_classes``, ``recipe``, and the entries of ``extra``.

    Raises:
        CheckpointError: the file is missing, damaged, or not one of ours.
    """
    metadata = read_own_metadata(path)
    if any(key not in metadata for key in _OWN_KEYS):
        raise CheckpointError(
            f"{path} was not written by save_checkpoint, so it does not say how it was "
            "made. Create its model by name and fill it with load_checkpoint."
        )
    return metadata


def load_model(path: str | Path) -> tuple[VFLNet, dict[str, Any]]:
    """Build the network that ``save_checkpoint`` saved, and fill it.

    Returns the network in eval mode (without drop-path) and the file's metadata.

    Raises:
        CheckpointError: as ``read_metadata``; or metadata and weights disagree,
            or a value is NaN or infinite.
    """
    metadata = read_metadata(path)
    tensors = read_weights(path).tensors
    network = network_of(tensors)
    if network is None or not _agree(metadata, network):
        raise CheckpointError(
            f"{path} contradicts itself: its metadata say {metadata['model']} with "
            f"{metadata['num_classes']} classes, its weights are "
            f"{describe_tensors(tensors)}. Use the file as it was written, and the "
            "version of this library that wrote it."
        )
    # Built of nothing: the file's tensors then become the parameters themselves.
    with torch.device("meta"):
        model = VFLNet(network.config, network.num_classes)
    own = model.state_dict()
    match = match_tensors(own, tensors)
    if match.missing or match.unused or match.mismatched:
        raise CheckpointError(disagreement(path, own, tensors, match))
    check_finite(path, tensors)
    model.load_state_dict(tensors, assign=True)
    return model.eval(), metadata


def _agree(metadata: dict[str, Any], network: Network) -> bool:
    """Whether the sizes that a file claims are those that its weights have."""
    sizes = json.loads(json.dumps(asdict(network.config)))
    if network.config.focal_levels == 1:
        del sizes["focal_factor"]  # has no effect, and cannot be told
    claimed = metadata["config"]
    return (
        network.num_classes is not None
        and isinstance(claimed, dict)
        and all(claimed.get(key) == value for key, value in sizes.items())
        and metadata["num_classes"] == network.num_classes
    )
