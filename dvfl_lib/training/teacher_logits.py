"""The teacher's logits about stored views, kept on disk instead of made at each step.

Public names: ``StoredTeacher``.

Where a recipe has ``distil.stored_views`` K > 0, the augmentation is a function of
(seed, view, clip) with view = epoch mod K: K passes of the teacher then serve all
epochs, and every later run that asks the same. (Storing answers together with their
augmentation: Shen and Xing, arXiv 2112.01528.)

``view_KKK.safetensors`` holds float32 (clips, classes), a row of NaN for a clip that
could not be read. Its folder is named after all that decides them: other clips or
another teacher never meet these files. Damage is said, never mended by itself: wrong
logits would train a network and show nowhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from ..environment import versions
from ..errors import ModelError, RunDirectoryError
from ..files import write_whole
from ..recipes import Recipe
from ..video.clips import ClipKey
from ..video.reading import decoder_version
from .batches import clip_loader, note_unreadable
from .checkpointing import fingerprint, locked, model_digest
from .devices import on_main

_META = "dvfl-teacher-logits"  # the one metadata entry, holding JSON
_PATIENCE = 3600.0  # seconds; another student may be filling the same folder
# Of the recipes: what does not change a training clip.
_IDLE = (
    "data.holdout_share",
    "augment.mixup",
    "augment.cutmix",
    "augment.label_smoothing",
)


@dataclass
class StoredTeacher:
    """A teacher whose logits about the clips' stored views lie in a folder of its own.

    What a student does with the logits is not part of the key: several may share them.
    """

    parent: Path  # of the folder; on several machines, on a disk that they share
    teacher: nn.Module  # clip (B, T, 3, H, W) -> logits (B, K); asked in eval mode
    clips: Any  # the training clips, with ``views`` stored views each
    classes: Sequence[str]  # names in the order of the logits
    recipe: Recipe  # ``optim`` of the students says precision and clips per forward
    show: bool = True  # show a bar while filling
    _held: tuple[int, Tensor] | None = field(default=None, init=False)  # view read last

    @cached_property
    def key(self) -> dict[str, Any]:
        """Everything that decides a stored logit, as a flat dictionary."""
        paths = [sample.path for sample in self.clips.samples]
        sizes = [path.stat().st_size if path.is_file() else None for path in paths]
        digest = hashlib.sha256(json.dumps(sizes).encode()).hexdigest()
        values = {
            "teacher weights": model_digest(self.teacher),
            "precision": self.recipe.optim.precision,
            "classes": list(self.classes),
            "augment": getattr(self.clips, "augment", None),
            "sizes of the files": digest,
            "reader": decoder_version(),
            "versions": versions(),
        }
        key = fingerprint(values, self.clips)
        return {name: value for name, value in key.items() if name not in _IDLE}

    @cached_property
    def folder(self) -> Path:
        """Where the files are; made when they are."""
        text = json.dumps(sorted(self.key.items()))
        return self.parent / hashlib.sha256(text.encode()).hexdigest()[:16]

    def open(self, accelerator: Accelerator) -> None:
        """Fill what is missing, and check all of it; on every process at once.

        Processes share the clips of a view; an interrupted filling goes on with the
        first view that is missing. Call it inside ``deterministic``.
        """
        with ExitStack() as held:
            missing = on_main(accelerator, lambda: self._begin(held))
            self.teacher.to(accelerator.device).eval()
            messages: list[str] = []
            show = self.show and accelerator.is_main_process
            for view in tqdm(missing, "teacher, stored views", disable=not show):
                rows = self._ask(accelerator, view, messages)
                on_main(accelerator, lambda v=view, r=rows: self._write(v, r))
            self.teacher.to("cpu")  # a GPU has better uses for the room

    def _begin(self, held: ExitStack) -> list[int]:
        """Check what is there; returns the views to be made, with the lock held."""
        if self._missing():
            doing = "filling the teacher's logits"
            held.enter_context(locked(self.folder, doing, _PATIENCE))
        missing = self._missing()
        for view in set(range(self.clips.views)) - set(missing):
            self._read(view)
        return missing

    def _missing(self) -> list[int]:
        return [v for v in range(self.clips.views) if not self._path(v).exists()]

    def _path(self, view: int) -> Path:
        return self.folder / f"view_{view:03d}.safetensors"

    def _ask(
        self, accelerator: Accelerator, view: int, messages: list[str]
    ) -> list[tuple[int, Tensor]]:
        """Each clip that can be read, and the teacher's logits (classes,) about it.

        A clip that cannot be read is replaced by another, which has its own row: the
        teacher is not asked twice.
        """
        count, size = len(self.clips), self.recipe.optim.micro_batch
        batches = [list(range(i, min(i + size, count))) for i in range(0, count, size)]
        mine = batches[accelerator.process_index :: accelerator.num_processes]
        keys = [[ClipKey(view, index) for index in wanted] for wanted in mine]
        data, rows = self.recipe.data, []
        loader = clip_loader(self.clips, keys, self.clips.seed, data.workers)
        for wanted, batch in zip(mine, loader, strict=True):
            note_unreadable(messages, batch["unreadable"], count, data.max_unreadable)
            read = batch["index"] == torch.tensor(wanted)  # (B,)
            if read.any():
                clip = batch["clip"][read].to(accelerator.device, non_blocking=True)
                with torch.no_grad(), accelerator.autocast():
                    logits = self.teacher(clip).float().cpu()  # (b, classes)
                # Copies: a view would take its whole batch along to other processes.
                indices = batch["index"][read].tolist()
                rows += zip(indices, map(Tensor.clone, logits), strict=True)
        everywhere = sorted(set(gather_object(messages)))
        note_unreadable(messages, everywhere, count, data.max_unreadable)
        return gather_object(rows)

    def _write(self, view: int, rows: list[tuple[int, Tensor]]) -> None:
        logits = torch.full((len(self.clips), len(self.classes)), torch.nan)
        for index, row in rows:
            if not row.isfinite().all():
                raise ModelError(
                    f"the teacher's logits for {self.clips.samples[index].name} are "
                    "not finite. Try optim.precision 'bf16' or 'no', or another teacher"
                )
            logits[index] = row
        text = {_META: json.dumps(self._about(view, logits))}
        write_whole(self._path(view), save({"logits": logits}, metadata=text))

    def _about(self, view: int, logits: Tensor) -> dict[str, Any]:
        digest = hashlib.sha256(logits.contiguous().numpy().tobytes()).hexdigest()
        return {"key": self.key, "view": view, "sha256": digest}

    def _read(self, view: int) -> Tensor:
        """One view, float32 (clips, classes), after all checks."""
        path = self._path(view)
        try:
            with safe_open(path, framework="pt") as file:
                told = json.loads(file.metadata()[_META])
                logits = file.get_tensor("logits")
            if told != self._about(view, logits):
                raise ValueError("its numbers are not those written under this name")
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise RunDirectoryError(
                f"{path} is damaged ({error}). Delete it to have the teacher asked anew"
            ) from None
        return logits

    def logits(self, indices: Tensor, epoch: int) -> Tensor:
        """What the teacher said of these clips in an epoch, float32 (B, classes).

        ``open`` comes first. ``indices`` are of the clips that were really loaded:
        where a video could not be read, that of its replacement.
        """
        view, indices = epoch % self.clips.views, indices.cpu()
        if self._held is None or self._held[0] != view:  # an epoch needs one view
            self._held = (view, self._read(view))
        found = self._held[1][indices]  # (B, classes)
        unknown = indices[found.isnan().any(dim=-1)].tolist()
        if unknown:
            raise RunDirectoryError(
                f"{self._path(view)} has no logits of clip "
                f"{self.clips.samples[unknown[0]].name}: it could not be read when the "
                "teacher was asked, and can be read now. Delete that file"
            )
        return found
