"""Clips with files, a teacher that counts, and a small teacher cache, for tests.

Public names: ``Clips``, ``Counted``, ``opened``, ``content``, ``assert_refused``,
``NAMES``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.recipes import AugmentRecipe, DataRecipe
from dvfl_lib.training.devices import make_accelerator
from dvfl_lib.training.stored_teacher import StoredTeacher
from dvfl_lib.video.clips import ClipKey, Sample
from tiny_training import MemoryClips, tiny_model

NAMES = ("jump", "run", "sit", "walk")


class Clips(MemoryClips):
    """Two views of 24 clips that have files and recipes, as real ones do."""

    data = DataRecipe(frames=2, short_side=16, crop=16)
    augment = AugmentRecipe(mixup=0, cutmix=0)
    flip_labels = None

    def __init__(
        self, folder: Path, views: int = 2, unreadable: set[int] = frozenset()
    ):
        super().__init__(views=views)
        self.unreadable = set(unreadable)
        self.samples = [
            Sample(folder / s.name, s.label, s.group, s.name) for s in self.samples
        ]
        folder.mkdir(exist_ok=True)
        for sample in self.samples:
            if not sample.path.exists():
                sample.path.write_bytes(f"video {sample.name}".encode() * 9)

    def __getitem__(self, key: ClipKey) -> dict:
        index, messages = key.index, []
        while index in self.unreadable:
            messages.append(f"v{index} holds no frame")
            index = (index + 1) % len(self)
        item = super().__getitem__(key._replace(index=index))
        return {**item, "unreadable": messages}


class Counted(torch.nn.Module):
    """A teacher that counts the clips it is asked about."""

    def __init__(self, network=None) -> None:
        super().__init__()
        self.network = network or tiny_model(2, drop_path=0.5, width=16)
        self.config, self.clips = self.network.config, 0

    def forward(self, clip):
        assert not self.training and not torch.is_grad_enabled()
        self.clips += len(clip)
        return self.network(clip)


def opened(folder: Path, clips: Clips, teacher=None, **changes) -> StoredTeacher:
    """Filled and checked."""
    values = dict(
        classes=NAMES,
        views=clips.views,
        precision="no",
        batch_size=5,
        seed=0,
        max_unreadable=0.5,
        show=False,
    )
    teacher = teacher or Counted()
    stored = StoredTeacher(folder, teacher, clips, **{**values, **changes})
    stored.open(make_accelerator(values["precision"]))
    return stored


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def assert_refused(folder: Path, says: str, call: Callable[[], object]) -> None:
    """Refused with such a message and advice, and no file is changed."""
    before = content(folder)
    with pytest.raises(RunDirectoryError, match=says) as caught:
        call()
    message = str(caught.value)
    assert (
        "Delete that folder to have the teacher asked anew, or name another" in message
    )
    assert str(folder) in message
    assert content(folder) == before, "a stale cache was changed"
