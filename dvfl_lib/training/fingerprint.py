"""What a run directory was begun with, so that nothing else is continued in it.

Public names: ``fingerprint``, ``differences``, ``weights_digest``, ``NO_EFFECT``,
``LATER``.

A checkpoint may only be taken up by the run that wrote it: the same recipe, seed,
data, network and teacher. Loader workers, processes and folders do not count, for
they change no result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from typing import Any

from torch import nn
from torchvision.ops import StochasticDepth

from ..teacher_cache.key import differences, weights_digest

__all__ = ["LATER", "NO_EFFECT", "differences", "fingerprint", "weights_digest"]

# Parts of the data recipe that change speed, or when to give up, but no result.
NO_EFFECT = ("data.workers", "data.cache_frames", "data.max_unreadable")

# Numbers that came later, and what runs before them did: named in a fingerprint only
# where they say another thing, so that a run begun before goes on.
LATER: dict[str, Any] = {
    "distil.loss": "forward_kl",
    "distil.random_head": False,
    "distil.match": "",
    "distil.match_weight": 1.0,
    "distil.stored_views": 0,
    "distil.live_teacher": False,
    "stored views of the clips": 0,
}


def _text_digest(parts: Iterable[Any]) -> str:
    text = "\n".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def fingerprint(
    *,
    model: nn.Module,
    teacher: nn.Module | None,
    clips: Any,
    labelled: set[int] | None,
    recipes: dict[str, Any],
    numbers: dict[str, Any],
) -> dict[str, Any]:
    """A flat dictionary of everything that decides a run's result.

    Args:
        model: as it is before the first step.
        clips: the training clips; ``samples`` and, where it has them, ``data`` (a
            recipe), ``seed`` and ``flip_labels`` are taken up.
        recipes: name -> recipe dataclass or None, taken apart field by field.
        numbers: further entries, such as the seed.
    """
    found: dict[str, Any] = dict(numbers)
    # Clips made in memory need no data recipe.
    for name, recipe in {**recipes, "data": getattr(clips, "data", None)}.items():
        if is_dataclass(recipe):
            found.update({f"{name}.{k}": v for k, v in asdict(recipe).items()})
        else:
            found[name] = None
    config = getattr(model, "config", None)
    found["network"] = repr(config) if config else type(model).__name__
    found["drop-path"] = [
        m.p for m in model.modules() if isinstance(m, StochasticDepth)
    ]
    found["initial weights"] = weights_digest(model)
    found["teacher weights"] = None if teacher is None else weights_digest(teacher)
    found["clips.seed"] = getattr(clips, "seed", None)
    found["training clips"] = _text_digest((s.name, s.label) for s in clips.samples)
    found["labelled clips"] = (
        None if labelled is None else _text_digest(sorted(labelled))
    )
    # Named only where there are any: without, runs are what they were before.
    if flips := getattr(clips, "flip_labels", None):
        found["labels of flipped clips"] = sorted(flips.items())
    found["stored views of the clips"] = getattr(clips, "views", 0)
    for name in NO_EFFECT:
        found.pop(name, None)
    for name, before in LATER.items():
        if found.get(name) == before:
            found.pop(name, None)
    # As it comes back from a file: lists for tuples.
    return json.loads(json.dumps(found))
