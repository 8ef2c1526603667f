"""The ablation of lesson 09: run a grid over seeds, and read what it found.

Public names: ``Ablation``, ``run_ablation``, ``stored_ablation``.

All students of a seed begin with the same weights, see the same views of the same
clips in the same order, and may use the same labels; the setting alone differs. A
seed's teacher is trained once and serves all. So differences are taken seed by seed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ..environment import project_root, shown_path
from ..errors import LessonError
from ..evaluation.comparison import SeedComparison, compare_seeds
from ..figures.ablation import StudyRow
from ..recipes import Recipe, recipe_for
from ..training import open_run
from .ablation_grid import LABELS, Grid, Setting, Study, grid_for, reduced_grid
from .ablation_run import weights_of
from .sweep_points import SweepPoint
from .sweeping import sweep

_RUN = "lessons.ablation_run:run_point"


@dataclass(frozen=True)
class Ablation:
    """What a grid found.

    Attributes:
        studies: name -> study.
        seeds: in order.
        found: "<setting>_seed<seed>" -> what ``ablation_run.run_point`` returned;
            teachers too.
    """

    studies: Mapping[str, Study]
    seeds: tuple[int, ...]
    found: Mapping[str, Mapping[str, Any]]

    @property
    def standin(self) -> bool:
        """Whether the data were drawn."""
        return any(result["standin"] for result in self.found.values())

    def values(self, setting: str, key: str = "top1") -> list[float]:
        """One number per seed, such as the share of the test list that was right."""
        return [float(self.found[f"{setting}_seed{seed}"][key]) for seed in self.seeds]

    def against(self, study: str, setting: str) -> SeedComparison:
        """A setting beside its reference, seed by seed."""
        reference = self.studies[study].reference_of(setting)
        return compare_seeds(self.values(reference), self.values(setting))

    def rows(self, study: str) -> list[StudyRow]:
        """A row per setting, for ``figures.ablation.study_figure``."""
        labels = {s.name: s.label for s in self.studies[study].settings}
        found = []
        for name, label in labels.items():
            reference = self.studies[study].reference_of(name)
            versus = "" if reference == name else labels[reference]
            gain = self.against(study, name)
            ends = (gain.mean, gain.low, gain.high)
            found.append(StudyRow(label, self.values(name), *ends, versus))
        return found

    def to_dict(self) -> dict[str, Any]:
        """For a stored result: seeds, what was varied, and every run."""
        studies = {name: asdict(study) for name, study in self.studies.items()}
        return {
            "standin": self.standin,
            "seeds": list(self.seeds),
            "studies": json.loads(json.dumps(studies)),
            "found": dict(self.found),
        }


_ORIGIN = ("command", "commit", "commits of the runs", "date", "machine")


def stored_ablation() -> tuple[Ablation, dict[str, Any]]:
    """The full grid as ``python -m benchmarks.ablation`` stored it, and its origin.

    Raises:
        LessonError: the file is missing (it is part of a checkout) or damaged, or it
            holds other settings than today's grid.
    """
    path = project_root() / "benchmarks" / "results" / "ablation.json"
    studies = grid_for(recipe_for("demo")).studies
    try:
        stored = json.loads(path.read_text("utf-8"))
        ablation = Ablation(studies, tuple(stored["seeds"]), stored["found"])
        same = stored["studies"] == ablation.to_dict()["studies"]
        origin = {key: stored[key] for key in _ORIGIN}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LessonError(
            f"{shown_path(path)} cannot be read ({type(error).__name__}). It is part "
            "of the repository; 'python -m benchmarks.ablation' writes it anew"
        ) from error
    if not same:
        raise LessonError(
            f"{shown_path(path)} was made with other settings than those of "
            "ablation_grid.py: 'python -m benchmarks.ablation' writes it anew"
        )
    return ablation, origin


def run_ablation(
    *,
    grid: str = "full",
    studies: Sequence[str] = (),
    seeds: Sequence[int],
    folder: str | Path,
    profile: str = "demo",
    dataset: str = "ucf101",
    data_root: str = "",
    split: str = "1",
    overrides: Mapping[str, Any] | None = None,
    jobs: int = 0,
    progress: bool = True,
) -> Ablation:
    """Run every setting of a grid with every seed; go on where it was stopped.

    Args:
        grid: "full", or "reduced" for labels alone and one teacher.
        studies: names of some of the grid's; all if empty.
        seeds: at least one; three or more for intervals that say something.
        folder: takes the runs, the executed notebooks and one JSON per run.
        profile, dataset, data_root, split: as for ``open_run``.
        overrides: of the recipe, for all runs; a setting's own come on top.
        jobs: runs at the same time; 0 for one per core, or one where there is a GPU.

    Raises:
        LessonError: no seed, an unknown grid or study, or runs that failed, with the
            reason of each.
        RunDirectoryError: the folder holds results of other parameters.
        DVFLError: a parameter or the data, before any training.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise LessonError(f"seeds must be different whole numbers, not {list(seeds)}")
    chosen = _choose(grid, studies, recipe_for(profile, dict(overrides or {})))
    common = dict(profile=profile, dataset=dataset, data_root=data_root, split=split)
    given = {**chosen.common, **(overrides or {})}
    runs = _Runs(Path(folder).absolute(), common, given)
    runs.open_once(runs.point(LABELS, seeds[0], "baseline"))
    if not jobs:
        jobs = 1 if torch.cuda.is_available() else os.cpu_count() or 1
    settings = chosen.settings.values()
    names = sorted({s.teacher for s in settings if s.teacher})
    teachers = [
        Setting(name, name, chosen.teachers[name], teacher="") for name in names
    ]
    points = [runs.point(way, seed, "teacher") for seed in seeds for way in teachers]
    found = sweep(points, runs.folder, jobs, progress)
    # Seed by seed: what is finished first is a complete comparison.
    points = [runs.point(s, seed, s.role) for seed in seeds for s in settings]
    found |= sweep(points, runs.folder, jobs, progress)
    return Ablation(dict(chosen.studies), tuple(seeds), found)


def _choose(grid: str, studies: Sequence[str], recipe: Recipe) -> Grid:
    """The grid of a name, cut down to some of its studies."""
    grids = {"full": grid_for, "reduced": reduced_grid}
    if grid not in grids:
        raise LessonError(f"grid must be one of {', '.join(grids)}, not {grid!r}")
    found = grids[grid](recipe)
    if wrong := [name for name in studies if name not in found.studies]:
        raise LessonError(
            f"studies: there is no {wrong[0]!r} in the {grid} grid; it has "
            f"{', '.join(found.studies)}"
        )
    kept = {k: v for k, v in found.studies.items() if not studies or k in studies}
    return replace(found, studies=kept)


@dataclass(frozen=True)
class _Runs:
    """Where the runs are, and what they have in common."""

    folder: Path
    common: Mapping[str, Any]
    overrides: Mapping[str, Any]

    def point(self, setting: Setting, seed: int, role: str) -> SweepPoint:
        """One run of the sweep."""
        name = f"{setting.name}_seed{seed}"
        weights = ""
        if setting.teacher:
            weights = str(weights_of(self._run(f"{setting.teacher}_seed{seed}")))
        arguments = {
            **self.common,
            "role": role,
            "seed": seed,
            "run_dir": str(self._run(name)),
            "weights_file": weights,
            "overrides": {**self.overrides, **setting.overrides},
        }
        return SweepPoint(name, _RUN, json.loads(json.dumps(arguments)))

    def _run(self, name: str) -> Path:
        return self.folder / "runs" / name

    def open_once(self, point: SweepPoint) -> None:
        """Refuse wrong parameters here; write stand-in and frames before many want
        them."""
        no_run = ("role", "weights_file")
        wanted = {k: v for k, v in point.arguments.items() if k not in no_run}
        open_run(**wanted, progress=False).fill_cache()
