"""UCF101 (13,320 clips, arXiv 1212.0402) and UCF50, as ``data/README.md`` shows them.

Public names: ``load_ucf101``, ``load_ucf50``, ``read_classes``, ``read_list``,
``group_of``, ``group_number``, ``fold_group``, ``authors_split``,
``straddling_groups``, ``UCF50_SPLITS``.

The clips of a group were cut from one recording: an honest split keeps it on one side.

Traps of UCF101. The order of labels is that of ``classInd.txt`` (1-based there), and
it is not alphabetical: Hammering, HammerThrow and JumpingJack, JumpRope. The folder
HandstandPushups holds files named v_HandStandPushups_..., and some copies rename it,
so names are compared without regard to case. The test lists carry no label.

Traps of UCF50. No list names classes or splits: labels follow a plain sort of the
folders, JumpRope before JumpingJack. Billiards holds files v_Billards_, PullUps
v_Pullup_: the folder gives the label. Six classes have more than 25 groups, up to 30
(63 clips that others may leave out): 26 goes where 1 goes, 27 where 2 goes, and so on.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import DatasetError
from ..standins.scenes import ACTIONS
from ..video.clips import Sample
from .base import (
    SUBSETS,
    VideoDataset,
    find_folder,
    first_few,
    is_whole,
    keep_found,
    marked_standin,
    official_classes,
    read_lines,
    register,
    scan_folders,
)
from .leakage import refuse_shared, refuse_twice

UCF101_OFFICIAL = ("1", "2", "3")
GROUPS = 25  # that every class of UCF50 has
# Splits of UCF50 -> the groups that they test on.
_BY_GROUP = {f"group{n:02d}": (n,) for n in range(1, GROUPS + 1)}
_BY_FOLD = {f"fold{n}": tuple(range(5 * n - 4, 5 * n + 1)) for n in range(1, 6)}
UCF50_SPLITS = (*_BY_GROUP, *_BY_FOLD, "authors")
# Prefixes of file names, in lower case, that are not their folder's name: two of UCF50,
# and two of its stand-in.
_PREFIXES = {
    "billards": "billiards",
    "pullup": "pullups",
    "sweling": "swelling",
    "shrink": "shrinking",
}

_AT = "https://www.crcv.ucf.edu/data"
_WHERE_101 = (
    f"UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip are at {_AT}/UCF101.php"
)
_WHERE_50 = f"UCF50.rar is at {_AT}/UCF50.php"

Clips = dict[str, int]  # "<Class>/<file>.avi" -> label


def group_of(name: str) -> str:
    """``"<Class>_gNN"``: the recording that ``<Class>/<file>`` was cut from."""
    match = re.search(r"_g(\d+)_c\d+\.avi$", name, re.IGNORECASE)
    if match is None:
        raise DatasetError(
            f"{name!r} does not end in _gNN_cNN.avi, as names of UCF50 and UCF101 do"
        )
    return f"{name.partition('/')[0]}_g{match[1]}"


def group_number(name: str) -> int:
    """NN of ``_gNN_``."""
    return int(group_of(name).rpartition("_g")[2])


def fold_group(number: int) -> int:
    """The group, 1 to 25, with which a group of UCF50 is tested: itself or 25 less."""
    return (number - 1) % GROUPS + 1


def authors_split(clips: Mapping[str, int]) -> dict[str, Clips]:
    """The split of the DVFL-Net repository, of ``<Class>/<file>`` -> label.

    Of each class the first ceil(0.8 n) clips in the order of their names are for
    training, the rest for testing (its ``train.csv`` and ``val.csv``). The cut
    falls inside a group; see ``straddling_groups``.
    """
    split: dict[str, Clips] = {"train": {}, "test": {}}
    for label in sorted(set(clips.values())):
        names = sorted(name for name, its_label in clips.items() if its_label == label)
        cut = math.ceil(len(names) * 8 / 10)
        split["train"] |= dict.fromkeys(names[:cut], label)
        split["test"] |= dict.fromkeys(names[cut:], label)
    return split


def straddling_groups(split: Mapping[str, Iterable[str]]) -> tuple[int, int]:
    """(groups on both sides, test clips of such groups) of names of clips."""
    seen = {group_of(name) for name in split["train"]}
    leaked = [group for name in split["test"] if (group := group_of(name)) in seen]
    return len(set(leaked)), len(leaked)


def _authors_with_warning(clips: Clips, title: str) -> dict[str, Clips]:
    split = authors_split(clips)
    groups, leaked = straddling_groups(split)
    warnings.warn(
        f"the authors' split of {title} shares {groups} groups between training and "
        f"test: {leaked} of {len(split['test'])} test clips come from a recording "
        "that is trained on. Its accuracies may be too high; compare them with "
        "nothing but each other",
        stacklevel=4,
    )
    return split


def _all_clips(disk: dict[str, Path], classes: Sequence[str], title: str) -> Clips:
    """Everything that the folders hold, for splits that are cut from it."""
    label_of = {name.lower(): label for label, name in enumerate(classes)}
    folders = {key.partition("/")[0] for key in disk}
    if wrong := sorted(folders ^ set(label_of)):
        raise DatasetError(
            f"this split of {title} is cut from the files on disk, and these folders "
            f"hold no .avi file or are of no class: {first_few(wrong)}. Unpack "
            f"{title}.rar again, and take away what is not of it"
        )
    clips = {}
    for key, path in disk.items():
        label = label_of[key.partition("/")[0]]
        clips[f"{classes[label]}/{path.name}"] = label
    return dict(sorted(clips.items(), key=lambda clip: (clip[1], clip[0])))


def _found(
    clips: Clips, disk: dict[str, Path], videos: Path, where: str
) -> list[Sample]:
    samples = [
        Sample(disk.get(name.lower(), videos / name), label, group_of(name), name)
        for name, label in clips.items()
    ]
    half = " The archive may be half unpacked (empty files count as missing)."
    there = set(disk.values())  # a list may not lead to the folder of another class
    return keep_found(
        samples, videos, f"{half} {where}", lambda s: s.path in there and is_whole(s)
    )


# --- UCF101 --------------------------------------------------------------------------


def read_classes(file: Path) -> tuple[str, ...]:
    """The classes of ``classInd.txt`` in the order of their numbers."""
    pairs = [line.split() for line in read_lines(file, _WHERE_101)]
    by_number = {pair[0]: pair[-1] for pair in pairs if len(pair) == 2}
    wanted = [str(number) for number in range(1, len(pairs) + 1)]
    if set(by_number) != set(wanted):
        raise DatasetError(
            f"{file}: expected lines '<number> <class>' with the numbers 1, 2, 3, ..."
        )
    return tuple(by_number[number] for number in wanted)


def read_list(file: Path, classes: Sequence[str]) -> Clips:
    """The clips of ``trainlist0N.txt`` or ``testlist0N.txt``."""
    label_of = {name.lower(): label for label, name in enumerate(classes)}
    clips = []
    for line in read_lines(file, _WHERE_101):
        name, *number = line.split()
        folder, _, clip = name.partition("/")
        label = label_of.get(folder.lower())
        if label is None or number not in ([], [str(label + 1)]):
            told = "no class" if label is None else f"number {label + 1}"
            raise DatasetError(f"{file}: {line!r} is {told} of classInd.txt")
        clips.append((f"{classes[label]}/{clip}", label))
    refuse_twice(file, (name for name, _ in clips), _WHERE_101)
    return dict(clips)


@register(
    "ucf101",
    holds=f"UCF-101 and ucfTrainTestlist. {_WHERE_101}",
    splits=(*UCF101_OFFICIAL, "authors"),
    protocols=(UCF101_OFFICIAL,),
    released_order=sorted,
)
def load_ucf101(root: Path, split: str, subset: str) -> VideoDataset:
    """UCF101: "1", "2", "3" (official), or "authors", see ``authors_split``."""
    videos = find_folder(root, "UCF-101", _WHERE_101)
    lists = find_folder(root, "ucfTrainTestlist", _WHERE_101)
    classes = read_classes(lists / "classInd.txt")
    disk = scan_folders(videos)
    if split == "authors":
        clips = _authors_with_warning(_all_clips(disk, classes, "UCF101"), "UCF101")
    else:
        clips = {s: read_list(lists / f"{s}list0{split}.txt", classes) for s in SUBSETS}
        groups = {side: map(group_of, names) for side, names in clips.items()}
        refuse_shared(groups, "groups", lists, _WHERE_101)
    samples = _found(clips[subset], disk, videos, _WHERE_101)
    return VideoDataset("ucf101", root, split, subset, classes, samples)


# --- UCF50 ---------------------------------------------------------------------------


@register(
    "ucf50",
    holds=f"UCF50. {_WHERE_50}",
    splits=UCF50_SPLITS,
    about_splits="group01 to group25 (one group left out), fold1 to fold5 (five groups "
    "each) and authors. It has no official list",
    protocols=(tuple(_BY_GROUP), tuple(_BY_FOLD)),
    standin_splits=("fold1",),
    released_order=sorted,
)
def load_ucf50(root: Path, split: str, subset: str) -> VideoDataset:
    """UCF50, which has no official split.

    Args:
        split: "group01" to "group25" (leave one group out; the mean over them is the
            data set's usual number), "fold1" to "fold5" (five groups each, a cheaper
            choice of this project), or "authors", see ``authors_split``.
    """
    videos = find_folder(root, "UCF50", _WHERE_50)
    standin = marked_standin(root)
    classes = tuple(sorted(ACTIONS)) if standin else official_classes("ucf50")
    disk = scan_folders(videos)
    clips = _all_clips(disk, classes, "UCF50")
    _check_ucf50(videos, clips, classes)
    if not standin and len(clips) not in (6681, 6676):
        warnings.warn(
            f"{videos} holds {len(clips)} clips; UCF50 has 6681, or 6676 by its own "
            "page. It may be half unpacked: state the number with your results",
            stacklevel=3,
        )
    if split == "authors":
        clips = _authors_with_warning(clips, "UCF50")[subset]
    else:
        tested = (_BY_GROUP | _BY_FOLD)[split]
        clips = {
            name: label
            for name, label in clips.items()
            if (fold_group(group_number(name)) in tested) == (subset == "test")
        }
    samples = _found(clips, disk, videos, _WHERE_50)
    return VideoDataset("ucf50", root, split, subset, classes, samples)


def _check_ucf50(videos: Path, clips: Clips, classes: Sequence[str]) -> None:
    """No list says what should be there; that every class has 25 groups does."""
    lacking = [set(range(1, GROUPS + 1)) for _ in classes]
    for name, label in clips.items():
        lacking[label].discard(group_number(name))
        prefix = name.lower().partition("/v_")[2].partition("_")[0]
        if _PREFIXES.get(prefix, prefix) != classes[label].lower():
            raise DatasetError(
                f"{videos / name}: its name is of another class than its folder. "
                "Move it where it belongs, or unpack UCF50.rar again"
            )
    for name, groups in zip(classes, lacking, strict=True):
        if groups:
            raise DatasetError(
                f"{videos}: {name} lacks the groups {first_few(sorted(groups))}, and "
                f"every class has {GROUPS}. Unpack UCF50.rar again. {_WHERE_50}"
            )
