"""From a checkpoint to a network that can be asked, and its answer for one video.

Public names: ``LoadedNetwork``, ``open_network``, ``Prediction``, ``predict_video``.

Checkpoints of this library name their classes and the views that the network was
trained with. The authors' files do not: for those the names must be given.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CheckpointError, ModelError, RecipeError
from ..evaluation import Views
from ..evaluation.class_order import read_class_list
from ..recipes import DataRecipe, EvaluateRecipe, Recipe
from ..vfl_net import VFLNet
from ..video.clips import evaluation_views
from ..video.frame_index import check_file, refuse_picture
from ..video.reading import open_video
from ..video.transforms import check_sides
from ..weights import WeightsFile, load_model, read_weights, views_from_metadata
from ..weights.checkpoint import build_model

# A view of 8 x 224 x 224 has 5 MB, and a network needs twenty times as much to answer.
# The views of a video are held together: the usual 12 have 58 MB.
_LARGEST = 4 * 2**30


@dataclass(frozen=True)
class LoadedNetwork:
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
    part: str = "",
) -> LoadedNetwork:
    """Read a network with all that is needed to use it.

    Args:
        path: a ``.safetensors`` file of this library, or the authors' ``.pth``.
        classes: a file with the names of the outputs, one in each line, for a
            checkpoint that does not name them.
        size: ``frames``, ``sampling``, ``stride``, ``crop`` or ``short_side`` in place
            of those that the checkpoint tells.
        clips, crops: views of a whole video; 0 takes those of the checkpoint's recipe.
        device: where to compute, such as "cuda".
        part: see ``weights.read_weights``.

    Raises:
        CheckpointError: missing, damaged or unsafe; no video network with a head;
            its classes are not named, or the names do not fit.
        DatasetError: the file of names cannot be read.
        RecipeError: an impossible number or device.
    """
    file = read_weights(Path(path).expanduser(), part)
    about, size = file.metadata, size or {}
    names = _names(file, classes)
    model = load_model(file)[0] if "config" in about else build_model(file)
    if len(names) != model.num_classes:
        raise CheckpointError(
            f"{file.path} has {model.num_classes} outputs, but {classes or file.path} "
            f"names {len(names)} classes: give the names of its own classes, in the "
            "order of its outputs"
        )
    try:
        data, short_side, _ = views_from_metadata(about, size)
        told = views_from_metadata(about, {})[2]
        recipe = about.get("recipe") or {}
        counts = (about.get("views") or {}) | (recipe.get("evaluate") or {})
        asked = {"clips": clips or counts.get("clips")}
        asked["crops"] = crops or counts.get("crops")
        known = {name: number for name, number in asked.items() if number is not None}
        evaluate = EvaluateRecipe(**known, short_side=short_side)
        Recipe(data=data, evaluate=evaluate)  # a crop that does not fit is refused
        trained_on = about.get("trained_on") or {}
        standin = about.get("standin") or trained_on.get("drawing") is not None
    except (AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{file.path}: its recipe cannot be read ({error}). Use the file as it was "
            "written, and the version of this library that wrote it"
        ) from None
    _check_memory(data.frames, evaluate)
    sized = told or {"frames", "crop", "short_side"} <= size.keys()
    notes = _notes(file, standin, data, evaluate, sized, len(known) == 2)
    data = replace(data, workers=0)
    model = _moved(model, device)
    return LoadedNetwork(
        file.path, model, names, data, evaluate, bool(standin), tuple(notes)
    )


def _notes(
    file: WeightsFile,
    standin: bool,
    data: DataRecipe,
    evaluate: EvaluateRecipe,
    sized: bool,
    counted: bool,
) -> Iterator[str]:
    """What a reader of the answers must know."""
    if standin:
        yield (
            "STAND-IN: this network learned made-up actions from generated videos. It "
            "says nothing about real ones."
        )
    if file.note:
        yield f"{file.note} (--part)."
    if not sized:
        yield (
            f"{file.path} does not say which views it was trained with: {data.frames} "
            f"frames of {data.crop} pixels are taken; --frames and --crop change it. "
            f"They are cut from a short side of {evaluate.short_side} (--short-side)."
        )
    if not counted:
        yield (
            f"{file.path} does not say how many views its evaluation takes: a whole "
            f"video is asked in {evaluate.clips} x {evaluate.crops}, as in the papers; "
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


def _check_memory(frames: int, evaluate: EvaluateRecipe) -> None:
    side, count = evaluate.short_side, evaluate.clips * evaluate.crops
    view = 12 * frames * side**2  # bytes of a square view in float32
    for size, where in ((view, "one view"), (view * count, f"{count:,} views")):
        if size > _LARGEST:
            raise RecipeError(
                f"{frames} frames of {side} pixels are {size / 2**30:,.0f} GiB in "
                f"{where}; {_LARGEST / 2**30:.0f} are the most: give less"
            )


def _moved(model: VFLNet, device: str) -> VFLNet:
    try:
        if torch.device(device).type == "meta":  # PyTorch's device for shapes alone
            raise RecipeError(f"device {device!r} computes nothing: cpu, cuda, ...")
        return model.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise RecipeError(f"device {device!r} cannot be used here: {first}") from None


@dataclass(frozen=True)
class Prediction:
    """The answer for one video.

    Attributes:
        video: its path.
        classes: K names.
        probabilities: (K,) mean of the softmax over all views, float32.
        views: which views.
    """

    video: Path
    classes: tuple[str, ...]
    probabilities: np.ndarray
    views: Views

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes and their probabilities; of equal ones the first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[k], float(self.probabilities[k])) for k in order]


def predict_video(network: LoadedNetwork, video: str | os.PathLike[str]) -> Prediction:
    """Ask a network about a video file: to the last bit what an evaluation says of it.

    Raises:
        VideoError: missing, empty, damaged, a picture or no video, or far longer than
            high.
        ModelError: outputs that are not finite, or too small frames for the network.
    """
    path = check_file(video)
    refuse_picture(path)
    with open_video(path) as reader:
        check_sides(str(path), reader.height, reader.width)
        views = evaluation_views(reader, network.data, network.evaluate)
    device, outputs = next(network.model.parameters()).device, []
    with torch.inference_mode():
        for batch in views.split(network.evaluate.batch_size):  # (b, T, 3, H, W)
            logits = network.model(batch.to(device))  # (b, K)
            outputs.append(logits.cpu().double().softmax(dim=-1))
    mean = torch.cat(outputs).mean(dim=0).float()  # (K,), as evaluations keep it
    if not torch.isfinite(mean).all():
        raise ModelError(
            f"the network's outputs for {path} are not finite; its training has "
            "probably diverged"
        )
    shown = Views.of(network.data, network.evaluate)
    return Prediction(path, network.classes, mean.numpy(), shown)
