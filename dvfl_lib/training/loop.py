"""The training loop: one network, supervised or distilled, on any number of devices.

Public names: ``fit``.

Hugging Face Accelerate places the network, shares the work (``accelerate launch``
or ``torchrun`` start several processes) and handles mixed precision. What is drawn
at random follows from the seed and the place in the run (``batches.py``), and the
checkpoint holds everything else, so a run that was stopped at any moment, by
whatever means, goes on where it was.

* On the CPU, with the same number of threads and processes, an interrupted run ends
  with the same weights, bit for bit, as one that was not.
* Another number of processes, or a GPU, sees the same clips and draws. Sums are then
  taken in another order: results agree to rounding, which training may amplify.
  Only drop-path on a GPU draws from the GPU's own generator.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn
from torchvision.ops import StochasticDepth
from tqdm import tqdm

from ..distillation import MatchedStudent, random_head
from ..errors import RecipeError
from ..seeding import fixed_rng
from ..vfl_net import VFLNet
from ..weights import save_checkpoint
from .batches import BatchPlan, MicroBatch, note_unreadable, step_loader
from .checkpointing import Progress, RunDirectory, fingerprint, on_main, weights_digest
from .config import FitResult, TrainConfig
from .devices import deterministic, make_accelerator
from .objective import Objective
from .optim import build_optimizer, learning_rate
from .tracking import begin_tracking, track

logger = logging.getLogger(__name__)
# A scale of fp16 gradients below this means that every step overflows.
_LEAST_SCALE = 2.0**-14
Batches = Iterator[tuple[MicroBatch, dict[str, Any]]]


def fit(model: VFLNet, clips: Any, config: TrainConfig) -> FitResult:
    """Train ``model`` in place, or go on with the run that is in its folder.

    Called again with the same arguments and a model that is as new, an interrupted
    run goes on and a finished one returns at once. ``clips`` are such as
    ``video.clips.TrainingClips``; mixing and label smoothing come on top.

    Raises:
        RecipeError: contradicting arguments, or the loss is no longer finite.
        DatasetError: too few clips, or too many unreadable videos.
        RunDirectoryError: a folder cannot be written, or holds another run's files.
    """
    loop = _Loop(model, clips, config)
    with deterministic(loop.accelerator.device):
        loop.run()
    done, files = loop.progress, loop.folder
    best = None if done.best_epoch is None else files.best
    chosen = (best, done.best_epoch, done.best_top1)
    spent = (done.step, loop.resumed_from, done.seconds)
    told = (done.history, done.all_unreadable)
    return FitResult(files.path, files.final, *chosen, *told, *spent)


class _Loop:
    """The state of one call of ``fit``; only the first process touches files."""

    def __init__(self, model: VFLNet, clips: Any, config: TrainConfig) -> None:
        self.model, self.clips, self.config = model, clips, config
        self.recipe, self.distil = config.optim_recipe, config.distil
        self.folder = RunDirectory(config.run_dir / config.name)
        sizes = (self.recipe.batch_size, self.recipe.micro_batch, self.recipe.epochs)
        self.plan = BatchPlan(len(clips), *sizes, config.seed)
        self.accelerator = make_accelerator(
            self.recipe.precision, config.track, self.folder.path
        )
        self.share = self.plan.share_of_each(self.accelerator.num_processes)
        self.is_main = self.accelerator.is_main_process
        self.fingerprint = self._fingerprint()
        self.trained: nn.Module = model  # what the optimiser moves
        teacher = None if config.stored is not None else config.teacher
        if self.distil is not None and self.distil.match:
            with fixed_rng(config.seed, "projections"):
                self.trained = MatchedStudent(model, config.teacher, self.distil.match)
        if teacher is not None and self.distil.random_head:
            rank = self.accelerator.process_index
            teacher = random_head(teacher, config.seed, rank)
        self.objective = Objective(
            config.num_classes,
            config.seed,
            self.recipe.batch_size,
            config.recipe.augment,
            self.distil,
            teacher,
            None if config.labelled is None else frozenset(config.labelled),
            config.stored,
        )
        self.progress = Progress()

    def _fingerprint(self) -> dict[str, Any]:
        """Everything that decides the result."""
        config, drops = self.config, self.model.modules()
        values = {
            "optim": self.recipe,
            "augment": config.recipe.augment,
            "distil": self.distil,
            "seed": config.seed,
            "num_classes": config.num_classes,
            "validate_every": config.validate and 1,
            "network": repr(self.model.config),
            "drop-path": [m.p for m in drops if isinstance(m, StochasticDepth)],
            "initial weights": weights_digest(self.model),
            "teacher weights": weights_digest(config.teacher),
            "labelled clips": config.labelled is not None and sorted(config.labelled),
        }
        return fingerprint(values, self.clips)

    def run(self) -> None:
        """From the checkpoint, or the first step, to the end."""
        with ExitStack() as held:
            self._restore(held)
            try:
                if self.progress.epochs_closed < self.plan.epochs:
                    self._train()
            except KeyboardInterrupt:
                logger.warning(
                    f"interrupted at step {self.progress.step} of "
                    f"{self.plan.total_steps}; the same call goes on from the "
                    f"checkpoint in {self.folder.path}"
                )
                raise
            finally:
                # Takes Accelerate's precision wrapper off the caller's network.
                self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
                for tracker in self.accelerator.trackers:
                    tracker.finish()
            if self.is_main and not self.folder.final.exists():
                self._save_weights(self.folder.final, len(self.progress.history), None)
            self.accelerator.wait_for_everyone()

    def _restore(self, held: ExitStack) -> None:
        """Prepare network and optimiser, as they were at the last checkpoint."""
        # Only the first process reads files; the others are told.
        self.progress, weights, state = on_main(
            self.accelerator, lambda: self.folder.open(self.fingerprint, held)
        )
        if weights:
            self.trained.load_state_dict(weights)
        optimizer = build_optimizer(self.trained, self.recipe)
        self.wrapped, self.optimizer = self.accelerator.prepare(self.trained, optimizer)
        if state:
            self.optimizer.load_state_dict(state)
        if self.progress.scaler is not None:
            self.accelerator.scaler.load_state_dict(self.progress.scaler)
        if self.objective.teacher is not None:
            self.objective.teacher.to(self.accelerator.device).eval()
        self.resumed_from = self.progress.step
        self._saved_at, self._save_took = time.monotonic(), 0.0
        self._begun = self._saved_at - self.progress.seconds  # as if without a pause

    # --- training ------------------------------------------------------------

    def _train(self) -> None:
        if self.config.stored is not None:
            self.config.stored.open(self.accelerator)
            # Asking the teacher is no training.
            self._begun = time.monotonic() - self.progress.seconds
        begin_tracking(self.accelerator, self.config.track, self.folder.path)
        place = (self.accelerator.process_index, self.accelerator.num_processes)
        workers, start = self.config.recipe.data.workers, self.progress.step
        batches = step_loader(self.clips, self.plan, start, *place, workers)
        self.wrapped.train()
        shown = {"total": self.plan.total_steps, "initial": start, "unit": "step"}
        shown |= {"desc": self.folder.path.name, "dynamic_ncols": True}
        with tqdm(**shown, disable=not (self.config.progress and self.is_main)) as bar:
            self._close_epoch()  # where a run was stopped before it could be
            while self.progress.epochs_closed < self.plan.epochs:
                loss, rate = self._step(batches)
                bar.set_postfix(loss=f"{loss:.3f}", lr=f"{rate:.2g}", refresh=False)
                bar.update()
                # Large networks on slow disks: writing takes a twentieth at most.
                pause = self.config.checkpoint_seconds
                pause = max(pause, 20 * self._save_took) if pause else 0.0
                if time.monotonic() - self._saved_at >= pause:
                    self._save()
                self._close_epoch()

    def _step(self, batches: Batches) -> tuple[float, float]:
        """One optimiser step; returns its loss and learning rate."""
        progress, scaler = self.progress, self.accelerator.scaler
        rate = learning_rate(progress.step, self.plan.steps_per_epoch, self.recipe)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        parts, seen = self._gradients(batches)
        found = dict(zip(self.objective.names, parts.tolist(), strict=True))
        norm = self.accelerator.clip_grad_norm_(
            self.wrapped.parameters(), self.recipe.clip_grad_norm
        )
        # fp16 gradients may overflow now and then: the scaler skips such a step.
        if scaler is None:
            overflow = not math.isfinite(float(norm))
        else:
            overflow = scaler.get_scale() < _LEAST_SCALE
        if overflow or not math.isfinite(found["loss"]):
            what = "gradient" if math.isfinite(found["loss"]) else "loss"
            names = ", ".join(self.clips.samples[index].name for index in seen[:8])
            raise RecipeError(
                f"the {what} is no longer finite at step {progress.step} (learning "
                f"rate {rate:.3g}); clips: {names}. The last checkpoint in "
                f"{self.folder.path} is intact. Try a lower optim.base_lr, a longer "
                "optim.warmup_epochs, or optim.precision 'bf16' or 'no', in another "
                "run_dir"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        for key, value in found.items():
            progress.sums[key] = progress.sums.get(key, 0.0) + value
        progress.step += 1
        return found["loss"], rate

    def _gradients(self, batches: Batches) -> tuple[Tensor, list[int]]:
        """Accumulate the step's gradients; returns its losses over all processes.

        Processes average their gradients; the loss is scaled such that this
        average is the gradient of the mean over the whole step's clips.
        """
        accelerator, objective = self.accelerator, self.objective
        labels = objective.count_labelled(self.plan.step_indices(self.progress.step))
        total = torch.zeros(len(objective.names), device=accelerator.device)
        seen: list[int] = []
        for turn in range(1, self.share + 1):
            micro, batch = next(batches)
            self._note_unreadable(batch["unreadable"])
            seen.extend(batch["index"].tolist())
            for key in ("clip", "label", "index"):
                batch[key] = batch[key].to(accelerator.device, non_blocking=True)
            last = turn == self.share
            with nullcontext() if last else accelerator.no_sync(self.wrapped):
                losses = objective(
                    self.wrapped, micro, batch, labels, accelerator.autocast()
                )
                accelerator.backward(losses[0] * accelerator.num_processes)
            total += torch.stack(losses).detach()
        return accelerator.reduce(total), seen

    def _note_unreadable(self, messages: list[str]) -> None:
        most = self.config.recipe.data.max_unreadable
        note_unreadable(self.progress.unreadable, messages, len(self.clips), most)

    # --- ends of epochs ------------------------------------------------------

    def _close_epoch(self) -> None:
        """Validate, log and save where the last step was an epoch's last."""
        count, step = self.plan.steps_per_epoch, self.progress.step
        epoch = self.progress.epochs_closed + 1
        if step < epoch * count:
            return
        self._note_unreadable(sorted(set(gather_object(self.progress.unreadable))))
        line = {
            "epoch": epoch,
            "step": step,
            "lr": learning_rate(step - 1, count, self.recipe),
            **{key: value / count for key, value in self.progress.sums.items()},
            "seconds": round(time.monotonic() - self._begun, 3),
        }
        if self.config.validate is not None:
            # Killed while it validates, a run validates these very weights again.
            self._save()
            line["held_out"] = self._held_out(epoch)
        self.progress.history.append(line)
        self.progress.sums = {}
        self.progress.epochs_closed = epoch
        self._save()
        if self.is_main:
            self.folder.write_log(self.progress)
            history, folder = self.progress.history, self.folder.path
            track(self.accelerator, self.config.track, folder, history)

    def _held_out(self, epoch: int) -> dict[str, float]:
        """Validate on the first process, tell all, keep the best weights."""
        told: list[Any] = [None]
        if self.is_main:
            network = self.accelerator.unwrap_model(self.wrapped).eval()
            with torch.no_grad():
                told = [self.config.validate(self.model)]
            network.train()
        broadcast_object_list(told)
        known = self.progress.held_out_unreadable  # has its own limit of how many
        for message in told[0].get("unreadable", ()):
            if message not in known:
                known.append(message)
                logger.warning("left out of the held-out score: %s", message)
        top1, best = float(told[0]["top1"]), self.progress.best_top1
        if best is None or top1 > best:  # of equal epochs the earlier stays
            self.progress.best_epoch, self.progress.best_top1 = epoch, top1
            if self.is_main:
                self._save_weights(self.folder.best, epoch, top1)
        return {k: v for k, v in told[0].items() if isinstance(v, (int, float))}

    # --- files ---------------------------------------------------------------

    def _save(self) -> None:
        """Write the checkpoint, on the first process."""
        now = time.monotonic()
        self.progress.seconds = now - self._begun
        if self.is_main:
            scaler = self.accelerator.scaler
            self.progress.scaler = None if scaler is None else scaler.state_dict()
            state = (self.trained, self.optimizer)
            self.folder.save(self.progress, self.fingerprint, *state)
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - now

    def _save_weights(self, path: Path, epoch: int, top1: float | None) -> None:
        parts = {"optim": self.recipe, "augment": self.config.recipe.augment}
        parts |= {"distil": self.distil} if self.distil is not None else {}
        recipe = {name: asdict(part) for name, part in parts.items()}
        extra = {"run": self.folder.path.name, "epoch": epoch, "held_out_top1": top1}
        save_checkpoint(self.model, path, recipe, {**self.config.about, **extra})
