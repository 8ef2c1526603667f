"""Following a training beside its log: a table, TensorBoard, Weights & Biases.

Public names: ``check_tracker``, ``begin_tracking``, ``track``.
"""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ..errors import RecipeError
from ..files import write_whole

_TRACKERS = ("", "csv", "tensorboard", "wandb")


def check_tracker(name: str) -> None:
    """Refuse a tracker that is not known or not installed."""
    if name not in _TRACKERS:
        raise RecipeError(f"track: {name!r} is none of {', '.join(_TRACKERS[1:])}")
    if name in ("tensorboard", "wandb") and find_spec(name) is None:
        raise RecipeError(
            f"track: {name} is not installed; pip install {name}, or track with csv"
        )


def begin_tracking(accelerator: Accelerator, name: str, folder: Path) -> None:
    """Open the tracker; TensorBoard's events go to ``folder/tensorboard``."""
    if name in ("tensorboard", "wandb"):
        project = "tensorboard" if name == "tensorboard" else "dvfl"
        run = f"{folder.parent.name}/{folder.name}"
        options = {"wandb": {"dir": str(folder), "name": run}}
        accelerator.init_trackers(project, init_kwargs=options)


def track(
    accelerator: Accelerator, name: str, folder: Path, history: list[dict[str, Any]]
) -> None:
    """Tell of the last epoch; ``log.csv`` is written anew from the whole log."""
    if name == "csv":
        rows = [_flat(line) for line in history]
        text = io.StringIO()
        names = dict.fromkeys(name for row in rows for name in row)
        table = csv.DictWriter(text, list(names), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_whole(folder / "log.csv", text.getvalue().encode())
    elif name:
        accelerator.log(_flat(history[-1]), step=history[-1]["epoch"])


def _flat(line: dict[str, Any]) -> dict[str, float]:
    """A line of the log for a tracker: ``held_out/top1`` for what is nested."""
    held_out = {f"held_out/{k}": v for k, v in line.get("held_out", {}).items()}
    return {**{k: v for k, v in line.items() if k != "held_out"}, **held_out}
