"""A flip that turns one class into another swaps the label; nothing else changes."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from dvfl_lib.datasets import VideoDataset
from dvfl_lib.datasets.ssv2 import flip_labels
from dvfl_lib.recipes import AugmentRecipe, DataRecipe, recipe_for
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.training import pipeline
from dvfl_lib.training.checkpointing import fingerprint
from dvfl_lib.video.clips import ClipKey, Sample, TrainingClips
from dvfl_lib.video.frame_cache import FrameCache
from dvfl_lib.video.transforms import (
    labelled_transform,
    normalise,
    resize_short_side,
    training_transform,
)
from helpers import moving_frames, write_video

DATA = DataRecipe(frames=4, short_side=36, crop=32)
PAIR = {0: 1, 1: 0}


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> list[Sample]:
    """Four videos, labels 0 to 3."""
    folder = tmp_path_factory.mktemp("videos")
    paths = [write_video(folder / f"v{k}.avi", moving_frames(12 + k)) for k in range(4)]
    return [Sample(path, k, f"g{k}", path.name) for k, path in enumerate(paths)]


def test_sides_and_turns_are_found_in_names():
    names = ["turn_left", "turn_right", "jump", "TurnLeft", "TurnRight", "copyright"]
    assert flip_labels(names) == {0: 1, 1: 0, 3: 4, 4: 3}
    names = ["Turn Clockwise", "Turn Counterclockwise", "swipe LEFT", "Swipe right"]
    assert flip_labels(names) == {0: 1, 1: 0, 2: 3, 3: 2}
    assert flip_labels(["turn anti-clockwise", "turn clockwise"]) == {0: 1, 1: 0}
    across = ["from left to right", "from right to left"]
    assert flip_labels(across) == {0: 1, 1: 0}


def test_other_words_are_left_alone():
    assert flip_labels(["bright light", "upright", "leftovers", "Punch"]) is None
    assert flip_labels(["pulling it right out", "Putting it upright"]) is None


def test_a_side_without_its_mirror_image_is_not_flipped():
    assert flip_labels(["wave left hand", "jump"]) == {0: None}
    twice = ["swipe left", "swipe_right", "swipe right", "Swipe Right"]
    assert flip_labels(twice)[0] is None  # which of the two is it?


def test_pairs_of_something_something_are_those_of_the_known_recipes(real_data):
    file = real_data / "annotations/ssv2/labels_reconstructed.json"
    numbers = json.loads(file.read_text("utf-8"))
    names = sorted(numbers, key=lambda name: int(numbers[name]))
    assert flip_labels(names) == {
        86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166
    }  # fmt: skip


def test_no_class_of_the_other_benchmarks_names_a_side(real_data):
    folder = real_data / "annotations"
    ucf = folder / "ucf101/ucfTrainTestlist/classInd.txt"
    lists = [
        [line.split()[1] for line in ucf.read_text().splitlines()],
        (folder / "hmdb51/mmaction2_label_map.txt").read_text().splitlines(),
        (folder / "kinetics400/mmaction2_label_map_k400.txt").read_text().splitlines(),
    ]
    assert [len(names) for names in lists] == [101, 51, 400]
    assert [flip_labels(names) for names in lists] == [None] * 3


def test_the_label_is_swapped_exactly_when_the_clip_is_flipped():
    still = AugmentRecipe(
        crop_area=(1, 1), crop_ratio=(1, 1), flip=0.5, jitter=0, grayscale=0
    )
    frames = torch.from_numpy(moving_frames(2, 32, 32)).permute(0, 3, 1, 2)
    plain = normalise(frames)
    transform = labelled_transform(replace(DATA, short_side=32), still, {0: 1, 2: None})
    seen = Counter()
    for seed in range(40):
        for label in (0, 2, 3):
            with fixed_rng(seed):
                clip, shown = transform(frames, label)
            flipped = torch.equal(clip, plain.flip(-1))
            assert flipped != torch.equal(clip, plain)
            assert shown == (1 if label == 0 and flipped else label)
            seen[label, flipped] += 1
    assert seen[2, True] == 0  # its mirror image is of no class
    assert 10 < seen[0, True] == seen[3, True] < 30


def test_clips_are_those_of_torchvisions_own_flip_bit_for_bit():
    """What every data set without sides has had, and keeps."""
    augment = AugmentRecipe(jitter_per="clip")
    chain = v2.Compose(
        [
            v2.RandomResizedCrop(
                32, scale=augment.crop_area, ratio=augment.crop_ratio, antialias=True
            ),
            v2.RandomHorizontalFlip(0.5),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8),
            v2.RandomGrayscale(0.2),
        ]
    )
    frames = torch.from_numpy(moving_frames(3)).permute(0, 3, 1, 2)
    for seed in range(12):
        with fixed_rng(seed):
            clip = tv_tensors.Image(resize_short_side(frames, 36))
            expected = normalise(chain(clip).as_subclass(torch.Tensor))
        with fixed_rng(seed):
            assert torch.equal(training_transform(DATA, augment)(frames), expected)
        with fixed_rng(seed):
            clip, _ = labelled_transform(DATA, augment, PAIR)(frames, 0)
            assert torch.equal(clip, expected)


def test_training_clips_swap_labels_and_stay_a_function_of_their_key(samples, tmp_path):
    plain = TrainingClips(samples, DATA, AugmentRecipe(), seed=5)
    cache = FrameCache(tmp_path, DATA.short_side)
    clips = TrainingClips(samples, DATA, AugmentRecipe(), 5, cache, flip_labels=PAIR)
    seen = Counter()
    for epoch in range(12):
        for index in range(4):
            key = ClipKey(epoch, index)
            item, before = clips[key], plain[key]
            assert torch.equal(item["clip"], before["clip"])  # the same draws
            assert clips[key]["label"] == item["label"]
            seen[before["label"], item["label"]] += 1
    assert set(seen) == {(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (3, 3)}
    never = AugmentRecipe(flip=0.0)
    clips = TrainingClips(samples, DATA, never, seed=5, flip_labels=PAIR)
    assert {clips[ClipKey(e, 0)]["label"] for e in range(12)} == {0}


def test_a_run_with_swapped_labels_is_another_run(samples):
    def of(flip_labels: dict | None) -> dict:
        clips = TrainingClips(
            samples, DATA, AugmentRecipe(), 5, flip_labels=flip_labels
        )
        return fingerprint({}, clips)

    assert of(None) == of({})
    assert of(PAIR) == {**of(None), "labels of flipped clips": [[0, 1], [1, 0]]}


def test_the_pipeline_trains_with_the_pairs_of_its_data_set(
    samples, tmp_path, monkeypatch
):
    every = [replace(s, group=f"g{k}") for s in samples for k in range(2)]
    dataset = VideoDataset("x", tmp_path, "1", "train", "abcd", every, flip_labels=PAIR)
    monkeypatch.setattr(pipeline, "create_dataset", lambda *_, **__: dataset)
    given = []
    monkeypatch.setattr(
        pipeline, "fit", lambda model, clips, config: given.append(clips)
    )
    run = pipeline.Pipeline(
        recipe=recipe_for("demo"),
        dataset="x",
        data_root=tmp_path,
        split="1",
        run_dir=tmp_path / "run",
        cache_dir=tmp_path / "cache",
    )
    for role in ("teacher", "baseline"):
        run.train(role)
    assert [clips.flip_labels for clips in given] == [PAIR, PAIR]
