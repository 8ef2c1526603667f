"""Where training runs, in what precision, and how far it is repeatable.

Public names: ``make_accelerator``, ``deterministic``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin, InitProcessGroupKwargs

from ..environment import PATIENCE
from ..errors import RecipeError


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
            log_with=track if track in ("tensorboard", "wandb") else None,
            project_dir=folder,
        )
    except ValueError as error:
        if "mixed precision" not in str(error):
            raise
        raise RecipeError(
            f"precision {precision!r} does not work on this device ({error}); use "
            "'bf16' or 'no'"
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
