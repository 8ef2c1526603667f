"""Asking the teacher once about every stored view, on one process or several.

Public names: ``StoredTeacher``.

The folder is filled chunk by chunk; the processes of a run take turns with the chunks
that are missing, so an interrupted filling goes on where it was, on any number of
processes. On several machines the folder must lie on a disk that they share.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from tqdm import tqdm

from ..errors import DVFLError, ModelError, RunDirectoryError
from ..teacher_cache import Chunk, FileMarks, TeacherCache, key_fields, make_key
from ..video.clips import ClipKey
from .batches import clip_loader
from .devices import deterministic
from .locking import locked
from .troubles import note_unreadable

logger = logging.getLogger(__name__)


@dataclass
class StoredTeacher:
    """A teacher whose logits about ``views`` views of every clip lie in ``folder``.

    Attributes:
        folder: of the ``TeacherCache``; made if need be.
        teacher: clip (B, T, 3, H, W) -> logits (B, K); asked in eval mode.
        clips: the training clips, with the same number of stored views.
        classes: names in the order of the logits.
        precision: "no", "bf16" or "fp16".
        batch_size: clips per forward pass of the filling.
        seed: of the run, for the loader.
        max_unreadable: share of videos that may be unreadable.
        workers: loader processes; they change no result.
        show: show a bar while filling.
    """

    folder: Path
    teacher: nn.Module
    clips: Any
    classes: Sequence[str]
    views: int
    precision: str
    batch_size: int
    seed: int
    max_unreadable: float = 0.0
    workers: int = 0
    show: bool = True
    cache: TeacherCache | None = field(default=None, init=False)

    def open(self, accelerator: Accelerator) -> TeacherCache:
        """Fill what is missing, and check all of it; on every process at once.

        Called again, it returns at once.

        Raises:
            RunDirectoryError: (on every process) the folder is stale, damaged, in use
                or cannot be written.
            DatasetError: too many videos cannot be read.
            ModelError: the teacher has another number of classes, or its logits are
                not finite.
        """
        if self.cache is None:
            main = accelerator.is_main_process
            cache = _on_main(accelerator, self._begin)
            if _on_main(accelerator, cache.missing):
                lock = locked(
                    self.folder, "the teacher cache", "filling it", "teacher_cache"
                )
                with lock if main else nullcontext():
                    self._fill(accelerator, cache)
            _on_main(accelerator, cache.check)
            self.cache = cache
        return self.cache

    def logits(self, indices: Tensor, epoch: int) -> Tensor:
        """What the teacher said of these clips, float32 (B, classes), on the CPU.

        ``open`` comes first. See ``TeacherCache.logits``.
        """
        assert self.cache is not None, "StoredTeacher.open was not called"
        return self.cache.logits(indices, epoch)

    def _begin(self) -> TeacherCache:
        """Refuse a stale folder; describe a new one."""
        fields = key_fields(
            self.teacher,
            self.clips,
            views=self.views,
            precision=self.precision,
            classes=self.classes,
        )
        marks = FileMarks(self.folder / "files.json")
        found = marks.of([s.path for s in self.clips.samples])
        found = [m or self._mark_of_views(i) for i, m in enumerate(found)]
        key = make_key(fields, found)
        cache = TeacherCache(self.folder, key)
        cache.begin()
        try:
            marks.save()
        except RunDirectoryError as error:  # a full cache on a disk that is read only
            logger.warning("the videos will be read again next time: %s", error)
        return cache

    def _mark_of_views(self, index: int) -> str | None:
        """Of a clip that has no file: what it shows, if it can be made all the same."""
        digest = hashlib.sha256()
        for view in range(self.views):
            item = self.clips[ClipKey(view, index)]
            if item["index"] != index:
                return None
            digest.update(item["clip"].contiguous().numpy().tobytes())
        return digest.hexdigest()[:32]

    # --- filling -------------------------------------------------------------

    def _fill(self, accelerator: Accelerator, cache: TeacherCache) -> None:
        """This process's share of the missing chunks, then wait for the others."""
        missing = _on_main(accelerator, lambda: _todo(cache))
        mine = missing[accelerator.process_index :: accelerator.num_processes]
        batches = [
            (chunk, list(range(start, min(start + self.batch_size, chunk.stop))))
            for chunk in mine
            for start in range(chunk.first, chunk.stop, self.batch_size)
        ]
        before = next((p.device for p in self.teacher.parameters()), None)
        self.teacher.to(accelerator.device).eval()
        with self._bar(mine, accelerator) as bar:
            messages = self._ask_all(accelerator, cache, batches, bar)
        if before is not None:
            self.teacher.to(before)  # a GPU has better uses for the room
        everyone = sorted(set(gather_object(messages)))  # waits for all processes
        note_unreadable(messages, everyone, len(self.clips), self.max_unreadable)

    def _bar(self, chunks: Sequence[Chunk], accelerator: Accelerator) -> tqdm:
        return tqdm(
            total=sum(chunk.stop - chunk.first for chunk in chunks),
            desc="teacher, stored views",
            unit="clip",
            dynamic_ncols=True,
            disable=not (self.show and accelerator.is_main_process),
        )

    def _ask_all(
        self,
        accelerator: Accelerator,
        cache: TeacherCache,
        batches: Sequence[tuple[Chunk, list[int]]],
        bar: tqdm,
    ) -> list[str]:
        """Go through the batches, writing each chunk as it is full.

        Returns messages about the videos that could not be read.
        """
        loader = clip_loader(
            self.clips,
            [[ClipKey(chunk.view, i) for i in wanted] for chunk, wanted in batches],
            seed=self.seed,
            workers=self.workers,
            pin_memory=accelerator.device.type == "cuda",
        )
        messages: list[str] = []
        parts: list[Tensor] = []
        with deterministic(accelerator.device), torch.no_grad():
            for (chunk, wanted), batch in zip(batches, loader, strict=True):
                unreadable, videos = batch["unreadable"], len(self.clips)
                note_unreadable(messages, unreadable, videos, self.max_unreadable)
                parts.append(self._answers(accelerator, batch, wanted, cache.classes))
                bar.update(len(wanted))
                if wanted[-1] + 1 == chunk.stop:
                    cache.write(chunk, torch.cat(parts))
                    parts = []
        return messages

    def _answers(
        self,
        accelerator: Accelerator,
        batch: dict[str, Any],
        wanted: list[int],
        classes: int,
    ) -> Tensor:
        """The teacher's logits about the wanted clips, float32 (B, classes).

        A clip that could not be read was replaced by another, which has a row of its
        own elsewhere; the row here is NaN, and the teacher is not asked.
        """
        rows = torch.full((len(wanted), classes), torch.nan)
        read = batch["index"] == torch.tensor(wanted)  # (B,)
        if not read.any():
            return rows
        clip = batch["clip"][read].to(accelerator.device, non_blocking=True)
        with accelerator.autocast():
            answer = self.teacher(clip).float().cpu()  # (b, classes)
        if answer.shape[1] != classes:
            raise ModelError(
                f"the teacher has {answer.shape[1]} outputs, but there are {classes} "
                "classes: both networks need the same classes in the same order"
            )
        rows[read] = answer
        bad = (read & ~rows.isfinite().all(dim=1)).nonzero().flatten().tolist()
        if bad:
            raise ModelError(
                f"the teacher's logits for {self.clips.samples[wanted[bad[0]]].name} "
                "are not finite. Try optim.precision 'bf16' or 'no', or another teacher"
            )
        return rows


def _todo(cache: TeacherCache) -> list[Chunk]:
    """What is missing now that the lock is held: another run may just have filled."""
    cache.remove_leftovers()
    return cache.missing()


def _on_main(accelerator: Accelerator, call: Any) -> Any:
    """Call on the first process, and tell all what it returned or raised."""
    told: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            told = [call()]
        except DVFLError as error:
            told = [error]  # the other processes must stop as well
    broadcast_object_list(told)
    if isinstance(told[0], DVFLError):
        raise told[0]
    return told[0]
