"""What distillation does on the stand-in, over several seeds: hours of training.

    python -m benchmarks.studies seeds [--seeds 0 1 2] [--label-shares 0.15 1.0]
    python -m benchmarks.studies ablation [--seeds 0 1 2] [--settings NAME ...]
        [--jobs N] [--show]

``seeds``: each seed and label share is a whole demo run of its own, in ``runs/seeds``.
``ablation``: every setting of lesson 09 with every seed, in ``runs/ablation``, several
at a time. With ``--settings`` only these, and their runs are added to the stored ones:
so some settings may have more seeds than others. What was interrupted goes on.

Public names: ``one_run``, ``ablation_tables``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from dvfl_lib.environment import project_root
from dvfl_lib.evaluation import compare
from dvfl_lib.lessons import open_run
from dvfl_lib.lessons.ablation import (
    Ablation,
    run_ablation,
    stored_ablation,
    study_markdown,
)
from dvfl_lib.lessons.ablation_grid import grid_for
from dvfl_lib.recipes import recipe_for
from dvfl_lib.training import ROLES

from .stored import read_result, write_result

STANDIN = "Stand-in data; top-1 on its test list 1; demo profile."
SEEDS = project_root() / "runs" / "seeds"
ORIGIN = ("command", "date", "commit", "versions", "machine")


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
    """Every study, and how many differences are told apart from noise."""
    pages = [study_markdown(ablation, name) for name in ablation.studies]
    told = [row.told_apart for _, row in ablation.comparisons()]
    counted = f"{sum(told)} of {len(told)} differences are told apart; by chance alone "
    return "\n\n".join([*pages, f"{counted}{0.05 * len(told):.0f} would be."])


def run_studies(options: argparse.Namespace) -> None:
    """Run what is missing of the ablation, and store all of it."""
    if options.show:
        print(ablation_tables(stored_ablation()[0]))
        return
    folder, chosen = project_root() / "runs" / "ablation", options.settings
    grid = {"seeds": options.seeds, "settings": chosen, "folder": folder}
    ran = run_ablation(**grid, jobs=options.jobs).found
    # Runs of an interrupted sweep may be older than the file that sums them up.
    runs = [json.loads((folder / f"{name}.json").read_bytes()) for name in ran]
    stored = read_result("ablation") if chosen else {}
    commits = {run["commit"] for run in runs} | {*stored.get("commits of the runs", [])}
    origin = {key: stored[key] for key in ORIGIN if key in stored}
    studies = grid_for(recipe_for("demo")).studies
    found = Ablation.of(studies, {**stored.get("found", {}), **ran})
    content = {
        "earlier": [*stored.get("earlier", []), *([origin] if origin else [])],
        "commits of the runs": sorted(commits),
        "data": STANDIN,
        **found.to_dict(),
    }
    write_result("ablation", " ".join(["studies", *sys.argv[1:]]), content)
    print(ablation_tables(found))


def main() -> None:
    """One of the two studies."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="study")
    seeds = commands.add_parser("seeds")
    seeds.add_argument("--label-shares", type=float, nargs="+", default=[0.15, 1.0])
    seeds.set_defaults(call=run_seeds)
    ablation = commands.add_parser("ablation")
    ablation.add_argument("--settings", nargs="+", default=[], metavar="NAME")
    ablation.add_argument("--jobs", type=int, default=0, help="0: one per core")
    ablation.add_argument("--show", action="store_true", help="the stored result")
    ablation.set_defaults(call=run_studies)
    for command in (seeds, ablation):
        command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    options.call(options)


if __name__ == "__main__":
    main()
