"""Opening a run: every parameter is checked before any work begins.

Public names: ``open_run``.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..distillation.losses import loss_named
from ..environment import cpu_threads, processes, project_root
from ..errors import DatasetError, RecipeError, RunDirectoryError, check_int
from ..files import can_write
from ..recipes import recipe_for
from ..seeding import fixed_rng
from ..standins import list_standins, write_standin
from ..video.sampling import sampling_named
from .batches import BatchPlan
from .devices import check_tracker, make_accelerator
from .pipeline import ROLES, Pipeline, Role

_LONG = 43_200.0  # seconds of training on a CPU that are told beforehand


def open_run(
    *,
    profile: str,
    dataset: str,
    data_root: str,
    split: str,
    run_dir: str,
    seed: int,
    teacher_weights: str = "",
    overrides: Mapping[str, Any] | None = None,
    track: str = "",
    progress: bool = True,
) -> Pipeline:
    """Check every parameter of a run, write the stand-in if asked for, open the run.

    Args:
        profile: "demo", "colab" or "paper"; see ``recipes``.
        data_root: the data set's folder; "" for the stand-in, with the demo profile.
        split: such as "1", or "authors" for the authors' own 80/20 rule.
        run_dir: where results go; "" for ``runs/<dataset>_<profile>``, with split
            and seed in its name where they are not "1" and 0.
        overrides: single numbers of the recipe, as in ``{"optim.epochs": 2}``.
        teacher_weights, track: as of ``Pipeline``.

    Raises:
        DVFLError: one of its children: which parameter, what is wrong with it and
            what to do; before any training.
    """
    check_int("seed", seed)
    recipe = recipe_for(profile, overrides)
    loss_named(recipe.distil.loss)
    sampling_named(recipe.data.sampling)
    check_tracker(track)
    if not data_root and (profile != "demo" or dataset not in list_standins()):
        raise RecipeError(
            f"dataset {dataset!r} with profile {profile!r} needs data_root, the folder "
            "of its videos. Only the demo profile draws a stand-in by itself, for one "
            f"of {', '.join(list_standins())}"
        )
    root = project_root()
    name = f"{dataset}_{profile}" + (f"_split{split}" if str(split) != "1" else "")
    name += f"_seed{seed}" if seed else ""
    folder = Path(run_dir).expanduser() if run_dir else root / "runs" / name
    if not can_write(folder):
        raise RunDirectoryError(
            f"run_dir: {folder} cannot be written. Is it read-only, a file, or on a "
            "full disk? Choose another run_dir"
        )
    data = Path(data_root).expanduser()
    if not data_root:
        data = root / "data" / f"{dataset}_standin"
        with processes().main_process_first():
            write_standin(dataset, data, workers=os.cpu_count() or 1, progress=progress)
    run = Pipeline(
        recipe,
        dataset,
        data_root=data,
        split=str(split),
        run_dir=folder,
        cache_dir=root / "data" / "cache" if can_write(root) else folder / "cache",
        seed=seed,
        teacher_weights=teacher_weights,
        progress=progress,
        track=track,
    )
    _check_networks(run)
    return run


def _check_networks(run: Pipeline) -> None:
    """Read both lists; refuse what training would refuse, the students' hours later."""
    clips, _ = len(run.fit_samples), len(run.test_list)
    crop = run.recipe.data.crop
    for role in ROLES[:2]:  # teacher, and the network of both students
        if role == "teacher" and run.teacher_weights:
            model = run.trained(role)
        else:
            optim = run.optim_of(role)
            try:
                make_accelerator(optim.precision)
                BatchPlan(clips, optim, run.seed, processes().num_processes)
            except (DatasetError, RecipeError) as error:
                part = "teacher_optim" if role == "teacher" else "optim"
                raise RecipeError(f"{part}: {error}") from None
            model, _ = run.new_network(role)
        least, name = model.config.smallest_side, run.recipe_of(role).model
        if crop < least:
            raise RecipeError(f"data.crop is {crop}, and {name} needs at least {least}")
        _tell_if_slow(run, role, model)


def _tell_if_slow(run: Pipeline, role: Role, model: nn.Module) -> None:
    """Warn where training on the CPU takes days; ``model`` is thrown away."""
    optim, data, on = run.optim_of(role), run.recipe.data, processes()
    given = role == "teacher" and run.teacher_weights
    if given or on.device.type != "cpu" or not on.is_main_process:
        return
    clip = torch.zeros(1, data.frames, 3, data.crop, data.crop)
    with cpu_threads(optim.cpu_threads), fixed_rng(run.seed, "how long"):
        for _ in range(2):  # the first is for warming up, where it takes no time
            begun = time.monotonic()
            model(clip).sum().backward()
            clips = optim.batch_size / on.num_processes
            if (step := (time.monotonic() - begun) * clips) > clips:
                break
    steps = BatchPlan(len(run.fit_samples), optim, run.seed).total_steps
    if step * steps > _LONG:
        warnings.warn(
            f"there is no GPU here: one step of the {role} ({optim.batch_size} clips) "
            f"takes about {step:.0f} seconds without reading videos, and its {steps:,} "
            f"steps {step * steps / 86_400:.1f} days. Use a machine with a GPU, or the "
            "profile 'demo'",
            stacklevel=4,
        )
