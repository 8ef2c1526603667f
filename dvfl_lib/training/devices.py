"""Where training runs: the devices, the processes, who follows it.

Public names: ``make_accelerator``, ``deterministic``, ``on_main``, ``check_tracker``,
``begin_tracking``, ``track``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import LOGGER_TYPE_TO_CLASS
from accelerate.utils import (
    GradientAccumulationPlugin,
    InitProcessGroupKwargs,
    broadcast_object_list,
)

from ..environment import PATIENCE
from ..errors import DVFLError, RecipeError
from ..files import write_whole

_OF_ACCELERATE = tuple(LOGGER_TYPE_TO_CLASS)  # trackers: tensorboard, wandb, more


def make_accelerator(
    precision: str, track: str = "", folder: Path | None = None
) -> Accelerator:
    """Accelerate on what there is: several GPUs, one, or the CPU.

    The recipe's precision comes before what ``accelerate launch`` was told.
    """
    if AcceleratorState._shared_state:
        # Accelerate keeps one precision per process; a notebook trains several
        # networks in turn. The process group stays.
        AcceleratorState._reset_state(reset_partial_state=False)
    try:
        return Accelerator(
            cpu=not torch.accelerator.is_available(),
            mixed_precision=precision,
            # We accumulate gradients ourselves, whatever the launcher was told.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
            log_with=track if track in _OF_ACCELERATE else None,
            project_dir=folder,
        )
    except ValueError as error:
        raise RecipeError(
            f"precision {precision!r} does not work here ({error}); try 'bf16' or 'no'"
        ) from None


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Inside the block, CPU operations give the same bits every time.

    On other devices some operations have no such form, and others lose much speed.
    """
    if device.type != "cpu":
        yield
        return
    before = torch.get_deterministic_debug_mode()  # off, warn or error
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time only
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)
        torch.utils.deterministic.fill_uninitialized_memory = fill


def on_main(accelerator: Accelerator, call: Callable[[], Any]) -> Any:
    """Call on the first process, and tell all what it returned or raised."""
    told: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            told = [call()]
        except DVFLError as error:
            told = [error]  # the other processes must stop as well
    broadcast_object_list(told)
    if isinstance(told[0], DVFLError):
        raise told[0]
    return told[0]


# --- trackers: a table, TensorBoard, Weights & Biases ---------------------------------


def check_tracker(name: str) -> None:
    """Refuse a tracker that is not known or not installed."""
    known = ("csv", *_OF_ACCELERATE)
    if name and name not in known:
        raise RecipeError(f"track: {name!r} is none of {', '.join(known)}")
    if name in _OF_ACCELERATE and find_spec(name) is None:
        raise RecipeError(f"track: {name} is not installed; pip install {name}")


def begin_tracking(accelerator: Accelerator, name: str, folder: Path) -> None:
    """Open the tracker; TensorBoard's events go to ``folder/tensorboard``."""
    if name in _OF_ACCELERATE:
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
        table = csv.DictWriter(text, list(rows[-1]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_whole(folder / "log.csv", text.getvalue().encode())
    elif name:
        accelerator.log(_flat(history[-1]), step=history[-1]["epoch"])


def _flat(line: dict[str, Any]) -> dict[str, float]:
    """A line of the log for a tracker: ``held_out/top1`` for what is nested."""
    held_out = {f"held_out/{k}": v for k, v in line.get("held_out", {}).items()}
    return {**{k: v for k, v in line.items() if k != "held_out"}, **held_out}
