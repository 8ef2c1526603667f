"""The stand-ins for SSV2 and Kinetics-400 are read, and trained on, as they are."""

import csv
import hashlib
import json
import re
import shutil
import warnings
from pathlib import Path

import av
import pytest

from dvfl_lib.datasets import VideoDataset, create_dataset
from dvfl_lib.errors import DatasetError, VideoError
from dvfl_lib.standins import (
    StandinSize,
    list_standins,
    plan_standin,
    standin_pairs,
    write_standin,
)
from dvfl_lib.standins.scenes import (
    ACTIONS,
    KINETICS_NAMES,
    PAIRS,
    SSV2_NAMES,
    action_of,
)
from dvfl_lib.video.reading import open_video
from small_standins import whole_way

SMALL = StandinSize(groups=22, clips_per_group=1, min_frames=8, max_frames=9)
NAMES = ("kinetics400", "ssv2")
MISSING = "clips are listed, .* are missing"


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """Both, one short clip per group."""
    if "libvpx-vp9" not in av.codec.codecs_available:
        pytest.skip("PyAV has no VP9 encoder")
    folder = tmp_path_factory.mktemp("standins")
    return {
        name: write_standin(name, folder / name, size=SMALL, workers=1, progress=False)
        for name in NAMES
    }


def load(name: str, root: Path, subset: str) -> VideoDataset:
    """One side; of Kinetics-400, a few clips are missing."""
    if name == "ssv2":
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return create_dataset(name, root, subset=subset)
    with pytest.warns(UserWarning, match=MISSING):
        return create_dataset(name, root, subset=subset)


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_loader_reads_it_as_it_is(roots, name):
    train, test = (load(name, roots[name], side) for side in ("train", "test"))
    for data in (train, test):
        assert data.standin and "(stand-in)" in repr(data)
        assert {s.label for s in data.samples} == set(range(12))
        assert data.classes == tuple(sorted(data.classes))
        assert data.flip_labels is None  # no drawn action has a side
        clip, _ = data[0]
        assert clip.shape == (8, 3, 240, 320) and clip.float().std() > 10
    assert not {s.group for s in train.samples} & {s.group for s in test.samples}
    sizes = {"ssv2": (168, 84), "kinetics400": (178, 83)}
    assert (len(train), len(test)) == sizes[name]
    fit, held = train.hold_out_groups(0.2, seed=0)
    assert held and not {s.group for s in fit} & {s.group for s in held}


@pytest.mark.parametrize("name", NAMES)
def test_each_label_is_that_of_the_action_drawn(roots, name):
    """From the list back to the drawing, under the benchmark's own names."""
    plan = plan_standin(name, SMALL)
    drawn = {roots[name] / clip.path: clip.action for clip in plan.clips}
    train, test = (load(name, roots[name], side) for side in ("train", "test"))
    for sample in [*train.samples, *test.samples]:
        if sample.path in drawn:  # the damaged clip is not
            assert action_of(train.classes[sample.label]) == drawn[sample.path]
    actions = [action_of(c) for c in test.classes]
    assert sorted(actions) == sorted(ACTIONS) and train.classes == test.classes
    pairs = [(actions[a], actions[b]) for a, b in standin_pairs(test.classes)]
    assert pairs == list(PAIRS)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_again_and_other_data_are_spared(roots, name, tmp_path):
    again = write_standin(name, tmp_path / "a", size=SMALL, workers=2, progress=False)
    assert digests(again) == digests(roots[name])
    assert json.loads((again / "STANDIN.json").read_text())["standin_for"] == name
    assert name in list_standins()
    (again / "STANDIN.json").unlink()
    before = digests(again)
    with pytest.raises(DatasetError, match="not a stand-in"):
        write_standin(name, again, size=SMALL, progress=False)
    assert digests(again) == before


def test_ssv2_has_the_traps_of_the_original(roots):
    root = roots["ssv2"]
    labels = json.loads((root / "labels.json").read_text("utf-8"))
    assert list(labels.values()) == [str(k) for k in range(12)]
    assert sum("," in name for name in labels) == 2
    entry = json.loads((root / "train.json").read_text("utf-8"))[0]
    assert set(entry) == {"id", "label", "template", "placeholders"}
    assert "[something]" in entry["template"] and entry["template"] not in labels
    hidden = json.loads((root / "test.json").read_text("utf-8"))
    assert len(hidden) == 12 and all(set(entry) == {"id"} for entry in hidden)
    names = [p.name for p in (root / "20bn-something-something-v2").iterdir()]
    assert sorted(names) == sorted(f"{k}.webm" for k in range(1, 265))
    with av.open(str(root / "20bn-something-something-v2/1.webm")) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == "vp9"


def test_numbers_of_ssv2_tell_nothing_of_the_class(roots):
    train = load("ssv2", roots["ssv2"], "train")
    by_number = [s.label for s in sorted(train.samples, key=lambda s: int(s.group))]
    assert len({tuple(by_number[k : k + 12]) for k in range(0, 168, 12)}) == 14
    assert all(len(set(by_number[k : k + 24])) > 4 for k in range(0, 168, 24))


def test_kinetics_has_the_holes_and_names_of_the_original(roots):
    root = roots["kinetics400"]
    for side, missing, damaged in (("train", 2, 0), ("val", 1, 1)):
        text = (root / f"annotations/{side}.csv").read_text("utf-8")
        assert '"rising (straight up)",' in text and "\nshrinking," in text
        rows = list(csv.DictReader(text.splitlines()))
        assert {row["split"] for row in rows} == {side}
        names = {
            f"{r['youtube_id']}_{int(r['time_start']):06d}_{int(r['time_end']):06d}.mp4"
            for r in rows
        }
        assert len(names) == len(rows) and sum(n.startswith("-") for n in names) > 10
        there = {path.name: path for path in (root / side).iterdir()}
        assert set(there) < names and len(names - set(there)) == missing
        bad = []
        for path in there.values():
            try:
                open_video(path)
            except VideoError:
                bad.append(path)
        assert len(bad) == damaged


def test_class_order_of_kinetics_depends_on_the_parentheses():
    names = sorted(KINETICS_NAMES.values())
    stripped = sorted(names, key=lambda name: re.sub("[()]", "", name))
    assert names.index("rising (straight up)") + 1 == names.index(
        "rising into the front"
    )
    assert stripped != names
    assert set(KINETICS_NAMES) == set(SSV2_NAMES) == set(ACTIONS)


def test_a_standin_of_kinetics_without_lists_is_refused(roots, tmp_path):
    root = shutil.copytree(roots["kinetics400"], tmp_path / "k")
    shutil.rmtree(root / "annotations")
    with pytest.raises(DatasetError, match="there is no list that says"):
        create_dataset("kinetics400", root)


@pytest.mark.slow
@pytest.mark.filterwarnings(f"ignore:.*{MISSING}")
@pytest.mark.parametrize("name", NAMES)
def test_the_whole_way_from_videos_to_results(roots, name, tmp_path):
    damaged = 1 if name == "kinetics400" else 0
    # One damaged clip of 83 is more than the usual hundredth.
    most = {"data.max_unreadable": 0.02}
    for run, result in whole_way(name, roots[name], "1", tmp_path / "run", **most):
        assert result.standin and len(result.unreadable) == damaged
        assert result.top1.n == len(run.test_list) - damaged
