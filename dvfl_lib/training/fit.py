"""The training loop: one network, supervised or distilled, on any number of devices.

Public names: ``fit``, ``FitResult``.

Hugging Face Accelerate places the network, shares the work (``accelerate launch``
or ``torchrun`` start several processes) and handles mixed precision. What is drawn
at random follows from the seed and the place in the run (``batches.py``), and the
checkpoint holds everything else, so a run that was stopped at any moment, by
whatever means, goes on where it was.

What is guaranteed:

* On the CPU, with the same number of threads and processes, an interrupted run ends
  with the same weights, bit for bit, as one that was not.
* Another number of processes, or a GPU, sees the same clips and the same random
  draws of the CPU. Sums are then taken in another order: results agree to rounding,
  which training may amplify. Drop-path on a GPU draws from the GPU's own generator,
  equal from run to run but other than the CPU's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..recipes import AugmentRecipe, DistilRecipe, OptimRecipe
from ..vfl_net import VFLNet
from .devices import deterministic
from .job import Job
from .loop import Loop


@dataclass(frozen=True)
class FitResult:
    """What a finished run leaves behind.

    Attributes:
        folder: ``run_dir/name``.
        final: weights after the last step, for ``weights.load_checkpoint``.
        best: weights of the best epoch on held-out clips; None without ``validate``.
        best_epoch, best_top1: which epoch that was (1 is the first), and its score.
        history: one dict per epoch: ``epoch``, ``step``, ``lr``, ``loss``, ``ce``,
            ``kd``, ``match`` where insides are matched, ``seconds``, and ``held_out``
            where it was validated.
        unreadable: messages about videos that could not be read.
        steps: optimiser steps of the whole run.
        resumed_from: the step this call began at; 0 for a new run.
        seconds: time spent training, over all starts.
    """

    folder: Path
    final: Path
    best: Path | None
    best_epoch: int | None
    best_top1: float | None
    history: list[dict[str, Any]]
    unreadable: list[str]
    steps: int
    resumed_from: int
    seconds: float


def fit(
    model: VFLNet,
    clips: Any,
    *,
    recipe: OptimRecipe,
    augment: AugmentRecipe,
    num_classes: int,
    seed: int,
    run_dir: Path,
    name: str,
    distil: DistilRecipe | None = None,
    teacher: nn.Module | None = None,
    teacher_cache: Path | None = None,
    labelled: set[int] | None = None,
    validate: Callable[[nn.Module], dict[str, Any]] | None = None,
    validate_every: int = 1,
    checkpoint_seconds: float = 30.0,
    max_unreadable: float = 0.0,
    workers: int = 0,
    progress: bool = True,
    about: Mapping[str, Any] | None = None,
) -> FitResult:
    """Train ``model`` in place, or go on with the run that is in ``run_dir/name``.

    Without a teacher the loss is the cross-entropy with soft labels; with one, see
    ``DistilRecipe``. The teacher sees the same mixed clips, in eval mode, and is not
    changed. Called again with the same arguments and a model that is as new, an
    interrupted run goes on and a finished one returns at once.

    Args:
        clips: such as ``video.clips.TrainingClips``: ``len``, items by ``ClipKey``,
            and ``samples``. Mixing and label smoothing of ``augment`` come on top.
        seed: of the order of clips, mixing and drop-path.
        distil, teacher: both or neither.
        teacher_cache: folder for the logits of ``distil.stored_views``; filled first.
        labelled: indices of clips whose label may be used (all if None); the
            teacher speaks about the others too.
        validate: called with the network in eval mode, on one process, after every
            ``validate_every``-th and the last epoch; returns numbers, among them
            ``top1``; a list ``unreadable`` names videos it left out. Give it
            held-out clips, never the reported list.
        checkpoint_seconds: time between checkpoints within an epoch; longer where
            writing one takes long. 0 writes after every step.
        max_unreadable: share of videos that may be unreadable.
        workers: loader processes; they change no result.
        about: further entries of the metadata in the weights' files, such as
            ``classes``; expressible in JSON.

    Raises:
        RecipeError: contradicting arguments, or the loss is no longer finite.
        DatasetError: too few clips, bad labels, too many unreadable videos.
        ModelError: a head or a teacher of another number of classes.
        RunDirectoryError: a folder cannot be written, or holds another run's files.
    """
    job = Job(**locals())
    job.check()
    loop = job.loop()
    with deterministic(loop.accelerator.device):
        loop.run()
    return _result(loop)


def _result(loop: Loop) -> FitResult:
    done, folder = loop.progress, loop.folder
    return FitResult(
        folder=folder.path,
        final=folder.final,
        best=None if done.best_epoch is None else folder.best,
        best_epoch=done.best_epoch,
        best_top1=done.best_top1,
        history=done.history,
        unreadable=done.all_unreadable,
        steps=done.step,
        resumed_from=loop.resumed_from,
        seconds=done.seconds,
    )
