"""An exported network as a call: clips in, logits out, by ONNX Runtime.

Public names: ``OnnxNetwork``, ``open_onnx``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, ModelError, RecipeError, check_int
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
            ModelError: no tensor, or clips of another size.
        """
        if not isinstance(clips, Tensor):
            raise ModelError(f"clips must be a tensor, not {type(clips).__name__}")
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
        RecipeError: the packages are missing; an impossible number of threads.
        CheckpointError: missing, damaged, or no file of this library.
    """
    onnx, onnxruntime = package("onnx"), package("onnxruntime")
    threads = check_int("threads", threads, 0, RecipeError)
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
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
    _compare(path, session, about)
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


def _compare(path: Path, session: Any, about: dict[str, Any]) -> None:
    """Whether the graph takes and gives what the description says."""
    frames, side, names = about["frames"], about["side"], about["classes"]
    given, told = (
        [(end.name, end.type, *(end.shape or ())[1:]) for end in ends]  # any batch
        for ends in (session.get_inputs(), session.get_outputs())
    )
    takes = given == [("clip", "tensor(float)", frames, 3, side, side)]
    gives = [end[:2] for end in told] == [("logits", "tensor(float)")]
    if not (takes and gives and told[0][2:] == (len(names) or told[0][2],)):
        raise CheckpointError(f"{path}: its description and its graph do not agree")


def _refuse_the_foreign(path: Path, proto: Any) -> None:
    onnx = package("onnx")
    domains = {entry.domain for entry in proto.opset_import}
    for part in _parts(proto):
        if isinstance(part, onnx.TensorProto):
            if part.external_data or part.data_location != onnx.TensorProto.DEFAULT:
                name = part.name or "a constant"
                raise CheckpointError(f"{path}: {name} lies in another file; refused")
        elif isinstance(part, (onnx.NodeProto, onnx.FunctionProto)):
            domains.add(part.domain)
    if foreign := sorted(domains - _STANDARD):
        raise CheckpointError(
            f"{path} needs operators of {foreign[0]!r}, which this library's export "
            "does not write; refused"
        )


def _parts(message: Any) -> Iterator[Any]:
    """A message and all within: nodes have constants and graphs of their own."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            # One message, or several of them; a map has neither of ours.
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _parts(inner)
