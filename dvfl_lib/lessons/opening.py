"""Opening a run: every parameter is checked before any work begins.

Public names: ``open_run``, ``can_write``, ``standin_folder``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..datasets import list_datasets
from ..environment import project_root
from ..errors import DatasetError, RecipeError, RunDirectoryError
from ..recipes import PROFILES, recipe_for
from ..standins import list_standins, write_standin
from ..training import Pipeline, RunSettings, processes


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
        progress: show bars.

    Raises:
        RecipeError, DatasetError, RunDirectoryError: which parameter, what is wrong
            with it and what to do; before any training.
    """
    recipe = recipe_for(profile, _dictionary(overrides))
    _check_parameters(profile, dataset, data_root, seed, teacher_weights, run_dir)
    root = project_root()
    default = root / "runs" / _run_name(dataset, profile, split, seed)
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
    run = Pipeline(
        RunSettings(
            recipe=recipe,
            dataset=dataset,
            data_root=data,
            split=str(split),
            run_dir=folder,
            cache_dir=cache,
            seed=seed,
            teacher_weights=teacher_weights,
            progress=progress,
        )
    )
    run.check()
    return run


def _dictionary(overrides: Any) -> dict[str, Any]:
    if isinstance(overrides or {}, Mapping):
        return dict(overrides or {})
    raise RecipeError(
        "overrides takes a dictionary such as {'optim.epochs': 2}, not "
        f"{overrides!r}; for papermill: -y 'overrides: {{optim.epochs: 2}}'"
    )


def _run_name(dataset: str, profile: str, split: Any, seed: int) -> str:
    """Another split or seed is another run."""
    name = f"{dataset}_{profile}"
    name += f"_split{split}" if str(split) != "1" else ""
    return name + (f"_seed{seed}" if seed else "")


def _check_parameters(
    profile: str,
    dataset: str,
    data_root: str,
    seed: int,
    teacher_weights: str,
    run_dir: str,
) -> None:
    """Refuse the first value that cannot be right."""
    texts = {
        "dataset": dataset,
        "data_root": data_root,
        "run_dir": run_dir,
        "teacher_weights": teacher_weights,
    }
    for name, value in texts.items():
        if not isinstance(value, str):
            raise RecipeError(f"{name} takes text, not {value!r}")
    if dataset not in list_datasets():
        raise RecipeError(
            f"dataset {dataset!r} is not known; known: {', '.join(list_datasets())}"
        )
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise RecipeError(f"seed must be a whole number, 0 or more, not {seed!r}")
    if teacher_weights and not Path(teacher_weights).expanduser().is_file():
        raise RecipeError(f"teacher_weights: there is no file {teacher_weights}")
    if not data_root and profile != "demo":
        raise RecipeError(
            f"profile {profile!r} needs data_root, the folder of {dataset}. Only the "
            f"demo profile writes a stand-in by itself (profiles: "
            f"{', '.join(PROFILES)})"
        )
    if not data_root and dataset not in list_standins():
        raise RecipeError(
            f"dataset {dataset!r} has no stand-in: give data_root, the folder of your "
            f"videos. Stand-ins: {', '.join(list_standins())}"
        )
    if data_root and not Path(data_root).expanduser().is_dir():
        raise DatasetError(f"data_root: there is no folder {data_root}")


def standin_folder(dataset: str) -> Path:
    """Where the stand-in of a benchmark is kept that a run writes by itself."""
    return project_root() / "data" / f"{dataset}_standin"


def can_write(folder: Path) -> bool:
    """Whether files can be written there; the folder is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError:
        return False
    return True
