"""Ask a loaded network what the record does not hold, and add the answer to it.

Public names: ``question_names``, ``ask``, ``measure_token``.

A record stays as it is: each function returns a new one with the answer in it.
"""

from __future__ import annotations

from dataclasses import replace

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
from ..errors import DVFLError
from ..video.transforms import normalise
from .pictures import level_names
from .record import NetworkRecord, Outcome, Record, TokenReach
from .recording import quantised
from .view import View

_TOKEN, _FREEZE, _ORDER = "grey where the token is", "freeze this frame", "new order"


def question_names(record: Record, view: View) -> list[str]:
    """What may be asked about the block, token and frame in view, in words."""
    levels = level_names(view.maps(record).levels)
    layer = [
        f"{branch} {part} off in this block"
        for branch in ("spatial", "temporal")
        for part in ("branch", *levels[:-1], f"{levels[-1]} level")
    ]
    return [_TOKEN, _FREEZE, _ORDER, *layer]


def ask(record: Record, view: View, model: nn.Module, question: str) -> Record:
    """The network's answer under one more change, as the last outcome.

    Args:
        record: of whose clip.
        view: names the network, block, frame and token.
        model: the network of that name, in eval mode.
        question: one of ``question_names``.

    Raises:
        DVFLError: a question that is none of them, or a network that answers for
            another number of classes.
    """
    change = _change(record, view, question)
    _check(record, model)
    logits = answer_to(model, _clip(record, model), change)[0].float().cpu().numpy()
    _check_classes(record, logits)
    entry = view.entry(record)
    outcomes = [o for o in entry.outcomes if o.name != change.name]
    outcomes.append(Outcome(change.kind, change.name, logits))
    return _with(record, replace(entry, outcomes=tuple(outcomes)))


def measure_token(record: Record, view: View, model: nn.Module) -> Record:
    """What exactly the chosen token depends on, measured and kept with the others.

    Args and errors: as for ``ask``.
    """
    _check(record, model)
    token = (view.frame, view.row, view.column)
    entry, clip = view.entry(record), _clip(record, model)
    found = quantised(dependency(model, clip, *view.place, [token]))
    reach = entry.reach or tuple(_none(entry, n) for n in range(len(entry.maps.places)))
    number = entry.number_of(view.place)
    kept = reach[number]
    if token in {tuple(known) for known in kept.tokens.tolist()}:
        return record
    maps = zip(kept.maps, found.maps, strict=True)
    joined = TokenReach(
        np.concatenate([kept.tokens, found.tokens]),
        kept.sources,
        tuple(np.concatenate(both) for both in maps),
    )
    reach = (*reach[:number], joined, *reach[number + 1 :])
    return _with(record, replace(entry, reach=reach))


def _change(record: Record, view: View, question: str) -> Intervention:
    names = question_names(record, view)
    if question not in names:
        raise DVFLError(f"there is no question {question!r}; there are {names}")
    if question == _TOKEN:
        return masked(view.row, view.column, view.maps(record).size[1:])
    if question == _FREEZE:
        return frozen(view.frame)
    if question == _ORDER:
        asked = sum(o.name.startswith("frames") for o in view.entry(record).outcomes)
        return shuffled(len(record.frames), seed=asked)
    branch = "space" if question.startswith("spatial") else "time"
    number = names.index(question) - 3
    level = number % (1 + view.maps(record).levels)  # 0 is the whole branch
    change = level_off(branch, level) if level else branch_off(branch)
    return only_in(change, *view.place)


def _clip(record: Record, model: nn.Module) -> Tensor:
    """(1, T, 3, H, W), normalised, on the network's device."""
    frames = torch.from_numpy(record.frames.copy()).permute(0, 3, 1, 2)
    clip = normalise(frames)[None]  # (1, T, 3, H, W)
    return clip.to(next(model.parameters()).device)


def _check(record: Record, model: nn.Module) -> None:
    if model.training:
        raise DVFLError("the network is in training mode; call its eval() first")


def _check_classes(record: Record, logits: np.ndarray) -> None:
    if len(logits) != len(record.classes):
        raise DVFLError(
            f"the network answers for {len(logits)} classes, but the record has "
            f"{len(record.classes)}"
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
