"""UCF101: 101 human actions, 13,320 clips (arXiv 1212.0402), as it is unpacked.

Public names: ``load_ucf101``, ``read_classes``, ``read_list``, ``authors_split``,
``straddling_groups``, ``group_of``, ``ListedClip``, ``SPLITS``.

The layout::

    root/UCF-101/<Class>/v_<Class>_gNN_cNN.avi
    root/ucfTrainTestlist/classInd.txt, trainlist0{1,2,3}.txt, testlist0{1,2,3}.txt

``root`` may also be the folder UCF-101 itself with the lists inside or beside it,
or a folder that holds the class folders directly.

Three traps of the original files. The order of labels is that of ``classInd.txt``
(1-based there), and it is not alphabetical: Hammering, HammerThrow and
JumpingJack, JumpRope. The folder HandstandPushups holds files named
v_HandStandPushups_..., and some copies rename it: names are compared without
regard to case. The test lists carry no label; the folder gives it.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError
from ..video.clips import Sample
from .base import STANDIN_FILE, SUBSETS, VideoDataset, first_few

OFFICIAL_SPLITS = ("1", "2", "3")
SPLITS = (*OFFICIAL_SPLITS, "authors")

_VIDEOS = "UCF-101"
_LISTS = "ucfTrainTestlist"
_GROUP = re.compile(r"_g(\d+)_c\d+\.avi$", re.IGNORECASE)
_WHERE = (
    "UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip are at "
    "https://www.crcv.ucf.edu/data/UCF101.php"
)


@dataclass(frozen=True)
class ListedClip:
    """One line of a list."""

    name: str  # <Class>/<file>.avi, as written
    label: int  # 0-based, by the order of classInd.txt

    @property
    def folder(self) -> str:
        """The class, as written in the line."""
        return self.name.partition("/")[0]


def group_of(name: str) -> str:
    """``"<Class>_gNN"``: the recording from which a clip was cut.

    Raises:
        DatasetError: a name without ``_gNN_cNN.avi``.
    """
    match = _GROUP.search(name)
    if match is None:
        raise DatasetError(f"{name!r} does not end in _gNN_cNN.avi, as UCF101 names do")
    return f"{name.partition('/')[0]}_g{match.group(1)}"


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text("utf-8-sig")  # some editors put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: cannot be read ({error}). {_WHERE}") from error
    # The official files end their lines with CR LF; splitlines takes either.
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_classes(file: Path) -> tuple[str, ...]:
    """The classes of ``classInd.txt`` in the order of their numbers.

    Raises:
        DatasetError: unreadable, or numbers that are not 1, 2, 3 ...
    """
    pairs = [line.split() for line in _lines(file)]
    for pair in pairs:
        if len(pair) != 2 or not pair[0].isdecimal():
            raise DatasetError(f"{file}: expected '<number> <class>', found {pair}")
    pairs.sort(key=lambda pair: int(pair[0]))
    numbers = [int(number) for number, _ in pairs]
    names = [name for _, name in pairs]
    if not pairs or numbers != list(range(1, len(pairs) + 1)):
        raise DatasetError(f"{file}: its class numbers are not 1, 2, 3, ...")
    if len({name.lower() for name in names}) != len(names):
        raise DatasetError(f"{file}: names a class twice")
    return tuple(names)


def read_list(file: Path, classes: Iterable[str]) -> list[ListedClip]:
    """The clips of a train or test list, with or without numbers in it.

    Raises:
        DatasetError: unreadable; an unknown class; a number that contradicts
            ``classes``; a clip named twice.
    """
    label_of = {name.lower(): label for label, name in enumerate(classes)}
    clips = []
    for line in _lines(file):
        name, *number = line.rsplit(maxsplit=1)
        name = name.replace("\\", "/")
        label = label_of.get(name.partition("/")[0].lower())
        if label is None or "/" not in name:
            raise DatasetError(f"{file}: {name!r} is of no class of classInd.txt")
        if number and number[0] != str(label + 1):
            raise DatasetError(
                f"{file}: {name!r} has the number {number[0]}, but classInd.txt gives "
                f"its class {label + 1}. The two files are of different versions: "
                f"take both from the official archive. {_WHERE}"
            )
        clips.append(ListedClip(name, label))
    seen = [clip.name.lower() for clip in clips]
    if len(set(seen)) != len(seen):
        raise DatasetError(f"{file}: names {len(seen) - len(set(seen))} clips twice")
    return clips


def authors_split(clips: Iterable[ListedClip]) -> dict[str, list[ListedClip]]:
    """The split of the DVFL-Net repository: per class the first 80 % by name.

    Of each class the first ceil(0.8 n) clips in the order of their names are for
    training, the rest for testing (its ``train.csv`` and ``val.csv``). The cut
    falls inside a group; see ``straddling_groups``.
    """
    by_class: dict[int, list[ListedClip]] = {}
    for clip in clips:
        by_class.setdefault(clip.label, []).append(clip)
    split: dict[str, list[ListedClip]] = {"train": [], "test": []}
    for label in sorted(by_class):
        ordered = sorted(by_class[label], key=lambda clip: clip.name)
        cut = math.ceil(len(ordered) * 8 / 10)
        split["train"] += ordered[:cut]
        split["test"] += ordered[cut:]
    return split


def straddling_groups(split: Mapping[str, Iterable[ListedClip]]) -> tuple[int, int]:
    """(groups on both sides, test clips of such groups)."""
    seen = {group_of(clip.name) for clip in split["train"]}
    leaked = [group_of(c.name) for c in split["test"] if group_of(c.name) in seen]
    return len(set(leaked)), len(leaked)


def load_ucf101(
    root: str | os.PathLike[str],
    split: str | int = "1",
    subset: str = "train",
    frames: int = 8,
) -> VideoDataset:
    """One subset of one split of UCF101. See the module's docstring for the layout.

    Args:
        split: "1", "2", "3" (official), or "authors": the 80/20 cut of the
            DVFL-Net repository, which warns that groups straddle it.
        frames: T of the clips that ``__getitem__`` shows.

    Raises:
        DatasetError: unknown split or subset; folders or lists missing; files that
            a list names and the disk does not have; lists that contradict.
    """
    split = str(split).lower()
    if split not in SPLITS:
        raise DatasetError(f"UCF101 has the splits {', '.join(SPLITS)}, not {split!r}")
    if subset not in SUBSETS:
        raise DatasetError(f"subset must be 'train' or 'test', not {subset!r}")
    root = Path(root).expanduser()
    lists, videos = _find_folders(root)
    classes = read_classes(lists / "classInd.txt")
    disk = _scan(videos, classes)
    if split == "authors":
        clips = _authors(disk, classes)[subset]
    else:
        clips = read_list(lists / f"{subset}list0{split}.txt", classes)
    samples = _locate(clips, disk, classes, videos)
    standin = any((folder / STANDIN_FILE).is_file() for folder in (root, lists.parent))
    return VideoDataset(
        "ucf101", root, split, subset, classes, samples, frames, standin
    )


def _find_folders(root: Path) -> tuple[Path, Path]:
    """(folder of the lists, folder of the class folders)."""
    if not root.is_dir():
        raise DatasetError(
            f"{root}: there is no such folder. Give the folder that holds {_VIDEOS} "
            f"and {_LISTS}. {_WHERE}"
        )
    beside = [root.parent] if root.name == _VIDEOS else []
    places = [place / name for place in (root, *beside) for name in (_LISTS, "")]
    lists = next((p for p in places if (p / "classInd.txt").is_file()), None)
    if lists is None:
        raise DatasetError(
            f"{root}: there is no {_LISTS}/classInd.txt. Unpack "
            f"UCF101TrainTestSplits-RecognitionTask.zip there. {_WHERE}"
        )
    videos = root / _VIDEOS
    if videos.is_dir():
        return lists, videos
    if any(root.glob("*/v_*_g*_c*.avi")):
        return lists, root
    packed = first_few(sorted(p.name for p in root.glob("*.rar")))
    raise DatasetError(
        f"{root}: there is no folder {_VIDEOS}. "
        + (
            f"{packed} is still packed: unpack it there (unrar x)."
            if packed
            else _WHERE
        )
    )


def _scan(videos: Path, classes: Iterable[str]) -> dict[str, dict[str, Path]]:
    """{class in lower case: {file name in lower case: path}} of what is on disk."""
    disk: dict[str, dict[str, Path]] = {name.lower(): {} for name in classes}
    try:
        with os.scandir(videos) as folders:
            wanted = [f for f in folders if f.name.lower() in disk and f.is_dir()]
        for folder in sorted(wanted, key=lambda entry: entry.name):
            files = disk[folder.name.lower()]
            for name in sorted(os.listdir(folder.path)):
                # Names that begin with a dot are leftovers of copying.
                if name.lower().endswith(".avi") and not name.startswith("."):
                    files[name.lower()] = Path(folder.path, name)
    except OSError as error:
        raise DatasetError(f"{videos}: cannot be listed ({error})") from error
    return disk


def _authors(
    disk: Mapping[str, Mapping[str, Path]], classes: tuple[str, ...]
) -> dict[str, list[ListedClip]]:
    empty = [name for name in classes if not disk[name.lower()]]
    if empty:
        raise DatasetError(
            "the split 'authors' is cut from the files on disk, and these classes "
            f"have none: {first_few(empty)}. Unpack UCF101.rar again"
        )
    split = authors_split(
        ListedClip(f"{name}/{path.name}", label)
        for label, name in enumerate(classes)
        for path in disk[name.lower()].values()
    )
    groups, clips = straddling_groups(split)
    warnings.warn(
        f"the authors' split of UCF101 shares {groups} groups between training and "
        f"test: {clips} of {len(split['test'])} test clips come from a recording "
        "that is trained on. Its accuracies are too high; compare them with nothing "
        "but each other",
        stacklevel=4,
    )
    return split


def _locate(
    clips: Iterable[ListedClip],
    disk: Mapping[str, Mapping[str, Path]],
    classes: tuple[str, ...],
    videos: Path,
) -> list[Sample]:
    samples, missing = [], []
    clips = list(clips)
    for clip in clips:
        path = disk[clip.folder.lower()].get(clip.name.partition("/")[2].lower())
        if path is None:
            missing.append(clip.name)
            continue
        group = group_of(f"{classes[clip.label]}/{path.name}")
        samples.append(Sample(path, clip.label, group, clip.name))
    if missing:
        raise DatasetError(
            f"{videos}: {len(missing)} of {len(clips)} videos of the list are "
            f"missing: {first_few(missing)}. The archive may be half unpacked: unpack "
            f"UCF101.rar again. {_WHERE}"
        )
    return samples
