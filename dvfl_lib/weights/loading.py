"""Filling a network from a file of weights, with every tensor accounted for.

Public names: ``load_checkpoint``, ``load_image_weights``, ``LoadReport``,
``check_fit``, ``Network``, ``network_of``, ``describe_tensors``,
``fetch_image_weights``, ``IMAGE_WEIGHTS``.

A network is changed only after all of a file's tensors have been checked: an error
leaves it as it was.
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
    kernels = [tensors[n].shape[-1] for n in names if n in tensors and tensors[n].ndim]
    depths = Counter(stage for stage, _ in sorted({*map(_block, tensors)} - {()}))
    head = tensors.get("head.weight")
    needed = (stem, hidden) if head is None else (stem, hidden, head)
    if not kernels or any(t is None or not t.numel() or t.ndim < 2 for t in needed):
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
    classes = None if head is None else head.shape[0]
    return Network(config, classes, any("temporal" in name for name in tensors))


def _block(name: str) -> tuple[int, ...]:
    """(stage, number in it) of a tensor's block, both from 0; () for the others."""
    found = re.match(r"layers\.(\d{1,4})\.blocks\.(\d{1,4})\.", name)
    return (int(found[1]), int(found[2])) if found else ()


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
        names = ", ".join(self.mismatched)
        other = f"\n  not loaded   {names}: of another size in the file"
        return (
            f"{self.source}\n"
            f"  filled       {len(self.filled)} of {tensors} tensors, "
            f"{self.filled_values:,} of {values:,} values\n"
            f"  left random  {_count(self.left_random)}, "
            f"{self.left_random_values:,} values\n"
            f"  unused       {_count(self.unused)} of the file{other if names else ''}"
        )


def _count(names: Sequence[str]) -> str:
    """'32 tensors (30 temporal, 2 of the head)' says more than 32 names."""
    temporal = sum("temporal" in name for name in names)
    head = sum(name in HEAD for name in names)
    counts = {
        "temporal": temporal,
        "of the head": head,
        "others": len(names) - temporal - head,
    }
    detail = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return f"{len(names)} tensors" + (f" ({detail})" if temporal + head else "")


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

    The model is filled in place; its device and precision stay as they are.

    Args:
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
    last = dict(enumerate(model.config.depths))
    blocks = {name: _block(name) for name in file.tensors}
    deeper = [n for n, b in blocks.items() if b and b[1] >= last.get(b[0], b[1] + 1)]
    check_fit(model, file, optional=(*temporal, *deeper, *HEAD))
    # A head for image classes is of no use, not even one of the same size.
    return _fill(model, file, HEAD)


def check_fit(model: VFLNet, file: WeightsFile, optional: Sequence[str] = ()) -> None:
    """Whether a file's tensors are those of a network, but for ``optional`` names.

    Raises:
        CheckpointError: what the file is, what the model is, what differs, what to
            do; or which value is NaN or infinite.
    """
    own, found = model.state_dict(), file.tensors
    ours = [name for name in own if name not in optional]
    theirs = [name for name in found if name not in optional]
    wrong = {
        "Of another shape or kind": [
            f"{n} {_form(found[n])} instead of {_form(own[n])}"
            for n in theirs
            if n in own and not _same(own[n], found[n])
        ],
        "Missing in the file": [name for name in ours if name not in found],
        "Not in the model": [name for name in theirs if name not in own],
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
    bad = [name for name in theirs if not torch.isfinite(found[name]).all()]
    if bad:
        raise CheckpointError(
            f"{file.path} holds NaN or infinite values in {len(bad)} of {len(found)} "
            f"tensors (first: {bad[0]}). The training that wrote it had diverged, or "
            "the file is damaged: take an earlier checkpoint, or fetch it again."
        )


def _same(own: Tensor, found: Tensor) -> bool:
    """Whole numbers in place of real ones do not fit, nor do values left out."""
    same_kind = own.is_floating_point() == found.is_floating_point()
    whole = found.layout == torch.strided and not found.is_meta
    return own.shape == found.shape and same_kind and whole


def _form(tensor: Tensor) -> str:
    """Its shape and what it is made of, as in "(12, 64) of float32"."""
    kind = str(tensor.dtype if tensor.layout == torch.strided else tensor.layout)
    return f"{tuple(tensor.shape)} of {kind.removeprefix('torch.')}"


def _fill(model: VFLNet, file: WeightsFile, keep: Sequence[str]) -> LoadReport:
    """Copy what fits, but for ``keep``; say what was done."""
    own, found = model.state_dict(), file.tensors
    fits = [name for name in own if name in found and _same(own[name], found[name])]
    filled = [name for name in fits if name not in keep]
    left = [name for name in own if name not in filled]
    with torch.no_grad():
        for name in filled:
            own[name].copy_(found[name])
    others = f", under {file.part!r}; others: {', '.join(file.others)}"
    return LoadReport(
        f"{file.path}: {describe_tensors(found)} "
        f"({file.kind}{others if file.others else ''})",
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
