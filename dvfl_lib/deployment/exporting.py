"""A network as one ONNX file, checked against itself.

Public names: ``export``, ``Exported``, ``ABOUT``.

The file holds weights, graph and, as JSON under ``ABOUT`` in its metadata, what must
be known to use it: the size of a clip, the names of the classes. The batch is free,
frames and pixels are not. The *readable* form is exported: ONNX Runtime arranges a
graph for itself, and the pieces and in-place sums of ``dvfl_lib.fast`` would only be
in its way.

Source: ``torch.onnx.export`` with ``dynamo=True``; constants are folded by onnxscript's
optimizer, so that a kernel that is laid out anew in ``forward`` is a plain weight in
the file, which quantisation needs.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CheckpointError, ModelError, RecipeError, check_int
from ..fast import set_form
from ..files import write_whole
from ..seeding import fixed_rng
from ..vfl_net import VFLNet
from .naming import check_names
from .packages import check_packages, package

ABOUT = "dvfl"
# Larger weights than this do not fit into the single message that a file is.
_LARGEST = 2**31 - 2**20
_FOLDED = 2**40  # no constant is too large to be folded


@dataclass(frozen=True)
class Exported:
    """A file that was written and checked.

    Attributes:
        path: the file.
        size: in bytes.
        difference: the largest difference of a logit from the network's own, over
            random clips in batches of one and of three.
    """

    path: Path
    size: int
    difference: float


def export(
    model: VFLNet,
    path: str | Path,
    *,
    frames: int = 8,
    side: int = 224,
    classes: Sequence[str] = (),
    standin: bool = False,
    tolerance: float = 1e-3,
) -> Exported:
    """Write a network as ONNX: "clip" (B, T, 3, H, W) -> "logits" (B, K), any B.

    The model stays as it is, its mode and form too; the file answers as in evaluation.
    It appears whole, after the check, or not at all.

    Args:
        model: its weights are written in float32.
        path: ends with ``.onnx``; an older file is replaced.
        frames, side: T, and H = W.
        classes: names of the outputs, in their order; none may be known.
        standin: the network learned from generated videos.
        tolerance: of the check.

    Raises:
        RecipeError: the packages are missing, or another ending.
        ModelError: no ``VFLNet``; a clip of this size is none that the network takes;
            another number of names; weights too large for one file.
        CheckpointError: the file does not answer as the network does.
        RunDirectoryError: it cannot be written.
    """
    path = Path(path)
    check_packages()
    if path.suffix != ".onnx":
        raise RecipeError(f"{path} must end with .onnx")
    if not isinstance(model, VFLNet):
        raise ModelError(f"a VFLNet can be exported, not {type(model).__name__}")
    frames, side = check_int("frames", frames, 1), check_int("side", side, 1)
    names = check_names(model, classes) if classes else ()
    twin = set_form(copy.deepcopy(model).cpu().float().eval(), "readable")
    with fixed_rng("export"):
        clips = torch.randn(3, frames, 3, side, side)
    twin.check_clip(clips)
    if sum(4 * p.numel() for p in twin.parameters()) > _LARGEST:
        raise ModelError("more than 2 GB of weights do not fit into one ONNX file")
    about = {"frames": frames, "side": side, "classes": list(names)}
    about |= {"standin": bool(standin), "version": 1}
    content = _graph(twin, clips, json.dumps(about))
    difference = _check(twin, content, clips)
    if not difference <= tolerance:
        raise CheckpointError(
            f"the exported network differs by {difference:.2g} in a logit, more than "
            f"{tolerance:g}: {path} was not written"
        )
    write_whole(path, content)
    return Exported(path, len(content), difference)


def _graph(model: VFLNet, clips: Tensor, about: str) -> bytes:
    """The ONNX file's bytes."""
    optimizer = package("onnxscript.optimizer")
    batch = torch.export.Dim("batch")
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            model,
            (clips,),
            dynamo=True,
            input_names=["clip"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            external_data=False,
            verbose=False,
        )
        optimizer.optimize_ir(
            program.model, input_size_limit=_FOLDED, output_size_limit=_FOLDED
        )
    proto = program.model_proto
    # Where the exporter stood on this machine, for each node, is nobody's business.
    for node in proto.graph.node:
        del node.metadata_props[:]
    entry = proto.metadata_props.add()
    entry.key, entry.value = ABOUT, about
    return proto.SerializeToString()


def _check(model: VFLNet, content: bytes, clips: Tensor) -> float:
    """The largest difference of a logit, in batches of one and of all clips."""
    onnxruntime = package("onnxruntime")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch in (clips[:1], clips):
        with torch.no_grad():
            own = model(batch)  # (B, K)
        told = torch.from_numpy(session.run(None, {"clip": batch.numpy()})[0])
        gap = (told - own).abs().max().item() if told.isfinite().all() else torch.inf
        worst = max(worst, gap)
    return worst


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks to its own developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
