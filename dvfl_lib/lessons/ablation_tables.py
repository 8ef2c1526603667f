"""What an ablation found, as tables and files.

Public names: ``study_markdown``, ``ablation_figure``, ``verdicts_markdown``,
``count_told_apart``, ``write_ablation``.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ..evaluation.comparison import CONFIDENCE, SeedComparison
from ..evaluation.tables import Table, markdown
from ..figures import save_figure
from ..figures.ablation import study_figure
from ..files import write_whole
from .ablation import Ablation
from .ablation_grid import Study


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
    """``ablation.json``, ``ablation.md`` and the figures, in ``folder``.

    Raises:
        RunDirectoryError: the folder cannot be written.
    """
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
