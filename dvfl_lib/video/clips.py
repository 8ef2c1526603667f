"""Clips for training and views for testing, from a list of samples.

Public names: ``Sample``, ``ClipKey``, ``TrainingClips``, ``EvaluationViews``,
``evaluation_views``, ``collate_clips``.

Training clips are asked for by (epoch, index, view); with the run's seed that key
decides every random draw, so a clip is the same in whichever worker, process or restart
it is made. With *stored views* the epochs take turns with a few keys, so that what a
teacher says of each can be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DatasetError, RecipeError, VideoError
from ..recipes import AugmentRecipe, DataRecipe, EvaluateRecipe
from ..seeding import fixed_rng
from .frame_cache import FrameCache
from .reading import VideoReader, open_video
from .sampling import sampling_named, view_indices
from .transforms import evaluation_crops, labelled_transform


@dataclass(frozen=True)
class Sample:
    """One labelled video of a data set."""

    path: Path
    label: int  # 0-based, in the data set's own order of classes
    group: str  # clips of one group were cut from one recording
    name: str  # as the data set's lists write it


class ClipKey(NamedTuple):
    """Which training clip; what a batch sampler yields to ``TrainingClips``."""

    epoch: int
    index: int
    view: int = 0


def _way_to_open(
    cache: FrameCache | None, short_side: int
) -> Callable[[Path], VideoReader]:
    """``open_video``, or a cache whose frames are of the wanted size."""
    if cache and cache.short_side != short_side:
        raise RecipeError(
            f"the frame cache {cache.folder} holds frames of short side "
            f"{cache.short_side}, but {short_side} is wanted: make one with "
            f"FrameCache(folder, short_side={short_side})"
        )
    return cache.reader if cache else open_video


class TrainingClips(Dataset):
    """Augmented clips; a map data set with ``ClipKey`` keys.

    An item is a dictionary: ``clip`` float32 (T, 3, crop, crop), ``label`` of what it
    shows, ``index``, ``unreadable`` list of messages. A video that cannot be read is
    replaced by the next readable sample in list order, as that comes out under its own
    key: ``label`` and ``index`` are then its own, and ``unreadable`` names each video
    passed over. ``DatasetError`` where none is readable.

    Args:
        cache: of the recipe's short side, else ``RecipeError``.
        flip_labels: see ``transforms.labelled_transform``.
        views: K > 0 gives each clip K augmentations in all: epoch e shows the one of
            ``ClipKey(0, index, e % K)``. 0 draws a new one in every epoch.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        data: DataRecipe,
        augment: AugmentRecipe,
        seed: int,
        cache: FrameCache | None = None,
        flip_labels: Mapping[int, int | None] | None = None,
        views: int = 0,
    ) -> None:
        self._open = _way_to_open(cache, data.short_side)
        self.samples, self.data, self.augment = list(samples), data, augment
        self._sampling = sampling_named(data.sampling)
        self.seed, self.views = seed, views
        self.flip_labels = None if flip_labels is None else dict(flip_labels)
        self._transform = labelled_transform(data, augment, flip_labels)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: ClipKey | tuple[int, ...]) -> dict[str, Any]:
        key = ClipKey(*key)
        if self.views:
            key = ClipKey(0, key.index, key.epoch % self.views)
        unreadable: list[str] = []
        for step in range(len(self.samples)):
            index = (key.index + step) % len(self.samples)
            try:
                clip, label = self._make(key._replace(index=index))
                return dict(clip=clip, label=label, index=index, unreadable=unreadable)
            except VideoError as error:
                unreadable.append(str(error))
        raise DatasetError(
            f"none of the {len(self.samples)} training videos can be read; the first "
            f"says: {unreadable[0]}"
        )

    def _make(self, key: ClipKey) -> tuple[Tensor, int]:
        """The clip of one key, float32 (T, 3, crop, crop), and its label."""
        sample, data = self.samples[key.index], self.data
        with self._open(sample.path) as video:
            # The default generator, seeded just here, draws frames and pixels.
            with fixed_rng(self.seed, "clip", key.epoch, key.index, key.view):
                shape = video.num_frames, data.frames, data.stride
                numbers = self._sampling(*shape, torch.default_generator)
                return self._transform(video.read(numbers), sample.label)


class EvaluationViews(Dataset):
    """All views of a test video: ``evaluate.clips`` in time by crops in space.

    Item ``i`` is a dictionary: ``views`` float32 (V, T, 3, crop, crop), clip-major
    (all crops of the first clip, then of the second), ``label`` int, ``index`` int,
    ``unreadable`` list of messages. Nothing is random. Where the video cannot be
    read, ``unreadable`` is not empty, ``views`` is all zeros, and the caller must
    leave the video out of the score and say so.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        data: DataRecipe,
        evaluate: EvaluateRecipe,
        cache: FrameCache | None = None,
    ) -> None:
        self._open = _way_to_open(cache, evaluate.short_side)
        self.samples, self.data, self.evaluate = list(samples), data, evaluate

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.samples[index]
        unreadable = []
        try:
            with self._open(sample.path) as video:
                views = evaluation_views(video, self.data, self.evaluate)
        except VideoError as error:
            unreadable = [str(error)]
            count, side = self.evaluate.clips * self.evaluate.crops, self.data.crop
            views = torch.zeros(count, self.data.frames, 3, side, side)
        return dict(views=views, label=sample.label, index=index, unreadable=unreadable)


def evaluation_views(
    video: VideoReader, data: DataRecipe, evaluate: EvaluateRecipe
) -> Tensor:
    """All views of an open video, float32 (V, T, 3, crop, crop), clip-major."""
    clips = view_indices(
        video.num_frames, data.frames, evaluate.clips, data.sampling, data.stride
    )
    # One read for all clips: each frame is decoded once.
    frames = video.read([number for clip in clips for number in clip])
    crops = evaluation_crops(
        frames, evaluate.short_side, data.crop, evaluate.crops
    )  # (crops, clips * T, 3, crop, crop)
    views = crops.unflatten(1, (evaluate.clips, data.frames)).transpose(0, 1)
    return views.flatten(0, 1).contiguous()  # (clips * crops, T, 3, crop, crop)


def collate_clips(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch of training items or of evaluation items.

    Tensors are stacked, ``label`` and ``index`` become int64 (B,), and the
    ``unreadable`` lists are joined without repeats.
    """
    stacked = "clip" if "clip" in items[0] else "views"
    messages = [message for item in items for message in item["unreadable"]]
    return {
        stacked: torch.stack([item[stacked] for item in items]),
        "label": torch.tensor([item["label"] for item in items]),
        "index": torch.tensor([item["index"] for item in items]),
        "unreadable": list(dict.fromkeys(messages)),
    }
