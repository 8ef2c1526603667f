"""The stand-in for Something-Something V2: numbered WebM files and JSON lists.

Public names: ``plan_ssv2``.
"""

from __future__ import annotations

import hashlib
import json

from .actions import ACTIONS, TEMPLATES
from .contents import StandinSize
from .ucf101 import TEST_GROUPS
from .writing import PlannedClip, StandinPlan

_VIDEOS = "20bn-something-something-v2"
_THINGS = ("a shape", "a bright disc", "a striped square")
_UNLABELLED_GROUP = 22  # of the test list


def _mixed(number: tuple[str, int, int]) -> str:
    """A key that sorts clips in an order which tells nothing of them."""
    return hashlib.sha256("{} {} {}".format(*number).encode("ascii")).hexdigest()


def _entry(clip_id: int, action: str) -> dict[str, object]:
    template = TEMPLATES[action]
    count = template.count("[something]")
    things = [_THINGS[(clip_id + k) % len(_THINGS)] for k in range(count)]
    label = template
    for thing in things:
        label = label.replace("[something]", thing, 1)
    return {
        "id": str(clip_id),
        "label": label.lower(),
        "template": template,
        "placeholders": things,
    }


def plan_ssv2(size: StandinSize) -> StandinPlan:
    """The files of ``20bn-something-something-v2`` and of the four lists.

    The validation list has the groups that UCF101's first split tests; group 22 is
    the test list's, whose entries have no label.
    """
    numbers = [(a, group, clip) for a in ACTIONS for group, clip in size.numbers]
    clips, lists = [], {"train": [], "validation": [], "test": []}
    for clip_id, (action, group, clip) in enumerate(sorted(numbers, key=_mixed), 1):
        clips.append(
            PlannedClip(f"{_VIDEOS}/{clip_id}.webm", action, group, clip),
        )
        if group == _UNLABELLED_GROUP:
            lists["test"].append({"id": str(clip_id)})
        else:
            side = "validation" if group in TEST_GROUPS[1] else "train"
            lists[side].append(_entry(clip_id, action))
    names = sorted(t.replace("[", "").replace("]", "") for t in TEMPLATES.values())
    labels = {name: str(label) for label, name in enumerate(names)}
    content = {"labels": labels, **lists}
    return StandinPlan(
        "ssv2",
        clips,
        {f"{name}.json": json.dumps(what).encode() for name, what in content.items()},
    )
