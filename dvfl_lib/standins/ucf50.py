"""The stand-in for UCF50: its folders, without a list, and its odd names.

Public names: ``plan_ucf50``.
"""

from __future__ import annotations

from ..errors import DatasetError
from .actions import ACTIONS
from .contents import StandinSize
from .writing import PlannedClip, StandinPlan

# As UCF50's folders Billiards and PullUps hold files v_Billards_ and v_Pullup_.
_PREFIXES = {"Swelling": "Sweling", "Shrinking": "Shrink"}
# As six classes of UCF50 have more groups than the others.
_LONGER = "Approaching"


def plan_ucf50(size: StandinSize) -> StandinPlan:
    """The files of ``UCF50``.

    Raises:
        DatasetError: fewer than 25 groups, which every class of UCF50 has.
    """
    if size.groups < 25:
        raise DatasetError("a stand-in for UCF50 needs 25 groups or more")
    clips = []
    for action in sorted(ACTIONS):
        numbers = size.numbers
        if action == _LONGER:
            more = range(1, size.clips_per_group + 1)
            numbers = [*numbers, *((size.groups + 1, clip) for clip in more)]
        prefix = _PREFIXES.get(action, action)
        clips += [
            PlannedClip(
                f"UCF50/{action}/v_{prefix}_g{group:02d}_c{clip:02d}.avi",
                action,
                group,
                clip,
            )
            for group, clip in numbers
        ]
    return StandinPlan("ucf50", clips, {})
