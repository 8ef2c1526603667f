"""Ask a loaded network what the record does not hold, and add the answer to it.

Public names: ``question_names``, ``ask``, ``measure_token``.

A record stays as it is: each function returns a new one with the answer in it. The
network is first asked what the record knows already, so that no other network's
answers get among its own.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..capture import Intervention, answer_to, dependency
from ..capture.interventions import (
    branch_off,
    frozen,
    level_off,
    masked,
    only_in,
    shuffled,
)
from ..errors import DVFLError, ModelError
from ..video.transforms import normalise
from .covering import covered
from .pictures import level_names
from .record import NetworkRecord, Outcome, Record, TokenReach
from .recording import quantised
from .view import View, check_view

_TOKEN, _FREEZE, _ORDER = "grey where the token is", "freeze this frame", "new order"
_BRANCHES = {"spatial": "space", "temporal": "time"}
# Logits may differ by this share of the largest: another device, other kernels. Two
# networks differ by far more, even if both are untrained.
_ALIKE = 0.01


def question_names(record: Record, view: View) -> list[str]:
    """What may be asked about the block, token and frame in view, in words.

    A clip of one frame has no order, and nothing moves in it.
    """
    times = [_FREEZE, _ORDER] if len(record.frames) > 1 else []
    return [_TOKEN, *times, *_layer_questions(record, view)]


def ask(record: Record, view: View, model: nn.Module, question: str) -> Record:
    """The network's answer under one more change, as the last outcome.

    Args:
        record: of whose clip.
        view: names the network, block, frame and token.
        model: the network of that name, in eval mode.
        question: one of ``question_names``.

    Raises:
        DVFLError: a question that is none of them, or all orders were asked.
        ModelError: another network than the recorded one, or not in eval mode.
    """
    check_view(record, view, "ask")
    entry = view.entry(record)
    change = _change(record, view, question)
    clip = _clip(record, model)
    _check_same(entry, model, clip)
    logits = _answer(model, clip, change)
    outcomes = [o for o in entry.outcomes if o.name != change.name]
    outcomes.append(Outcome(change.kind, change.name, logits))
    return _with(record, replace(entry, outcomes=tuple(outcomes)))


def measure_token(record: Record, view: View, model: nn.Module) -> Record:
    """What exactly the chosen token depends on, measured and kept with the others.

    Args:
        record, view, model: as for ``ask``.

    Raises: as ``ask``.
    """
    check_view(record, view, "measure_token")
    token = (view.frame, view.row, view.column)
    entry, clip = view.entry(record), _clip(record, model)
    _check_same(entry, model, clip)
    reach = entry.reach or tuple(_none(entry, n) for n in range(len(entry.maps.places)))
    number = entry.number_of(view.place)
    kept = reach[number]
    if token in {tuple(known) for known in kept.tokens.tolist()}:
        return record
    found = quantised(dependency(model, clip, *view.place, [token]))
    maps = zip(kept.maps, found.maps, strict=True)
    joined = TokenReach(
        np.concatenate([kept.tokens, found.tokens]),
        kept.sources,
        tuple(np.concatenate(both) for both in maps),
    )
    reach = (*reach[:number], joined, *reach[number + 1 :])
    return _with(record, replace(entry, reach=reach))


def _layer_questions(record: Record, view: View) -> dict[str, tuple[Any, int]]:
    """Branch and level of each question about the layer; level 0 for the branch."""
    levels = level_names(view.maps(record).levels)
    parts = ["branch", *levels[:-1], f"{levels[-1]} level"]
    return {
        f"{said} {part} off in this block": (branch, level)
        for said, branch in _BRANCHES.items()
        for level, part in enumerate(parts)
    }


def _change(record: Record, view: View, question: str) -> Intervention:
    names = question_names(record, view)
    if question not in names:
        raise DVFLError(f"there is no question {question!r}; there are {names}")
    if question == _TOKEN:
        size, sides = view.maps(record).size[1:], record.frames.shape[1:3]
        within = covered(record, view.entry(record), view.place)
        # Named only where it is not all, so that a token may be a usual region.
        return masked(view.row, view.column, size, None if within == sides else within)
    if question == _FREEZE:
        return frozen(view.frame)
    if question == _ORDER:
        return _new_order(record, view)
    branch, level = _layer_questions(record, view)[question]
    change = level_off(branch, level) if level else branch_off(branch)
    return only_in(change, *view.place)


def _new_order(record: Record, view: View) -> Intervention:
    """A random order of the frames that was not asked yet."""
    frames = len(record.frames)
    names = {outcome.name for outcome in view.entry(record).outcomes}
    asked = sum(name.startswith("frames shuffled") for name in names)
    if asked >= math.factorial(frames) - 1:  # all but the true one
        raise DVFLError(
            f"all {asked} orders of {frames} frames were asked; choose one of them "
            "among the changes"
        )
    orders = (shuffled(frames, seed) for seed in itertools.count())
    return next(order for order in orders if order.name not in names)


def _clip(record: Record, model: nn.Module) -> Tensor:
    """(1, T, 3, H, W), normalised, on the network's device."""
    frames = torch.from_numpy(record.frames.copy()).permute(0, 3, 1, 2)
    clip = normalise(frames)[None]  # (1, T, 3, H, W)
    weights = list(model.parameters()) if isinstance(model, nn.Module) else []
    return clip.to(weights[0].device) if weights else clip


def _answer(model: nn.Module, clip: Tensor, change: Intervention) -> np.ndarray:
    logits = answer_to(model, clip, change)[0].float().cpu().numpy()
    if not np.isfinite(logits).all():
        raise DVFLError(f"under {change.name!r} the network answers NaN or infinity")
    return logits


def _check_same(entry: NetworkRecord, model: nn.Module, clip: Tensor) -> None:
    """Refuse a network that does not answer to the clip as the recorded one did."""
    said = _answer(model, clip, Intervention("order", "no change"))
    if len(said) != len(entry.logits):
        raise ModelError(
            f"the network answers for {len(said)} classes, but the record has "
            f"{len(entry.logits)}"
        )
    gap = np.abs(said - entry.logits).max()
    if gap > _ALIKE * np.abs(entry.logits).max():
        raise ModelError(
            f"this is not the network that was recorded as {entry.name!r}: to the "
            f"unchanged clip it answers otherwise (by {gap:.3g}). Give the recorded "
            "one, with the same weights, or record the clip again"
        )


def _none(entry: NetworkRecord, number: int) -> TokenReach:
    """No token kept yet of the block at ``number``."""
    places = entry.maps.places[: number + 1][::-1]
    sizes = [entry.maps.at(*place).size for place in places]
    maps = tuple(np.zeros((0, *size), np.uint8) for size in sizes)
    return TokenReach(np.zeros((0, 3), np.int64), places, maps)


def _with(record: Record, entry: NetworkRecord) -> Record:
    networks = (entry if n.name == entry.name else n for n in record.networks)
    return replace(record, networks=tuple(networks))
