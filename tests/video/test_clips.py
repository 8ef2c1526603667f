"""Clips depend on their key alone; unreadable videos are named, never hidden."""

import pickle
from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from dvfl_lib.errors import DatasetError, RecipeError
from dvfl_lib.recipes import AugmentRecipe, DataRecipe, EvaluateRecipe
from dvfl_lib.video.clips import (
    ClipKey,
    EvaluationViews,
    Sample,
    TrainingClips,
    collate_clips,
)
from dvfl_lib.video.frame_cache import FrameCache
from dvfl_lib.video.reading import open_video
from dvfl_lib.video.sampling import segment_indices
from dvfl_lib.video.transforms import evaluation_crops
from helpers import moving_frames, write_video

DATA = DataRecipe(frames=4, short_side=36, crop=32)
EVALUATE = EvaluateRecipe(clips=2, crops=3, short_side=36)


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> list[Sample]:
    """Six videos of different lengths; the third is empty."""
    folder = tmp_path_factory.mktemp("videos")
    made = []
    for number in range(6):
        path = folder / f"v_{number}.avi"
        if number == 2:
            path.touch()
        else:
            write_video(path, moving_frames(10 + 7 * number))
        made.append(Sample(path, number % 3, f"g{number}", path.name))
    return made


def same(one: dict, other: dict) -> bool:
    return torch.equal(one["clip"], other["clip"]) and all(
        one[name] == other[name] for name in ("label", "index", "unreadable")
    )


@pytest.mark.parametrize("sampling", ["segments", "dense"])
def test_an_item_is_a_function_of_seed_epoch_index_and_view(samples, sampling):
    data = replace(DATA, sampling=sampling)
    clips = TrainingClips(samples, data, AugmentRecipe(), seed=7)
    item = clips[ClipKey(3, 4, 1)]
    assert item["clip"].shape == (4, 3, 32, 32) and item["clip"].dtype == torch.float32
    assert (item["label"], item["index"], item["unreadable"]) == (1, 4, [])
    state = torch.get_rng_state()
    clips[ClipKey(0, 0)]
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's draws
    assert same(clips[ClipKey(3, 4, 1)], item)
    again = TrainingClips(samples, data, AugmentRecipe(), seed=7)
    assert same(again[3, 4, 1], item)
    for other in (ClipKey(4, 4, 1), ClipKey(3, 4, 0), ClipKey(3, 5, 1)):
        assert not torch.equal(clips[other]["clip"], item["clip"])
    reseeded = TrainingClips(samples, data, AugmentRecipe(), seed=8)
    assert not torch.equal(reseeded[3, 4, 1]["clip"], item["clip"])


def test_with_stored_views_the_epochs_take_turns(samples):
    fresh = TrainingClips(samples, DATA, AugmentRecipe(), seed=7)
    stored = TrainingClips(samples, DATA, AugmentRecipe(), seed=7, views=3)
    for epoch in range(7):
        view = fresh[ClipKey(0, 4, epoch % 3)]
        assert same(stored[ClipKey(epoch, 4)], view)
    assert not same(stored[ClipKey(0, 4)], stored[ClipKey(1, 4)])
    assert stored[ClipKey(5, 2)]["index"] == 3, "a replacement, under its own key"
    assert same(stored[ClipKey(5, 3)], {**stored[ClipKey(5, 2)], "unreadable": []})


def test_workers_and_order_change_nothing(samples):
    clips = TrainingClips(samples, DATA, AugmentRecipe(), seed=7)
    keys = [ClipKey(1, index) for index in (5, 0, 3, 2, 1, 4)]

    def load(workers: int, batches: list[list[ClipKey]]) -> dict[ClipKey, torch.Tensor]:
        loader = DataLoader(
            clips, batch_sampler=batches, num_workers=workers, collate_fn=collate_clips
        )
        rows = [clip for batch in loader for clip in batch["clip"]]
        return dict(zip([key for batch in batches for key in batch], rows, strict=True))

    alone = load(0, [[key] for key in keys])
    together = load(2, [keys[3:], keys[:3]])
    assert all(torch.equal(alone[key], together[key]) for key in keys)


def test_an_unreadable_video_is_named_and_replaced_by_the_next(samples):
    clips = TrainingClips(samples, DATA, AugmentRecipe(), seed=7)
    item = clips[ClipKey(1, 2)]
    assert len(item["unreadable"]) == 1 and "v_2.avi" in item["unreadable"][0]
    assert same({**item, "unreadable": []}, clips[ClipKey(1, 3)])
    last = TrainingClips(samples[:3], DATA, AugmentRecipe(), seed=7)
    assert last[ClipKey(0, 2)]["index"] == 0  # of the last sample, the first


def test_nothing_readable_is_an_error(samples):
    clips = TrainingClips([samples[2]] * 3, DATA, AugmentRecipe(), seed=7)
    with pytest.raises(DatasetError, match="none of the 3.*0 bytes"):
        clips[ClipKey(0, 0)]


def test_views_come_clip_by_clip_each_with_its_crops(samples):
    item = EvaluationViews(samples, DATA, EVALUATE)[4]
    assert item["views"].shape == (6, 4, 3, 32, 32)
    assert (item["label"], item["index"], item["unreadable"]) == (1, 4, [])
    with open_video(samples[4].path) as video:
        count = video.num_frames
        starts = [[int((s + p) * count / 4) for s in range(4)] for p in (0.25, 0.75)]
        for clip, indices in enumerate(starts):
            expected = evaluation_crops(video.read(indices), 36, 32, 3)
            assert torch.equal(item["views"][3 * clip : 3 * clip + 3], expected)
        frames = video.read(segment_indices(count, 4))
    one = EvaluationViews(samples, DATA, replace(EVALUATE, clips=1, crops=1))[4]
    assert torch.equal(one["views"], evaluation_crops(frames, 36, 32, 1))


def test_an_unreadable_test_video_says_so_and_is_blank(samples):
    views = EvaluationViews(samples, DATA, EVALUATE)
    item = views[2]
    assert "0 bytes" in item["unreadable"][0] and not item["views"].any()
    batch = collate_clips([views[1], item])
    assert batch["views"].shape == (2, 6, 4, 3, 32, 32)
    assert batch["unreadable"] == item["unreadable"]
    assert batch["label"].tolist() == [1, 2] and batch["index"].tolist() == [1, 2]


def test_cached_frames_give_the_same_clips(samples, tmp_path):
    cache = FrameCache(tmp_path, DATA.short_side)
    for key in (ClipKey(0, 1), ClipKey(2, 5), ClipKey(0, 2)):
        fresh = TrainingClips(samples, DATA, AugmentRecipe(), 7)[key]
        kept = TrainingClips(samples, DATA, AugmentRecipe(), 7, cache)[key]
        assert same(fresh, kept)
    fresh = EvaluationViews(samples, DATA, EVALUATE)[3]["views"]
    assert torch.equal(
        fresh, EvaluationViews(samples, DATA, EVALUATE, cache)[3]["views"]
    )


def test_a_cache_of_another_size_is_refused(samples, tmp_path):
    cache = FrameCache(tmp_path, 40)
    with pytest.raises(RecipeError, match="40, but 36"):
        TrainingClips(samples, DATA, AugmentRecipe(), 7, cache)
    with pytest.raises(RecipeError, match="40, but 36"):
        EvaluationViews(samples, DATA, EVALUATE, cache)


def test_clips_can_be_sent_to_spawned_workers(samples, tmp_path):
    """Where processes are not forked (macOS, Windows) data sets travel pickled."""
    cache = FrameCache(tmp_path, DATA.short_side)
    clips = TrainingClips(samples, DATA, AugmentRecipe(), 0, cache)
    sent = pickle.loads(pickle.dumps(clips))
    assert torch.equal(sent[ClipKey(1, 0)]["clip"], clips[ClipKey(1, 0)]["clip"])
