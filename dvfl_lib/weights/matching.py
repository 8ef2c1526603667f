"""Named tensors against a network: what fits, what does not, whose they are.

Public names: ``LoadReport``, ``Match``, ``match_tensors``, ``Network``,
``network_of``, ``describe_tensors``, ``disagreement``, ``check_finite``.

The names alone tell much: ``layers.2.blocks.5.modulation.f.weight`` is the query,
context and gate projection of the sixth block of the third stage, and only video
networks have an ``f_temporal`` beside it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..vfl_net import VARIANTS, VFLNetConfig

HEAD = ("head.weight", "head.bias")
# The image networks of the same family (arXiv 2203.11926), by depths and width.
_IMAGE_SIZES = {
    ((2, 2, 6, 2), 96): "tiny",
    ((2, 2, 18, 2), 96): "small",
    ((2, 2, 18, 2), 128): "base",
}
_IMAGE_LEVELS = {2: "srf", 3: "lrf"}  # small and large receptive field


@dataclass(frozen=True)
class LoadReport:
    """Which tensors of a network a file filled, name by name.

    Attributes:
        path, source: the file, and what it was found to hold.
        filled: tensors of the network that now hold the file's values.
        left_random: tensors of the network that keep the values it had.
        unused: tensors of the file that the network has no place for.
        mismatched: tensors of the file whose place has another shape (a head for
            another number of classes); not loaded.
        filled_values, left_random_values: the same in numbers of values.
    """

    path: str
    source: str
    filled: tuple[str, ...]
    left_random: tuple[str, ...]
    unused: tuple[str, ...]
    mismatched: tuple[str, ...]
    filled_values: int
    left_random_values: int

    def __str__(self) -> str:
        tensors = len(self.filled) + len(self.left_random)
        values = self.filled_values + self.left_random_values
        lines = [
            f"{self.path}: {self.source}",
            f"  filled       {len(self.filled)} of {tensors} tensors, "
            f"{self.filled_values:,} of {values:,} values",
            f"  left random  {_count(self.left_random)}, "
            f"{self.left_random_values:,} values",
            f"  unused       {_count(self.unused)} of the file",
        ]
        if self.mismatched:
            names = ", ".join(self.mismatched)
            lines.append(f"  not loaded   {names}: of another size in the file")
        return "\n".join(lines)


def _count(names: tuple[str, ...]) -> str:
    """'32 tensors (30 temporal, 2 of the head)' says more than 32 names."""
    temporal = sum("temporal" in name for name in names)
    head = sum(name in HEAD for name in names)
    rest = len(names) - temporal - head
    kinds = ((temporal, "temporal"), (head, "of the head"), (rest, "others"))
    parts = [f"{count} {kind}" for count, kind in kinds if count]
    detail = f" ({', '.join(parts)})" if temporal or head else ""
    return f"{len(names)} tensors{detail}"


@dataclass(frozen=True)
class Match:
    """The two lists of names laid side by side."""

    fits: tuple[str, ...]  # same name, same shape
    missing: tuple[str, ...]  # in the network only
    unused: tuple[str, ...]  # in the file only
    mismatched: tuple[str, ...]  # same name, another shape


def match_tensors(own: dict[str, Tensor], found: dict[str, Tensor]) -> Match:
    """Compare a network's tensors ``own`` with a file's ``found``, in their order.

    A tensor of whole numbers where the network has real ones counts as mismatched.
    """
    fits = [name for name in own if name in found and _same(own[name], found[name])]
    fitting = set(fits)
    return Match(
        fits=tuple(fits),
        missing=tuple(name for name in own if name not in found),
        unused=tuple(name for name in found if name not in own),
        mismatched=tuple(n for n in found if n in own and n not in fitting),
    )


def _same(own: Tensor, found: Tensor) -> bool:
    same_kind = own.is_floating_point() == found.is_floating_point()
    return own.shape == found.shape and same_kind


@dataclass(frozen=True)
class Network:
    """What the names and shapes of a file say about the network it was saved from."""

    config: VFLNetConfig
    num_classes: int | None  # None: without a head
    video: bool
    frames_per_token: int  # above 1: the stem merges frames

    @property
    def name(self) -> str:
        """The published or teaching name, or the sizes where it has none."""
        config = self.config
        names = [name for name, known in VARIANTS.items() if known == config]
        if self.video and names:
            return names[0]
        size = _IMAGE_SIZES.get((config.depths, config.embed_dim))
        levels = _IMAGE_LEVELS.get(config.focal_levels)
        if not self.video and size and levels:
            return f"focalnet_{size}_{levels} (for images)"
        kind = "video" if self.video else "image"
        return (
            f"a focal {kind} network with {config.depths} blocks, {config.embed_dim} "
            f"channels and {config.focal_levels} focal levels"
        )


def network_of(tensors: dict[str, Tensor]) -> Network | None:
    """Read the network's sizes off a state dict; ``None`` for another family."""
    stem = tensors.get("patch_embed.proj.weight")
    hidden = tensors.get("layers.0.blocks.0.mlp.fc1.weight")
    focal = "layers.0.blocks.0.modulation.focal_layers."
    names = (f"{focal}{level}.0.weight" for level in range(len(tensors)))
    kernels = [tensors[name].shape[-1] for name in names if name in tensors]
    blocks = re.compile(r"layers\.(\d+)\.blocks\.(\d+)\.")
    numbers = {(int(m[1]), int(m[2])) for name in tensors if (m := blocks.match(name))}
    depths = Counter(stage for stage, _ in sorted(numbers))
    if stem is None or stem.ndim not in (4, 5) or hidden is None or not kernels:
        return None
    if list(depths) != list(range(len(depths))):
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
    return Network(
        config=config,
        num_classes=None if head is None else head.shape[0],
        video=any("temporal" in name for name in tensors),
        frames_per_token=stem.shape[2] if stem.ndim == 5 else 1,
    )


def describe_tensors(tensors: dict[str, Tensor]) -> str:
    """In words: 'video_focalnet_base with 101 classes', as far as can be told."""
    network = network_of(tensors)
    if network is None:
        if "stem.proj.weight" in tensors:
            return "a FocalNet under timm's names, not those of the original release"
        return f"another kind of network (its first tensor is {next(iter(tensors))!r})"
    classes = network.num_classes
    head = "without a head" if classes is None else f"with {classes} classes"
    return f"{network.name} {head}"


def disagreement(
    path: str | Path, own: dict[str, Tensor], found: dict[str, Tensor], wrong: Match
) -> str:
    """A refusal: what the file is, what the model is, what differs, what to do."""
    mine, theirs = describe_tensors(own), describe_tensors(found)
    lines = [f"{path} does not fit: it holds {theirs}; the model is {mine}."]
    shapes = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(own[name].shape)}"
        for name in wrong.mismatched
    ]
    for title, items in (
        ("Of another shape", shapes),
        ("Missing in the file", wrong.missing),
        ("Not in the model", wrong.unused),
    ):
        if items:
            more = f" and {len(items) - 3} more" if len(items) > 3 else ""
            lines.append(f"{title}: {', '.join(items[:3])}{more}.")
    network = network_of(found)
    if not set(wrong.missing + wrong.unused + wrong.mismatched) - set(HEAD):
        lines.append(
            "Only the head differs: build the model with the file's number of classes, "
            "or pass head='reset' to start a new head."
        )
    elif network is not None and not network.video:
        lines.append(
            "A network for images can start the spatial part: use load_image_weights "
            "with the focalnet_*_srf.pth of the model's width (tiny for nano and tiny)."
        )
    else:
        lines.append("Create the model that the file was made with, by its name.")
    return " ".join(lines)


def check_finite(path: str | Path, tensors: dict[str, Tensor]) -> None:
    """NaN in the weights is NaN in every answer: better known now than later.

    Raises:
        CheckpointError: some value is NaN or infinite.
    """
    bad = [
        name
        for name, value in tensors.items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    if bad:
        raise CheckpointError(
            f"{path} holds NaN or infinite values in {len(bad)} of {len(tensors)} "
            f"tensors (first: {bad[0]}). The training that wrote it had diverged, or "
            "the file is damaged: take an earlier checkpoint, or fetch it again."
        )
