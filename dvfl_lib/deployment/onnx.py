"""A network as one ONNX file, checked against itself, and opened again as a call.

Public names: ``export``, ``open_onnx``, ``check_packages``, ``ABOUT``; for every format
``Exported``, ``OpenedNetwork``, ``twin_of``, ``keep``, ``quiet``.

The file holds weights, graph and, as JSON under ``ABOUT`` in its metadata, what must
be known to use it: the size of a clip, the names of the classes. The batch is free,
frames and pixels are not. The *readable* form is exported, for ONNX Runtime arranges a
graph for itself.

Source: ``torch.onnx.export`` with ``dynamo=True``; onnxscript's optimizer folds
constants, so that a kernel that is laid out anew in ``forward`` is a plain weight,
which quantisation needs.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import CheckpointError, ModelError, RecipeError
from ..fast import set_form
from ..files import write_whole
from ..seeding import fixed_rng
from ..vfl_net import VFLNet

ABOUT = "dvfl"
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")  # of the extra ``deploy``
_FOLDED = 2**40  # no constant is too large to be folded


def check_packages() -> None:
    """``RecipeError`` where what exports and runs is missing."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"the export needs {', '.join(missing)}: install the extra 'deploy', "
            "pip install -e '.[deploy]' in a checkout"
        )


@dataclass(frozen=True)
class Exported:
    """A file that was written and checked."""

    path: Path
    size: int  # bytes
    difference: float  # the largest of a logit, over random clips in two batch sizes


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

    The model stays as it is; the file answers as in evaluation, in float32. It appears
    whole, after the check, or not at all; an older file is replaced.

    Args:
        path: ends with ``.onnx``.
        frames, side: T, and H = W.
        classes: names of the outputs, in their order; none may be known.
        standin: the network learned from generated videos.
        tolerance: of the check.

    Raises:
        RecipeError: the packages are missing, or another ending.
        ModelError: a clip of this size is none that the network takes; another
            number of names.
        CheckpointError: the file does not answer as the network does.
        RunDirectoryError: it cannot be written.
    """
    path = Path(path)
    check_packages()
    twin, clips = twin_of(model, path, ".onnx", frames, side, classes)
    about = {"frames": frames, "side": side, "classes": list(classes)}
    about |= {"standin": bool(standin), "version": 1}
    content = _graph(twin, clips, json.dumps(about))
    return keep(path, content, _check(twin, content, clips), tolerance)


def twin_of(
    model: VFLNet, path: Path, suffix: str, frames: int, side: int, names: Sequence[str]
) -> tuple[VFLNet, Tensor]:
    """A copy to export, in the readable form, and three random clips to check it by.

    Raises ``RecipeError`` and ``ModelError`` as ``export`` does.
    """
    if path.suffix != suffix:
        raise RecipeError(f"{path} must end with {suffix}")
    if names and len(names) != model.num_classes:
        raise ModelError(
            f"the model answers for {model.num_classes} classes, but {len(names)} "
            "names were given"
        )
    twin = set_form(copy.deepcopy(model).cpu().float().eval(), "readable")
    with fixed_rng("export"):
        clips = torch.randn(3, frames, 3, side, side)
    twin.check_clip(clips)
    return twin, clips


def keep(path: Path, content: bytes, difference: float, tolerance: float) -> Exported:
    """Write what was checked; ``CheckpointError`` where it differs by too much."""
    if not difference <= tolerance:
        raise CheckpointError(
            f"the exported network differs by {difference:.2g} in a logit, more than "
            f"{tolerance:.2g}: {path} was not written"
        )
    write_whole(path, content)
    return Exported(path, len(content), difference)


def _graph(model: VFLNet, clips: Tensor, about: str) -> bytes:
    """The ONNX file's bytes."""
    from onnxscript import optimizer

    batch = torch.export.Dim("batch")
    with quiet(), torch.no_grad():
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
    session = _session(content)
    worst = 0.0
    for batch in (clips[:1], clips):
        with torch.no_grad():
            own = model(batch)  # (B, K)
        told = torch.from_numpy(session.run(None, {"clip": batch.numpy()})[0])
        gap = (told - own).abs().max().item() if told.isfinite().all() else torch.inf
        worst = max(worst, gap)
    return worst


@contextmanager
def quiet() -> Iterator[None]:
    """Without the remarks of exporter and quantiser to their own developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@dataclass(frozen=True)
class OpenedNetwork:
    """A file of ``export`` or ``quantise``, opened."""

    path: Path
    frames: int  # T
    side: int  # H = W of a clip
    classes: tuple[str, ...]  # names of the outputs; none may be known
    standin: bool  # it learned from generated videos
    _run: Callable[[Tensor], Tensor]

    def __call__(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) float32 -> logits (B, K)."""
        return self._run(clips.detach().cpu().float().contiguous())


def open_onnx(path: str | Path, *, threads: int = 0) -> OpenedNetwork:
    """Open a file that ``export`` or ``quantise`` wrote.

    No data in other files are accepted. Code is not loaded either: ONNX Runtime runs
    its own operators alone, and refuses a graph that asks for others.

    Args:
        threads: to compute with; 0 takes as many as PyTorch uses.

    Raises:
        RecipeError: the packages are missing.
        CheckpointError: missing, damaged, or no file of this library.
    """
    check_packages()
    import onnx

    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    content = path.read_bytes()
    try:
        _refuse_other_files(path, onnx.load_model_from_string(content))
        session = _session(content, threads)
        return _described(path, session)
    except CheckpointError:
        raise
    except Exception as error:  # both raise errors of their own packages
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be run as ONNX: {first}") from error


def _session(content: bytes, threads: int = 0) -> Any:
    """ONNX Runtime with a file's content, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    # Else its threads go on spinning after an answer, where others want to compute.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )


def _refuse_other_files(path: Path, message: Any) -> None:
    """Look through a message and all within: nodes have constants and graphs."""
    if getattr(message, "external_data", None):
        raise CheckpointError(
            f"{path}: {message.name or 'a constant'} lies in another file; refused"
        )
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                _refuse_other_files(path, inner)


def _described(path: Path, session: Any) -> OpenedNetwork:
    """With what ``export`` wrote beside the graph, if that is what the graph is."""
    entries = session.get_modelmeta().custom_metadata_map
    if ABOUT not in entries:
        raise CheckpointError(
            f"{path} was not written by this library's export: use 'dvfl export'"
        )
    about = json.loads(entries[ABOUT])
    frames, side, names = about["frames"], about["side"], tuple(about["classes"])
    given, told = session.get_inputs(), session.get_outputs()
    takes = [end.shape[1:] for end in given] == [[frames, 3, side, side]]
    gives = len(told) == 1 and len(names) in (0, told[0].shape[-1])
    if not (takes and gives):
        raise CheckpointError(f"{path}: its description and its graph do not agree")

    def run(clips: Tensor) -> Tensor:
        return torch.from_numpy(session.run(["logits"], {"clip": clips.numpy()})[0])

    return OpenedNetwork(path, frames, side, names, bool(about["standin"]), run)
