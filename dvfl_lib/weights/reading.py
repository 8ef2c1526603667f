"""From a file to named tensors: read once and safely, or refused with the reason.

Public names: ``WeightsFile``, ``read_weights``, ``METADATA_KEY``,
``DIGEST_KEY``, ``own_digest``, ``weights_digest``, ``tensors_digest``.

A ``.pth`` file is a pickle, and a pickle is a small program. PyTorch's restricted
reader (``weights_only=True``) builds tensors and plain containers of it and calls
nothing else. The configuration, command-line arguments or numpy number that research
checkpoints carry beside the weights become stand-ins, which do nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from ..errors import CheckpointError

METADATA_KEY = "dvfl"  # the one metadata entry of our own files, holding JSON
DIGEST_KEY = "sha256"  # within that, of all the rest: see ``own_digest``
# What some of the rest are, where they are there.
_KINDS = dict(recipe=dict, views=dict, trained_on=dict, config=dict, classes=list)


class _Inert:
    """Takes the place of an object beside the weights: accepts all, keeps nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Inert:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


# numpy 1 said "core" where numpy 2 says "_core"; Python 3.13 moved its paths.
_NAMES = """argparse.Namespace numpy.dtype numpy.ndarray
    numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct
    numpy._core.multiarray.scalar numpy._core.multiarray._reconstruct
    pathlib.PosixPath pathlib.WindowsPath
    pathlib._local.PosixPath pathlib._local.WindowsPath"""
_STAND_INS = [(_Inert, name) for name in _NAMES.split()]
_STAND_INS += [(OrderedDict, "yacs.config.CfgNode")]  # a subclass of dict
_PACKED = (b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"Rar!", b"7z\xbc\xaf")


@dataclass(frozen=True)
class WeightsFile:
    """What was found in a file, which is read once."""

    path: Path
    kind: str  # "safetensors" or "pytorch"
    tensors: dict[str, Tensor]  # by name, without prefixes of wrappers; on the CPU
    metadata: dict[str, Any]  # what save_checkpoint wrote; empty for other files
    part: str = ""  # the name in the file under which these weights stood
    others: tuple[str, ...] = ()  # and those of further ones, as a moving average


def read_weights(path: str | Path | WeightsFile, part: str = "") -> WeightsFile:
    """Read a ``.pth``/``.pt`` or ``.safetensors`` file; the content decides which.

    A warning says where a file holds several sets of weights, or has no checksums.

    Args:
        path: the file; what has been read already is returned as it is.
        part: the name under which the weights stand in a ``.pth`` file, as in
            "ema" or "ema.shadow"; "" looks under ``model``, under ``state_dict`` and
            for bare tensors.

    Raises:
        CheckpointError: the file is missing, damaged, no weights file, or would run
            code.
    """
    if isinstance(path, WeightsFile):
        return path
    path = Path(path)
    if not path.is_file():  # a pipe would be waited for
        folder = " It is a folder: name the file in it." if path.is_dir() else ""
        raise CheckpointError(f"there is no weights file {path}.{folder}")
    content = path.read_bytes()
    # First, since a safetensors file may begin with any byte that divides by eight,
    # the mark of an old pickle among them; no pickle has a brace in the ninth place.
    if content[8:9] == b"{":
        return _read_safetensors(path, content)
    if not content.startswith((b"PK\x03\x04", b"\x80")):  # a zip, or a bare pickle
        advice = (
            "A web page or a Git LFS pointer of that name is a download that failed: "
            "fetch the weights file itself."
        )
        if content.startswith(_PACKED) or content[257:262] == b"ustar":
            advice = "It is an archive: unpack it and name the weights file within."
        raise CheckpointError(
            f"{path} is neither a PyTorch nor a safetensors file (it begins with "
            f"{content[:8]!r}). {advice}"
        )
    if content.startswith(b"PK"):
        _check_archive(path, content)
    file = _choose(path, _read_pickle(path, content), part)
    if not content.startswith(b"PK"):
        told = "was saved as before PyTorch 1.6, without checksums: nothing here can "
        told += "tell whether its values are damaged. Compare its hash with its source"
        warnings.warn(f"{path} {told}", stacklevel=2)
    return file


def _read_safetensors(path: Path, content: bytes) -> WeightsFile:
    try:
        tensors = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        told = (header.get("__metadata__") or {}).get(METADATA_KEY, "{}")
        metadata = dict(json.loads(told))
        for name, kind in _KINDS.items():
            if not isinstance(metadata.get(name) or kind(), kind):
                raise TypeError(f"{name} is {metadata[name]!r}")
        recipe = metadata.get("recipe") or {}
        if not all(isinstance(recipe.get(n) or {}, dict) for n in ("data", "evaluate")):
            raise TypeError("its recipe is none")
    except Exception as error:  # of many kinds, from safetensors and JSON
        raise _damaged(path, error) from None
    told = metadata.pop(DIGEST_KEY, None)
    if told not in (None, own_digest(metadata, tensors)):
        raise _damaged(
            path,
            "its content does not have its checksum; what you changed yourself, such "
            "as the precision, is for save_checkpoint to write",
        )
    return WeightsFile(path, "safetensors", _unwrapped(tensors), metadata)


def own_digest(metadata: dict[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of all that ``save_checkpoint`` writes, by which damage is noticed."""
    content = json.dumps(metadata) + weights_digest(tensors)
    return hashlib.sha256(content.encode()).hexdigest()


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of a state dict: names, kinds, shapes and values."""
    return tensors_digest(sorted(tensors.items()))


def tensors_digest(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """The same of tensors in the order that they come in."""
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _damaged(path: Path, why: object) -> CheckpointError:
    return CheckpointError(
        f"{path} is damaged or incomplete ({why}): fetch it again and compare its size."
    )


def _check_archive(path: Path, content: bytes) -> None:
    """Look at the checksums of a zip file, which PyTorch itself does not."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names, bad = archive.namelist(), archive.testzip()
    except Exception as error:  # a damaged archive may end in any exception at all
        raise _damaged(path, error) from None
    if not any(name.endswith("data.pkl") for name in names):
        raise CheckpointError(
            f"{path} is an archive of files ({', '.join(names[:3])} ...): unpack it "
            "and name the weights file within."
        )
    if bad is not None:
        raise _damaged(path, f"{bad} does not have its checksum")


def _read_pickle(path: Path, content: bytes) -> Any:
    """Whatever the file holds, built by the restricted reader."""
    # The stand-ins are allowed, and nothing that other code of this process allows.
    elsewhere = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with torch.serialization.safe_globals(_STAND_INS), warnings.catch_warnings():
            # Remarks on the pickle's protocol are of no use to a reader of weights.
            warnings.simplefilter("ignore")
            stream = io.BytesIO(content)
            return torch.load(stream, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle may end in any exception at all
        message = str(error)
    finally:
        torch.serialization.add_safe_globals(elsewhere)
    if refused := re.search(r"GLOBAL ([\w.]+)", message):
        raise CheckpointError(
            f"{path} was not loaded: beside or among its weights it asks for the "
            f"Python object '{refused[1]}', and building that could run code. If you "
            "trust its author, have the 'model' dictionary alone saved anew "
            "(torch.save({'model': model.state_dict()}, ...)) and load that file."
        )
    # PyTorch begins by advising to allow any code; its reason stands behind that.
    reason = message.rpartition("WeightsUnpickler error:")[2].strip() or "no reason"
    told = f"PyTorch's safe reader says: {reason.splitlines()[0][:200]}"
    raise _damaged(path, f"{told}; or torch.save did not write it in its usual form")


def _choose(path: Path, content: Any, part: str) -> WeightsFile:
    """The weights within a checkpoint: bare, or under a name."""
    found = dict(_dictionaries(content))
    sets = {place: named for place, named in found.items() if _share(named) == 1}
    mixed = {place: named for place, named in found.items() if 0.5 < _share(named) < 1}
    usual = [key for key in ("model", "state_dict", "") if key in sets]
    key = part or next(iter(usual or (sets if len(sets) + len(mixed) == 1 else ())), "")
    if key not in sets:
        what = ", ".join(map(repr, [*found.get("", ())][:4]))
        told = f"{path} has no weights where they are looked for (it holds "
        told += f"{what or f'a {type(content).__name__}'}). "
        if sets:
            told += f"Some stand under {', '.join(map(repr, sets))}. "
        for place, named in mixed.items():
            odd = next(k for k, v in named.items() if not isinstance(v, Tensor))
            where = f"under {place!r}" if place else "in it"
            told += f"Among the tensors {where} is {odd!r}, which is none. "
        raise CheckpointError(
            f"{told}Expected: a dictionary of tensors alone, by itself or under "
            "'model' or 'state_dict'; part='...' names another place."
        )
    tensors = _unwrapped(sets[key])
    # A moving average has the same names; an optimiser's state has others.
    others = [k for k in sets if k != key and {*tensors} & {*_unwrapped(sets[k])}]
    if others and not part:
        warnings.warn(
            f"{path} holds weights under {key!r} and under "
            f"{', '.join(map(repr, others))}; those under {key!r} are taken, "
            f"part={others[0]!r} (--part) takes others",
            stacklevel=3,
        )
    return WeightsFile(path, "pytorch", tensors, {}, key, tuple(others))


def _dictionaries(
    content: Any, place: str = "", depth: int = 2
) -> Iterator[tuple[str, dict]]:
    """Where dictionaries stand in a checkpoint, it among them, and these."""
    if isinstance(content, dict):
        yield place, content
        inner = {k: v for k, v in content.items() if isinstance(k, str) and depth}
        for key, value in inner.items():
            yield from _dictionaries(value, f"{place}.{key}".lstrip("."), depth - 1)


def _share(named: dict) -> float:
    """The share of entries that are a tensor with a name; 1 for a state dict."""
    right = [isinstance(k, str) and isinstance(v, Tensor) for k, v in named.items()]
    return sum(right) / len(right) if right else 0.0


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without what wrappers put before each name, and a moving average's counter."""
    tensors = {name: t for name, t in tensors.items() if name != "n_averaged"}
    stem = "patch_embed.proj.weight"
    before = next((n.removesuffix(stem) for n in tensors if n.endswith(stem)), "")
    if not all(name.startswith(before) for name in tensors):
        return tensors
    return {name.removeprefix(before): value for name, value in tensors.items()}
