"""The stand-in for UCF101: twelve actions under the names of a small UCF101.

Public names: ``plan_ucf101``, ``TEST_GROUPS``.
"""

from __future__ import annotations

from .actions import ACTIONS
from .contents import StandinSize
from .writing import PlannedClip, StandinPlan

TEST_GROUPS = {1: range(1, 8), 2: range(8, 15), 3: range(15, 22)}  # as in UCF101


def plan_ucf101(size: StandinSize) -> StandinPlan:
    """The files of ``UCF-101`` and ``ucfTrainTestlist``."""
    clips = [
        PlannedClip(
            f"UCF-101/{action}/v_{action}_g{group:02d}_c{clip:02d}.avi",
            action,
            group,
            clip,
        )
        for action in ACTIONS
        for group, clip in size.numbers
    ]
    return StandinPlan("ucf101", clips, _lists(clips))


def _lists(clips: list[PlannedClip]) -> dict[str, bytes]:
    """The class index and the three pairs of lists, with CR LF as in UCF101."""
    files = {"classInd.txt": [f"{n} {a}" for n, a in enumerate(ACTIONS, start=1)]}
    for split, test_groups in TEST_GROUPS.items():
        train, test = [], []
        for clip in clips:
            line = clip.path.removeprefix("UCF-101/")
            if clip.group in test_groups:
                test.append(line)
            else:
                train.append(f"{line} {ACTIONS.index(clip.action) + 1}")
        files[f"trainlist0{split}.txt"] = train
        files[f"testlist0{split}.txt"] = test
    return {
        f"ucfTrainTestlist/{name}": "\r\n".join([*lines, ""]).encode("ascii")
        for name, lines in files.items()
    }
