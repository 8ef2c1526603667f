"""The training loop: one network, supervised or distilled, on any number of devices.

Public names: ``fit``, ``TrainConfig``, ``FitResult``.

Hugging Face Accelerate places the network, shares the work (``accelerate launch``
or ``torchrun`` start several processes) and handles mixed precision. What is drawn
at random follows from the seed and the place in the run, and the checkpoint holds
everything else, so a run that was stopped at any moment goes on where it was.

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
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from torchvision.ops import StochasticDepth
from tqdm import tqdm

from ..distillation import MatchedStudent
from ..errors import RecipeError
from ..recipes import DistilRecipe, OptimRecipe, Recipe
from ..seeding import fixed_rng
from ..vfl_net import VFLNet
from ..weights import save_checkpoint
from .batches import BatchPlan, MicroBatch, note_unreadable, step_loader
from .checkpointing import Progress, RunDirectory, fingerprint, locked, model_digest
from .devices import begin_tracking, deterministic, make_accelerator, on_main, track
from .objective import Objective
from .optim import build_optimizer, learning_rate
from .teacher_logits import StoredTeacher

logger = logging.getLogger(__name__)
# A scale of fp16 gradients below this means that every step overflows.
_LEAST_SCALE = 2.0**-14
Batches = Iterator[tuple[MicroBatch, dict[str, Any]]]


@dataclass(frozen=True)
class TrainConfig:
    """How one network is trained."""

    recipe: Recipe
    optim: OptimRecipe  # the recipe's ``optim`` or ``teacher_optim``
    num_classes: int
    seed: int  # of the order of clips, mixing and drop-path
    run_dir: Path
    name: str  # files go to run_dir/name
    # Sees the same mixed clips, in eval mode, and is not changed.
    teacher: nn.Module | None = None
    stored: StoredTeacher | None = None  # the teacher's stored logits, filled first
    # Clips whose label may be used, all if None; not together with mixing.
    labelled: Set[int] | None = None
    # Called after every epoch, on one process, with the network in eval mode. Returns
    # numbers, among them ``top1``, and in ``unreadable`` names of videos it left out.
    # Give it held-out clips, never the reported list.
    validate: Callable[[nn.Module], dict[str, Any]] | None = None
    # Between checkpoints within an epoch; 0 writes after every step.
    checkpoint_seconds: float = 30.0
    progress: bool = True
    # More metadata of the weights' files, such as ``classes``; expressible in JSON.
    about: Mapping[str, Any] = field(default_factory=dict)
    track: str = ""  # "csv", "tensorboard", "wandb" ..., beside the log

    @property
    def distil(self) -> DistilRecipe | None:
        return None if self.teacher is None else self.recipe.distil


@dataclass(frozen=True)
class FitResult:
    """What a finished run leaves behind."""

    folder: Path  # run_dir/name
    final: Path  # weights after the last step, for weights.load_checkpoint
    best: Path | None  # of the best epoch on held-out clips; None without validate
    best_epoch: int | None  # 1 is the first
    best_top1: float | None
    # Per epoch: epoch, step, lr, loss, ce, kd, match if asked for, seconds, held_out
    history: list[dict[str, Any]]
    unreadable: list[str]  # messages about videos that could not be read
    steps: int  # optimiser steps of the whole run
    resumed_from: int  # the step this call began at; 0 for a new run
    seconds: float  # spent training, over all starts


def fit(model: VFLNet, clips: Any, config: TrainConfig) -> FitResult:
    """Train ``model`` in place, or go on with the run that is in its folder.

    Called again with the same arguments and a model that is as new, an interrupted
    run goes on and a finished one returns at once. ``clips`` are such as
    ``video.clips.TrainingClips``; mixing and label smoothing come on top. Raises
    children of ``DVFLError``, such as for a loss that is no longer finite.
    """
    loop = _Loop(model, clips, config)
    with deterministic(loop.accelerator.device):
        loop.run()
    done, files = loop.progress, loop.folder
    return FitResult(
        folder=files.path,
        final=files.final,
        best=None if done.best_epoch is None else files.best,
        best_epoch=done.best_epoch,
        best_top1=done.best_top1,
        history=done.history,
        unreadable=done.all_unreadable,
        steps=done.step,
        resumed_from=loop.resumed_from,
        seconds=done.seconds,
    )


class _Loop:
    """The state of one call of ``fit``; only the first process touches files."""

    def __init__(self, model: VFLNet, clips: Any, config: TrainConfig) -> None:
        self.model, self.clips, self.config = model, clips, config
        self.optim = config.optim
        path = config.run_dir / config.name
        self.folder = RunDirectory(path, self._fingerprint())
        self.accelerator = make_accelerator(self.optim.precision, config.track, path)
        self.is_main = self.accelerator.is_main_process
        rank = self.accelerator.process_index
        place = (self.accelerator.num_processes, rank)
        self.plan = BatchPlan(len(clips), self.optim, config.seed, *place)
        self.objective = Objective(config, rank)
        self.trained: nn.Module = model  # what the optimiser moves
        if self.objective.matches:
            match = config.recipe.distil.match
            with fixed_rng(config.seed, "projections"):
                self.trained = MatchedStudent(model, config.teacher, match)

    def _fingerprint(self) -> dict[str, Any]:
        """Everything that decides the result."""
        config, parts = self.config, self.model.modules()
        values = {
            "optim": self.optim,
            "augment": config.recipe.augment,
            "distil": config.distil,
            "seed": config.seed,
            "num_classes": config.num_classes,
            "validate_every": config.validate and 1,
            "network": repr(self.model.config),
            "drop-path": [m.p for m in parts if isinstance(m, StochasticDepth)],
            "initial weights": model_digest(self.model),
            "teacher weights": model_digest(config.teacher),
            "labelled clips": config.labelled is not None and sorted(config.labelled),
        }
        return fingerprint(values, self.clips)

    def run(self) -> None:
        """From the checkpoint, or the first step, to the end."""
        with ExitStack() as held:
            self._restore(held)
            try:
                if self.progress.epochs_closed < self.optim.epochs:
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

        def read() -> tuple[Progress, dict[str, Tensor], dict[str, Any]]:
            held.enter_context(locked(self.folder.path, "training"))
            found = self.folder.load()
            self.folder.write_log(found[0])  # follows from the checkpoint
            return found

        self.progress, weights, state = on_main(self.accelerator, read)
        self.resumed_from = self.progress.step
        if weights:
            self.trained.load_state_dict(weights)
        optimizer = build_optimizer(self.trained, self.optim)
        self.wrapped, self.optimizer = self.accelerator.prepare(self.trained, optimizer)
        if state:
            self.optimizer.load_state_dict(state)
        if self.progress.scaler is not None:
            self.accelerator.scaler.load_state_dict(self.progress.scaler)
        if self.objective.teacher is not None:
            self.objective.teacher.to(self.accelerator.device).eval()

    # --- training ------------------------------------------------------------

    def _train(self) -> None:
        config, plan, start = self.config, self.plan, self.progress.step
        if config.stored is not None:
            config.stored.open(self.accelerator)
        begin_tracking(self.accelerator, config.track, self.folder.path)
        self._saved_at, self._save_took = time.monotonic(), 0.0
        self._begun = self._saved_at - self.progress.seconds  # as if without a pause
        batches = step_loader(self.clips, plan, start, config.recipe.data.workers)
        self.wrapped.train()
        with tqdm(
            total=plan.total_steps,
            initial=start,
            unit="step",
            desc=config.name,
            dynamic_ncols=True,
            disable=not (config.progress and self.is_main),
        ) as bar:
            self._close_epoch()  # where a run was stopped before it could be
            while self.progress.epochs_closed < self.optim.epochs:
                loss, rate = self._step(batches)
                bar.set_postfix(loss=f"{loss:.3f}", lr=f"{rate:.2g}", refresh=False)
                bar.update()
                # Large networks on slow disks: writing takes a twentieth at most.
                pause = config.checkpoint_seconds
                pause = max(pause, 20 * self._save_took) if pause else 0.0
                if time.monotonic() - self._saved_at >= pause:
                    self._save()
                self._close_epoch()

    def _step(self, batches: Batches) -> tuple[float, float]:
        """One optimiser step; returns its loss and learning rate."""
        progress, scaler = self.progress, self.accelerator.scaler
        rate = learning_rate(progress.step, self.plan.steps_per_epoch, self.optim)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = self._gradients(batches)
        norm = self.accelerator.clip_grad_norm_(
            self.wrapped.parameters(), self.optim.clip_grad_norm
        )
        # fp16 gradients may overflow now and then: the scaler skips such a step.
        if scaler is None:
            overflow = not math.isfinite(float(norm))
        else:
            overflow = scaler.get_scale() < _LEAST_SCALE
        if overflow or not math.isfinite(losses["loss"]):
            raise RecipeError(
                f"loss or gradient is no longer finite at step {progress.step} "
                f"(learning rate {rate:.3g}). The last checkpoint in "
                f"{self.folder.path} is intact. Try a lower optim.base_lr, a longer "
                "optim.warmup_epochs, or optim.precision 'bf16' or 'no', in another "
                "run_dir"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        for key, value in losses.items():
            progress.sums[key] = progress.sums.get(key, 0.0) + value
        progress.step += 1
        return losses["loss"], rate

    def _gradients(self, batches: Batches) -> dict[str, float]:
        """Accumulate the step's gradients; returns its losses over all processes.

        Processes average their gradients; the loss is scaled such that this
        average is the gradient of the mean over the whole step's clips.
        """
        accelerator, objective = self.accelerator, self.objective
        labels = objective.count_labelled(self.plan.step_indices(self.progress.step))
        parts = []
        for turn in range(1, self.plan.share + 1):
            micro, batch = next(batches)
            self._note_unreadable(batch["unreadable"])
            for key in ("clip", "label", "index"):
                batch[key] = batch[key].to(accelerator.device, non_blocking=True)
            last = turn == self.plan.share
            with nullcontext() if last else accelerator.no_sync(self.wrapped):
                losses = objective(
                    self.wrapped, micro, batch, labels, accelerator.autocast()
                )
                accelerator.backward(losses["loss"] * accelerator.num_processes)
            parts.append(torch.stack(list(losses.values())).detach())
        total = accelerator.reduce(sum(parts)).tolist()
        return dict(zip(losses, total, strict=True))

    def _note_unreadable(self, messages: list[str]) -> None:
        most = self.config.recipe.data.max_unreadable
        note_unreadable(self.progress.unreadable, messages, len(self.clips), most)

    # --- ends of epochs ------------------------------------------------------

    def _close_epoch(self) -> None:
        """Validate, log and save where the last step was an epoch's last."""
        progress, count = self.progress, self.plan.steps_per_epoch
        epoch = progress.epochs_closed + 1
        if progress.step < epoch * count:
            return
        self._note_unreadable(sorted(set(gather_object(progress.unreadable))))
        line = {
            "epoch": epoch,
            "step": progress.step,
            "lr": learning_rate(progress.step - 1, count, self.optim),
            **{key: value / count for key, value in progress.sums.items()},
            "seconds": round(time.monotonic() - self._begun, 3),
        }
        if self.config.validate is not None:
            # Killed while it validates, a run validates these very weights again.
            self._save()
            line["held_out"] = self._held_out(epoch)
        progress.history.append(line)
        progress.sums = {}
        progress.epochs_closed = epoch
        self._save()
        if self.is_main:
            self.folder.write_log(progress)
            place = self.folder.path
            track(self.accelerator, self.config.track, place, progress.history)

    def _held_out(self, epoch: int) -> dict[str, float]:
        """Validate on the first process, tell all, keep the best weights."""

        def validate() -> dict[str, Any]:
            network = self.accelerator.unwrap_model(self.wrapped).eval()
            with torch.no_grad():
                told = self.config.validate(self.model)
            network.train()
            return told

        told, progress = on_main(self.accelerator, validate), self.progress
        known = progress.held_out_unreadable  # has its own limit of how many
        for message in told.get("unreadable", ()):
            if message not in known:
                known.append(message)
                logger.warning("left out of the held-out score: %s", message)
        top1, best = float(told["top1"]), progress.best_top1
        if best is None or top1 > best:  # of equal epochs the earlier stays
            progress.best_epoch, progress.best_top1 = epoch, top1
            if self.is_main:
                self._save_weights(self.folder.best, epoch, top1)
        return {k: v for k, v in told.items() if isinstance(v, (int, float))}

    # --- files ---------------------------------------------------------------

    def _save(self) -> None:
        """Write the checkpoint, on the first process."""
        now, progress = time.monotonic(), self.progress
        progress.seconds = now - self._begun
        if self.is_main:
            scaler = self.accelerator.scaler
            progress.scaler = None if scaler is None else scaler.state_dict()
            self.folder.save(progress, self.trained, self.optimizer)
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - now

    def _save_weights(self, path: Path, epoch: int, top1: float | None) -> None:
        parts = {"optim": self.optim, "augment": self.config.recipe.augment}
        if self.config.distil is not None:
            parts["distil"] = self.config.distil
        recipe = {name: asdict(part) for name, part in parts.items()}
        extra = {"run": self.folder.path.name, "epoch": epoch, "held_out_top1": top1}
        save_checkpoint(self.model, path, recipe, {**self.config.about, **extra})
