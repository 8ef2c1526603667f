"""One run, step by step: load, train, validate, save.

Public names: ``Loop``.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from tqdm import tqdm

from ..errors import RecipeError
from ..recipes import OptimRecipe
from ..weights import save_checkpoint
from .batches import BatchPlan, MicroBatch, step_loader
from .objective import Objective
from .optimisation import build_optimizer, learning_rate
from .resume import begin, restore_momentum
from .state import Progress, RunFolder
from .troubles import diverged, note_unreadable

logger = logging.getLogger(__name__)
# A scale of fp16 gradients below this means that every step overflows.
_LEAST_SCALE = 2.0**-14
Batches = Iterator[tuple[MicroBatch, dict[str, Any]]]


@dataclass
class Loop:
    """The state of one call of ``fit``; only the first process touches files."""

    accelerator: Accelerator
    model: nn.Module  # as the caller gave it; validated, and saved as weights
    trained: nn.Module  # the same, or around it a MatchedStudent
    clips: Any
    plan: BatchPlan
    recipe: OptimRecipe
    objective: Objective
    folder: RunFolder
    fingerprint: dict[str, Any]
    recipes: dict[str, Any]
    validate: Callable[[nn.Module], dict[str, Any]] | None
    validate_every: int
    checkpoint_seconds: float
    max_unreadable: float
    workers: int
    show: bool
    about: Mapping[str, Any]
    progress: Progress = field(default_factory=Progress)
    resumed_from: int = 0

    def run(self) -> None:
        """From the checkpoint, or the first step, to the end."""
        held = self.folder.held() if self.is_main else nullcontext()
        with held:
            self._restore()
            try:
                self._train()
            except KeyboardInterrupt:
                logger.warning(
                    "interrupted at step %d of %d; the same call goes on from the "
                    "checkpoint in %s",
                    self.progress.step,
                    self.plan.total_steps,
                    self.folder.path,
                )
                raise
            finally:
                # Takes Accelerate's precision wrapper off the caller's network.
                self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
            if self.is_main and not self.folder.final.exists():
                self._save_weights(self.folder.final, len(self.progress.history), None)
            self.accelerator.wait_for_everyone()

    @property
    def is_main(self) -> bool:
        return self.accelerator.is_main_process

    @property
    def finished(self) -> bool:
        return self.progress.epochs_closed == self.plan.epochs

    # --- beginning -----------------------------------------------------------

    def _restore(self) -> None:
        """Prepare network and optimiser, as they were at the last checkpoint."""
        optimizer = build_optimizer(self.trained, self.recipe)
        self.progress, momentum = begin(
            self.accelerator, self.folder, self.fingerprint, self.trained
        )
        self.wrapped, self.optimizer = self.accelerator.prepare(self.trained, optimizer)
        restore_momentum(self.optimizer, self.trained, momentum)
        if self.progress.scaler is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(self.progress.scaler)
        if self.objective.teacher is not None:
            self.objective.teacher.to(self.accelerator.device).eval()
        self.resumed_from = self.progress.step
        self._saved_at = self._started_at = time.monotonic()
        self._save_took = 0.0
        self._seconds_before = self.progress.seconds

    # --- training ------------------------------------------------------------

    def _train(self) -> None:
        if self.finished:
            return
        if self.objective.stored is not None:
            self.objective.stored.open(self.accelerator)
            self._started_at = time.monotonic()  # asking the teacher is no training
        batches = self._batches()
        self.wrapped.train()
        with self._bar() as bar:
            while True:
                self._close_epochs()
                if self.finished:
                    break
                loss, rate = self._step(batches)
                bar.set_postfix(loss=f"{loss:.3f}", lr=f"{rate:.2g}", refresh=False)
                bar.update()
                # Large networks on slow disks: writing takes a twentieth at most.
                pause = self.checkpoint_seconds
                pause = max(pause, 20 * self._save_took) if pause else 0.0
                if time.monotonic() - self._saved_at >= pause:
                    self._save()

    def _batches(self) -> Batches:
        return step_loader(
            self.clips,
            self.plan,
            start=self.progress.step,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
            workers=self.workers,
            pin_memory=self.accelerator.device.type == "cuda",
        )

    def _bar(self) -> tqdm:
        return tqdm(
            total=self.plan.total_steps,
            initial=self.progress.step,
            desc=self.folder.path.name,
            unit="step",
            dynamic_ncols=True,
            disable=not (self.show and self.is_main),
        )

    def _step(self, batches: Batches) -> tuple[float, float]:
        """One optimiser step; returns its loss and learning rate."""
        step = self.progress.step
        rate = learning_rate(step, self.plan.steps_per_epoch, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        parts, seen = self._gradients(batches)
        found = dict(zip(self.objective.names, parts.tolist(), strict=True))
        loss = found["loss"]
        # fp16 gradients may overflow now and then: the scaler skips such a step.
        norm = self.accelerator.clip_grad_norm_(
            self.wrapped.parameters(), self.recipe.clip_grad_norm
        )
        scaled = self.accelerator.scaler is not None
        if not math.isfinite(loss) or not (scaled or math.isfinite(float(norm))):
            names = [self.clips.samples[index].name for index in seen]
            raise diverged(loss, step, rate, names, self.folder.path)
        self.optimizer.step()
        if scaled and self.accelerator.scaler.get_scale() < _LEAST_SCALE:
            names = [self.clips.samples[index].name for index in seen]
            raise diverged(math.inf, step, rate, names, self.folder.path)
        self.optimizer.zero_grad()
        sums = self.progress.sums
        for key, value in found.items():
            sums[key] = sums.get(key, 0.0) + value
        self.progress.step = step + 1
        return loss, rate

    def _gradients(self, batches: Batches) -> tuple[Tensor, list[int]]:
        """Accumulate the step's gradients; returns its losses over all processes.

        Processes average their gradients; the loss is scaled such that this
        average is the gradient of the mean over the whole step's clips.
        """
        world, device = self.accelerator.num_processes, self.accelerator.device
        labels = self.objective.count_labelled(
            self.plan.step_indices(self.progress.step)
        )
        share = self.plan.share_of_each(world)
        total, seen = torch.zeros(len(self.objective.names), device=device), []
        for turn in range(1, share + 1):
            micro, batch = next(batches)
            self._note_unreadable(batch["unreadable"])
            seen.extend(batch["index"].tolist())
            for key in ("clip", "label", "index"):
                batch[key] = batch[key].to(device, non_blocking=True)
            last = turn == share
            sync = nullcontext() if last else self.accelerator.no_sync(self.wrapped)
            with sync:
                losses = self.objective(
                    self.wrapped, micro, batch, labels, self.accelerator.autocast()
                )
                self.accelerator.backward(losses[0] * world)
            total += torch.stack(losses).detach()
        return self.accelerator.reduce(total), seen

    def _note_unreadable(self, messages: list[str]) -> None:
        known, videos = self.progress.unreadable, len(self.clips)
        note_unreadable(known, messages, videos, self.max_unreadable)

    def _note_held_out(self, messages: Sequence[str]) -> None:
        """Name what ``validate`` left out; it has its own limit of how many."""
        known = self.progress.held_out_unreadable
        for message in messages:
            if message not in known:
                known.append(message)
                logger.warning("left out of the held-out score: %s", message)

    # --- ends of epochs ------------------------------------------------------

    def _close_epochs(self) -> None:
        """Validate, log and save where the last step was an epoch's last."""
        epoch = self.progress.epochs_closed + 1
        if self.progress.step < epoch * self.plan.steps_per_epoch:
            return
        gathered = gather_object(self.progress.unreadable)
        self._note_unreadable(sorted(set(gathered)))
        line = self._line(epoch)
        due = epoch % self.validate_every == 0 or epoch == self.plan.epochs
        if self.validate is not None and due:
            # Killed while it validates, a run validates these very weights again.
            self._save()
            line["held_out"] = self._held_out(epoch)
        self.progress.history.append(line)
        self.progress.sums = {}
        self.progress.epochs_closed = epoch
        self._save()
        if self.is_main:
            self.folder.write_log(self.progress)

    def _line(self, epoch: int) -> dict[str, Any]:
        """The log's line of an epoch: means over its steps."""
        count, step = self.plan.steps_per_epoch, self.progress.step
        return {
            "epoch": epoch,
            "step": step,
            "lr": learning_rate(step - 1, count, self.recipe),
            **{key: value / count for key, value in self.progress.sums.items()},
            "seconds": round(self._seconds(), 3),
        }

    def _held_out(self, epoch: int) -> dict[str, float]:
        """Validate on the first process, tell all, keep the best weights."""
        told: list[Any] = [None]
        if self.is_main:
            network = self.accelerator.unwrap_model(self.wrapped).eval()
            with torch.no_grad():
                told = [self.validate(self.model)]
            network.train()
        broadcast_object_list(told)
        self._note_held_out(told[0].get("unreadable", ()))
        numbers = {k: v for k, v in told[0].items() if isinstance(v, (int, float))}
        top1 = numbers.get("top1", math.nan)
        if not math.isfinite(top1):
            raise RecipeError("validate must return a dict with a finite 'top1'")
        best = self.progress.best_top1
        if best is None or top1 > best:  # of equal epochs the earlier stays
            self.progress.best_epoch, self.progress.best_top1 = epoch, float(top1)
            if self.is_main:
                self._save_weights(self.folder.best, epoch, float(top1))
        return numbers

    # --- files ---------------------------------------------------------------

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started_at

    def _save(self) -> None:
        """Write the checkpoint, on the first process."""
        self.progress.seconds = self._seconds()
        self._saved_at = time.monotonic()
        if not self.is_main:
            return
        scaler = self.accelerator.scaler
        self.progress.scaler = None if scaler is None else scaler.state_dict()
        self.folder.save(self.progress, self.fingerprint, self.trained, self.optimizer)
        self._save_took = time.monotonic() - self._saved_at
        self._saved_at = time.monotonic()

    def _save_weights(self, path: Any, epoch: int, top1: float | None) -> None:
        recipe = {name: asdict(part) for name, part in self.recipes.items()}
        extra = {"run": self.folder.path.name, "epoch": epoch, "held_out_top1": top1}
        save_checkpoint(self.model, path, recipe, {**self.about, **extra})
