"""Opening a run: every parameter is checked before any work begins.

Public names: ``open_run``, ``check_run``, ``standin_folder``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from ..datasets.base import first_few
from ..distillation import KD_LOSSES, MatchingKind
from ..environment import processes, project_root
from ..errors import DatasetError, RecipeError, RunDirectoryError
from ..files import can_write
from ..recipes import did_you_mean, recipe_for
from ..standins import list_standins, write_standin
from ..video.sampling import view_indices
from .batches import BatchPlan
from .devices import make_accelerator
from .pipeline import Pipeline, RunSettings, optim_of
from .tracking import check_tracker


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
        dataset: the benchmark whose layout the data have.
        data_root: its folder; "" for the stand-in, with the demo profile.
        split: such as "1", or "authors" for the authors' own 80/20 rule.
        run_dir: where results go; "" for ``runs/<dataset>_<profile>``, with split
            and seed in its name where they are not "1" and 0.
        seed: a whole number, 0 or more.
        teacher_weights: a checkpoint of the teacher; "" trains one.
        overrides: single numbers of the recipe, as in ``{"optim.epochs": 2}``.
        track: "csv", "tensorboard" or "wandb" to follow the training with.
        progress: show bars.

    Raises:
        DVFLError: one of its children: which parameter, what is wrong with it and
            what to do; before any training.
    """
    if not isinstance(overrides or {}, Mapping):
        raise RecipeError(
            "overrides takes a dictionary such as {'optim.epochs': 2}, not "
            f"{overrides!r}; for papermill: -y 'overrides: {{optim.epochs: 2}}'"
        )
    if type(seed) is not int or seed < 0:
        raise RecipeError(f"seed must be a whole number, 0 or more, not {seed!r}")
    recipe = recipe_for(profile, overrides)
    if not data_root and profile != "demo":
        raise RecipeError(
            f"profile {profile!r} needs data_root, the folder of {dataset}. Only the "
            "demo profile writes a stand-in by itself"
        )
    if not data_root and dataset not in list_standins():
        raise RecipeError(
            f"dataset {dataset!r} has no stand-in: give data_root, the folder of your "
            f"videos. Stand-ins: {', '.join(list_standins())}"
        )
    root = project_root()
    name = f"{dataset}_{profile}" + (f"_split{split}" if str(split) != "1" else "")
    default = root / "runs" / (name + (f"_seed{seed}" if seed else ""))
    folder = Path(run_dir).expanduser() if run_dir else default
    if not can_write(folder):
        raise RunDirectoryError(
            f"run_dir: {folder} cannot be written. Is it read-only, a file, or on a "
            "full disk? Choose another run_dir"
        )
    data = Path(data_root).expanduser() if data_root else standin_folder(dataset)
    cache = root / "data" / "cache" if can_write(root) else folder / "cache"
    if not data_root:
        with processes().main_process_first():
            write_standin(dataset, data, workers=os.cpu_count() or 1, progress=progress)
    where = (dataset, data, str(split), folder, cache)
    told = {"teacher_weights": teacher_weights, "progress": progress, "track": track}
    run = Pipeline(RunSettings(recipe, *where, seed, **told))
    check_run(run)
    return run


def check_run(run: Pipeline) -> None:
    """Refuse lists, words and networks that cannot work, before any work begins."""
    recipe, given = run.recipe, bool(run.settings.teacher_weights)
    check_tracker(run.settings.track)
    words = {"loss": tuple(KD_LOSSES), "match": ("", *get_args(MatchingKind))}
    for name, known in words.items():
        value = getattr(recipe.distil, name)
        if value not in known:
            hint = did_you_mean(value, known)
            raise RecipeError(
                f"distil.{name}: there is no {value!r}.{hint} Known: "
                f"{', '.join(filter(None, known))}"
            )
    view_indices(1, 1, 1, recipe.data.sampling, 1)  # refuses an unknown sampling
    trained_on = {sample.name for sample in run.train_list.samples}
    both = [s.name for s in run.test_list.samples if s.name in trained_on]
    if both:
        raise DatasetError(
            f"{run.settings.data_root}, split {run.settings.split}: {len(both)} "
            f"clips are on the training list and on the test list: "
            f"{first_few(both)}. Take both lists from the official archive"
        )
    for role in ("teacher", "baseline"):
        if role == "teacher" and given:
            model = run.trained("teacher")
        else:
            model, _ = run.new_network(role)
            _check_steps(run, optim_of(role))
        least = model.config.smallest_side
        if recipe.data.crop < least:
            raise RecipeError(
                f"data.crop is {recipe.data.crop} pixels, and "
                f"{run.recipe_of(role).model} needs at least {least}"
            )


def _check_steps(run: Pipeline, part: str) -> None:
    """What ``fit`` would refuse, hours later for the students."""
    optim = getattr(run.recipe, part)
    try:
        make_accelerator(optim.precision)
        sizes = (optim.batch_size, optim.micro_batch, optim.epochs)
        plan = BatchPlan(len(run.fit_samples), *sizes, seed=0)
        plan.share_of_each(processes().num_processes)
    except (DatasetError, RecipeError) as error:
        raise RecipeError(f"{part}: {error}") from None


def standin_folder(dataset: str) -> Path:
    """Where the stand-in of a data set is kept that a run writes by itself."""
    return project_root() / "data" / f"{dataset}_standin"
