"""A network as one ``.pte`` file for a phone, checked against itself, and opened again.

Public names: ``export``, ``open_executorch``, ``for_xnnpack``, ``check_packages``.

ExecuTorch runs such a file in an app, and gives to XNNPACK, kernels for processors,
what that knows: products of rows, convolutions over images. So both are written so
here. Norms, the cuts after projections and means over time are left to ExecuTorch's own
plain kernels. Clips have one size and come one by one.

Beside ``forward`` a file has methods without arguments that tell an app what it must
know: ``frames``, ``side``, ``classes`` (a string each), ``mean`` and ``std`` (of red,
green, blue in [0, 1]), ``standin``, ``version``.

In integers the weights of products and convolutions are int8 with a scale for each
output channel. What goes in and out of them is int8 with one scale, from the smallest
and largest value that calibration clips produce; all else stays in float32.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, RecipeError
from ..modulation import TemporalConv1d
from ..vfl_net import VFLNet
from ..video.transforms import MEAN, STD
from .int8 import checked_clips
from .onnx import Exported, OpenedNetwork, keep, quiet, twin_of

_FACTS = ("frames", "side", "standin", "classes")


def check_packages() -> None:
    """``RecipeError`` where what exports and runs is missing, or does not load."""
    try:
        with quiet():
            import executorch.runtime  # noqa: F401
    except (ImportError, OSError) as error:
        raise RecipeError(
            f"the export for phones needs executorch ({error}): install the extra "
            "'mobile', pip install -e '.[mobile]' in a checkout, on Linux or on a Mac "
            "with Apple's processor. Each version goes with one of torch, as in "
            "constraints.txt"
        ) from error


def export(
    model: VFLNet,
    path: str | Path,
    *,
    frames: int = 8,
    side: int = 224,
    classes: Sequence[str] = (),
    standin: bool = False,
    calibration: Iterable[Tensor] | None = None,
    tolerance: float = 1e-3,
) -> Exported:
    """Write a network for ExecuTorch: clip (1, T, 3, H, W) -> logits (1, K).

    The model stays as it is; the file answers as in evaluation. It appears whole, after
    ExecuTorch has run it, or not at all; an older file is replaced.

    Args:
        path: ends with ``.pte``.
        frames, side, classes, standin, tolerance: as for ``onnx.export``.
        calibration: clips (T, 3, H, W), normalised, of the kind that the network will
            see, for 8-bit integers. The file is then compared with the quantised graph
            on these clips. It rounds in other places, and may differ by twice what
            integers cost the graph; ``int8.compare_outputs`` tells of both.

    Raises:
        RecipeError, ModelError, CheckpointError, RunDirectoryError: as ``onnx.export``.
    """
    path = Path(path)
    check_packages()
    twin, random = twin_of(model, path, ".pte", frames, side, classes)
    clips, graph = list(random.split(1)), for_xnnpack(twin)
    if calibration is not None:
        clips = checked_clips(calibration, frames, side)
        graph = _quantised(graph, clips)
    facts = {"frames": frames, "side": side, "mean": MEAN, "std": STD, "version": 1}
    facts |= {"standin": bool(standin), "classes": tuple(classes)}
    content = _lowered(graph, clips[0], facts)
    own = _answers(twin, clips)  # (N, K)
    told = _answers(_forward(_loaded(content)), clips)
    made = own if calibration is None else _answers(graph, clips)
    allowed = tolerance + 2 * (made - own).abs().max().item()
    return keep(path, content, (told - made).abs().max().item(), allowed)


def _answers(call: Callable[[Tensor], Tensor], clips: Iterable[Tensor]) -> Tensor:
    """Logits (N, K) of clips (1, T, 3, H, W), one after the other."""
    with torch.no_grad():
        return torch.cat([call(clip) for clip in clips])


class _Rows(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(0, -2)).unflatten(0, x.shape[:-1])


def for_xnnpack(model: VFLNet) -> VFLNet:
    """A copy of a network in its readable form, of layers that XNNPACK knows."""
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        if type(module) is nn.Linear:
            module.__class__ = _Rows
        for name, child in module.named_children():
            if isinstance(child, TemporalConv1d):  # its kernel (k, 1) as a weight
                size, padding = (*child.kernel_size, 1), (*child.padding, 0)
                ends = child.in_channels, child.out_channels
                image = nn.Conv2d(ends[0], ends[1], size, padding=padding)
                image.weight = nn.Parameter(child.weight[..., None])
                image.bias = child.bias
                setattr(module, name, image)
    return model


def _quantised(model: nn.Module, clips: list[Tensor]) -> nn.Module:
    """The graph with integers, their scales taken from what the clips produce."""
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer as xnnpack
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    kind = xnnpack.get_symmetric_quantization_config(is_per_channel=True)
    quantiser = xnnpack.XNNPACKQuantizer()
    for product in (torch.ops.aten.linear.default, torch.ops.aten.conv2d.default):
        quantiser.set_operator_type(product, kind)
    with quiet():
        graph = torch.export.export(model, (clips[0],)).module()
        watched = prepare_pt2e(graph, quantiser)
        _answers(watched, clips)
        return convert_pt2e(watched)


def _lowered(model: nn.Module, clip: Tensor, facts: dict[str, Any]) -> bytes:
    """The file's bytes."""
    from executorch.backends.xnnpack.partition import xnnpack_partitioner as xnnpack
    from executorch.exir import to_edge_transform_and_lower

    with quiet(), torch.no_grad():
        lowered = to_edge_transform_and_lower(
            torch.export.export(model, (clip,)),
            partitioner=[xnnpack.XnnpackPartitioner()],
            constant_methods=facts,
        )
        return lowered.to_executorch().buffer


def open_executorch(path: str | Path) -> OpenedNetwork:
    """Open a file that ``export`` wrote, in ExecuTorch's runtime for Python.

    Raises:
        RecipeError: the packages are missing.
        CheckpointError: missing, damaged, or no file of this library.
    """
    check_packages()
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    try:
        program = _loaded(path.read_bytes())
        if not program.method_names.issuperset(_FACTS):
            raise CheckpointError(
                f"{path} was not written by this library's export: use 'dvfl export'"
            )
        told = [program.load_method(name).execute([]) for name in _FACTS]
    except RuntimeError as error:
        raise CheckpointError(f"{path} cannot be run by ExecuTorch: {error}") from error
    (frames,), (side,), (standin,), classes = told
    return OpenedNetwork(path, frames, side, tuple(classes), standin, _forward(program))


def _forward(program: Any) -> Callable[[Tensor], Tensor]:
    def run(clips: Tensor) -> Tensor:
        method = program.load_method("forward")  # reads from the program, kept here
        return torch.cat([method.execute([clip])[0] for clip in clips.split(1)])

    return run


def _loaded(content: bytes) -> Any:
    """A program ready to run; ``RuntimeError`` where it cannot be."""
    from executorch.runtime import Runtime

    with redirect_stderr(io.StringIO()):  # where it tells of the processor
        program = Runtime.get().load_program(content)
        program.load_method("forward")
    return program
