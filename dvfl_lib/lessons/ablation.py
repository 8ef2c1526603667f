"""The ablation of lesson 09: a grid over seeds, its runs, and what they found.

Public names: ``Ablation``, ``run_ablation``, ``stored_ablation``, ``run_point``,
``study_markdown``, ``ablation_figure``, ``verdicts_markdown``,
``count_told_apart``, ``write_ablation``.

All students of a seed begin with the same weights, see the same views of the same
clips in the same order, and may use the same labels; the setting alone differs. A
seed's teacher is trained once and serves all. So differences are taken seed by seed.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from ..environment import project_root, shown_path
from ..errors import LessonError
from ..evaluation import Table, markdown
from ..evaluation.comparison import CONFIDENCE, SeedComparison, compare_seeds
from ..figures import StudyRow, save_figure, study_figure
from ..files import write_whole
from ..recipes import Recipe, recipe_for
from ..standins import standin_families, standin_pairs
from ..sweep import SweepPoint, sweep
from ..training import Pipeline, open_run
from .ablation_grid import LABELS, Grid, Setting, Study, grid_for, reduced_grid


@dataclass(frozen=True)
class Ablation:
    """What a grid found.

    Attributes:
        studies: name -> study.
        seeds: in order.
        found: "<setting>_seed<seed>" -> what ``run_point`` returned;
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
        """A row per setting, for ``figures.study_figure``."""
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
    """The full grid as ``benchmarks.studies`` stored it, and its origin.

    Raises:
        LessonError: the file is missing (it is part of a checkout), or it holds other
            settings than today's grid.
    """
    path = project_root() / "benchmarks" / "results" / "ablation.json"
    studies = grid_for(recipe_for("demo")).studies
    anew = "'python -m benchmarks.studies ablation' writes it anew"
    try:
        stored = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LessonError(
            f"{shown_path(path)} cannot be read. It is part of the repository; {anew}"
        ) from error
    ablation = Ablation(studies, tuple(stored["seeds"]), stored["found"])
    if stored["studies"] != ablation.to_dict()["studies"]:
        raise LessonError(
            f"{shown_path(path)} was made with other settings than today's grid: {anew}"
        )
    return ablation, {key: stored[key] for key in _ORIGIN}


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
        folder: takes the runs, their logs and one JSON per run.
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
    folder = Path(folder).absolute()

    def point(setting: Setting, seed: int, role: str) -> SweepPoint:
        run, of_teacher = (
            folder / "runs" / f"{name}_seed{seed}"
            for name in (setting.name, setting.teacher)
        )
        weights = of_teacher / "teacher" / "best.safetensors"
        arguments = {
            **dict(profile=profile, dataset=dataset, data_root=data_root, split=split),
            "role": role,
            "seed": seed,
            "run_dir": str(run),
            "weights_file": str(weights) if setting.teacher else "",
            "overrides": {**chosen.common, **(overrides or {}), **setting.overrides},
        }
        return SweepPoint(run.name, "lessons.ablation:run_point", arguments)

    # Refuse wrong parameters here; write stand-in and frames before many want them.
    first = dict(point(LABELS, seeds[0], "baseline").arguments)
    del first["role"], first["weights_file"]
    open_run(**first, progress=False).fill_cache()
    if not jobs:
        jobs = 1 if torch.cuda.is_available() else os.cpu_count() or 1
    settings = chosen.settings.values()
    names = sorted({s.teacher for s in settings if s.teacher})
    teachers = [
        Setting(name, name, chosen.teachers[name], teacher="") for name in names
    ]
    points = [point(way, seed, "teacher") for seed in seeds for way in teachers]
    found = sweep(points, folder, jobs, progress)
    # Seed by seed: what is finished first is a complete comparison.
    points = [point(s, seed, s.role) for seed in seeds for s in settings]
    found |= sweep(points, folder, jobs, progress)
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


def run_point(
    *, role: str, weights_file: str = "", **parameters: Any
) -> dict[str, Any]:
    """Train and evaluate one network; called again, go on or return what is there.

    Args:
        role: "teacher", "baseline" or "student".
        weights_file: where a teacher is read from; "" where none is needed.
        parameters: those of ``open_run``.

    Returns:
        What the run found, expressible in JSON; ``top1`` a share of the test list.
    """
    run = open_run(**parameters, teacher_weights=weights_file, progress=False)
    run.fill_cache()
    fit = run.train(role)
    assert fit is not None  # only a teacher that is given returns nothing
    result = run.evaluate(role)
    return {
        "role": role,
        "seed": run.settings.seed,
        "standin": run.train_list.standin,
        "dataset": run.settings.dataset,
        "split": run.settings.split,
        "profile": run.recipe.profile,
        "top1": result.top1.value,
        "videos": result.top1.n,
        "held_out_top1": fit.best_top1,
        "best_epoch": fit.best_epoch,
        "labels": len(run.fit_samples) if run.labelled is None else len(run.labelled),
        "training_clips": len(run.fit_samples),
        "seconds": round(fit.seconds, 1),
        **_of_the_standin(run, result),
    }


def _of_the_standin(run: Pipeline, result: Any) -> dict[str, float | None]:
    """What only the drawn actions can tell: right change, and right order."""
    if not run.train_list.standin:
        return {}
    families = list(standin_families(run.train_list.classes).values())
    pairs = standin_pairs(run.train_list.classes)
    return {
        "same_change": result.family_accuracy(families).value,
        "within_pairs": result.within_pairs(pairs).value,
    }


def study_markdown(ablation: Ablation, study: str) -> str:
    """A row per setting: every seed's top-1, their mean, and the difference."""
    rows = []
    for row in ablation.rows(study):
        tops = [f"{100 * value:.1f}" for value in row.values]
        mean = f"{100 * statistics.fmean(row.values):.1f}"
        gain = ""
        if row.versus:
            told = "more than noise" if row.told_apart else "within noise"
            gain = f"{100 * row.mean:+.1f} against {row.versus}: {told}"
        rows.append([row.label, *tops, mean, gain])
    seeds = [f"seed {seed}" for seed in ablation.seeds]
    columns = [ablation.studies[study].title, *seeds, "mean", "difference, points"]
    return markdown([Table(columns, rows, _caption(ablation))])


def ablation_figure(ablation: Ablation, study: str) -> Figure:
    """Every seed of every setting of a study, and the differences in pairs."""
    title = ablation.studies[study].title
    return study_figure(title, ablation.rows(study), standin=ablation.standin)


def verdicts_markdown(ablation: Ablation) -> str:
    """Every comparison whose interval leaves out zero, largest first, each once."""
    rows = []
    for name, setting, gain in _each_once(ablation):
        if gain.distinguishable:
            study = ablation.studies[name]
            versus = _label(study, study.reference_of(setting))
            cells = [study.title, _label(study, setting), versus, _span(gain)]
            rows.append((-abs(gain.mean), cells))
    columns = ["varied", "setting", "against", "points (95 % interval)"]
    return markdown(
        [Table(columns, [cells for _, cells in sorted(rows)], _caption(ablation))]
    )


def count_told_apart(ablation: Ablation) -> tuple[int, int, float]:
    """Comparisons; how many are more than noise; how many chance alone would give.

    Two settings that are compared in several studies count once. With 95 % intervals
    one comparison in twenty leaves out zero although there is no difference. Settings
    that share a reference share its noise, so these are not independent; the expected
    number holds all the same.
    """
    gains = [gain for _, _, gain in _each_once(ablation)]
    told = sum(gain.distinguishable for gain in gains)
    return len(gains), told, (1 - CONFIDENCE) * len(gains)


def write_ablation(
    ablation: Ablation, folder: str | Path, figures: Mapping[str, Figure]
) -> list[Path]:
    """``ablation.json``, ``ablation.md`` and the figures, in ``folder``."""
    folder = Path(folder)
    text = json.dumps(ablation.to_dict(), indent=1) + "\n"
    pages = "\n".join(study_markdown(ablation, name) for name in ablation.studies)
    paths = [folder / "ablation.json", folder / "ablation.md"]
    for path, content in zip(paths, (text, pages), strict=True):
        write_whole(path, content.encode("utf-8"))
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        save_figure(figure, paths[-1])
    return paths


def _comparisons(ablation: Ablation, study: str) -> dict[str, SeedComparison]:
    """Setting -> its difference from its reference, the references left out."""
    found = ablation.studies[study]
    return {
        setting.name: ablation.against(study, setting.name)
        for setting in found.settings
        if found.reference_of(setting.name) != setting.name
    }


def _each_once(ablation: Ablation) -> list[tuple[str, str, SeedComparison]]:
    """Study, setting and difference, for the first study that compares the two."""
    found = {}
    for name, study in ablation.studies.items():
        for setting, gain in _comparisons(ablation, name).items():
            pair = frozenset((setting, study.reference_of(setting)))
            found.setdefault(pair, (name, setting, gain))
    return list(found.values())


def _label(study: Study, name: str) -> str:
    return next(s.label for s in study.settings if s.name == name)


def _span(gain: SeedComparison) -> str:
    ends = f"{100 * gain.low:+.1f} to {100 * gain.high:+.1f}"
    return f"{100 * gain.mean:+.1f} ({ends})"


def _caption(ablation: Ablation) -> str:
    data = "stand-in data" if ablation.standin else "top-1 on the test list"
    return f"{len(ablation.seeds)} seeds; top-1 in percent; {data}."
