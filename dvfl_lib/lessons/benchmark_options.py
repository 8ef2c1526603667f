"""How benchmarks are computed: what changes no question, and seldom an answer.

Public names: ``RunOptions``, ``run_options``, ``STANDIN_SEED``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

import torch

from ..environment import processes
from ..errors import RecipeError
from ..evaluation.protocol import PRECISIONS
from ..standins import StandinSize

STANDIN_SEED = 1  # the course's own networks learned from drawings of seed 0
_STANDIN_SIZE = {"groups": 22, "clips_per_group": 1, "min_frames": 12, "max_frames": 20}
_VIEW_SIZES = ("frames", "crop", "short_side", "sampling", "stride")


@dataclass(frozen=True)
class RunOptions:
    """Options of ``open_benchmarks``.

    Args:
        size: replaces ``frames``, ``crop``, ``short_side``, ``sampling`` or ``stride``
            of the checkpoints.
        batch_size: views per forward pass; changes no result.
        workers: loader processes; None chooses. Changes no result.
        device: such as "cuda"; "" takes the accelerator if there is one.
        precision: "no" (float32), "bf16" or "fp16".
        max_unreadable: share of videos that may be left out unread.
        standin_size: numbers of ``StandinSize``, for the stand-ins that are written.
        seed: of their scenes.
        progress: show bars.

    Raises:
        RecipeError: a value that cannot be right; a device that is not there.
        DatasetError: an impossible stand-in.
    """

    size: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 12
    workers: int | None = None
    device: str = ""
    precision: str = "no"
    max_unreadable: float = 0.02
    standin_size: Mapping[str, int] = field(default_factory=dict)
    seed: int = STANDIN_SEED
    progress: bool = True

    def __post_init__(self) -> None:
        for name, known in (
            ("size", _VIEW_SIZES),
            ("standin_size", tuple(_STANDIN_SIZE)),
        ):
            values = getattr(self, name)
            if not isinstance(values, Mapping):
                raise RecipeError(f"{name} takes a dictionary, not {values!r}")
            for key, value in values.items():
                kind = str if key == "sampling" else int
                if key not in known or type(value) is not kind:
                    raise RecipeError(
                        f"{name}: {key!r}: {value!r} is not a number of one of "
                        f"{', '.join(known)}"
                    )
        for name, least in (("batch_size", 1), ("workers", 0), ("seed", 0)):
            value = getattr(self, name)
            if name == "workers" and value is None:
                continue
            if type(value) is not int or value < least:
                raise RecipeError(
                    f"{name} must be a whole number, {least} or more, not {value!r}"
                )
        if self.precision not in PRECISIONS:
            raise RecipeError(
                f"precision {self.precision!r} is not among {', '.join(PRECISIONS)}"
            )
        share = self.max_unreadable
        if not isinstance(share, (int, float)) or not 0 <= share < 1:
            raise RecipeError(f"max_unreadable must be in [0, 1), not {share!r}")
        self.drawn  # noqa: B018  an impossible size is refused here
        self.target  # noqa: B018  a missing device too

    @property
    def drawn(self) -> StandinSize:
        """The size of the stand-ins."""
        return StandinSize(**{**_STANDIN_SIZE, **self.standin_size})

    @property
    def target(self) -> torch.device:
        """The device itself."""
        try:
            device = torch.device(self.device) if self.device else processes().device
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise RecipeError(
                f"device {self.device!r} cannot be used here: {reason}"
            ) from None
        return device


def run_options(options: Mapping[str, Any]) -> RunOptions:
    """``RunOptions`` from names and values.

    Raises:
        RecipeError: an unknown name, or as ``RunOptions``.
    """
    known = [option.name for option in fields(RunOptions)]
    for name in options:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise RecipeError(f"there is no parameter or option {name!r}.{hint}")
    return RunOptions(**options)
