"""The stand-in for Kinetics-400: H.264 under names of YouTube ids, with holes in it.

Public names: ``plan_kinetics400``.
"""

from __future__ import annotations

import base64
import hashlib

from .actions import ACTIONS, PHRASES
from .contents import StandinSize
from .ucf101 import TEST_GROUPS
from .writing import PlannedClip, StandinPlan

_SIDES = ("train", "val")
# (action, group): the first clip is on the list and not on the disk.
_MISSING = {("Appearing", 8), ("Rising", 9), ("Sinking", 2)}
# The one file that cannot be read, on the validation list.
_DAMAGED = ("Vanishing", 3)
# How an MP4 file begins whose end, where the index is, never arrived.
_CUT_SHORT = (
    b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
    b"\0\0\0\x08free\0\1\0\0mdat" + bytes(range(256)) * 16
)


def _youtube_id(action: str, group: int) -> str:
    """Eleven letters, digits, - and _; every fifth begins with a dash."""
    digest = hashlib.sha256(f"{action} {group}".encode("ascii")).digest()
    name = base64.urlsafe_b64encode(digest)[:11].decode("ascii")
    return "-" + name[1:] if group % 5 == 0 else name


def _row(action: str, name: str, start: int, side: str) -> str:
    """A line of a list, which quotes labels of several words."""
    label = PHRASES[action]
    label = f'"{label}"' if " " in label else label
    return f"{label},{name},{start},{start + 10},{side}"


def plan_kinetics400(size: StandinSize) -> StandinPlan:
    """The files of ``train``, ``val`` and ``annotations``.

    A group is one YouTube id. The validation list has the groups that UCF101's first
    split tests. Three clips that are listed are missing, and one is damaged.
    """
    clips, files = [], {}
    rows = {side: ["label,youtube_id,time_start,time_end,split"] for side in _SIDES}
    for action in sorted(ACTIONS, key=PHRASES.__getitem__):
        for group, clip in size.numbers:
            side = "val" if group in TEST_GROUPS[1] else "train"
            name, start = _youtube_id(action, group), 3 * group + 20 * clip
            rows[side].append(_row(action, name, start, side))
            path = f"{side}/{name}_{start:06d}_{start + 10:06d}.mp4"
            if clip == 1 and (action, group) == _DAMAGED:
                files[path] = _CUT_SHORT
            elif clip > 1 or (action, group) not in _MISSING:
                clips.append(PlannedClip(path, action, group, clip))
    for side, lines in rows.items():
        files[f"annotations/{side}.csv"] = "\n".join([*lines, ""]).encode("ascii")
    return StandinPlan("kinetics400", clips, files)
