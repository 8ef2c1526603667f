"""What the stand-ins of all benchmarks show, and how much of it.

Public names: ``StandinSize``, ``clip_frames``, ``action_of``, ``standin_pairs``,
``standin_families``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..datasets.base import first_few
from ..errors import DatasetError
from ..seeding import derive_seed
from .actions import (
    ACTIONS,
    FAMILIES,
    PAIRS,
    PHRASES,
    TEMPLATES,
    VERBS,
    draw_scene,
    pair_of,
    render_clip,
)

# Each benchmark names classes in its own way; these are all the names of an action,
# without regard to case, spaces and punctuation.
_NAMES: dict[str, tuple[str, ...]] = {
    action: (action, VERBS[action], TEMPLATES[action], PHRASES[action])
    for action in ACTIONS
}


@dataclass(frozen=True)
class StandinSize:
    """How much to write. UCF101 has 25 groups of 4 to 7 clips per class.

    A group is the clips that share a scene, as if cut from one recording.
    """

    groups: int = 25
    clips_per_group: int = 4
    min_frames: int = 32
    max_frames: int = 48

    def __post_init__(self) -> None:
        if not 22 <= self.groups <= 99:
            raise DatasetError("a stand-in needs 22 to 99 groups: 21 serve as tests")
        if not 1 <= self.clips_per_group <= 99:
            raise DatasetError("a stand-in needs 1 to 99 clips per group")
        if not 8 <= self.min_frames <= self.max_frames:
            raise DatasetError("a stand-in's clips need 8 frames or more")

    @property
    def numbers(self) -> list[tuple[int, int]]:
        """(group, clip) of every clip of a class, both from 1."""
        return [
            (group, clip)
            for group in range(1, self.groups + 1)
            for clip in range(1, self.clips_per_group + 1)
        ]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).lower()


def action_of(class_name: str) -> str:
    """The drawn action that a stand-in's class shows, whatever the benchmark calls it.

    Raises:
        DatasetError: it is of no stand-in.
    """
    for action, names in _NAMES.items():
        if _plain(class_name) in map(_plain, names):
            return action
    raise DatasetError(f"the class {class_name!r} is not one of the stand-ins' actions")


def _labels(classes: Sequence[str]) -> dict[str, int]:
    labels = {action_of(name): label for label, name in enumerate(classes)}
    missing = [action for action in ACTIONS if action not in labels]
    if missing:
        raise DatasetError(f"the stand-in lacks the actions {first_few(missing)}")
    return labels


def standin_pairs(classes: Sequence[str]) -> list[tuple[int, int]]:
    """Labels of the actions that are each other's reversal."""
    labels = _labels(classes)
    return [(labels[a], labels[b]) for a, b in PAIRS]


def standin_families(classes: Sequence[str]) -> dict[str, list[int]]:
    """Labels of the actions that share a kind of change; families overlap."""
    labels = _labels(classes)
    return {
        name: [labels[action] for action in family] for name, family in FAMILIES.items()
    }


def clip_frames(seed: int, size: StandinSize, action: str, group: int, clip: int):
    """The frames of one clip before encoding: uint8 (T, 120, 160, 3)."""
    pair, _ = pair_of(action)
    looks = np.random.default_rng(derive_seed(seed, "scene", pair[0], group))
    motion = np.random.default_rng(derive_seed(seed, "clip", action, group, clip))
    frames = int(motion.integers(size.min_frames, size.max_frames + 1))
    return render_clip(action, draw_scene(looks), frames, motion)
