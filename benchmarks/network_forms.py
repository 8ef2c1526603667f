"""The ways in which one network can answer, as calls that take a clip.

Public names: ``Call``, ``Missing``, ``answering_forms``, ``with_precision``,
``compiled``, ``onnx_forms``, ``STRAIGHTFORWARD``, ``FAST``, ``FROZEN``.

All have the same weights. What cannot run here is a ``Missing`` that says why.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from dvfl_lib.errors import DVFLError
from dvfl_lib.fast import set_form
from dvfl_lib.vfl_net import VFLNet

from .straightforward import straightforward

Call = Callable[[Tensor], Tensor]  # clip (B, T, 3, H, W) -> logits (B, K)
STRAIGHTFORWARD, READABLE, FAST = "straightforward", "readable", "fast"
FROZEN = "fast, compiled and frozen, bf16"
ONNX_FLOAT, ONNX_INT8 = "ONNX Runtime, float32", "ONNX Runtime, int8"
_NO_COMPILER = ("InvalidCxxCompiler", "TritonMissing")  # in torch._inductor.exc
_CALIBRATION_CLIPS = 4  # of noise: they set ranges, nobody reads the answers


@dataclass(frozen=True)
class Missing:
    """A way that cannot run on this machine."""

    reason: str


def with_precision(model: Call, device: torch.device, half: bool) -> Call:
    """The call, under autocast to bfloat16 if ``half``; without derivatives."""

    def call(clip: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, half):
            return model(clip)

    return call


def compiled(
    model: nn.Module, clip: Tensor, half: bool, frozen: bool = False
) -> Call | Missing:
    """The network through ``torch.compile``, compiled for clips of this shape.

    ``frozen``: its weights are constants, which the compiler lays out as the products
    want them; nothing can be trained afterwards.
    """
    # Asked for as an option too: without, a network compiled before and not frozen
    # passes the same guards, and its code would answer for this one.
    # Whole, so that no part of it is left to run uncompiled unseen.
    options = {"freezing": True} if frozen else None
    network = torch.compile(copy.deepcopy(model), fullgraph=True, options=options)
    call = with_precision(network, clip.device, half)
    try:
        # The setting itself counts while the first call compiles.
        with inductor.patch(freezing=frozen):
            call(clip)
    except Exception as error:
        if not _lacks_compiler(error):
            raise
        return Missing("torch.compile finds no compiler (C++; Triton for a GPU)")
    return call


def _lacks_compiler(error: BaseException) -> bool:
    """Whether an error comes from a compiler that is not there; torch wraps it."""
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__name__ in _NO_COMPILER:
            return True
        inner = getattr(seen, "inner_exception", None)
        seen = inner or seen.__cause__ or seen.__context__
    return False


def answering_forms(
    model: VFLNet, clip: Tensor, folder: Path
) -> dict[str, Call | Missing]:
    """Every way to answer, the straightforward one first.

    Args:
        model: in the fast form, on the clip's device, in evaluation mode.
        clip: (B, T, 3, H, W), as it will be asked.
        folder: takes the exported files.
    """
    device = clip.device
    readable = set_form(copy.deepcopy(model), "readable")
    plain = straightforward(model).to(device)
    return {
        STRAIGHTFORWARD: with_precision(plain, device, False),
        READABLE: with_precision(readable, device, False),
        FAST: with_precision(model, device, False),
        "fast, compiled": compiled(model, clip, False),
        "fast, bf16": with_precision(model, device, True),
        "fast, compiled, bf16": compiled(model, clip, True),
        FROZEN: compiled(model, clip, True, frozen=True),
        **onnx_forms(model, clip, folder),
    }


def onnx_forms(model: VFLNet, clip: Tensor, folder: Path) -> dict[str, Call | Missing]:
    """The network exported to ONNX, in float32 and quantised to 8 bits."""
    names = (ONNX_FLOAT, ONNX_INT8)
    if clip.device.type != "cpu":
        return dict.fromkeys(names, Missing("the export is measured on CPUs"))
    try:
        from dvfl_lib.deployment.exporting import export
        from dvfl_lib.deployment.onnx_network import open_onnx
        from dvfl_lib.deployment.quantising import quantise

        _, frames, _, side, _ = clip.shape
        export(model, folder / "float32.onnx", frames=frames, side=side)
        clips = torch.randn(_CALIBRATION_CLIPS, *clip.shape[1:])  # (N, T, 3, H, W)
        quantise(folder / "float32.onnx", folder / "int8.onnx", clips)
    except DVFLError as error:
        return dict.fromkeys(names, Missing(str(error)))
    files = zip(names, ("float32.onnx", "int8.onnx"), strict=True)
    return {name: open_onnx(folder / file) for name, file in files}
