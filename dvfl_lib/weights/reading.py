"""From a file to named tensors: read once and safely, or refused with the reason.

Public names: ``WeightsFile``, ``read_weights``, ``read_own_metadata``,
``METADATA_KEY``.

A ``.pth`` file is a pickle, and a pickle is a small program. Here it is run by
PyTorch's restricted reader (``weights_only=True``), which builds tensors and plain
containers and calls nothing else. Research checkpoints often carry a configuration,
command-line arguments or a numpy number beside the weights; those few types are
replaced by stand-ins that swallow their content and do nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from ..errors import CheckpointError

METADATA_KEY = "dvfl"  # the one metadata entry of our own files, holding JSON


class _Inert:
    """Takes the place of an object beside the weights: accepts all, keeps nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Inert:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


class _PlainDict:
    """Takes the place of a subclass of dict, which the reader would not fill."""

    def __new__(cls, *args: Any, **kwargs: Any) -> OrderedDict:  # type: ignore[misc]
        return OrderedDict()


# numpy 1 said "core" where numpy 2 says "_core"; Python 3.13 moved its paths.
_NAMES = """argparse.Namespace numpy.dtype numpy.ndarray
    numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct
    numpy._core.multiarray.scalar numpy._core.multiarray._reconstruct
    pathlib.PosixPath pathlib.WindowsPath
    pathlib._local.PosixPath pathlib._local.WindowsPath"""
_STAND_INS = [
    (_PlainDict, "yacs.config.CfgNode"),
    *((_Inert, n) for n in _NAMES.split()),
]


@dataclass(frozen=True)
class WeightsFile:
    """What was found in a file, which is read once.

    Attributes:
        path: where it was read from; kind: ``"safetensors"`` or ``"pytorch"``.
        tensors: the weights by name, on the CPU; prefixes that wrappers add
            (``module.``, ``_orig_mod.``) are removed.
        digest: SHA-256 of the file, in hexadecimal.
        metadata: what ``save_checkpoint`` wrote; empty for every other file.
        part, others: under which name of the file these weights stood ("" for bare
            ones), and under which names it holds further ones, such as a moving
            average.
    """

    path: Path
    kind: str
    tensors: dict[str, Tensor]
    digest: str
    metadata: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    others: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """A sentence where the file holds several sets of weights, else ""."""
        if not self.others:
            return ""
        return (
            f"{self.path} holds weights under {self.part!r} and under "
            f"{', '.join(map(repr, self.others))}; those under {self.part!r} were "
            f"taken, part={self.others[0]!r} takes others"
        )


def read_weights(path: str | Path, part: str = "") -> WeightsFile:
    """Read a ``.pth``/``.pt`` or ``.safetensors`` file; the content decides which.

    Args:
        part: the name under which the weights stand in a ``.pth`` file; "" looks
            under ``model``, under ``state_dict`` and for bare tensors.

    Raises:
        CheckpointError: the file is missing, empty, damaged, no weights file, or
            would run code.
    """
    path = Path(path)
    content = _content(path)
    digest = hashlib.sha256(content).hexdigest()
    # First, since a safetensors file may begin with any byte that divides by eight,
    # the mark of an old pickle among them; no pickle has a brace in the ninth place.
    if content[8:9] == b"{":
        try:
            tensors = safetensors.torch.load(content)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{path} is damaged or incomplete: copy it again. safetensors says: "
                f"{error}"
            ) from None
        if not tensors:
            raise CheckpointError(f"{path} holds no tensor at all.")
        metadata = _metadata(path, content)
        return WeightsFile(path, "safetensors", _unwrapped(tensors), digest, metadata)
    if not content.startswith((b"PK\x03\x04", b"\x80")):  # a zip, or a bare pickle
        raise CheckpointError(
            f"{path} is neither a PyTorch nor a safetensors file (it begins with "
            f"{content[:8]!r}). A web page or a Git LFS pointer of that name is a "
            "download that failed: fetch the weights file itself."
        )
    if content.startswith(b"PK"):
        _check_archive(path, content)
    return _choose(path, _read_pickle(path, content), digest, part)


def read_own_metadata(path: str | Path) -> dict[str, Any]:
    """The metadata of ``save_checkpoint`` alone; empty where there are none.

    Raises:
        CheckpointError: the file is missing, empty or damaged.
    """
    start = _content(Path(path), 9)
    if start[8:9] != b"{":
        return {}
    length = int.from_bytes(start[:8], "little")
    return _metadata(Path(path), _content(Path(path), 8 + min(length, 2**27)))


def _content(path: Path, most: int = -1) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            kind = "a folder" if path.is_dir() else "no plain file"
            raise CheckpointError(f"{path} is {kind}: name a weights file.")
        with path.open("rb") as file:
            content = file.read(most)
    except FileNotFoundError:
        raise CheckpointError(f"there is no weights file {path}.") from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from None
    if not content:
        raise CheckpointError(
            f"{path} is empty: the download or the copy failed, fetch it again."
        )
    return content


def _metadata(path: Path, content: bytes) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote into the header of a safetensors file."""
    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        metadata = json.loads(
            (header.get("__metadata__") or {}).get(METADATA_KEY, "{}")
        )
    except (ValueError, RecursionError, AttributeError, TypeError):
        metadata = None
    if not isinstance(metadata, dict):
        raise CheckpointError(
            f"{path} has metadata that cannot be read as JSON: it is damaged, or was "
            "written by another program. Copy it again."
        )
    return metadata


def _check_archive(path: Path, content: bytes) -> None:
    """Look at the checksums of a zip file, which PyTorch itself does not."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names, bad = archive.namelist(), archive.testzip()
    except Exception as error:  # a damaged archive may end in any exception at all
        raise CheckpointError(
            f"{path} is damaged or incomplete ({error}): fetch it again and compare "
            "its size."
        ) from None
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(
            f"{path} is an archive of files ({', '.join(names[:3])} ...): unpack it "
            "and name the weights file within."
        )
    if bad is not None:
        raise CheckpointError(
            f"{path} is damaged: {bad} does not have its checksum. Fetch it again."
        )


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


def _read_pickle(path: Path, content: bytes) -> Any:
    """Whatever the file holds, built by the restricted reader."""
    try:
        with _only_stand_ins(), warnings.catch_warnings():
            # Remarks on the pickle's protocol are of no use to a reader of weights.
            warnings.simplefilter("ignore")
            stream = io.BytesIO(content)
            return torch.load(stream, map_location="cpu", weights_only=True)
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
    raise CheckpointError(
        f"{path} is damaged or incomplete, or not a PyTorch weights file: fetch it "
        f"again and compare its size. PyTorch says: {reason.splitlines()[0][:200]}"
    ) from None


def _choose(path: Path, content: Any, digest: str, part: str) -> WeightsFile:
    """The weights within a checkpoint: bare, or under a name."""
    named = content if isinstance(content, dict) else {}
    sets = {key: value for key, value in named.items() if _holds_tensors(value)}
    if _holds_tensors(content) and not sets:
        sets = {"": content}
    usual = [key for key in ("model", "state_dict", "") if key in sets]
    key = part or next(iter(usual or (sets if len(sets) == 1 else ())), None)
    if key not in sets:
        what = ", ".join(map(repr, list(named)[:8])) or f"a {type(content).__name__}"
        raise CheckpointError(
            f"{path} has no weights where they are looked for (it holds {what}). "
            "Expected: a dictionary of tensors, by itself or under 'model' or "
            "'state_dict'; part='...' names another place."
        )
    for name, value in sets[key].items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise CheckpointError(
                f"{path}: among its weights stands {name!r}, no tensor but of type "
                f"{type(value).__name__}. Have the tensors alone saved anew."
            )
    tensors = _unwrapped(dict(sets[key]))
    # A moving average has the same names; an optimiser's state has others.
    others = [k for k in sets if k != key and {*tensors} & {*_unwrapped(sets[k])}]
    return WeightsFile(path, "pytorch", tensors, digest, {}, key, tuple(others))


def _holds_tensors(candidate: Any) -> bool:
    return isinstance(candidate, dict) and any(
        isinstance(name, str) and isinstance(value, Tensor)
        for name, value in candidate.items()
    )


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without what DistributedDataParallel and torch.compile put before each name."""
    for prefix in ("_orig_mod.", "module.", "_orig_mod."):
        if all(str(name).startswith(prefix) for name in tensors):
            tensors = {name[len(prefix) :]: value for name, value in tensors.items()}
    return tensors
