"""Filling a network from a file of weights, with every tensor accounted for.

Public names: ``load_checkpoint``, ``load_image_weights``, ``LoadReport``,
``check_fit``, ``Network``, ``network_of``, ``describe_tensors``,
``fetch_image_weights``, ``IMAGE_WEIGHTS``.

A network is changed only after all of a file's tensors have been checked: an error
leaves it as it was. The names alone tell much: ``layers.2.blocks.5.modulation.f`` is
a projection of the sixth block of the third stage, and only video networks have an
``f_temporal`` beside it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..vfl_net import VARIANTS, VFLNet, VFLNetConfig
from .reading import WeightsFile, read_weights

HEAD = ("head.weight", "head.bias")
# README of github.com/microsoft/FocalNet. No checksums are published: the files are
# read without executing anything, and every tensor's name and shape is checked.
_RELEASE = "https://github.com/microsoft/FocalNet/releases/download/v1.0.0"
# The image networks of the same family (arXiv 2203.11926): depths and width.
_SIZES = {
    "tiny": ((2, 2, 6, 2), 96),
    "small": ((2, 2, 18, 2), 96),
    "base": ((2, 2, 18, 2), 128),
}
IMAGE_WEIGHTS: dict[str, str] = {
    f"focalnet_{size}_srf": f"{_RELEASE}/focalnet_{size}_srf.pth" for size in _SIZES
}
_IMAGE_NETWORKS = {
    f"focalnet_{size}_{field}": VFLNetConfig(depths, width, focal_levels=levels)
    for size, (depths, width) in _SIZES.items()
    for field, levels in (("srf", 2), ("lrf", 3))  # small, large receptive field
}


@dataclass(frozen=True)
class Network:
    """What the names and shapes of a file say about the network it was saved from."""

    config: VFLNetConfig
    num_classes: int | None  # None: without a head
    video: bool

    @property
    def name(self) -> str:
        """The published or teaching name, or the sizes where it has none."""
        known = VARIANTS if self.video else _IMAGE_NETWORKS
        name = next((n for n, c in known.items() if c == self.config), str(self.config))
        return name if self.video else f"{name} (for images)"


def network_of(tensors: dict[str, Tensor]) -> Network | None:
    """Read the network's sizes off a state dict; ``None`` for another family."""
    stem = tensors.get("patch_embed.proj.weight")
    hidden = tensors.get("layers.0.blocks.0.mlp.fc1.weight")
    focal = "layers.0.blocks.0.modulation.focal_layers."
    names = (f"{focal}{level}.0.weight" for level in range(len(tensors)))
    kernels = [tensors[name].shape[-1] for name in names if name in tensors]
    blocks = (re.match(r"layers\.(\d+)\.blocks\.(\d+)\.", name) for name in tensors)
    numbers = {(int(found[1]), int(found[2])) for found in blocks if found}
    depths = Counter(stage for stage, _ in sorted(numbers))
    if stem is None or stem.ndim < 4 or hidden is None or not kernels:
        return None
    config = VFLNetConfig(
        depths=tuple(depths.values()),
        embed_dim=stem.shape[0],
        patch_size=stem.shape[-1],
        focal_levels=len(kernels),
        focal_window=kernels[0],
        mlp_ratio=hidden.shape[0] / stem.shape[0],
    )
    if len(kernels) > 1:
        config = replace(config, focal_factor=kernels[1] - kernels[0])
    head = tensors.get("head.weight")
    classes = None if head is None else head.shape[0]
    return Network(config, classes, any("temporal" in name for name in tensors))


def describe_tensors(tensors: dict[str, Tensor]) -> str:
    """In words: 'video_focalnet_base with 101 classes', as far as can be told."""
    network = network_of(tensors)
    if network is None:
        first = next(iter(tensors), "none")
        return f"another kind of network (its first tensor is {first!r})"
    classes = network.num_classes
    head = "without a head" if classes is None else f"with {classes} classes"
    return f"{network.name} {head}"


@dataclass(frozen=True)
class LoadReport:
    """Which tensors of a network a file filled, name by name."""

    source: str  # the file, and what it was found to hold
    filled: tuple[str, ...]  # of the network: these now hold the file's values
    left_random: tuple[str, ...]  # of the network: these keep the values they had
    unused: tuple[str, ...]  # of the file: the network has no place for them
    mismatched: tuple[str, ...]  # of the file: their place has another shape
    filled_values: int  # the first two in numbers of values
    left_random_values: int

    def __str__(self) -> str:
        tensors = len(self.filled) + len(self.left_random)
        values = self.filled_values + self.left_random_values
        text = (
            f"{self.source}\n"
            f"  filled       {len(self.filled)} of {tensors} tensors, "
            f"{self.filled_values:,} of {values:,} values\n"
            f"  left random  {_count(self.left_random)}, "
            f"{self.left_random_values:,} values\n"
            f"  unused       {_count(self.unused)} of the file"
        )
        names = ", ".join(self.mismatched)
        other = f"\n  not loaded   {names}: of another size in the file"
        return text + (other if names else "")


def _count(names: Sequence[str]) -> str:
    """'32 tensors (30 temporal, 2 of the head)' says more than 32 names."""
    kinds = Counter(
        "temporal" if "temporal" in n else "of the head" if n in HEAD else "others"
        for n in names
    )
    order = [kind for kind in ("temporal", "of the head", "others") if kinds[kind]]
    detail = ", ".join(f"{kinds[kind]} {kind}" for kind in order)
    return f"{len(names)} tensors" + (f" ({detail})" if {*kinds} - {"others"} else "")


def load_checkpoint(
    model: VFLNet,
    source: str | Path | WeightsFile,
    *,
    head: Literal["strict", "reset"] = "strict",
    part: str = "",
) -> LoadReport:
    """Fill the whole network from a checkpoint of the same variant.

    Accepts the authors' ``.pth`` files (a dictionary with the weights under
    ``model``, other things beside it) and bare state dicts, with or without a
    ``module.`` prefix, and the safetensors files of ``save_checkpoint``.

    Args:
        model: filled in place; its device and precision stay as they are.
        source: the file, or what ``read_weights`` found in it.
        head: ``"strict"`` wants a head of the same size. ``"reset"`` keeps the
            model's own head, for a fine-tuning on other classes.
        part: see ``read_weights``.

    Raises:
        CheckpointError: see ``read_weights``; or any tensor of the network is not in
            the file, is there in another shape, or is left over; or a value is NaN
            or infinite.
    """
    kept = HEAD if head == "reset" else ()
    file = read_weights(source, part)
    check_fit(model, file, optional=kept)
    return _fill(model, file, kept)


def load_image_weights(model: VFLNet, source: str | Path | WeightsFile) -> LoadReport:
    """Start the spatial part of a network from a FocalNet trained on images.

    The source is a ``focalnet_*_srf.pth`` of github.com/microsoft/FocalNet, whose
    tensors have the same names. The temporal branch and the head keep the values
    they have; blocks of the file beyond the network's depth are not used.
    ``vfl_net_nano`` takes 98 of its 130 tensors from ``focalnet_tiny_srf.pth``.

    Raises:
        CheckpointError: see ``read_weights``; or the file is no image network, one of
            another width, or one with other focal levels (``lrf``); or a value is NaN
            or infinite.
    """
    file = read_weights(source)
    if any("temporal" in name for name in file.tensors):
        raise CheckpointError(
            f"{file.path} holds {describe_tensors(file.tensors)}: a video network, not "
            "one for images. Load it with load_checkpoint, with head='reset' for other "
            "classes."
        )
    temporal = [name for name in model.state_dict() if "temporal" in name]
    # Only whole blocks may be left over: those after a stage's last one.
    depths = model.config.depths
    deeper = [
        name
        for name in file.tensors
        if (place := re.match(r"layers\.(\d+)\.blocks\.(\d+)\.", name))
        and int(place[1]) < len(depths)
        and int(place[2]) >= depths[int(place[1])]
    ]
    check_fit(model, file, optional=(*temporal, *deeper, *HEAD))
    # A head for image classes is of no use, not even one of the same size.
    return _fill(model, file, HEAD)


def check_fit(model: VFLNet, file: WeightsFile, optional: Sequence[str] = ()) -> None:
    """Whether a file's tensors are those of a network, but for ``optional`` names.

    Raises:
        CheckpointError: what the file is, what the model is, what differs, what to
            do; or which value is NaN or infinite.
    """
    own, found, free = model.state_dict(), file.tensors, set(optional)
    shared = [n for n in found if n in own and n not in free]
    wrong = {
        "Of another shape": [
            f"{n} {tuple(found[n].shape)} instead of {tuple(own[n].shape)}"
            for n in shared
            if not _same(own[n], found[n])
        ],
        "Missing in the file": [n for n in own if n not in found and n not in free],
        "Not in the model": [n for n in found if n not in own and n not in free],
    }
    names = [name for names in wrong.values() for name in names]
    if names:
        advice = "Create the model that the file was made with, by its name."
        if all(name.startswith(HEAD) for name in names):
            advice = (
                "Only the head differs: build the model with the file's number of "
                "classes, or pass head='reset' to start a new head."
            )
        told = [
            f"{title}: {', '.join(names[:3])}"
            + (f" and {len(names) - 3} more." if len(names) > 3 else ".")
            for title, names in wrong.items()
            if names
        ]
        raise CheckpointError(
            f"{file.path} does not fit: it holds {describe_tensors(found)}; the model "
            f"is {describe_tensors(own)}. {' '.join(told)} {advice}"
        )
    bad = [n for n in shared if not torch.isfinite(found[n]).all()]
    if bad:
        raise CheckpointError(
            f"{file.path} holds NaN or infinite values in {len(bad)} of {len(found)} "
            f"tensors (first: {bad[0]}). The training that wrote it had diverged, or "
            "the file is damaged: take an earlier checkpoint, or fetch it again."
        )


def _same(own: Tensor, found: Tensor) -> bool:
    """A tensor of whole numbers in place of real ones does not fit either."""
    same_kind = own.is_floating_point() == found.is_floating_point()
    return own.shape == found.shape and same_kind


def _fill(model: VFLNet, file: WeightsFile, keep: Sequence[str]) -> LoadReport:
    """Copy what fits, but for ``keep``; say what was done."""
    own, found = model.state_dict(), file.tensors
    fits = [name for name in own if name in found and _same(own[name], found[name])]
    filled = [name for name in fits if name not in keep]
    left = [name for name in own if name not in filled]
    with torch.no_grad():
        for name in filled:
            own[name].copy_(found[name])
    place = f", under {file.part!r}; others: {', '.join(file.others)}"
    place = place if file.others else ""
    return LoadReport(
        f"{file.path}: {describe_tensors(found)} ({file.kind}{place})",
        filled=tuple(filled),
        left_random=tuple(left),
        unused=tuple(n for n in found if n not in own or (n in fits and n in keep)),
        mismatched=tuple(n for n in found if n in own and n not in fits),
        filled_values=sum(own[name].numel() for name in filled),
        left_random_values=sum(own[name].numel() for name in left),
    )


def fetch_image_weights(
    name: str, folder: str | os.PathLike[str], progress: bool = True
) -> Path:
    """The file of that name, downloaded into ``folder`` if it is not there.

    ``name`` may also be the path of a file, which is returned as it is.

    Raises:
        CheckpointError: an unknown name, a missing file, or no connection.
    """
    if name not in IMAGE_WEIGHTS:
        if Path(name).expanduser().is_file():
            return Path(name).expanduser()
        raise CheckpointError(
            f"{name!r} is neither a file nor the name of image weights; known names: "
            f"{', '.join(IMAGE_WEIGHTS)}"
        )
    path, url = Path(folder) / f"{name}.pth", IMAGE_WEIGHTS[name]
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Writes to a temporary file and renames it when the transfer is complete.
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    except OSError as error:  # no connection is one, too
        raise CheckpointError(
            f"{name}: could not be downloaded from {url} ({error}). Fetch it by hand "
            f"and put it at {path}; or begin from random weights with the override "
            "'student.image_weights': '' (for the teacher 'teacher.image_weights')."
        ) from error
    return path
