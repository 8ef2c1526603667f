"""An exported network as a call: clips in, logits out, by ONNX Runtime.

Public names: ``OnnxNetwork``, ``open_onnx``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, ModelError
from .exporting import ABOUT
from .packages import package

_STANDARD = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}


@dataclass(frozen=True)
class OnnxNetwork:
    """A file of ``export`` or ``quantise``, opened.

    Attributes:
        path: the file.
        frames, side: T, and H = W of a clip.
        classes: names of the outputs; none may be known.
        standin: it learned from generated videos.
    """

    path: Path
    frames: int
    side: int
    classes: tuple[str, ...]
    standin: bool
    _session: Any

    def __call__(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) float32 -> logits (B, K).

        Raises:
            ModelError: clips of another size.
        """
        size = (self.frames, 3, self.side, self.side)
        if clips.ndim != 5 or tuple(clips.shape[1:]) != size or not len(clips):
            raise ModelError(
                f"{self.path} takes clips (B, {', '.join(map(str, size))}), not "
                f"{tuple(clips.shape)}"
            )
        given = clips.detach().cpu().float().contiguous().numpy()
        return torch.from_numpy(self._session.run(["logits"], {"clip": given})[0])


def open_onnx(path: str | Path, *, threads: int = 0) -> OnnxNetwork:
    """Open a file that ``export`` or ``quantise`` wrote.

    Nothing but a graph of standard operators is accepted: no data in other files, no
    operators that would need code of their own.

    Args:
        threads: to compute with; 0 takes as many as PyTorch uses.

    Raises:
        RecipeError: the packages are missing.
        CheckpointError: missing, damaged, or no file of this library.
    """
    onnx, onnxruntime = package("onnx"), package("onnxruntime")
    path = Path(path).expanduser()
    try:
        content = path.read_bytes()
        proto = onnx.load_model_from_string(content)
    except Exception as error:  # the parser raises errors of its own package
        raise CheckpointError(
            f"{path} cannot be read as ONNX ({type(error).__name__})"
        ) from error
    about = _about(path, proto)
    _refuse_the_foreign(path, proto)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    # Else its threads go on spinning after an answer, where others want to compute.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be run: {str(error).splitlines()[0]}"
        ) from error
    return OnnxNetwork(path, _session=session, **about)


def _about(path: Path, proto: Any) -> dict[str, Any]:
    """What ``export`` wrote beside the graph, checked."""
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    if ABOUT not in entries:
        raise CheckpointError(
            f"{path} was not written by this library's export: use 'dvfl export'"
        )
    try:
        found = json.loads(entries[ABOUT])
        frames, side, names = found["frames"], found["side"], found["classes"]
        standin = found["standin"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path}: its description is damaged") from error
    numbers = all(type(n) is int and n > 0 for n in (frames, side))
    named = isinstance(names, list) and all(isinstance(n, str) for n in names)
    if not (numbers and named and isinstance(standin, bool)):
        raise CheckpointError(f"{path}: its description is damaged")
    return dict(frames=frames, side=side, classes=tuple(names), standin=standin)


def _refuse_the_foreign(path: Path, proto: Any) -> None:
    onnx = package("onnx")
    outside = [
        tensor.name
        for tensor in proto.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    if outside:
        raise CheckpointError(f"{path}: {outside[0]} lies in another file; refused")
    domains = {node.domain for node in proto.graph.node}
    domains |= {entry.domain for entry in proto.opset_import}
    if foreign := sorted(domains - _STANDARD):
        raise CheckpointError(
            f"{path} needs operators of {foreign[0]!r}, which this library's export "
            "does not write; refused"
        )
