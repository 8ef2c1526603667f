"""An exported network in 8-bit integers, and how much it still says the same.

Public names: ``quantise``, ``calibration_clips``, ``compare_outputs``, ``Agreement``,
``agreement_markdown``, ``in_bfloat16``.

Weights become int8, with a scale for each output channel; inputs of products and
convolutions become uint8, with one scale for each tensor, taken from the smallest and
largest value that calibration clips produce. Sums are kept in 32 bits, and everything
between the products (norms, GELU, gates, the residual stream) stays in float32, and so
do the stem, which sees pixels, and the head, whose outputs are compared.

Weights use seven of their eight bits: processors without instructions for 8-bit
products add two of them up in 16 bits, and would overflow.

Source: the scheme is that of "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference" (arXiv 1712.05877), section 2, done by
``onnxruntime.quantization`` (static, QDQ format).
"""

from __future__ import annotations

import copy
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, DatasetError, ModelError, RecipeError
from ..files import write_whole
from ..video.clips import evaluation_views
from ..video.reading import VIDEO_SUFFIXES, open_video
from .onnx import check_packages, open_onnx, package
from .predict import LoadedNetwork

_PRODUCTS = ("Conv", "MatMul", "Gemm")
Predictor = Callable[[Tensor], Tensor]  # clips (B, T, 3, H, W) -> logits (B, K)


def quantise(
    source: str | Path, path: str | Path, calibration: Iterable[Tensor]
) -> Path:
    """Write a file of ``export`` again, with integers in its products.

    What it costs is told by ``compare_outputs``, on other clips than these.

    Args:
        source: the float32 file.
        path: the new file, ends with ``.onnx``; replaced if it is there.
        calibration: clips (T, 3, H, W), normalised, of the kind that the network will
            see; a few dozen of all kinds are usual. Gone through once.

    Returns:
        The path.

    Raises:
        RecipeError: the packages are missing; another ending; the same file twice.
        CheckpointError: ``source`` is no file of ``export``, or quantised already.
        RunDirectoryError: ``path`` cannot be written.
        ModelError: no clip, a clip of another size, or one that is not finite.
    """
    check_packages()
    source, path = Path(source).expanduser(), Path(path)
    if path.suffix != ".onnx" or path.resolve() == source.resolve():
        raise RecipeError(f"{path} must be another file, and end with .onnx")
    about = open_onnx(source, threads=1)
    graph = package("onnx").load(source).graph
    if any(node.op_type == "QuantizeLinear" for node in graph.node):
        raise CheckpointError(
            f"{source} computes in integers already: give the float32 file"
        )
    clips = list(_checked(calibration, (about.frames, 3, about.side, about.side)))
    if not clips:
        raise ModelError("quantisation needs at least one calibration clip")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        made = Path(folder) / "int8.onnx"
        _quantised(source, made, clips, [*_stem_and_head(graph)])
        content = made.read_bytes()
    write_whole(path, content)
    return path


def _checked(clips: Iterable[Tensor], size: tuple[int, ...]) -> Iterator[Any]:
    """Each clip as a batch of one, for ONNX Runtime."""
    for number, clip in enumerate(clips):
        if tuple(clip.shape) != size or not torch.isfinite(clip).all():
            raise ModelError(
                f"calibration clip {number} is {tuple(clip.shape)} or not finite; the "
                f"file takes {size}"
            )
        yield clip.detach().cpu().float()[None].numpy()  # (1, T, 3, H, W)


def _quantised(source: Path, path: Path, clips: list[Any], excluded: list[str]) -> None:
    quantization = package("onnxruntime.quantization")
    integers = quantization.QuantType

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(clips)

        def get_next(self) -> dict[str, Any] | None:
            clip = next(self.left, None)
            return None if clip is None else {"clip": clip}

    quantization.quantize_static(
        source,
        path,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(_PRODUCTS),
        nodes_to_exclude=excluded,
        per_channel=True,
        reduce_range=True,
        activation_type=integers.QUInt8,
        weight_type=integers.QInt8,
        calibrate_method=quantization.CalibrationMethod.MinMax,
        # Results of products go on in float32: they are added, not multiplied.
        extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
    )


def _stem_and_head(graph: Any) -> Iterator[str]:
    """Names of the first convolution and of the last product."""
    products = [node for node in graph.node if node.op_type in _PRODUCTS]
    yield next(node.name for node in products if node.op_type == "Conv")
    yield products[-1].name


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice to itself, which it gives to the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def calibration_clips(
    network: LoadedNetwork, folder: str | Path, *, most: int = 48
) -> tuple[Tensor, list[Path]]:
    """The view in the middle of some videos, prepared as the network's evaluation does.

    Args:
        network: tells the size of a view.
        folder: is searched with all folders below; of more than ``most`` videos in the
            order of their paths every n-th is taken.

    Returns:
        clips (N, T, 3, H, W), normalised, and their files.

    Raises:
        DatasetError: no such folder, or no video in it.
        VideoError: a video cannot be read.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
    named = (p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    found = sorted(p for p in named if p.is_file() and not p.name.startswith("._"))
    if not found:
        raise DatasetError(f"{folder} holds no video, in folders below neither")
    chosen = [found[n * len(found) // most] for n in range(most)]
    chosen = found if len(found) <= most else chosen
    evaluate = replace(network.evaluate, clips=1, crops=1)
    clips = []
    for path in chosen:
        with open_video(path) as video:
            clips += evaluation_views(video, network.data, evaluate)  # (T, 3, H, W)
    return torch.stack(clips), chosen


@dataclass(frozen=True)
class Agreement:
    """A form of a network beside the first one.

    Attributes:
        top1: share of clips whose likeliest class is their label.
        agreement: share of clips whose likeliest class is the first form's.
        difference: the largest difference of a logit.
        kl: mean of KL(first || this) over the clips, in nats.
        clips: how many.
    """

    top1: float
    agreement: float
    difference: float
    kl: float
    clips: int


def compare_outputs(
    predictors: Mapping[str, Predictor],
    clips: Tensor,
    labels: Sequence[int] | Tensor,
    *,
    batch_size: int = 16,
) -> dict[str, Agreement]:
    """Ask every form about the same clips; the first is what the others should say.

    Args:
        predictors: name -> call; at least one.
        clips: (N, T, 3, H, W).
        labels: N class numbers.

    Raises:
        ModelError: no predictor, no clip, other numbers of labels, or logits that are
            not finite.
    """
    truth = torch.as_tensor(labels)
    if not predictors or not len(clips) or truth.shape != (len(clips),):
        raise ModelError(
            f"forms are needed, and a label for each of {len(clips)} clips"
        )
    logits = {}
    with torch.no_grad():
        for name, predictor in predictors.items():
            parts = [predictor(part) for part in clips.split(batch_size)]
            logits[name] = torch.cat(parts).double().cpu()  # (N, K)
            if not torch.isfinite(logits[name]).all():
                raise ModelError(f"{name}: its logits are not finite")
    first = next(iter(logits.values()))
    return {name: _beside(values, first, truth) for name, values in logits.items()}


def _beside(values: Tensor, first: Tensor, truth: Tensor) -> Agreement:
    logs, own = first.log_softmax(-1), values.log_softmax(-1)
    answer = values.argmax(-1)
    return Agreement(
        top1=(answer == truth).double().mean().item(),
        agreement=(answer == first.argmax(-1)).double().mean().item(),
        difference=(values - first).abs().max().item(),
        kl=(logs.exp() * (logs - own)).sum(-1).mean().item(),
        clips=len(truth),
    )


def agreement_markdown(found: Mapping[str, Agreement], *, standin: bool = False) -> str:
    """A row per form."""
    first = next(iter(found))
    head = ["form", "top-1", f"agreement with {first}", "largest difference", "KL"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, row in found.items():
        cells = [
            name,
            f"{100 * row.top1:.1f} %",
            f"{100 * row.agreement:.1f} %",
            f"{row.difference:.3f}",
            f"{row.kl:.5f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    clips = found[first].clips
    data = "; stand-in data: generated videos of made-up actions" if standin else ""
    return "\n".join([*lines, "", f"{clips} clips{data}."]) + "\n"


def in_bfloat16(model: nn.Module) -> Predictor:
    """A copy of a network with weights and activations in bfloat16; float32 logits."""
    half = copy.deepcopy(model).eval().bfloat16()

    def call(clips: Tensor) -> Tensor:
        with torch.no_grad():
            return half(clips.bfloat16()).float()

    return call
