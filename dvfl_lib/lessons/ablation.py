"""The ablation of lesson 09: its runs over seeds, and what they found.

Public names: ``Ablation``, ``run_ablation``, ``stored_ablation``, ``run_point``,
``study_markdown``, ``ablation_figure``, ``write_ablation``.

All students of a seed begin with the same weights, see the same views of the same
clips in the same order, and may use the same labels; the setting alone differs. A
seed's teacher is trained once and serves all. So differences are taken seed by seed.
A setting has the seeds that it was run with; two settings are compared over the seeds
of both.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from ..environment import project_root, shown_path
from ..errors import LessonError
from ..evaluation import Table, markdown
from ..evaluation.comparison import SeedComparison, compare_seeds
from ..figures import StudyRow, save_figure, study_figure
from ..files import write_whole
from ..recipes import recipe_for
from ..standins import standin_families, standin_pairs
from ..sweep import sweep
from ..training import open_run
from .ablation_grid import LABELS, Setting, Study, grid_for, reduced_grid

_GRIDS = {"full": grid_for, "reduced": reduced_grid}
_ORIGIN = ("command", "date", "commit", "machine", "earlier", "commits of the runs")


@dataclass(frozen=True)
class Ablation:
    """What a grid found."""

    studies: Mapping[str, Study]
    # "<setting>_seed<seed>" -> what ``run_point`` returned; teachers too
    found: Mapping[str, Mapping[str, Any]]

    @property
    def standin(self) -> bool:
        """Whether the data were drawn."""
        return any(result["standin"] for result in self.found.values())

    @classmethod
    def of(cls, studies: Mapping[str, Study], found: Mapping[str, Any]) -> Ablation:
        """Without the studies of which a setting has not been run."""
        values = cls(studies, found).values
        run = [n for n, s in studies.items() if all(values(x.name) for x in s.settings)]
        return cls({name: studies[name] for name in run}, found)

    def values(self, setting: str) -> dict[int, float]:
        """Seed -> top-1: the share of the test list that was right."""
        runs = ((*name.rsplit("_seed", 1), r["top1"]) for name, r in self.found.items())
        return dict(sorted((int(seed), top1) for n, seed, top1 in runs if n == setting))

    def compare(self, reference: str, setting: str) -> SeedComparison:
        """A setting beside another, seed by seed, over the seeds of both."""
        a, b = self.values(reference), self.values(setting)
        common = [seed for seed in a if seed in b]
        return compare_seeds([a[seed] for seed in common], [b[seed] for seed in common])

    def against(self, study: str, setting: str) -> SeedComparison:
        """A setting beside its reference."""
        return self.compare(self.studies[study].reference_of(setting), setting)

    def rows(self, study: str) -> list[StudyRow]:
        """A row per setting, for ``figures.study_figure``."""
        varied, found = self.studies[study], []
        labels = {setting.name: setting.label for setting in varied.settings}
        for name, label in labels.items():
            reference = varied.reference_of(name)
            versus = "" if reference == name else labels[reference]
            gain, values = self.against(study, name), self.values(name)
            found.append(StudyRow(label, values, gain, versus))
        return found

    def comparisons(self) -> list[tuple[list[str], StudyRow]]:
        """Each pair of settings once: (study, setting, reference) and their row."""
        found: dict[frozenset[str], tuple[list[str], StudyRow]] = {}
        for name, study in self.studies.items():
            for setting, row in zip(study.settings, self.rows(name), strict=True):
                pair = frozenset((setting.name, study.reference_of(setting.name)))
                if row.versus:
                    words = [study.title, row.label, row.versus]
                    found.setdefault(pair, (words, row))
        return list(found.values())

    def to_dict(self) -> dict[str, Any]:
        """For a stored result: what was varied, and every run."""
        studies = {name: asdict(study) for name, study in self.studies.items()}
        return {
            "standin": self.standin,
            "studies": json.loads(json.dumps(studies)),
            "found": dict(self.found),
        }


def stored_ablation() -> tuple[Ablation, dict[str, Any]]:
    """The full grid as ``benchmarks.studies`` stored it, and its origin.

    It is refused where it was stored with other settings than today's grid.
    """
    path = project_root() / "benchmarks" / "results" / "ablation.json"
    stored = json.loads(path.read_text("utf-8"))
    studies = grid_for(recipe_for("demo")).studies
    ablation = Ablation.of(studies, stored["found"])
    if stored["studies"] != ablation.to_dict()["studies"]:
        raise LessonError(
            f"{shown_path(path)} was made with other settings than today's grid: "
            "'python -m benchmarks.studies ablation' writes it anew"
        )
    return ablation, {key: stored[key] for key in _ORIGIN}


def run_ablation(
    *,
    grid: str = "full",
    studies: Sequence[str] = (),
    settings: Sequence[str] = (),
    seeds: Sequence[int],
    folder: str | Path,
    profile: str = "demo",
    dataset: str = "ucf101",
    data_root: str = "",
    split: str = "1",
    overrides: Mapping[str, Any] | None = None,
    jobs: int = 0,
) -> Ablation:
    """Run every setting of a grid with every seed; go on where it was stopped.

    Args:
        grid: "full", or "reduced" for labels alone and one teacher.
        studies, settings: names of some of the grid's; all if empty.
        seeds: three or more for intervals that say something.
        folder: takes the runs, their logs and one JSON per run.
        profile, dataset, data_root, split: as for ``open_run``.
        overrides: of the recipe, for all runs; a setting's own come on top.
        jobs: runs at the same time; 0 for one per core, or one where there is a GPU.

    Wrong parameters and data are refused before any run; of runs that fail, the
    others are finished first (``DVFLError``).
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise LessonError(f"seeds must be different whole numbers, not {list(seeds)}")
    overrides, folder = dict(overrides or {}), Path(folder).absolute()
    whole = _chosen(_GRIDS, [grid], "grid")[grid](recipe_for(profile, overrides))
    chosen = _chosen(whole.studies, studies or [*whole.studies], f"{grid} grid")
    every = replace(whole, studies=chosen).settings
    wanted = _chosen(every, settings or [*every], "settings")
    data = dict(profile=profile, dataset=dataset, data_root=data_root, split=split)

    def point(setting: Setting, seed: int, role: str) -> tuple[str, dict[str, Any]]:
        runs, own = folder / "runs", {**whole.common, **overrides, **setting.overrides}
        teacher = runs / f"{setting.teacher}_seed{seed}/teacher/best.safetensors"
        name = f"{setting.name}_seed{seed}"
        arguments = {
            **data,
            "role": role,
            "seed": seed,
            "run_dir": str(runs / name),
            "weights_file": str(teacher) if setting.teacher else "",
            "overrides": own,
        }
        return name, arguments

    def run(points: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
        return sweep("lessons.ablation:run_point", dict(points), folder, jobs)

    # Refuse wrong parameters here; write stand-in and frames before many want them.
    _, first = point(LABELS, seeds[0], "baseline")
    del first["role"], first["weights_file"]
    open_run(**first, progress=False).fill_cache()
    if not jobs:
        jobs = 1 if torch.cuda.is_available() else os.cpu_count() or 1
    found = {}
    for name in sorted({s.teacher for s in wanted.values()} - {""}):
        own = Setting(name, name, whole.teachers[name], teacher="")
        found |= run(point(own, seed, "teacher") for seed in seeds)
    # Seed by seed: what is finished first is a complete comparison.
    found |= run(
        point(setting, seed, "student" if setting.teacher else "baseline")
        for seed in seeds
        for setting in wanted.values()
    )
    return Ablation.of(chosen, found)


def _chosen(known: Mapping[str, Any], names: Sequence[str], what: str) -> dict:
    """Those of these names; unknown ones are refused."""
    for name in names:
        if name not in known:
            raise LessonError(f"{what}: there is no {name!r}, only {', '.join(known)}")
    return {name: known[name] for name in names}


def run_point(*, role: str, weights_file: str, **parameters: Any) -> dict[str, Any]:
    """Train and evaluate one network; called again, go on or return what is there.

    Args:
        role: "teacher", "baseline" or "student".
        weights_file: where a teacher is read from; "" where none is needed.
        parameters: those of ``open_run``.

    Returns what the run found, expressible in JSON; ``top1`` a share of the test list.
    """
    run = open_run(**parameters, teacher_weights=weights_file, progress=False)
    run.fill_cache()
    fit = run.train(role)
    assert fit is not None  # only a teacher that is given returns nothing
    result, listed = run.evaluate(role), run.train_list
    found = {
        "role": role,
        "seed": run.seed,
        "standin": listed.standin,
        "dataset": run.dataset,
        "split": run.split,
        "profile": run.recipe.profile,
        "top1": result.top1.value,
        "videos": result.top1.n,
        "held_out_top1": fit.best_top1,
        "best_epoch": fit.best_epoch,
        "labels": len(run.fit_samples) if run.labelled is None else len(run.labelled),
        "training_clips": len(run.fit_samples),
        "seconds": round(fit.seconds, 1),
    }
    if listed.standin:  # its actions alone can tell right change and right order
        families = list(standin_families(listed.classes).values())
        pairs = standin_pairs(listed.classes)
        found["same_change"] = result.family_accuracy(families).value
        found["within_pairs"] = result.within_pairs(pairs).value
    return found


def study_markdown(ablation: Ablation, study: str) -> str:
    """A row per setting: every seed's top-1, their mean, and the difference."""
    found, rows = ablation.rows(study), []
    seeds = sorted({seed for row in found for seed in row.values})
    for row in found:
        tops = [f"{100 * row.values[s]:.1f}" if s in row.values else "" for s in seeds]
        mean = f"{100 * statistics.fmean(row.values.values()):.1f}"
        told = "told apart" if row.told_apart else "not told apart"
        gain = f"{100 * row.gain.mean:+.1f} against {row.versus}: {told}"
        rows.append([row.label, *tops, mean, gain if row.versus else ""])
    columns = [ablation.studies[study].title, *(f"seed {seed}" for seed in seeds)]
    data = "stand-in data" if ablation.standin else "top-1 on the test list"
    caption = f"Top-1 in percent; differences over the seeds of both; {data}."
    return markdown([Table([*columns, "mean", "difference, points"], rows, caption)])


def ablation_figure(ablation: Ablation, study: str) -> Figure:
    """Every seed of every setting of a study, and the differences in pairs."""
    title = ablation.studies[study].title
    return study_figure(title, ablation.rows(study), standin=ablation.standin)


def write_ablation(
    ablation: Ablation, folder: str | Path, figures: Mapping[str, Figure]
) -> list[Path]:
    """``ablation.json``, ``ablation.md`` and the figures, in ``folder``."""
    folder = Path(folder)
    pages = "\n".join(study_markdown(ablation, name) for name in ablation.studies)
    texts = {"ablation.json": json.dumps(ablation.to_dict(), indent=1) + "\n"}
    texts["ablation.md"] = pages
    for name, text in texts.items():
        write_whole(folder / name, text.encode())
    pictures = [save_figure(f, folder / f"{n}.png") for n, f in figures.items()]
    return [*(folder / name for name in texts), *pictures]
