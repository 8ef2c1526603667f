"""What distillation does on the stand-in, over several seeds: hours of training.

    python -m benchmarks.studies seeds [--seeds 0 1 2] [--label-shares 0.15 1.0]
    python -m benchmarks.studies ablation [--seeds 0 1 2] [--jobs N] [--show]

``seeds``: each seed and label share is a whole demo run of its own, in ``runs/seeds``.
``ablation``: every setting of lesson 09 with every seed, in ``runs/ablation``, several
at a time. What was interrupted goes on.

Public names: ``one_run``, ``ablation_tables``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from dvfl_lib.environment import project_root
from dvfl_lib.evaluation import compare
from dvfl_lib.lessons import open_run
from dvfl_lib.lessons.ablation import (
    Ablation,
    count_told_apart,
    run_ablation,
    stored_ablation,
    study_markdown,
    verdicts_markdown,
)
from dvfl_lib.training import ROLES

from .stored import write_result

STANDIN = "Stand-in data; top-1 on its test list 1; demo profile."
SEEDS = project_root() / "runs" / "seeds"


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
        run_dir=str(SEEDS / f"labels_{share:g}_seed{seed}"),
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
    row["gain"] = compare(results["baseline"], results["student"]).to_dict()
    row["labels"] = None if run.labelled is None else len(run.labelled)
    row["training_clips"] = len(run.fit_samples)
    return row


def run_seeds(options: argparse.Namespace) -> None:
    """Run what is missing of every seed and share, and store all of it."""
    regimes = []
    first, *_ = options.label_shares
    for share in options.label_shares:
        runs = []
        for seed in options.seeds:
            own = SEEDS / f"labels_{first:g}_seed{seed}/teacher/best.safetensors"
            runs.append(one_run(seed, share, None if share == first else own))
        labels, clips = runs[0]["labels"] or "all", runs[0]["training_clips"]
        title = f"Labels of {labels} of {clips} training clips."
        if share == 1.0:
            title = f"Labels of all {clips} training clips."
        regimes.append({"label_share": share, "title": title, "runs": runs})
        content = {"standin": True, "data": STANDIN, "regimes": regimes}
        write_result("distillation_seeds", "studies seeds", content)


def ablation_tables(ablation: Ablation) -> str:
    """Every study, what is told apart, and how much of that chance would give."""
    compared, told, by_chance = count_told_apart(ablation)
    pages = [study_markdown(ablation, name) for name in ablation.studies]
    chance = f"by chance alone {by_chance:.0f} would be."
    counted = f"{told} of {compared} differences are more than noise; {chance}"
    return "\n\n".join([*pages, verdicts_markdown(ablation), counted])


def run_studies(options: argparse.Namespace) -> None:
    """Run what is missing of the ablation, and store all of it."""
    if options.show:
        print(ablation_tables(stored_ablation()[0]))
        return
    folder = project_root() / "runs" / "ablation"
    found = run_ablation(seeds=options.seeds, folder=folder, jobs=options.jobs)
    # Runs of an interrupted sweep may be older than the file that sums them up.
    runs = [json.loads((folder / f"{name}.json").read_bytes()) for name in found.found]
    content = {
        "commits of the runs": sorted({run["commit"] for run in runs}),
        "data": STANDIN,
        **found.to_dict(),
    }
    write_result("ablation", "studies ablation", content)
    print(ablation_tables(found))


def main() -> None:
    """One of the two studies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="study")
    seeds = commands.add_parser("seeds")
    seeds.add_argument("--label-shares", type=float, nargs="+", default=[0.15, 1.0])
    seeds.set_defaults(call=run_seeds)
    ablation = commands.add_parser("ablation")
    ablation.add_argument("--jobs", type=int, default=0, help="0: one per core")
    ablation.add_argument("--show", action="store_true", help="the stored result")
    ablation.set_defaults(call=run_studies)
    for command in (seeds, ablation):
        command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    options.call(options)


if __name__ == "__main__":
    main()
