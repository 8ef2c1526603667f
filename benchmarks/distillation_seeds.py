"""What distillation does on the stand-in, over several seeds, every seed shown.

    python -m benchmarks.distillation_seeds [--seeds 0 1 2] [--label-shares 0.15 1.0]

Each seed and label share is a whole demo run of its own in ``runs/seeds``: teacher,
baseline, distilled student, evaluation. Runs go on where they were interrupted.
The result is ``benchmarks/results/distillation_seeds.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dvfl_lib.evaluation import compare
from dvfl_lib.lessons import open_run, project_root
from dvfl_lib.training import ROLES

from .stored import write_result


def folder_of(seed: int, share: float) -> Path:
    """Where the run of a seed and a share is kept."""
    return project_root() / "runs" / "seeds" / f"labels_{share:g}_seed{seed}"


def one_run(seed: int, share: float, teacher: Path | None) -> dict[str, Any]:
    """Train and evaluate the networks of one seed; the teacher unless it is given.

    The teacher sees all labels, whatever the students' share: one per seed serves
    all shares.
    """
    run = open_run(
        profile="demo",
        dataset="ucf101",
        data_root="",
        split="1",
        run_dir=str(folder_of(seed, share)),
        seed=seed,
        teacher_weights=str(teacher or ""),
        overrides={"distil.label_share": share},
    )
    run.fill_cache()
    fits = {role: run.train(role) for role in ROLES}
    results = {role: run.evaluate(role) for role in ROLES}
    row: dict[str, Any] = {"seed": seed}
    for role in ROLES:
        row[role] = {
            "top1": results[role].top1.value,
            "interval_95": results[role].top1.interval,
            "videos": len(results[role].videos),
        }
        fit = fits[role]
        if fit is not None:
            row[role]["best_epoch"] = fit.best_epoch
            row[role]["train_seconds"] = round(fit.seconds, 1)
    gain = compare(results["baseline"], results["distilled"])
    row["gain"] = gain.to_dict()
    row["labels"] = None if run.labelled is None else len(run.labelled)
    row["training_clips"] = len(run.fit_samples)
    return row


def main() -> None:
    """Run what is missing, and store all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--label-shares", type=float, nargs="+", default=[0.15, 1.0])
    options = parser.parse_args()
    regimes = []
    for number, share in enumerate(options.label_shares):
        runs = []
        for seed in options.seeds:
            first = folder_of(seed, options.label_shares[0])
            teacher = first / "teacher" / "best.safetensors" if number else None
            runs.append(one_run(seed, share, teacher))
        labels, clips = runs[0]["labels"] or "all", runs[0]["training_clips"]
        title = f"Labels of {labels} of {clips} training clips."
        if share == 1.0:
            title = f"Labels of all {clips} training clips."
        regimes.append({"label_share": share, "title": title, "runs": runs})
        content = {
            "standin": True,
            "data": "Stand-in data; top-1 on its test list 1; demo profile.",
            "regimes": regimes,
        }
        write_result(
            "distillation_seeds", "python -m benchmarks.distillation_seeds", content
        )


if __name__ == "__main__":
    main()
