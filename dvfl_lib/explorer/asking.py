"""Asking the networks of a record more than it holds: under changes, and of a token.

Public names: ``check_networks``, ``ask``, ``measure``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..capture import Intervention, ModulationMaps, answer_to, capture_maps, dependency
from ..capture.interventions import (
    block_off,
    branch_off,
    changed,
    greyed,
    level_off,
    only_in,
    ordered,
    under,
)
from ..errors import DVFLError, ModelError
from ..video.transforms import normalise
from .record import NetworkRecord, Record, TokenReach
from .recording import quantised

# Logits may differ by this share of the largest: another device, other kernels. Two
# networks differ by far more, even if both are untrained.
_ALIKE = 0.01


def check_networks(
    record: Record, networks: Mapping[str, nn.Module] | None
) -> dict[str, nn.Module]:
    """Networks that a user gave with a record, if they are the recorded ones.

    Raises:
        DVFLError: not given by name, or a name that the record lacks.
        ModelError: another network than the recorded one, or not in eval mode.
    """
    if not isinstance(record, Record):
        raise DVFLError(
            f"a Record is shown, not {type(record).__name__}: load_record reads one, "
            "record_clip makes one"
        )
    networks = {} if networks is None else networks
    if not isinstance(networks, Mapping):
        raise DVFLError("networks are given by name: {'student': model}")
    for name, model in networks.items():
        entry = record.network(name)
        said = answer_to(model, _clip(record, model))[0].float().cpu().numpy()
        same = said.shape == entry.logits.shape
        gap = float(np.abs(said - entry.logits).max()) if same else np.inf
        if not gap <= _ALIKE * np.abs(entry.logits).max():
            raise ModelError(
                f"this is not the network that was recorded as {name!r}: to the "
                f"unchanged clip it answers otherwise (by {gap:.3g}). Give the "
                "recorded one, with the same weights, or record the clip again"
            )
    return dict(networks)


def ask(
    record: Record, name: str, model: nn.Module, change: Mapping[str, Any]
) -> ModulationMaps:
    """What a network computes from the record's clip under a change.

    Args:
        record, name, model: one of ``check_networks``.
        change: as the front end has it. ``order``: which recorded frame stands at
            each place. ``grey``: (place, top, left, bottom, right) in pixels each,
            place -1 for all frames. ``off``: ``stage``, ``block`` (0 for all),
            ``part`` ("space", "time", "block") and ``level`` (0 for the whole part).
    """
    changes = _changes(record.network(name), change)
    clip = changed(_clip(record, model), *changes)
    with under(model, *changes):
        return capture_maps(model, clip)


def measure(
    record: Record, name: str, model: nn.Module, block: int, token: Sequence[int]
) -> TokenReach:
    """What exactly one token (t, y, x) of the network's block ``block`` depends on."""
    place = record.network(name).maps.places[block]
    t, y, x = token
    return quantised(dependency(model, _clip(record, model), *place, [(t, y, x)]))


def _clip(record: Record, model: nn.Module) -> Tensor:
    """(1, T, 3, H, W), normalised, on the network's device."""
    frames = torch.from_numpy(record.frames.copy()).permute(0, 3, 1, 2)
    return normalise(frames)[None].to(next(model.parameters()).device)


def _changes(entry: NetworkRecord, change: Mapping[str, Any]) -> list[Intervention]:
    found = [ordered(change["order"])]
    for place, *box in change["grey"]:
        found.append(greyed(*box, frame=None if place < 0 else place))
    for off in change["off"]:
        part, level = off["part"], off["level"]
        # One change goes to several networks; what one of them lacks is left out.
        for maps in entry.maps:
            wanted = (off["stage"] or maps.stage, off["block"] or maps.block)
            if wanted != (maps.stage, maps.block) or level > maps.levels:
                continue
            if part == "block":
                one = block_off()
            else:
                one = level_off(part, level) if level else branch_off(part)
            found.append(only_in(one, *wanted))
    return found
