"""The same twelve actions in the layouts and under the names of benchmarks.

Public names: ``PLANS``, ``list_standins``, ``plan_standin``, ``PlannedClip``,
``StandinPlan``, ``TEST_GROUPS``.

For one more benchmark: a function from ``StandinSize`` to ``StandinPlan``, and a line
in ``PLANS``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import DatasetError
from ..video.writing import FRAME_RATE
from .scenes import ACTIONS, HMDB51_NAMES, KINETICS_NAMES, SSV2_NAMES, StandinSize


@dataclass(frozen=True)
class PlannedClip:
    """One video file and what it shows."""

    path: str  # below the root, with "/"; the suffix says how it is coded
    action: str  # one of ``scenes.ACTIONS``
    group: int  # clips of one group share a scene
    clip: int  # number within the group; each has a motion of its own


@dataclass(frozen=True)
class StandinPlan:
    """All files of a stand-in."""

    benchmark: str
    clips: list[PlannedClip]
    lists: dict[str, bytes]  # path below the root -> content of an annotation file
    frame_rate: int = FRAME_RATE


# --- UCF101: 25 groups, three splits ---

TEST_GROUPS = {1: range(1, 8), 2: range(8, 15), 3: range(15, 22)}  # as in UCF101


def _ucf_clip(top: str, action: str, name: str, group: int, clip: int) -> PlannedClip:
    path = f"{top}/{action}/v_{name}_g{group:02d}_c{clip:02d}.avi"
    return PlannedClip(path, action, group, clip)


def _plan_ucf101(size: StandinSize) -> StandinPlan:
    """The files of ``UCF-101`` and ``ucfTrainTestlist``, whose lines end with CR LF."""
    clips = [
        _ucf_clip("UCF-101", action, action, group, clip)
        for action in ACTIONS
        for group, clip in size.numbers
    ]
    lists = {"classInd.txt": [f"{n} {a}" for n, a in enumerate(ACTIONS, start=1)]}
    for split, test_groups in TEST_GROUPS.items():
        train = lists[f"trainlist0{split}.txt"] = []
        test = lists[f"testlist0{split}.txt"] = []
        for clip in clips:
            line = clip.path.removeprefix("UCF-101/")
            if clip.group in test_groups:
                test.append(line)
            else:
                train.append(f"{line} {ACTIONS.index(clip.action) + 1}")
    files = {
        f"ucfTrainTestlist/{name}": "\r\n".join([*lines, ""]).encode("ascii")
        for name, lines in lists.items()
    }
    return StandinPlan("ucf101", clips, files)


# --- UCF50: folders without a list, and odd names ---

# As UCF50's folders Billiards and PullUps hold files v_Billards_ and v_Pullup_.
_PREFIXES = {"Swelling": "Sweling", "Shrinking": "Shrink"}
# As six classes of UCF50 have more groups than the others.
_LONGER = "Approaching"


def _plan_ucf50(size: StandinSize) -> StandinPlan:
    """The files of ``UCF50``, every class of which has 25 groups or more."""
    if size.groups < 25:
        raise DatasetError("a stand-in for UCF50 needs 25 groups or more")
    clips = []
    for action in sorted(ACTIONS):
        groups = size.groups + (action == _LONGER)
        numbers = replace(size, groups=groups).numbers
        prefix = _PREFIXES.get(action, action)
        clips += [_ucf_clip("UCF50", action, prefix, *number) for number in numbers]
    return StandinPlan("ucf50", clips, {})


# --- HMDB51: one list for each class and split, and odd names ---

# Sources with the characters that occur in names of HMDB51; the group's number
# makes each of them another. One holds a class that is not the clip's.
_SOURCES = (
    "Film_{:02d}",
    "#{:02d}_[Best]_of_(them)!",
    "a&b;c+d@e~{:02d}",
    "how_to_rise_and_sink_-_{:02d}",
    "__{:02d}__",
)


def _hmdb51_name(verb: str, group: int, clip: int) -> str:
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


def _plan_hmdb51(size: StandinSize) -> StandinPlan:
    """The files of ``hmdb51_org`` and ``testTrainMulti_7030_splits``."""
    clips, lists = [], {}
    for action, verb in sorted(HMDB51_NAMES.items(), key=lambda item: item[1]):
        named = sorted(
            (_hmdb51_name(verb, *number), *number) for number in size.numbers
        )
        clips += [
            PlannedClip(f"hmdb51_org/{verb}/{name}", action, group, clip)
            for name, group, clip in named
        ]
        for split in TEST_GROUPS:
            lines = [f"{name} {_flag(group, split)} \n" for name, group, _ in named]
            file = f"testTrainMulti_7030_splits/{verb}_test_split{split}.txt"
            lists[file] = "".join(lines).encode("ascii")
    return StandinPlan("hmdb51", clips, lists, frame_rate=30)


# --- Something-Something V2: numbered WebM files and JSON lists ---

_SSV2_VIDEOS = "20bn-something-something-v2"
_THINGS = ("a shape", "a bright disc", "a striped square")
_UNLABELLED_GROUP = 22  # of the test list


def _mixed(number: tuple[str, int, int]) -> str:
    """A key that sorts clips in an order which tells nothing of them."""
    return hashlib.sha256("{} {} {}".format(*number).encode("ascii")).hexdigest()


def _ssv2_entry(clip_id: int, action: str) -> dict[str, object]:
    template = SSV2_NAMES[action]
    count = template.count("[something]")
    things = [_THINGS[(clip_id + k) % len(_THINGS)] for k in range(count)]
    label = template.replace("[something]", "{}").format(*things).lower()
    told = {"template": template, "placeholders": things}
    return {"id": str(clip_id), "label": label, **told}


def _plan_ssv2(size: StandinSize) -> StandinPlan:
    """The files of ``20bn-something-something-v2`` and of the four lists.

    The validation list has the groups that UCF101's first split tests; group 22 is
    the test list's, whose entries have no label.
    """
    numbers = [(a, group, clip) for a in ACTIONS for group, clip in size.numbers]
    clips, lists = [], {"train": [], "validation": [], "test": []}
    for clip_id, (action, group, clip) in enumerate(sorted(numbers, key=_mixed), 1):
        path = f"{_SSV2_VIDEOS}/{clip_id}.webm"
        clips.append(PlannedClip(path, action, group, clip))
        if group == _UNLABELLED_GROUP:
            lists["test"].append({"id": str(clip_id)})
        else:
            side = "validation" if group in TEST_GROUPS[1] else "train"
            lists[side].append(_ssv2_entry(clip_id, action))
    names = sorted(t.replace("[", "").replace("]", "") for t in SSV2_NAMES.values())
    labels = {name: str(label) for label, name in enumerate(names)}
    files = {
        f"{name}.json": json.dumps(told).encode()
        for name, told in {"labels": labels, **lists}.items()
    }
    return StandinPlan("ssv2", clips, files)


# --- Kinetics-400: H.264 under names of YouTube ids, with holes in it ---

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


def _plan_kinetics400(size: StandinSize) -> StandinPlan:
    """The files of ``train``, ``val`` and ``annotations``.

    A group is one YouTube id. The validation list has the groups that UCF101's first
    split tests. Three clips that are listed are missing, and one is damaged.
    """
    clips, files = [], {}
    rows = {side: ["label,youtube_id,time_start,time_end,split"] for side in _SIDES}
    for action, label in sorted(KINETICS_NAMES.items(), key=lambda item: item[1]):
        quoted = f'"{label}"' if " " in label else label  # those of several words
        for group, clip in size.numbers:
            side = "val" if group in TEST_GROUPS[1] else "train"
            name, start = _youtube_id(action, group), 3 * group + 20 * clip
            rows[side].append(f"{quoted},{name},{start},{start + 10},{side}")
            path = f"{side}/{name}_{start:06d}_{start + 10:06d}.mp4"
            if clip == 1 and (action, group) == _DAMAGED:
                files[path] = _CUT_SHORT
            elif clip > 1 or (action, group) not in _MISSING:
                clips.append(PlannedClip(path, action, group, clip))
    for side, lines in rows.items():
        files[f"annotations/{side}.csv"] = "\n".join([*lines, ""]).encode("ascii")
    return StandinPlan("kinetics400", clips, files)


PLANS: dict[str, Callable[[StandinSize], StandinPlan]] = {
    "hmdb51": _plan_hmdb51,
    "kinetics400": _plan_kinetics400,
    "ssv2": _plan_ssv2,
    "ucf101": _plan_ucf101,
    "ucf50": _plan_ucf50,
}


def list_standins() -> list[str]:
    """The data sets that have a stand-in."""
    return sorted(PLANS)


def plan_standin(name: str, size: StandinSize) -> StandinPlan:
    """Which files a stand-in of that size has.

    Raises:
        DatasetError: unknown name.
    """
    plan = PLANS.get(name.lower())
    if plan is None:
        raise DatasetError(
            f"there is no stand-in for {name!r}. Known: {', '.join(list_standins())}"
        )
    return plan(size)
