"""An exported network in 8-bit integers.

Public names: ``quantise``.

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

import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, ModelError, RecipeError
from ..files import write_whole
from .onnx_network import open_onnx
from .packages import check_packages, package

_PRODUCTS = ("Conv", "MatMul", "Gemm")


def quantise(
    source: str | Path, path: str | Path, calibration: Iterable[Tensor]
) -> Path:
    """Write a file of ``export`` again, with integers in its products.

    What it costs is told by ``agreement.compare``, on other clips than these.

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
        ModelError: no clip, no tensor, a clip of another size, or one that is not
            finite.
    """
    check_packages()
    source, path = Path(source).expanduser(), Path(path)
    if path.suffix != ".onnx" or path.resolve() == source.resolve():
        raise RecipeError(f"{path} must be another file, and end with .onnx")
    about = open_onnx(source, threads=1)
    _refuse_integers(source)
    clips = list(_checked(calibration, (about.frames, 3, about.side, about.side)))
    if not clips:
        raise ModelError("quantisation needs at least one calibration clip")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        made = Path(folder) / "int8.onnx"
        _quantised(source, made, clips)
        content = made.read_bytes()
    write_whole(path, content)
    return path


def _checked(clips: Iterable[Tensor], size: tuple[int, ...]) -> Iterator[Any]:
    """Each clip as a batch of one, for ONNX Runtime."""
    for number, clip in enumerate(clips):
        if not isinstance(clip, Tensor):
            raise ModelError(
                f"calibration clip {number} is a {type(clip).__name__}, not a tensor"
            )
        if tuple(clip.shape) != size:
            raise ModelError(
                f"calibration clip {number} is {tuple(clip.shape)}; the file takes "
                f"{size}"
            )
        if not torch.isfinite(clip).all():
            raise ModelError(f"calibration clip {number} is not finite")
        yield clip.detach().cpu().float()[None].numpy()  # (1, T, 3, H, W)


def _refuse_integers(source: Path) -> None:
    graph = package("onnx").load(source, load_external_data=False).graph
    if any(node.op_type == "QuantizeLinear" for node in graph.node):
        raise CheckpointError(
            f"{source} computes in integers already: give the float32 file"
        )


def _quantised(source: Path, path: Path, clips: list[Any]) -> None:
    quantization = package("onnxruntime.quantization")
    integers = quantization.QuantType

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(clips)

        def get_next(self) -> dict[str, Any] | None:
            clip = next(self.left, None)
            return None if clip is None else {"clip": clip}

    graph = package("onnx").load(source).graph
    quantization.quantize_static(
        source,
        path,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(_PRODUCTS),
        nodes_to_exclude=[*_stem_and_head(graph)],
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
