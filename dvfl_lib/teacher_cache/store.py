"""A folder of stored logits: written chunk by chunk, checked whenever it is read.

Public names: ``TeacherCache``, ``Chunk``.

* ``key.json``                    what the logits are of, see ``key``
* ``view_KKK_clip_NNNNNN.safetensors``  the logits of up to 128 clips in one view
* ``files.json``                  memo of the videos' content, see ``file_marks``

A chunk holds float32 (clips, classes); a clip that could not be read is a row of NaN.
Its metadata carry the digest of the key, its place, and the SHA-256 of its content.
Chunks are written whole, and what is wrong with one is said, never mended by
itself: logits that do not belong to the clip would train a network and show nowhere.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import RunDirectoryError
from ..files import read_bytes, write_whole
from .key import CacheKey

_META = "dvfl-teacher-cache"  # the one metadata entry, holding JSON
_CLIPS = 128  # per chunk; what an interruption may cost one process
# What reading a damaged or foreign file raises; JSON of many brackets the last.
_DAMAGE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_OTHER_FOLDER = (
    "Delete that folder to have the teacher asked anew, or name another one "
    "(teacher_cache)"
)


@dataclass(frozen=True)
class Chunk:
    """Clips ``first`` to ``stop - 1`` in one view."""

    view: int
    first: int
    stop: int

    @property
    def name(self) -> str:
        return f"view_{self.view:03d}_clip_{self.first:06d}.safetensors"


class TeacherCache:
    """The logits that ``key`` describes, in ``folder``.

    Raises:
        RunDirectoryError: (all methods) the folder holds something else, a file in it
            is damaged, or it cannot be written.
    """

    def __init__(self, folder: Path, key: CacheKey) -> None:
        self.folder = Path(folder)
        self.key = key
        self.views = int(key.fields["distil.stored_views"])
        self.clips = len(key.lists["training clips"])
        self.classes = len(key.lists["classes"])
        self._held: tuple[int, Tensor] | None = None  # the view read last

    @property
    def chunks(self) -> list[Chunk]:
        """All of them, view after view."""
        return [
            Chunk(view, first, min(first + _CLIPS, self.clips))
            for view in range(self.views)
            for first in range(0, self.clips, _CLIPS)
        ]

    # --- beginning -----------------------------------------------------------

    def begin(self) -> None:
        """Describe a new folder, or refuse one that was made otherwise."""
        path = self.folder / "key.json"
        if path.exists():
            there = self._read_key(path)
            if there.fields != self.key.fields:
                raise RunDirectoryError(
                    f"the teacher cache {self.folder} is stale: it holds logits of "
                    f"something else. What differs: {there.told(self.key)}. "
                    f"{_OTHER_FOLDER}"
                )
            return
        self._refuse_foreign()
        write_whole(path, self.key.to_bytes())

    def _read_key(self, path: Path) -> CacheKey:
        try:
            return CacheKey.from_bytes(read_bytes(path))
        except _DAMAGE as error:
            if isinstance(error, RunDirectoryError):
                raise
            raise RunDirectoryError(
                f"{path} does not describe a teacher cache, or is damaged "
                f"({type(error).__name__}: {error}). {_OTHER_FOLDER}"
            ) from None

    def _refuse_foreign(self) -> None:
        """A folder without a key must be empty: nothing of the user's is mixed in."""
        if self.folder.exists() and not self.folder.is_dir():
            raise RunDirectoryError(
                f"{self.folder} is a file; teacher_cache names a folder"
            )
        found = self.folder.iterdir() if self.folder.exists() else ()
        # A lock or a half-written key of an interrupted beginning is nothing.
        strange = sorted(p.name for p in found if not p.name.startswith("."))
        if strange:
            raise RunDirectoryError(
                f"{self.folder} is not empty and has no key.json, so it cannot be told "
                f"what is in it ({', '.join(strange[:3])}). {_OTHER_FOLDER}"
            )

    # --- chunks --------------------------------------------------------------

    def missing(self) -> list[Chunk]:
        """Chunks that are still to be made."""
        return [c for c in self.chunks if not (self.folder / c.name).exists()]

    def remove_leftovers(self) -> None:
        """Temporary files of a process that was killed while it wrote."""
        for leftover in self.folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def write(self, chunk: Chunk, logits: Tensor) -> None:
        """Store float32 (stop - first, classes); rows of NaN are unreadable clips."""
        logits = logits.detach().to("cpu", torch.float32).contiguous()
        text = {_META: json.dumps(self._meta(chunk, logits))}
        write_whole(self.folder / chunk.name, save({"logits": logits}, metadata=text))

    def _meta(self, chunk: Chunk, logits: Tensor) -> dict[str, Any]:
        """What a chunk says of itself; ``sha256`` is of its numbers."""
        return {
            "cache": self.key.digest,
            "view": chunk.view,
            "first": chunk.first,
            "sha256": hashlib.sha256(logits.numpy().tobytes()).hexdigest(),
        }

    def read(self, chunk: Chunk) -> Tensor:
        """The logits of a chunk, float32 (stop - first, classes), after all checks."""
        path = self.folder / chunk.name
        content = read_bytes(path)
        try:
            said = _metadata(content)
            logits = load(content)["logits"]
        except (SafetensorError, *_DAMAGE) as error:
            raise self._damaged(path, f"{type(error).__name__}: {error}") from None
        if said.get("cache") != self.key.digest:
            raise RunDirectoryError(
                f"{path} belongs to another teacher cache (key {said.get('cache')}, "
                f"here {self.key.digest}): it was copied into this folder. Delete the "
                f"file to have it made again, or: {_OTHER_FOLDER}"
            )
        if (said.get("view"), said.get("first")) != (chunk.view, chunk.first):
            raise RunDirectoryError(
                f"{path} holds the clips from {said.get('first')} on in view "
                f"{said.get('view')}: it was renamed. Delete the file to have it made "
                f"again, or: {_OTHER_FOLDER}"
            )
        if tuple(logits.shape) != (chunk.stop - chunk.first, self.classes):
            raise self._damaged(path, f"its logits are {tuple(logits.shape)}")
        if logits.dtype != torch.float32:
            raise self._damaged(path, f"its logits are {logits.dtype}")
        if said != self._meta(chunk, logits):
            raise self._damaged(path, "its numbers are not those that were written")
        return logits

    def _damaged(self, path: Path, why: str) -> RunDirectoryError:
        return RunDirectoryError(
            f"{path} is damaged ({why}). Delete the file to have it made again, or: "
            f"{_OTHER_FOLDER}"
        )

    # --- reading -------------------------------------------------------------

    def check(self) -> None:
        """Read every chunk once, before anything is trained with them."""
        for chunk in self.chunks:
            self.read(chunk)

    def view(self, view: int) -> Tensor:
        """All clips in one view, float32 (clips, classes); NaN where unreadable.

        One view is held in memory; an epoch needs no other.
        """
        if self._held is None or self._held[0] != view:
            parts = [self.read(chunk) for chunk in self.chunks if chunk.view == view]
            self._held = (view, torch.cat(parts))
        return self._held[1]

    def logits(self, indices: Tensor, epoch: int) -> Tensor:
        """What the teacher said of these clips in an epoch, float32 (B, classes).

        Args:
            indices: of the clips that were really loaded: where a video could not be
                read, that of its replacement.
            epoch: 0 is the first; its view is epoch mod K.
        """
        view = epoch % self.views
        found = self.view(view)[indices.cpu()]  # (B, classes)
        unknown = indices.cpu()[found.isnan().any(dim=-1)].tolist()
        if unknown:
            name = self.key.lists["training clips"][unknown[0]][0]
            raise RunDirectoryError(
                f"the teacher cache {self.folder} has no logits of clip {name} in view "
                f"{view}: it could not be read when the cache was filled, and can be "
                f"read now. {_OTHER_FOLDER}"
            )
        return found


def _metadata(content: bytes) -> dict[str, Any]:
    """What a chunk's header says; ``load`` gives tensors alone."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    return dict(json.loads(header["__metadata__"][_META]))
