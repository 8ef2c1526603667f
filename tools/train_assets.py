"""``python tools/train_assets.py``: train the networks of data/assets again.

Public names: ``make_networks``, ``main``.

The pipeline of lesson 07, on the stand-in at 64 x 64 pixels: a teacher, then the
student distilled from it, and the same student without distillation, both with all
labels. A run that is finished is only exported; one that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dvfl_lib.environment import project_root, shown_path, versions
from dvfl_lib.errors import exit_status
from dvfl_lib.files import write_whole
from dvfl_lib.lessons.trained import (
    ASSETS,
    CROP,
    MANIFEST,
    SHORT_SIDE,
    SPLIT,
    assets_folder,
)
from dvfl_lib.training import FitResult, Pipeline, open_run
from dvfl_lib.weights import save_checkpoint

COMMAND = "python tools/train_assets.py"
RUN_DIR = "runs/small64"
SEED = 0
WHAT = {
    "student": "student of teaching size, distilled",
    "baseline": "student of teaching size, without distillation",
    "teacher": "teacher of teaching size",
}
# The demo profile with frames of twice the side: maps of 16 x 16 tokens can be looked
# at, those of 8 x 8 hardly. All labels, because here the network is not compared.
OVERRIDES: dict[str, Any] = {
    "data.crop": CROP,
    "data.short_side": SHORT_SIDE,
    "evaluate.short_side": SHORT_SIDE,
    "distil.label_share": 1.0,
    "teacher_optim.epochs": 20,
    "teacher_optim.warmup_epochs": 2.0,
}


def make_networks(
    run_dir: str = "", folder: Path | None = None, progress: bool = True
) -> Path:
    """Train all three, or go on with that; write them, and their entries beside them.

    Args:
        run_dir: the run's folder, ``runs/small64`` of the checkout if empty; each
            finished step of it is taken as it is.
        folder: where to write; ``data/assets`` if None.
        progress: show bars.

    Returns the path of the manifest.
    """
    run = open_run(
        profile="demo",
        dataset="ucf101",
        data_root="",
        split=str(SPLIT),
        run_dir=run_dir or str(project_root() / RUN_DIR),
        seed=SEED,
        overrides=OVERRIDES,
        progress=progress,
    )
    run.fill_cache()
    fits = {role: run.train(role) for role in ("teacher", "student", "baseline")}
    folder, entries = folder or assets_folder(), {}
    for role, file in ASSETS.items():
        told, path = _told(run, fits, role), folder / file
        extra = {"classes": list(run.train_list.classes), **told}
        network, recipe = run.trained(role), run.recipe.to_dict()
        save_checkpoint(network, path, recipe=recipe, extra=extra)
        content = path.read_bytes()
        entries[file] = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "bytes": len(content),
            **told,
            "overrides": OVERRIDES,
            "versions": versions(),
        }
    manifest = json.dumps({"files": entries}, indent=2)
    write_whole(folder / MANIFEST, (manifest + "\n").encode())
    return folder / MANIFEST


def _told(run: Pipeline, fits: dict[str, FitResult], role: str) -> dict[str, Any]:
    """How one was made and how good it is; no times, so the same each time."""
    result = run.evaluate(role)
    test = {
        "list": f"stand-in for UCF101, test list {run.split}",
        "views": str(result.views),
        "top1": round(result.top1.value, 6),
    }
    roles = [role]
    if role == "student":  # what it learned from belongs to its story
        roles = ["teacher", role]
        test["top1_teacher"] = round(run.evaluate("teacher").top1.value, 6)
    return {
        "standin": run.train_list.standin,
        "what": f"{WHAT[role]}, trained on the stand-in",
        "command": COMMAND,
        "seed": run.seed,
        "clips": {
            "trained on": len(run.fit_samples),
            "held out to choose the epoch": len(run.held_out_samples),
            "tested on": len(run.test_list),
        },
        "epochs": {name: len(fits[name].history) for name in roles},
        "chosen_epoch": {name: fits[name].best_epoch for name in roles},
        "test": test,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Make all assets; returns the exit status: 0 good, 1 trouble, 130 stopped."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="train data/assets")
    parser.add_argument("--run-dir", default="", help=f"default: {RUN_DIR}")
    options = parser.parse_args(arguments)

    def make_and_tell() -> int:
        manifest = make_networks(options.run_dir)
        for name, entry in json.loads(manifest.read_text("utf-8"))["files"].items():
            top1, clips = entry["test"]["top1"], entry["clips"]["tested on"]
            path = shown_path(manifest.with_name(name))
            print(f"{path}: {100 * top1:.1f} % of {clips} stand-in test clips")
        return 0

    return exit_status("assets", make_and_tell)


if __name__ == "__main__":
    sys.exit(main())
