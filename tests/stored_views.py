"""Clips with files, a teacher that counts, and its stored logits, for tests.

Public names: ``Clips``, ``Counted``, ``stored_teacher``, ``opened``, ``content``,
``NAMES``.
"""

from pathlib import Path

import torch

from dvfl_lib.recipes import AugmentRecipe, DataRecipe, Recipe
from dvfl_lib.training.devices import make_accelerator
from dvfl_lib.training.teacher_logits import StoredTeacher
from dvfl_lib.video.clips import ClipKey, Sample
from tiny_training import MemoryClips, tiny_model, tiny_recipe

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


def stored_teacher(
    folder: Path,
    clips: MemoryClips,
    teacher: torch.nn.Module | None = None,
    classes: tuple[str, ...] = NAMES,
    precision: str = "no",
    batch_size: int = 5,
    workers: int = 0,
    max_unreadable: float = 0.5,
) -> StoredTeacher:
    sizes = dict(batch_size=batch_size, micro_batch=batch_size)
    recipe = Recipe(
        data=DataRecipe(workers=workers, max_unreadable=max_unreadable),
        optim=tiny_recipe(precision=precision, **sizes),
    )
    given = (folder, teacher or Counted(), clips, classes, recipe)
    return StoredTeacher(*given, show=False)


def opened(folder: Path, clips: MemoryClips, *teacher, **options) -> StoredTeacher:
    """``stored_teacher``, filled and checked."""
    stored = stored_teacher(folder, clips, *teacher, **options)
    stored.open(make_accelerator(stored.recipe.optim.precision))
    return stored


def content(folder: Path) -> dict[str, bytes]:
    """Every view's file."""
    files = folder.rglob("view_*")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
