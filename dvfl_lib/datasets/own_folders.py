"""Videos sorted into folders, one for each class.

Public names: ``samples_of_folders``, ``divide``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ..errors import DatasetError
from ..seeding import derive_seed
from ..video.clips import Sample
from .base import first_few
from .disk import is_folder, is_video, list_folder, packed_in
from .folder_lists import check_class_names, plain_name


def samples_of_folders(
    root: Path, folders: dict[str, Path], names: tuple[str, ...] | None
) -> tuple[tuple[str, ...], dict[str, list[Sample]]]:
    """What folders show that hold a folder for each class.

    Args:
        folders: side -> its folder; the first side is the one that knows all classes.
        names: the classes in the order of their labels, if there is a list of them.

    Returns:
        The classes, and side -> videos, by class and then by path.

    Raises:
        DatasetError: a video outside of them, a folder of an unknown class, or an
            empty one; a link that leads nowhere or to what is read already.
    """
    found = {side: _class_folders(folder) for side, folder in folders.items()}
    first = next(iter(folders))  # the training side, or all
    classes = names or check_class_names(sorted(found[first]), folders[first])
    label_of = {name: label for label, name in enumerate(classes)}
    for side, mine in found.items():
        strange = [name for name in mine if name not in label_of]
        if strange:
            known = "classes.txt" if names else "the training side"
            raise DatasetError(
                f"{folders[side]}: {known} does not know {first_few(strange)}; it has "
                f"{first_few(classes)}. Are names spelled alike?"
            )
    sides = {
        side: [
            sample
            for name in sorted(mine, key=label_of.__getitem__)
            for sample in _videos_of(root, mine[name], name, label_of[name])
        ]
        for side, mine in found.items()
    }
    return classes, sides


def _class_folders(folder: Path) -> dict[str, Path]:
    entries = _live(folder)
    below = [entry for entry in entries if is_folder(entry)]
    loose = [e.name for e in entries if is_video(e.name) and e not in below]
    if loose:
        raise DatasetError(
            f"{folder}: {first_few(loose)} lies in no class's folder, so its label is "
            "not known. Move it, or write train.csv and test.csv"
        )
    found: dict[str, Path] = {}
    for entry in below:
        name = plain_name(entry.name)
        if name in found:
            raise DatasetError(
                f"{folder}: there are two folders {name}, whose names look alike. Put "
                "the videos of the class into one of them"
            )
        found[name] = Path(entry.path)
    if not found:
        raise DatasetError(
            f"{folder}: holds no folder of a class.{packed_in([folder])} Give each "
            "class a folder with its videos"
        )
    return found


def _live(folder: Path) -> list[os.DirEntry]:
    """The entries of a folder. A link to nothing may stand for a whole class."""
    entries = list_folder(folder)
    for entry in entries:
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise DatasetError(
                f"{entry.path}: is a link that leads nowhere. Is the disk there that "
                "it leads to? Mend it, or take it away"
            )
    return entries


def _walk(folder: Path, seen: dict[str, Path]) -> Iterator[Path]:
    """The videos of a folder and then those of its folders, links among them."""
    place = os.path.realpath(folder)
    if place in seen:
        raise DatasetError(
            f"{folder}: is the same folder as {seen[place]}, by a link. Take one away"
        )
    seen[place] = folder
    entries = _live(folder)
    below = [entry for entry in entries if is_folder(entry)]
    for entry in entries:
        if is_video(entry.name) and entry not in below:
            yield Path(entry.path)
    for entry in below:
        yield from _walk(Path(entry.path), seen)


def _videos_of(root: Path, folder: Path, name: str, label: int) -> list[Sample]:
    """All videos in a class's folder and below it."""
    samples = []
    for path in _walk(folder, {}):
        below = path.relative_to(folder).parts  # (group, ..., file) or (file,)
        listed = path.relative_to(root).as_posix()
        samples.append(Sample(path, label, f"{name}/{below[0]}", listed))
    if not samples:
        raise DatasetError(
            f"{folder}: holds no video, so the class {name!r} would be empty."
            f"{packed_in([folder])} Fill it or take it away"
        )
    return samples


def divide(
    samples: Sequence[Sample], classes: Sequence[str], share: float, seed: int
) -> dict[str, list[Sample]]:
    """Of each class, ``share`` of its groups to the test side, at least one.

    Which, is a fixed function of the names and of ``seed``.

    Raises:
        DatasetError: a class of fewer than two groups.
    """
    held: set[tuple[int, str]] = set()
    for label, name in enumerate(classes):
        groups = sorted({s.group for s in samples if s.label == label})
        if len(groups) < 2:
            raise DatasetError(
                f"the class {name!r} has {len(groups)} groups, and a division takes "
                "two or more: a group stays on one side"
            )
        count = min(max(1, round(share * len(groups))), len(groups) - 1)
        generator = torch.Generator().manual_seed(derive_seed(seed, "divide", name))
        order = torch.randperm(len(groups), generator=generator).tolist()
        held.update((label, groups[place]) for place in order[:count])
    return {
        "train": [s for s in samples if (s.label, s.group) not in held],
        "test": [s for s in samples if (s.label, s.group) in held],
    }
