"""The drawn actions need time.

That no frame and no unordered set of frames tells a pair apart is shown twice: by
construction (a clip of one action is a clip of the other, backwards), and by
classifiers that see frames without their order and stay at chance within pairs.
"""

import numpy as np
import pytest
import torch

from dvfl_lib import create_model
from dvfl_lib.errors import DatasetError
from dvfl_lib.standins import (
    StandinSize,
    clip_frames,
    standin_families,
    standin_pairs,
)
from dvfl_lib.standins.scenes import (
    ACTIONS,
    FAMILIES,
    PAIRS,
    draw_scene,
    pair_of,
    render_clip,
)


def test_the_order_of_labels_is_not_that_of_a_plain_sort():
    """The trap of UCF101's Hammering and HammerThrow is in the stand-in too."""
    plain = sorted(ACTIONS)
    swapped = [a for a, b in zip(ACTIONS, plain, strict=True) if a != b]
    assert swapped == ["Sinking", "SinkToBack"]


def test_another_seed_gives_other_frames():
    size = StandinSize(groups=22, clips_per_group=1, min_frames=8, max_frames=10)
    one, other = (clip_frames(seed, size, "Rising", 1, 1) for seed in (0, 1))
    assert one.shape != other.shape or (one != other).any()


def test_classes_of_other_data_have_no_pairs():
    with pytest.raises(DatasetError, match="'Hammering' is not one"):
        standin_pairs([*ACTIONS, "Hammering"])
    with pytest.raises(DatasetError, match="lacks the actions Swelling, Vanishing"):
        standin_families(ACTIONS[:-2])


@pytest.mark.parametrize("wrong", [dict(groups=21), dict(min_frames=4)])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(DatasetError):
        StandinSize(**wrong)


def test_pairs_and_families_name_every_action():
    assert sorted(a for pair in PAIRS for a in pair) == sorted(ACTIONS)
    assert {a for family in FAMILIES.values() for a in family} == set(ACTIONS)
    assert len(standin_pairs(ACTIONS)) == 6
    assert all(
        ACTIONS[i] in ACTIONS for f in standin_families(ACTIONS).values() for i in f
    )


@pytest.mark.parametrize("pair", PAIRS)
def test_an_action_is_its_partner_played_backwards(pair):
    """With the same draws, frame by frame: all else follows from this."""
    scene = draw_scene(np.random.default_rng(3))
    forwards, backwards = (
        render_clip(action, scene, 12, np.random.default_rng(7)) for action in pair
    )
    assert (forwards == backwards[::-1]).all()
    assert (forwards != backwards).any()


def frame_features(seed: int, clips: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features (N, F), label (N,), scene (N,)): statistics blind to order.

    Mean, standard deviation, least and greatest of 8 frames at every pixel of a
    12 x 16 thumbnail: they stay the same when the frames are shuffled.
    """
    features, labels, scenes = [], [], []
    for label, action in enumerate(ACTIONS):
        for number in range(clips):
            group = number % 8
            pair, _ = pair_of(action)
            looks = np.random.default_rng([seed, PAIRS.index(pair), group])
            motion = np.random.default_rng([seed, label, number, 1])
            clip = render_clip(action, draw_scene(looks), 8, motion)
            small = (
                clip.reshape(8, 12, 10, 16, 10, 3).mean((2, 4, 5)) / 255
            )  # (8,12,16)
            small = small - np.median(small)
            parts = [small.mean(0), small.std(0), small.min(0), small.max(0)]
            features.append(np.concatenate([p.ravel() for p in parts]))
            labels.append(label)
            scenes.append(group)
    return np.array(features), np.array(labels), np.array(scenes)


@pytest.fixture(scope="module")
def unordered():
    """Features of clips without the order of their frames."""
    return frame_features(seed=11, clips=40)


def ridge_scores(train_x, train_y, test_x) -> np.ndarray:
    """(N, 12) scores of a linear classifier in closed form."""
    mean, spread = train_x.mean(0), train_x.std(0) + 1e-6
    a, b = (train_x - mean) / spread, (test_x - mean) / spread
    kernel = a @ a.T + 50.0 * np.eye(len(a))
    return b @ a.T @ np.linalg.solve(kernel, np.eye(12)[train_y] - 1 / 12)


def pair_and_direction(scores, labels) -> tuple[float, float]:
    """(right pair, right one of the true pair), as shares."""
    pair = np.array([PAIRS.index(pair_of(a)[0]) for a in ACTIONS])
    partner = np.array(
        [ACTIONS.index(next(b for b in pair_of(a)[0] if b != a)) for a in ACTIONS]
    )
    rows = np.arange(len(labels))
    right_pair = (pair[scores.argmax(1)] == pair[labels]).mean()
    ahead = scores[rows, labels] > scores[rows, partner[labels]]
    return float(right_pair), float(ahead.mean())


@pytest.mark.nightly
def test_frames_without_order_tell_the_pair_but_not_the_direction(unordered):
    """New scenes: better than chance on pairs, at chance within them."""
    x, y, scene = unordered
    test = scene < 3
    scores = ridge_scores(x[~test], y[~test], x[test])
    right_pair, direction = pair_and_direction(scores, y[test])
    n = int(test.sum())
    assert right_pair > 1 / 6 + 0.1
    assert abs(direction - 0.5) < 3 * (0.25 / n) ** 0.5


@pytest.mark.nightly
def test_a_split_that_tears_groups_apart_looks_too_good(unordered):
    """With known looks, the pair is easier to guess than it is for new scenes."""
    x, y, scene = unordered
    clean = scene < 3
    honest, _ = pair_and_direction(
        ridge_scores(x[~clean], y[~clean], x[clean]), y[clean]
    )
    torn = np.random.default_rng(0).random(len(y)) < clean.mean()
    leaking, direction = pair_and_direction(
        ridge_scores(x[~torn], y[~torn], x[torn]), y[torn]
    )
    assert leaking > honest + 0.1
    assert abs(direction - 0.5) < 3 * (0.25 / torn.sum()) ** 0.5


def clips_and_reversals() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(clips (N, 8, 3, 32, 40), label, partner's label): one clip per action."""
    clips, labels, partners = [], [], []
    for label, action in enumerate(ACTIONS):
        pair, backwards = pair_of(action)
        scene = draw_scene(np.random.default_rng([5, label]))
        frames = render_clip(action, scene, 8, np.random.default_rng([6, label]))
        small = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        clips.append(torch.nn.functional.interpolate(small, (32, 40)) - 0.4)
        labels.append(label)
        partners.append(ACTIONS.index(pair[0] if backwards else pair[1]))
    return torch.stack(clips), torch.tensor(labels), torch.tensor(partners)


@pytest.mark.parametrize("seed", range(2))
def test_without_its_temporal_modulator_a_network_cannot_tell_a_pair_apart(seed):
    """Whatever its weights: a clip and its reversal get the same answer.

    The reversal of a clip is a clip of the partner. A network that answers both
    alike is right on one of the two at most: at chance within pairs.
    """
    torch.manual_seed(seed)
    model = create_model("vfl_net_lab_student", num_classes=12, init="fan_in").eval()
    for parameter in model.parameters():  # far from the even start
        parameter.data += 0.3 * torch.randn_like(parameter)
    clips, label, partner = clips_and_reversals()
    rows = torch.arange(12)

    def lead(network):  # by how much the right one of the pair is ahead
        with torch.no_grad():
            forwards, backwards = network(clips), network(clips.flip(1))
        first = forwards[rows, label] - forwards[rows, partner]
        return first, backwards[rows, partner] - backwards[rows, label]

    first, second = lead(model)
    assert (first + second).abs().max() > 0.05  # time makes a difference
    for name, module in model.named_modules():
        if name.endswith("h_temporal"):
            torch.nn.init.zeros_(module.weight)
            torch.nn.init.ones_(module.bias)
    first, second = lead(model)
    assert torch.allclose(first, -second, atol=1e-4)
