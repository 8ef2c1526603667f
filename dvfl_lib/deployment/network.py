"""From a checkpoint to a network that can be put to work: classes and views with it.

Public names: ``Deployed``, ``open_network``.

Checkpoints of this library name their classes and the views that the network was
trained with. The authors' files do not: for those the names must be given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError, RecipeError
from ..evaluation.class_order import read_class_list
from ..recipes import DataRecipe, EvaluateRecipe, Recipe
from ..vfl_net import VFLNet
from ..weights import load_checkpoint, load_model, views_from_metadata
from ..weights.loading import describe_tensors, network_of
from ..weights.reading import WeightsFile, read_weights

# A view of 8 x 224 x 224 has 5 MB, and a network needs twenty times as much to answer.
# The views of a video are held together: the usual 12 have 58 MB.
_LARGEST = 4 * 2**30


@dataclass(frozen=True)
class Deployed:
    """A network and what must be known to ask it.

    Attributes:
        path: its file.
        model: in eval mode, on its device.
        classes: names of its outputs, in their order.
        data: frames, sampling, stride and crop of a view.
        evaluate: clips and crops of a whole video, short side before cropping.
        standin: whether it learned from generated videos, and knows made-up actions.
        notes: what a reader of its answers must know.
    """

    path: Path
    model: VFLNet
    classes: tuple[str, ...]
    data: DataRecipe
    evaluate: EvaluateRecipe
    standin: bool
    notes: tuple[str, ...]


def open_network(
    path: str | Path,
    *,
    classes: str | Path = "",
    size: dict[str, Any] | None = None,
    clips: int = 0,
    crops: int = 0,
    device: str = "cpu",
) -> Deployed:
    """Read a network with all that is needed to use it.

    Args:
        path: a ``.safetensors`` file of this library, or the authors' ``.pth``.
        classes: a file with the names of the outputs, one in each line, for a
            checkpoint that does not name them.
        size: ``frames``, ``sampling``, ``stride``, ``crop`` or ``short_side`` in place
            of those that the checkpoint tells.
        clips, crops: views of a whole video; 0 takes those of the checkpoint's recipe.
        device: where to compute, such as "cuda".

    Raises:
        CheckpointError: missing, damaged or unsafe; no video network with a head;
            its classes are not named, or the names do not fit.
        DatasetError: the file of names cannot be read.
        RecipeError: an impossible number or device.
    """
    path = Path(path).expanduser()
    file = read_weights(path)
    names = _names(file, classes)
    model, metadata = _model(file)
    if len(names) != model.num_classes:
        source = classes or path
        raise CheckpointError(
            f"{path} has {model.num_classes} outputs, but {source} names {len(names)} "
            "classes: give the names of its own classes, in the order of its outputs"
        )
    try:
        data, evaluate = _views(metadata, size or {}, clips, crops)
        unsaid = _unsaid(metadata, size or {}, clips, crops)
        standin = _is_standin(metadata)
    except (AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{path}: its recipe cannot be read ({error}). Use the file as it was "
            "written, and the version of this library that wrote it"
        ) from None
    return Deployed(
        path=path,
        model=_moved(model, device),
        classes=names,
        data=data,
        evaluate=evaluate,
        standin=standin,
        notes=tuple(_notes(path, standin, data, evaluate, unsaid)),
    )


def _notes(
    path: Path,
    standin: bool,
    data: DataRecipe,
    evaluate: EvaluateRecipe,
    unsaid: dict[str, bool],
) -> Iterator[str]:
    """What a reader of the answers must know."""
    if standin:
        yield (
            "STAND-IN: this network learned made-up actions from generated videos. It "
            "says nothing about real ones."
        )
    if unsaid["size"]:
        yield (
            f"{path} does not say which views it was trained with: {data.frames} "
            f"frames of {data.crop} pixels are taken; --frames and --crop change it. "
            f"They are cut from a short side of {evaluate.short_side} (--short-side)."
        )
    if unsaid["count"]:
        yield (
            f"{path} does not say how many views its evaluation takes: a whole video "
            f"is asked in {evaluate.clips} x {evaluate.crops}, as in the papers; "
            "--clips and --crops change it."
        )


def _names(file: WeightsFile, given: str | Path) -> tuple[str, ...]:
    own = file.metadata.get("classes")
    if own is not None:
        good = isinstance(own, list) and all(isinstance(n, str) and n for n in own)
        if not good:
            raise CheckpointError(f"{file.path}: its names of classes are damaged")
    listed = read_class_list(given) if str(given) else None
    if own and listed and tuple(own) != listed:
        raise CheckpointError(
            f"{file.path} names its classes itself, and {given} names others or in "
            "another order: leave the list out"
        )
    if own or listed:
        return tuple(own or listed)
    raise CheckpointError(
        f"{file.path} does not name its classes: give --classes FILE (classes=FILE in "
        "Python), a text file with a name in each line, the first for output 0"
    )


def _model(file: WeightsFile) -> tuple[VFLNet, dict[str, Any]]:
    if "config" in file.metadata:
        return load_model(file.path)
    network, found = network_of(file.tensors), describe_tensors(file.tensors)
    if network is None or not network.video or network.num_classes is None:
        raise CheckpointError(
            f"{file.path} holds {found}; a video network of this family with a head "
            "for classes is needed"
        )
    model = VFLNet(network.config, network.num_classes)
    load_checkpoint(model, file.path)
    return model.eval(), file.metadata


def _views(
    metadata: dict[str, Any], size: dict[str, Any], clips: int, crops: int
) -> tuple[DataRecipe, EvaluateRecipe]:
    data, short_side, _ = views_from_metadata(metadata, size)
    views = _counts(metadata)
    asked = {"clips": clips, "crops": crops}
    # Through a recipe, which checks kinds and values of what a file says.
    checked = Recipe().with_overrides(
        {f"data.{name}": getattr(data, name) for name in ("frames", "crop", "stride")}
        | {"data.sampling": data.sampling, "data.short_side": short_side}
        | {"evaluate.short_side": short_side}
        | {f"evaluate.{n}": views[n] for n in asked if n in views}
        | {f"evaluate.{n}": number for n, number in asked.items() if number}
    )
    _check_size(checked.data.frames, checked.evaluate)
    return replace(checked.data, workers=0), checked.evaluate


def _check_size(frames: int, evaluate: EvaluateRecipe) -> None:
    side, count = evaluate.short_side, evaluate.clips * evaluate.crops
    view = 12 * frames * side**2  # bytes of a square view in float32
    for size, where in ((view, "one view"), (view * count, f"{count:,} views")):
        if size > _LARGEST:
            raise RecipeError(
                f"{frames} frames of {side} pixels are {size / 2**30:,.0f} GiB in "
                f"{where}; {_LARGEST / 2**30:.0f} are the most: give less"
            )


def _counts(metadata: dict[str, Any]) -> dict[str, Any]:
    """What the file says of its evaluation, ``clips`` and ``crops`` among it."""
    recipe = metadata.get("recipe") or {}
    return {**(metadata.get("views") or {}), **(recipe.get("evaluate") or {})}


def _unsaid(
    metadata: dict[str, Any], size: dict[str, Any], clips: int, crops: int
) -> dict[str, bool]:
    """Whether the size of a view, or the count of views, is neither told nor given."""
    told = views_from_metadata(metadata, {})[2]
    given = {"frames", "crop", "short_side"} <= size.keys()
    counts = _counts(metadata)
    counted = all(n in counts or v for n, v in (("clips", clips), ("crops", crops)))
    return {"size": not (told or given), "count": not counted}


def _is_standin(metadata: dict[str, Any]) -> bool:
    trained_on = metadata.get("trained_on") or {}
    return bool(metadata.get("standin")) or trained_on.get("drawing") is not None


def _moved(model: VFLNet, device: str) -> VFLNet:
    try:
        if torch.device(device).type == "meta":  # PyTorch's device for shapes alone
            raise RecipeError(f"device {device!r} computes nothing: cpu, cuda, ...")
        return model.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise RecipeError(f"device {device!r} cannot be used here: {first}") from None
