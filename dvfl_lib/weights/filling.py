"""Filling a network from a file, with every tensor accounted for.

Public names: ``load_checkpoint``, ``load_image_weights``.

A network is changed only after all of a file's tensors have been checked: an error
leaves it as it was.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from ..errors import CheckpointError
from ..vfl_net import VFLNet
from .matching import (
    HEAD,
    LoadReport,
    Match,
    check_finite,
    describe_tensors,
    disagreement,
    match_tensors,
    network_of,
)
from .reading import WeightsFile, read_weights


def load_checkpoint(
    model: VFLNet, path: str | Path, *, head: Literal["strict", "reset"] = "strict"
) -> LoadReport:
    """Fill the whole network from a checkpoint of the same variant.

    Accepts the authors' ``.pth`` files (a dictionary with the weights under
    ``model``, other things beside it) and bare state dicts, with or without a
    ``module.`` prefix, and the safetensors files of ``save_checkpoint``.

    Args:
        model: filled in place; its device and precision stay as they are.
        path: the file.
        head: ``"strict"`` wants a head of the same size. ``"reset"`` keeps the
            model's own head, for a fine-tuning on other classes.

    Raises:
        CheckpointError: see ``reading.read_weights``; or any tensor of the network
            is not in the file, is there in another shape, or is left over; or a
            value is NaN or infinite.
    """
    if head not in ("strict", "reset"):
        raise CheckpointError(f"head must be 'strict' or 'reset', not {head!r}.")
    file = read_weights(path)
    match = _match(model, file)
    kept = HEAD if head == "reset" else ()
    wrong = replace(
        match,
        missing=tuple(name for name in match.missing if name not in kept),
        mismatched=tuple(name for name in match.mismatched if name not in kept),
    )
    _refuse(model, file, wrong)
    return _fill(model, file, match, keep=kept)


def load_image_weights(model: VFLNet, path: str | Path) -> LoadReport:
    """Start the spatial part of a network from a FocalNet trained on images.

    The source is a ``focalnet_*_srf.pth`` of github.com/microsoft/FocalNet, whose
    tensors have the same names. The temporal branch and the head keep the values
    they have; blocks of the file beyond the network's depth are not used.
    ``vfl_net_nano`` takes 98 of its 130 tensors from ``focalnet_tiny_srf.pth``.

    Raises:
        CheckpointError: see ``reading.read_weights``; or the file is no image
            network, one of another width, or one with other focal levels (``lrf``);
            or a value is NaN or infinite.
    """
    file = read_weights(path)
    match = _match(model, file)
    if any("temporal" in name for name in file.tensors):
        raise CheckpointError(
            f"{path} holds {describe_tensors(file.tensors)}: a video network, not one "
            "for images. Load it with load_checkpoint, with head='reset' for other "
            "classes."
        )
    depths = model.config.depths
    wrong = replace(
        match,
        missing=tuple(
            name
            for name in match.missing
            if "temporal" not in name and name not in HEAD
        ),
        unused=tuple(name for name in match.unused if not _beyond(name, depths)),
        mismatched=tuple(name for name in match.mismatched if name not in HEAD),
    )
    _refuse(model, file, wrong)
    # A head for image classes is of no use, not even one of the same size.
    return _fill(model, file, match, keep=HEAD)


def _match(model: VFLNet, file: WeightsFile) -> Match:
    network = network_of(file.tensors)
    if network is not None and network.frames_per_token > 1:
        raise CheckpointError(
            f"{file.path} holds a network whose stem merges {network.frames_per_token} "
            "frames into one token; the networks here take every frame by itself "
            "(tubelet size 1). Use a checkpoint trained with tubelet size 1."
        )
    return match_tensors(model.state_dict(), file.tensors)


def _refuse(model: VFLNet, file: WeightsFile, wrong: Match) -> None:
    """Raise if anything is wrong."""
    if wrong.missing or wrong.unused or wrong.mismatched:
        text = disagreement(file.path, model.state_dict(), file.tensors, wrong)
        raise CheckpointError(text)


def _fill(
    model: VFLNet, file: WeightsFile, match: Match, keep: tuple[str, ...]
) -> LoadReport:
    """Copy what fits, but for ``keep``; say what was done."""
    own = model.state_dict()
    filled = tuple(name for name in match.fits if name not in keep)
    check_finite(file.path, {name: file.tensors[name] for name in filled})
    done = set(filled)
    left = tuple(name for name in own if name not in done)
    with torch.no_grad():
        for name in filled:
            own[name].copy_(file.tensors[name])
    return LoadReport(
        path=str(file.path),
        source=f"{describe_tensors(file.tensors)} ({file.kind})",
        filled=filled,
        left_random=left,
        unused=match.unused + tuple(n for n in match.fits if n in keep),
        mismatched=match.mismatched,
        filled_values=sum(own[name].numel() for name in filled),
        left_random_values=sum(own[name].numel() for name in left),
    )


def _beyond(name: str, depths: tuple[int, ...]) -> bool:
    """Whether a tensor belongs to a block that a network of these depths lacks."""
    place = re.match(r"layers\.(\d+)\.blocks\.(\d+)\.", name)
    if place is None or int(place[1]) >= len(depths):
        return False
    return int(place[2]) >= depths[int(place[1])]
