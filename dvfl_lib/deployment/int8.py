"""An exported network in 8-bit integers, and how much it still says the same.

Public names: ``quantise``, ``calibration_clips``, ``checked_clips``,
``compare_outputs``, ``Agreement``, ``agreement_markdown``, ``in_bfloat16``.

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
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets.base import is_video, tell_left_out
from ..errors import DatasetError, ModelError, RecipeError
from ..files import write_whole
from ..video.clips import evaluation_views
from ..video.reading import open_video
from .onnx import open_onnx, quiet
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
        path: the new file, which is returned; an older one is replaced.
        calibration: clips (T, 3, H, W), normalised, of the kind that the network will
            see; a few dozen of all kinds are usual. Gone through once.

    Raises:
        RecipeError: the packages are missing; the same file twice.
        CheckpointError: ``source`` is no file of ``export``.
        RunDirectoryError: ``path`` cannot be written.
        ModelError: no clip, one of another size, or one that is not finite.
    """
    source, path = Path(source).expanduser(), Path(path)
    if path.resolve() == source.resolve():
        raise RecipeError(f"{path} is the file that is read: name another")
    known = open_onnx(source, threads=1)  # refuses foreign files
    import onnx
    from onnxruntime import quantization

    clips = checked_clips(calibration, known.frames, known.side)
    inputs = iter({"clip": clip.numpy()} for clip in clips)  # (1, T, 3, H, W)

    class Reader(quantization.CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(inputs, None)

    products = [n for n in onnx.load(source).graph.node if n.op_type in _PRODUCTS]
    stem = next(node for node in products if node.op_type == "Conv")
    with tempfile.TemporaryDirectory() as folder, quiet():
        made = Path(folder) / "int8.onnx"
        quantization.quantize_static(
            source,
            made,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_PRODUCTS),
            nodes_to_exclude=[stem.name, products[-1].name],  # the last is the head
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            # Results of products go on in float32: they are added, not multiplied.
            extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul", "Gemm"]},
        )
        write_whole(path, made.read_bytes())
    return path


def checked_clips(clips: Iterable[Tensor], frames: int, side: int) -> list[Tensor]:
    """Each calibration clip as a batch (1, T, 3, H, W); ``ModelError`` for others."""
    found = [clip.detach().cpu().float()[None].contiguous() for clip in clips]
    size = (1, frames, 3, side, side)
    if not found or not all(c.shape == size and c.isfinite().all() for c in found):
        raise ModelError(f"calibration needs clips {size[1:]}, all of them finite")
    return found


def calibration_clips(
    network: LoadedNetwork, folder: str | Path, *, most: int = 48
) -> tuple[Tensor, list[Path]]:
    """The view in the middle of some videos, prepared as the network's evaluation does.

    ``folder`` is searched with all folders below; of more than ``most`` videos in the
    order of their paths every n-th is taken. Returns clips (N, T, 3, H, W), normalised,
    and their files; ``DatasetError`` where there is no video.
    """
    folder = Path(folder).expanduser()
    files = [p for p in sorted(folder.rglob("[!.]*")) if p.is_file()]
    found = [path for path in files if is_video(path.name)]
    if not found:
        raise DatasetError(f"there is no video in {folder} or in folders below")
    tell_left_out(folder, [p.name for p in files if not is_video(p.name)])
    count = min(most, len(found))
    chosen = [found[n * len(found) // count] for n in range(count)]
    evaluate = replace(network.evaluate, clips=1, crops=1)
    clips = []
    for path in chosen:
        with open_video(path) as video:
            clips += evaluation_views(video, network.data, evaluate)  # (T, 3, H, W)
    return torch.stack(clips), chosen


@dataclass(frozen=True)
class Agreement:
    """A form of a network beside the first one."""

    top1: float  # share of clips whose likeliest class is their label
    agreement: float  # share of clips whose likeliest class is the first form's
    difference: float  # the largest of a logit
    kl: float  # mean of KL(first || this) over the clips, in nats
    clips: int


def compare_outputs(
    predictors: Mapping[str, Predictor],
    clips: Tensor,
    labels: Sequence[int] | Tensor,
    *,
    batch_size: int = 16,
) -> dict[str, Agreement]:
    """Ask every form about the same clips (N, T, 3, H, W) of N labels.

    The first form is what the others should say.
    """
    truth, found, first = torch.as_tensor(labels), {}, None
    for name, predictor in predictors.items():
        with torch.no_grad():
            parts = [predictor(part) for part in clips.split(batch_size)]
        logits = torch.cat(parts).double().cpu()  # (N, K)
        first = logits if first is None else first
        logs, own = first.log_softmax(-1), logits.log_softmax(-1)
        answer = logits.argmax(-1)
        found[name] = Agreement(
            top1=(answer == truth).double().mean().item(),
            agreement=(answer == first.argmax(-1)).double().mean().item(),
            difference=(logits - first).abs().max().item(),
            kl=(logs.exp() * (logs - own)).sum(-1).mean().item(),
            clips=len(truth),
        )
    return found


def agreement_markdown(found: Mapping[str, Agreement], *, standin: bool = False) -> str:
    """A row per form."""
    first = next(iter(found))
    rows = "".join(
        f"| {name} | {100 * row.top1:.1f} % | {100 * row.agreement:.1f} % "
        f"| {row.difference:.3f} | {row.kl:.5f} |\n"
        for name, row in found.items()
    )
    data = "; stand-in data: generated videos of made-up actions" if standin else ""
    return (
        f"| form | top-1 | agreement with {first} | largest difference | KL |\n"
        f"|---|---|---|---|---|\n{rows}\n{found[first].clips} clips{data}.\n"
    )


def in_bfloat16(model: nn.Module) -> Predictor:
    """A copy of a network with weights and activations in bfloat16; float32 logits."""
    half = copy.deepcopy(model).eval().bfloat16()

    def call(clips: Tensor) -> Tensor:
        with torch.no_grad():
            return half(clips.bfloat16()).float()

    return call
