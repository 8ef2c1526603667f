"""Augmentation: whose draws are whose, a function of the seed, and torchvision's."""

from dataclasses import replace

import pytest
import torch
from torchvision.transforms import v2

from dvfl_lib.errors import RecipeError, VideoError
from dvfl_lib.recipes import AugmentRecipe, DataRecipe
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.video.transforms import (
    check_sides,
    denormalise,
    evaluation_crops,
    mix_clips,
    normalise,
    resize_short_side,
    training_transform,
)

pytestmark = pytest.mark.quick
DATA = DataRecipe(short_side=40, crop=32)
NOTHING = AugmentRecipe(
    crop_area=(1.0, 1.0),
    crop_ratio=(1.0, 1.0),
    flip=0.0,
    jitter=0.0,
    grayscale=0.0,
    mixup=0.0,
    cutmix=0.0,
    label_smoothing=0.0,
)


def noise(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_every_frame_of_a_clip_gets_the_same_draw():
    transform = training_transform(DATA, AugmentRecipe(jitter_per="clip"))
    clip = noise(1, 3, 50, 70).expand(6, -1, -1, -1)
    outputs = set()
    for seed in range(8):
        with fixed_rng(seed):
            out = transform(clip)
        with fixed_rng(seed):
            assert torch.equal(transform(clip), out)
        assert out.shape == (6, 3, 32, 32) and out.dtype == torch.float32
        assert all(torch.equal(frame, out[0]) for frame in out)
        outputs.add(out[0].sum().item())
    assert len(outputs) == 8  # and another draw for every seed


def test_colours_may_be_drawn_for_every_frame_and_nothing_else_is():
    """As the authors' code does: whether is drawn once, how is drawn six times."""
    clip = noise(1, 3, 50, 70).expand(6, -1, -1, -1)
    still = replace(AugmentRecipe(), jitter=0.0)
    jittered = 0
    for seed in range(40):
        outs = []
        for augment in (AugmentRecipe(), still):
            with fixed_rng(seed):
                outs.append(training_transform(DATA, augment)(clip))
            with fixed_rng(seed):
                assert torch.equal(training_transform(DATA, augment)(clip), outs[-1])
        kinds = len(torch.unique(outs[0], dim=0))
        assert kinds in (1, 6) and outs[0].shape == (6, 3, 32, 32)
        jittered += kinds == 6
    assert 26 <= jittered <= 38  # 0.8 of 40
    # Brightness alone, from 0.6 to 1.4: crop and flip stay those of the whole clip.
    light = replace(AugmentRecipe(), jitter=1, contrast=0, saturation=0, hue=0)
    one = denormalise(training_transform(DATA, replace(light, grayscale=0))(clip))
    ratios = one[1:] / one[0].clamp(min=0.01)
    middle = ratios.flatten(1).median(dim=1).values
    dark = one.amax(dim=0) < 0.6  # pixels that no frame has clipped
    for ratio, wanted in zip(ratios, middle, strict=True):
        spread = (ratio - wanted).abs()[dark & (one[0] > 0.2)]
        assert spread.max() < 0.05


def test_each_augmentation_does_something_and_at_strength_zero_nothing():
    clip = noise(2, 3, 40, 40)
    plain = training_transform(DATA, NOTHING)
    torch.manual_seed(0)
    reference = plain(clip)
    assert torch.equal(plain(clip), reference)  # nothing random is left
    for change in (
        {"crop_area": (0.2, 0.5)},
        {"flip": 1.0},
        {"jitter": 1.0},
        {"grayscale": 1.0},
    ):
        other = training_transform(DATA, replace(NOTHING, **change))(clip)
        assert not torch.allclose(other, reference), change


def test_flip_and_grey_are_what_they_say():
    data = DataRecipe(short_side=32, crop=32)
    clip = noise(2, 3, 32, 32)
    flipped = training_transform(data, replace(NOTHING, flip=1.0))(clip)
    assert torch.equal(flipped, normalise(clip.flip(-1)))
    grey = training_transform(data, replace(NOTHING, grayscale=1.0))(clip)
    grey = denormalise(grey)
    torch.testing.assert_close(grey[:, 0], grey[:, 1])


def test_frames_of_the_right_size_are_not_resized_again():
    clip = noise(2, 3, 40, 60)
    assert resize_short_side(clip, 40) is clip
    big = noise(2, 3, 80, 120)
    once = resize_short_side(big, 40)
    assert once.shape == (2, 3, 40, 60)
    transform = training_transform(DATA, AugmentRecipe())
    with fixed_rng(1):
        fresh = transform(big)
    with fixed_rng(1):
        assert torch.equal(transform(once), fresh)


@pytest.mark.parametrize("size", [(40, 60), (60, 40)])
def test_three_crops_run_along_the_long_side(size):
    clip = noise(2, 3, *size)
    views = evaluation_crops(clip, 40, 32, crops=3)
    assert views.shape == (3, 2, 3, 32, 32)
    wide = size[1] > size[0]
    for view, start in zip(views, (0, 14, 28), strict=True):
        top, left = (4, start) if wide else (start, 4)
        expected = normalise(clip[..., top : top + 32, left : left + 32])
        assert torch.equal(view, expected)
    assert torch.equal(evaluation_crops(clip, 40, 32, crops=1)[0], views[1])
    assert torch.equal(views[1], normalise(v2.CenterCrop(32)(clip)))


def test_normalise_has_an_inverse():
    clip = noise(2, 3, 8, 8)
    torch.testing.assert_close(denormalise(normalise(clip)), clip / 255)


def test_a_crop_larger_than_the_frames_is_refused():
    """It would be filled up with black."""
    with pytest.raises(RecipeError, match="does not fit"):
        evaluation_crops(noise(2, 3, 40, 40), 24, 32)
    with pytest.raises(VideoError, match="at most 50 times"):
        check_sides("a.mp4", 10, 501)


def test_without_mixing_labels_are_one_hot_with_smoothing():
    clips, labels = torch.rand(3, 2, 3, 8, 8), torch.tensor([0, 2, 1])
    mixed, soft = mix_clips(clips, labels, 4, replace(NOTHING, label_smoothing=0.2))
    assert torch.equal(mixed, clips)
    expected = torch.full((3, 4), 0.05) + 0.8 * torch.eye(4)[labels]
    torch.testing.assert_close(soft, expected)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_takes_whole_clips_and_labels_in_the_same_measure(kind):
    """Clip k is filled with k: the mean of a mixture must equal its mean label."""
    augment = replace(NOTHING, **{kind: 1.0})
    labels = torch.arange(4)
    clips = labels.float().view(4, 1, 1, 1, 1).expand(4, 5, 3, 8, 8).contiguous()
    with fixed_rng(2):
        mixed, soft = mix_clips(clips, labels, 4, augment)
    assert mixed.shape == clips.shape and soft.shape == (4, 4)
    torch.testing.assert_close(soft.sum(1), torch.ones(4))
    mean_label = (soft * torch.arange(4)).sum(1)
    torch.testing.assert_close(mixed.mean((1, 2, 3, 4)), mean_label)
    assert all(torch.equal(mixed[:, t], mixed[:, 0]) for t in range(5))
    assert not torch.equal(mixed, clips)


def test_with_both_kinds_each_gets_its_turn():
    augment = replace(NOTHING, mixup=1.0, cutmix=1.0, label_smoothing=0.1)
    clips = torch.arange(4.0).view(4, 1, 1, 1, 1).expand(4, 2, 3, 16, 16).contiguous()
    blended = 0
    for seed in range(60):
        with fixed_rng(seed):
            mixed, soft = mix_clips(clips, torch.arange(4), 4, augment)
        torch.testing.assert_close(soft.sum(1), torch.ones(4))
        blended += int(mixed.frac().abs().max() > 0)  # CutMix keeps whole numbers
    assert 18 <= blended <= 42
