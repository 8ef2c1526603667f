"""Taking a run up where it was, on one process or several.

Public names: ``begin``, ``restore_momentum``.

Only the first process reads files, for on several machines only it may have them.
The others are told.
"""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, broadcast_object_list
from torch import Tensor, nn

from ..errors import DVFLError
from .state import Progress, RunFolder

Momentum = dict[str, Tensor | None]  # None: on another process


def begin(
    accelerator: Accelerator,
    folder: RunFolder,
    fingerprint: dict[str, Any],
    model: nn.Module,
) -> tuple[Progress, Momentum]:
    """The progress of the run in ``folder``, or of a new one.

    Fills ``model`` on the first process. Preparing it for several processes copies
    its weights to the others.

    Raises:
        RunDirectoryError: (on every process) the folder holds another run, is
            damaged or cannot be written.
    """
    told: list[Any] = [None]
    momentum: dict[str, Tensor] = {}
    if accelerator.is_main_process:
        try:
            progress, weights, momentum = folder.load(fingerprint)
            if weights:
                model.load_state_dict(weights)
            else:
                folder.begin_anew()
            folder.write_log(progress)
            told = [(progress, list(momentum))]
        except DVFLError as error:
            told = [error]  # the other processes must stop as well
    broadcast_object_list(told)
    if isinstance(told[0], DVFLError):
        raise told[0]
    progress, names = told[0]
    return progress, {name: momentum.get(name) for name in names}


def restore_momentum(
    optimizer: torch.optim.Optimizer, model: nn.Module, momentum: Momentum
) -> None:
    """Give the optimiser its buffers back, on every process."""
    for name, parameter in model.named_parameters():
        if name in momentum:
            value = momentum[name]
            found = torch.empty_like(parameter) if value is None else value
            # A copy: a tensor from a file may lie at any address, and the last bit
            # of vectorised arithmetic can depend on it.
            buffer = broadcast(found.to(parameter.device, copy=True))
            optimizer.state[parameter]["momentum_buffer"] = buffer
