"""One run of an ablation: open it, train one network, evaluate it.

Public names: ``run_point``, ``weights_of``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import LessonError
from ..standins import standin_families, standin_pairs
from ..training import ROLES, Pipeline, open_run


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

    Raises:
        DVFLError: a parameter, the data or the run, with what to do.
    """
    if role not in ROLES:
        raise LessonError(f"role must be one of {ROLES}, not {role!r}")
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


def weights_of(run_dir: Path) -> Path:
    """Where a finished teacher is."""
    return run_dir / "teacher" / "best.safetensors"
