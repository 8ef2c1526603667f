"""Opening a run: every parameter is checked before any work begins.

Public names: ``open_run``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..distillation.losses import loss_named
from ..environment import processes, project_root
from ..errors import DatasetError, RecipeError, RunDirectoryError, check_int
from ..files import can_write
from ..recipes import recipe_for
from ..standins import list_standins, write_standin
from ..video.sampling import sampling_named
from .batches import BatchPlan
from .devices import check_tracker, make_accelerator
from .pipeline import ROLES, Pipeline


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
