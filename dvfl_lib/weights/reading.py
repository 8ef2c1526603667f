"""From a file to named tensors: read safely, or refuse and say why.

Public names: ``read_weights``, ``read_own_metadata``, ``WeightsFile``,
``METADATA_KEY``.

A ``.pth`` file is a pickle, and a pickle is a small program. Here it is run by
PyTorch's restricted reader (``weights_only=True``), which builds tensors and plain
containers and calls nothing else. Research checkpoints often carry a
configuration, command-line arguments or a numpy number beside the weights; those
few types are replaced by stand-ins that swallow their content and do nothing.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import CheckpointError

METADATA_KEY = "dvfl"  # the one metadata entry of our own files, holding JSON


class _Inert:
    """Takes the place of an object beside the weights: accepts all, keeps nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _PlainDict:
    """Takes the place of a subclass of dict: what it "creates" is an OrderedDict.

    The restricted reader puts items into dict, OrderedDict and Counter only, never
    into a subclass of them.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> OrderedDict:  # type: ignore[misc]
        return OrderedDict()


# numpy 1 said "core" where numpy 2 says "_core"; Python 3.13 moved its paths.
_INERT_NAMES = (
    "argparse.Namespace",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.dtype",
    "numpy.ndarray",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
)
_DICT_NAMES = ("yacs.config.CfgNode",)
_STAND_INS = [
    *((_Inert, name) for name in _INERT_NAMES),
    *((_PlainDict, name) for name in _DICT_NAMES),
]

# What people hand over instead of weights: how it begins, what to say about it.
_OTHER_CONTENT = (
    (
        rb"\s*<",
        "is a web page, not weights: the download stopped at a page that asks for a "
        "confirmation or a login. Open the link in a browser and save the file itself",
    ),
    (
        rb"version https://git-lfs",
        "is a Git LFS pointer of a few lines, not the weights: run 'git lfs pull'",
    ),
    (rb"\x89HDF", "is an HDF5 (Keras) file; only PyTorch weights can be loaded"),
    (
        rb"\x08[\x01-\x7f]\x12[\x01-\x7f](pytorch|onnx)",
        "is an ONNX file: give the checkpoint it was exported from. 'open_onnx' of "
        "dvfl_lib.deployment.onnx_network runs the file itself",
    ),
    (rb"\x1f\x8b|Rar!|7z\xbc\xaf", "is a compressed archive: unpack it first"),
)
_TORCH_ZIP = b"PK\x03\x04"
_TORCH_LEGACY = b"\x80"  # a bare pickle, as PyTorch before 1.6 wrote them


@dataclass(frozen=True)
class WeightsFile:
    """What was found in a file.

    Attributes:
        path: where it was read from.
        kind: ``"safetensors"`` or ``"pytorch"``.
        tensors: the weights by name, on the CPU; prefixes that wrappers add
            (``module.``, ``_orig_mod.``) are removed.
        metadata: what ``save_checkpoint`` wrote; empty for every other file.
    """

    path: Path
    kind: str
    tensors: dict[str, Tensor]
    metadata: dict[str, Any] = field(default_factory=dict)


def read_weights(path: str | Path) -> WeightsFile:
    """Read a ``.pth``/``.pt`` or ``.safetensors`` file; the content decides which.

    Raises:
        CheckpointError: the file is missing, empty, damaged, no weights file, or
            would run code.
    """
    path = Path(path)
    start = _first_bytes(path)
    # First, since a safetensors file may begin with any byte that divides by eight,
    # the mark of an old pickle among them; no pickle has a brace in the ninth place.
    if _is_safetensors(start):
        tensors, metadata = _read_safetensors(path, with_tensors=True)
        kind = "safetensors"
    elif start.startswith((_TORCH_ZIP, _TORCH_LEGACY)):
        tensors, metadata = _state_dict(path, _read_pickle(path)), {}
        kind = "pytorch"
    else:
        for pattern, remark in _OTHER_CONTENT:
            if re.match(pattern, start):
                raise CheckpointError(f"{path} {remark}.")
        raise CheckpointError(
            f"{path} is neither a PyTorch nor a safetensors file (it begins with "
            f"{start[:8]!r}). Check that the download is the weights file itself."
        )
    return WeightsFile(path, kind, _without_wrappers(tensors), metadata)


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise CheckpointError(
            f"{path} is a folder, not a weights file: name a file in it."
        )
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise CheckpointError(f"{path} is no plain file: name a weights file.")
        with path.open("rb") as file:
            start = file.read(64)
    except FileNotFoundError:
        raise CheckpointError(f"there is no weights file {path}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from None
    if not start:
        raise CheckpointError(
            f"{path} is empty: the download or the copy failed, fetch it again."
        )
    return start


@contextmanager
def _only_stand_ins() -> Iterator[None]:
    """Allow the stand-ins, and nothing that other code of this process has allowed."""
    elsewhere = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with torch.serialization.safe_globals(_STAND_INS):
            yield
    finally:
        torch.serialization.add_safe_globals(elsewhere)


def _read_pickle(path: Path) -> Any:
    """Whatever the file holds, built by the restricted reader."""
    try:
        # Opened here: given a path, torch.load would go by the name's ending.
        with path.open("rb") as file, _only_stand_ins(), warnings.catch_warnings():
            # Remarks on the pickle's protocol are of no use to a reader of weights.
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle may end in any exception at all
        message = str(error)
    refused = re.search(r"GLOBAL ([\w.]+)", message)
    if refused:
        raise CheckpointError(
            f"{path} was not loaded: beside or among its weights it asks for the "
            f"Python object '{refused[1]}', and building that could run code. If you "
            "trust its author, have the 'model' dictionary alone saved anew "
            "(torch.save({'model': model.state_dict()}, ...)) and load that file."
        ) from None
    # PyTorch begins by advising to allow any code; its reason stands behind that.
    reason = message.rpartition("WeightsUnpickler error:")[2].strip() or "no reason"
    reason = reason.splitlines()[0]
    raise CheckpointError(
        f"{path} is damaged or incomplete, or not a PyTorch weights file: fetch it "
        f"again and compare its size. PyTorch says: {reason[:200]}"
    ) from None


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """The weights within a checkpoint: bare, or under 'model' or 'state_dict'."""
    if isinstance(content, dict):
        for candidate in (content.get("model"), content.get("state_dict"), content):
            if _is_state_dict(candidate):
                return dict(candidate)
        found = f"it holds {', '.join(repr(key) for key in list(content)[:8]) or '{}'}"
    else:
        found = f"it holds a {type(content).__name__}"
    raise CheckpointError(
        f"{path} has no weights where they are looked for ({found}). Expected: a "
        "dictionary of tensors, by itself or under 'model' or 'state_dict'."
    )


def _is_state_dict(candidate: Any) -> bool:
    return (
        isinstance(candidate, dict)
        and len(candidate) > 0
        and all(
            isinstance(name, str) and isinstance(value, Tensor)
            for name, value in candidate.items()
        )
    )


def read_own_metadata(path: str | Path) -> dict[str, Any]:
    """The metadata alone, without reading any weights; empty where there are none.

    Raises:
        CheckpointError: the file is missing, empty or damaged.
    """
    path = Path(path)
    if not _is_safetensors(_first_bytes(path)):
        return {}
    return _read_safetensors(path, with_tensors=False)[1]


def _is_safetensors(start: bytes) -> bool:
    return start[8:9] == b"{"  # after eight bytes of length comes a header in JSON


def _read_safetensors(
    path: Path, with_tensors: bool
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            tensors = {n: file.get_tensor(n) for n in names} if with_tensors else {}
            text = (file.metadata() or {}).get(METADATA_KEY, "{}")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or incomplete: copy it again. safetensors says: {error}"
        ) from None
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise CheckpointError(
            f"{path} has metadata that cannot be read as JSON: it is damaged, or was "
            "written by another program. Copy it again."
        )
    if not names:
        raise CheckpointError(f"{path} holds no tensor at all.")
    return tensors, metadata


def _without_wrappers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove what DistributedDataParallel and torch.compile put before each name."""
    for prefix in ("_orig_mod.", "module.", "_orig_mod."):
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name[len(prefix) :]: value for name, value in tensors.items()}
    return tensors
