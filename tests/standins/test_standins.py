"""The stand-in has UCF101's layout, and its actions need time.

That no frame and no unordered set of frames tells a pair apart is shown twice: by
construction (a clip of one action is a clip of the other, backwards), and by
classifiers that see frames without their order and stay at chance within pairs.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
import torch

from dvfl_lib.datasets import create_dataset
from dvfl_lib.errors import DatasetError
from dvfl_lib.standins import (
    StandinSize,
    clip_frames,
    list_standins,
    plan_standin,
    standin_families,
    standin_pairs,
    write_standin,
    writing,
)
from dvfl_lib.standins.scenes import (
    ACTIONS,
    FAMILIES,
    PAIRS,
    draw_scene,
    pair_of,
    render_clip,
)
from dvfl_lib.video.reading import open_video

ROOT = Path(__file__).resolve().parents[2]
SMALL = StandinSize(groups=22, clips_per_group=1, min_frames=8, max_frames=10)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A stand-in of one short clip per group."""
    root = tmp_path_factory.mktemp("data") / "standin"
    return write_standin("ucf101", root, size=SMALL, workers=1, progress=False)


def digest(root: Path) -> str:
    """Of all files, by name and content."""
    total = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        total.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


# --- layout ------------------------------------------------------------------


def test_the_ucf101_loader_reads_it_as_it_is(small):
    train = create_dataset("ucf101", small, split="1", subset="train")
    test = create_dataset("ucf101", small, split="1", subset="test")
    assert train.standin and test.standin
    assert train.classes == ACTIONS
    assert len(train) == 12 * 15 and len(test) == 12 * 7
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}
    clip, label = train[0]
    assert clip.shape == (8, 3, 240, 320) and clip.dtype == torch.uint8
    assert train.samples[0].path.parent.name == ACTIONS[label]


@pytest.mark.parametrize("split", ["1", "2", "3", "authors"])
def test_every_split_covers_all_classes(small, split):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for subset in ("train", "test"):
            data = create_dataset("ucf101", small, split=split, subset=subset)
            assert {s.label for s in data.samples} == set(range(12))


def test_files_are_those_of_ucf101(small):
    path = small / "UCF-101" / "Rising" / "v_Rising_g03_c01.avi"
    with open_video(path) as video:
        assert (video.width, video.height, video.fps) == (320, 240, 25)
        assert 8 <= video.num_frames <= 10
    index = (small / "ucfTrainTestlist" / "classInd.txt").read_bytes()
    assert index.startswith(b"1 Appearing\r\n2 Approaching\r\n")
    line = (small / "ucfTrainTestlist" / "trainlist01.txt").read_text().splitlines()[0]
    assert line == "Appearing/v_Appearing_g08_c01.avi 1"
    first_test = (small / "ucfTrainTestlist" / "testlist02.txt").read_text().split()[0]
    assert first_test == "Appearing/v_Appearing_g08_c01.avi"


def test_mark_and_lists_are_those_of_the_first_release(small):
    """Data sets written then must still be taken for whole ones of the same kind."""
    files = [small / "STANDIN.json", *sorted((small / "ucfTrainTestlist").iterdir())]
    content = b"".join(file.read_bytes() for file in files)
    assert hashlib.sha256(content).hexdigest() == (
        "85c9289bb2c09ea71a2552384e40b48783efc0ab289f7ce0ea5336a413c4a062"
    )


def test_the_order_of_labels_is_not_that_of_a_plain_sort():
    """The trap of UCF101's Hammering and HammerThrow is in the stand-in too."""
    plain = sorted(ACTIONS)
    swapped = [a for a, b in zip(ACTIONS, plain, strict=True) if a != b]
    assert swapped == ["Sinking", "SinkToBack"]


# --- determinism and interruption --------------------------------------------


def test_the_same_seed_gives_the_same_bytes_also_with_more_workers(small, tmp_path):
    again = write_standin(
        "ucf101", tmp_path / "b", size=SMALL, workers=2, progress=False
    )
    assert digest(again) == digest(small)


def test_another_seed_gives_other_frames():
    one = clip_frames(0, SMALL, "Rising", 1, 1)
    other = clip_frames(1, SMALL, "Rising", 1, 1)
    assert one.shape != other.shape or (one != other).any()


def test_an_interrupted_writing_goes_on(small, tmp_path, monkeypatch):
    written = []
    encode = writing.encode_clip

    def killed_after_five(path, *rest):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        encode(path, *rest)

    monkeypatch.setattr(writing, "encode_clip", killed_after_five)
    with pytest.raises(KeyboardInterrupt):
        write_standin("ucf101", tmp_path / "s", size=SMALL, workers=1, progress=False)
    assert not (tmp_path / "s" / "STANDIN.json").exists()
    (tmp_path / "s" / "UCF-101" / "Rising" / ".v_Rising_g03_c01.7.avi").write_text("?")
    monkeypatch.setattr(writing, "encode_clip", encode)
    done = write_standin(
        "ucf101", tmp_path / "s", size=SMALL, workers=1, progress=False
    )
    assert digest(done) == digest(small)


def test_a_call_killed_before_its_first_clip_can_be_repeated(small, tmp_path):
    root, what = tmp_path / "s", json.loads((small / "STANDIN.json").read_text())
    writing._make_room(root, what, plan_standin("ucf101", SMALL))  # then killed
    done = write_standin("ucf101", root, size=SMALL, workers=1, progress=False)
    assert digest(done) == digest(small)


def test_too_small_a_disk_is_refused_and_leaves_nothing_in_the_way(
    small, tmp_path, monkeypatch
):
    full = shutil.disk_usage(tmp_path)._replace(free=10)
    with monkeypatch.context() as patch:
        patch.setattr(writing.shutil, "disk_usage", lambda _: full)
        with pytest.raises(DatasetError, match="are free"):
            write_standin("ucf101", tmp_path / "s", size=SMALL, progress=False)
    writing._make_room(tmp_path / "s", {"seed": 7}, plan_standin("ucf101", SMALL))
    with pytest.raises(DatasetError, match="another stand-in"):
        write_standin("ucf101", tmp_path / "s", size=SMALL, progress=False)


def test_writers_end_with_the_call_that_was_killed(tmp_path):
    line = "from dvfl_lib.standins import write_standin as w; "
    line += f"w('ucf101', {str(tmp_path / 's')!r}, progress=False)"
    call = subprocess.Popen([sys.executable, "-c", line], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("s/UCF-101/*/v_*.avi")):
        assert time.monotonic() < deadline, "nothing is written"
        time.sleep(0.2)
    call.kill()
    call.wait()
    time.sleep(3)
    before = len(list(tmp_path.glob("s/UCF-101/*/v_*.avi")))
    time.sleep(2)
    assert len(list(tmp_path.glob("s/UCF-101/*/v_*.avi"))) == before


def test_where_processes_fail_the_clips_are_written_in_this_one(
    small, tmp_path, monkeypatch
):
    """As in a script without a main guard, which new interpreters begin again."""

    def broken(self, *unused, **options):
        raise BrokenProcessPool

    monkeypatch.setattr(writing.ProcessPoolExecutor, "map", broken)
    done = write_standin("ucf101", tmp_path / "s", size=SMALL, progress=False)
    assert digest(done) == digest(small)


def test_a_lost_or_empty_clip_is_written_again(small, tmp_path):
    copy = shutil.copytree(small, tmp_path / "copy")
    (copy / "UCF-101" / "Rising" / "v_Rising_g03_c01.avi").unlink()
    (copy / "UCF-101" / "Sinking" / "v_Sinking_g04_c01.avi").write_bytes(b"")
    write_standin("ucf101", copy, size=SMALL, workers=1, progress=False)
    assert digest(copy) == digest(small)


def test_it_never_writes_over_other_data(small, tmp_path):
    (tmp_path / "real" / "UCF-101").mkdir(parents=True)
    with pytest.raises(DatasetError, match="not a stand-in"):
        write_standin("ucf101", tmp_path / "real", size=SMALL, progress=False)
    with pytest.raises(DatasetError, match="another stand-in"):
        write_standin("ucf101", small, seed=5, size=SMALL, progress=False)


def test_official_lists_alone_are_other_data_too(tmp_path):
    (tmp_path / "ucfTrainTestlist").mkdir()
    (tmp_path / "ucfTrainTestlist" / "classInd.txt").write_text("1 ApplyEyeMakeup")
    with pytest.raises(DatasetError, match="not a stand-in"):
        write_standin("ucf101", tmp_path, size=SMALL, progress=False)
    assert os.listdir(tmp_path) == ["ucfTrainTestlist"]


def test_a_lost_list_is_written_again(small, tmp_path):
    copy = shutil.copytree(small, tmp_path / "copy")
    (copy / "ucfTrainTestlist" / "testlist02.txt").unlink()
    write_standin("ucf101", copy, size=SMALL, workers=1, progress=False)
    assert digest(copy) == digest(small)


def test_stand_ins_are_asked_for_by_name(small, tmp_path):
    assert write_standin("UCF101", small, size=SMALL, progress=False) == small
    assert "ucf101" in list_standins()
    with pytest.raises(DatasetError, match="no stand-in for 'ucf'.* ucf101"):
        write_standin("ucf", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_classes_of_other_data_have_no_pairs():
    with pytest.raises(DatasetError, match="'Hammering' is not one"):
        standin_pairs([*ACTIONS, "Hammering"])
    with pytest.raises(DatasetError, match="lacks the actions Swelling, Vanishing"):
        standin_families(ACTIONS[:-2])


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError, match="cannot be written"):
        write_standin("ucf101", tmp_path / "file", size=SMALL, progress=False)


@pytest.mark.parametrize("wrong", [dict(groups=21), dict(min_frames=4)])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(DatasetError):
        StandinSize(**wrong)


def test_the_marker_says_what_it_is(small):
    told = json.loads((small / "STANDIN.json").read_text())
    assert told["standin_for"] == "ucf101" and told["seed"] == 0


# --- actions -----------------------------------------------------------------


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


def test_frames_without_order_tell_the_pair_but_not_the_direction(unordered):
    """New scenes: better than chance on pairs, at chance within them."""
    x, y, scene = unordered
    test = scene < 3
    scores = ridge_scores(x[~test], y[~test], x[test])
    right_pair, direction = pair_and_direction(scores, y[test])
    n = int(test.sum())
    assert right_pair > 1 / 6 + 0.1
    assert abs(direction - 0.5) < 3 * (0.25 / n) ** 0.5


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


@pytest.mark.parametrize("seed", range(3))
def test_without_its_temporal_modulator_a_network_cannot_tell_a_pair_apart(seed):
    """Whatever its weights: a clip and its reversal get the same answer.

    The reversal of a clip is a clip of the partner. A network that answers both
    alike is right on one of the two at most: at chance within pairs.
    """
    from dvfl_lib import create_model

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
