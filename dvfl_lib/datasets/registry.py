"""From the name of a benchmark to its data set.

Public names: ``create_dataset``, ``list_datasets``, ``default_split``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from inspect import signature
from typing import Any

from ..errors import DatasetError
from .base import VideoDataset
from .folder import load_folder
from .hmdb51 import load_hmdb51
from .kinetics400 import load_kinetics400
from .ssv2 import load_ssv2
from .ucf50 import load_ucf50
from .ucf101 import load_ucf101

_LOADERS: dict[str, Callable[..., VideoDataset]] = {
    "folder": load_folder,
    "hmdb51": load_hmdb51,
    "kinetics400": load_kinetics400,
    "ssv2": load_ssv2,
    "ucf101": load_ucf101,
    "ucf50": load_ucf50,
}


def list_datasets() -> list[str]:
    """The names that ``create_dataset`` knows."""
    return sorted(_LOADERS)


def default_split(name: str) -> str:
    """The split of a benchmark that is meant where none is named.

    The first official one; for UCF50, which has none, its first group left out; for
    "folder" the division that the folder has. It is the default of the loader.

    Raises:
        DatasetError: unknown name.
    """
    return str(signature(_loader_of(name)).parameters["split"].default)


def _loader_of(name: str) -> Callable[..., VideoDataset]:
    loader = _LOADERS.get(str(name).lower())
    if loader is None:
        near = get_close_matches(str(name).lower(), _LOADERS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DatasetError(
            f"there is no benchmark {name!r}.{hint} Known: {', '.join(list_datasets())}"
        )
    return loader


def create_dataset(
    name: str,
    root: str | os.PathLike[str],
    split: str | int | None = None,
    subset: str = "train",
    **options: Any,
) -> VideoDataset:
    """One subset of one split of a benchmark, read from its original files.

    Args:
        name: see ``list_datasets``.
        root: the folder of the unpacked data set.
        split: the benchmark's name of a split; for UCF101 "1", "2", "3", "authors".
            UCF50 has no split "1"; see ``load_ucf50``. "folder" has shares such as
            "0.2" as well; see ``load_folder``. None: ``default_split``.
        subset: ``"train"`` or ``"test"``; the latter is the validation list of
            Something-Something V2 and Kinetics-400.
        options: passed on to the loader, such as ``frames=8``.

    Raises:
        DatasetError: unknown name, split or subset; missing or incomplete files.
    """
    loader = _loader_of(name)
    split = default_split(name) if split is None else split
    return loader(root, split=split, subset=subset, **options)
