"""The stand-in for HMDB51: one list for each class and split, and odd names.

Public names: ``plan_hmdb51``.
"""

from __future__ import annotations

from .actions import VERBS
from .contents import StandinSize
from .ucf101 import TEST_GROUPS
from .writing import PlannedClip, StandinPlan

# Sources with the characters that occur in names of HMDB51; the group's number
# makes each of them another. One holds a class that is not the clip's.
_SOURCES = (
    "Film_{:02d}",
    "#{:02d}_[Best]_of_(them)!",
    "a&b;c+d@e~{:02d}",
    "how_to_rise_and_sink_-_{:02d}",
    "__{:02d}__",
)


def _name(verb: str, group: int, clip: int) -> str:
    """<source>_<class>_<body>_<motion>_np<N>_<view>_<quality>_<n>.avi.

    What stands behind the class tells nothing of it.
    """
    source = _SOURCES[group % len(_SOURCES)].format(group)
    body, motion = "fhlu"[clip % 4], ("cm", "nm")[group % 2]
    view, quality = ("ba", "fr", "le", "ri")[clip % 4], ("bad", "med", "goo")[clip % 3]
    return f"{source}_{verb}_{body}_{motion}_np1_{view}_{quality}_{clip - 1}.avi"


def _flag(group: int, split: int) -> int:
    """1 train, 2 test, 0 neither: in each split another group is left out."""
    if group in TEST_GROUPS[split]:
        return 2
    return 0 if group == 21 + split else 1


def plan_hmdb51(size: StandinSize) -> StandinPlan:
    """The files of ``hmdb51_org`` and ``testTrainMulti_7030_splits``."""
    clips, lists = [], {}
    for action, verb in sorted(VERBS.items(), key=lambda item: item[1]):
        named = sorted((_name(verb, *number), *number) for number in size.numbers)
        clips += [
            PlannedClip(f"hmdb51_org/{verb}/{name}", action, group, clip)
            for name, group, clip in named
        ]
        for split in TEST_GROUPS:
            lines = [f"{name} {_flag(group, split)} \n" for name, group, _ in named]
            file = f"testTrainMulti_7030_splits/{verb}_test_split{split}.txt"
            lists[file] = "".join(lines).encode("ascii")
    return StandinPlan("hmdb51", clips, lists, frame_rate=30)
