"""From a checkpoint to a network that can be asked, and its answer for one video.

Public names: ``LoadedNetwork``, ``open_network``, ``Prediction``, ``predict_video``.

Checkpoints of this library name their classes and the views that the network was
trained with. The authors' files do not: for those the names must be given.
"""

from __future__ import annotations

import os
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
from ..video.frame_index import refuse_picture
from ..video.reading import open_video
from ..video.transforms import check_sides
from ..weights import WeightsFile, read_weights
from ..weights.checkpoint import build_model, views_from_metadata, views_told
from .frame_folder import FolderReader


@dataclass(frozen=True)
class LoadedNetwork:
    """A network and what must be known to ask it."""

    path: Path  # its file
    model: VFLNet  # in eval mode, on its device
    classes: tuple[str, ...]  # names of its outputs, in their order
    data: DataRecipe  # frames, sampling, stride and crop of a view
    evaluate: EvaluateRecipe  # clips and crops of a video, short side before cropping
    standin: bool  # it learned from generated videos, and knows made-up actions
    notes: tuple[str, ...]  # what a reader of its answers must know


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
    names, model = _names(file, classes), build_model(file)
    if len(names) != model.num_classes:
        raise CheckpointError(
            f"{file.path} has {model.num_classes} outputs, but {classes or file.path} "
            f"names {len(names)} classes: give the names of its own classes, in the "
            "order of its outputs"
        )
    data, evaluate, notes = _views(file, size or {}, {"clips": clips, "crops": crops})
    trained_on = file.metadata.get("trained_on") or {}
    standin = bool(file.metadata.get("standin"))
    standin = standin or trained_on.get("drawing") is not None
    if standin:
        notes.insert(
            0,
            "STAND-IN: this network learned made-up actions from generated videos. It "
            "says nothing about real ones.",
        )
    try:
        model = model.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:  # AssertionError: without CUDA
        first = str(error).splitlines()[0]
        raise RecipeError(f"device {device!r} cannot be used here: {first}") from None
    known = (file.path, model, names, data, evaluate, standin)
    return LoadedNetwork(*known, tuple(notes))


def _views(
    file: WeightsFile, size: dict[str, Any], counts: dict[str, int]
) -> tuple[DataRecipe, EvaluateRecipe, list[str]]:
    """As asked, else as the file tells, else as in the papers; and what to note."""
    data, short_side, _ = views_from_metadata(file.metadata, size)
    told = views_told(file.metadata)
    known = {n: count or told.get(n) for n, count in counts.items()}
    known = {name: count for name, count in known.items() if count is not None}
    evaluate = EvaluateRecipe(**known, short_side=short_side)
    Recipe(data=data, evaluate=evaluate)  # a crop that does not fit is refused
    notes = []
    if "crop" not in told and not {"frames", "crop", "short_side"} <= {*size}:
        notes.append(
            f"{file.path} does not say which views it was trained with: {data.frames} "
            f"frames of {data.crop} pixels are taken; --frames and --crop change it. "
            f"They are cut from a short side of {short_side} (--short-side)."
        )
    if len(known) < 2:
        notes.append(
            f"{file.path} does not say how many views its evaluation takes: a whole "
            f"video is asked in {evaluate.clips} x {evaluate.crops}, as in the papers; "
            "--clips and --crops change it."
        )
    return replace(data, workers=0), evaluate, notes


def _names(file: WeightsFile, given: str | Path) -> tuple[str, ...]:
    """The names of the outputs, from the file itself or from a list."""
    own = tuple(file.metadata.get("classes") or ())
    listed = read_class_list(given) if str(given) else ()
    if own and listed and own != listed:
        raise CheckpointError(
            f"{file.path} names its classes itself, and {given} names others or in "
            "another order: leave the list out"
        )
    if own or listed:
        return own or listed
    raise CheckpointError(
        f"{file.path} does not name its classes: give --classes FILE (classes=FILE in "
        "Python), a text file with a name in each line, the first for output 0"
    )


@dataclass(frozen=True)
class Prediction:
    """The answer for one video."""

    video: Path
    classes: tuple[str, ...]  # K names
    probabilities: np.ndarray  # (K,) mean of the softmax over all views, float32
    views: Views

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest classes and their probabilities; of equal ones the first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.classes[k], float(self.probabilities[k])) for k in order]


def predict_video(network: LoadedNetwork, video: str | os.PathLike[str]) -> Prediction:
    """Ask a network about a video file: to the last bit what an evaluation says of it.

    ``video`` may be a folder of pictures, see ``frame_folder``.

    Raises:
        VideoError: missing, empty, damaged, a picture or no video, or far longer than
            high.
        ModelError: outputs that are not finite, or too small frames for the network.
    """
    folder = os.path.isdir(video)
    with FolderReader(video) if folder else open_video(refuse_picture(video)) as reader:
        path = reader.path
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
