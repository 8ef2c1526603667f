"""Benchmarks: refused in time, scored by name, never on what was learned from."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from dvfl_lib.datasets.leakage import TrainingList
from dvfl_lib.errors import (
    CheckpointError,
    DatasetError,
    DVFLError,
    RecipeError,
    RunDirectoryError,
)
from dvfl_lib.lessons import benchmark_opening, trained_network
from dvfl_lib.standins.scenes import ACTIONS, action_of
from dvfl_lib.vfl_net import create_model
from dvfl_lib.weights import save_checkpoint
from small_benchmarks import opened, saved


@pytest.fixture(scope="module")
def unmarked(small_standins, tmp_path_factory) -> dict[str, str]:
    """The same files without the mark: for all that can be told, real data."""
    root = tmp_path_factory.mktemp("real") / "ucf101"
    shutil.copytree(small_standins["ucf101"], root)
    (root / "STANDIN.json").unlink()
    return {"ucf101": str(root)}


# --- refused before anything is computed ---------------------------------------


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"benchmarks": ["ucf102"]}, "'ucf102' is not among"),
        ({"benchmarks": "ucf101"}, "takes a list"),
        ({"data_roots": ["x"]}, "data_roots takes a dictionary"),
        ({"data_roots": {"ucf101": "/none"}}, "there is no folder"),
        ({"data_roots": {"ucf101": 3}}, "takes a path"),
        ({"views": "4x2"}, "'4x3'"),
        ({"views": "0x1"}, "views takes"),
        ({"checkpoints": {"pupil": "x"}}, "'pupil' is not among"),
        ({"checkpoints": {"student": "none.pth"}}, "there is no file none.pth"),
        ({"checkpoints": {"student": ""}}, "takes a path"),
        ({"checkpoints": {"ucf101": {"student": "x"}}}, "lacks ucf50"),
        ({"checkpoints": "x.pth"}, "takes a dictionary"),
        ({"splits": {"ucf": "1"}}, "'ucf' is not among"),
        ({"class_orders": {"student": 1}}, "takes a path or a name"),
        ({"vouch_for": "student"}, "takes a list"),
        ({"vouch_for": ["me"]}, "'me' is not among"),
        ({"batchsize": 4}, "Did you mean 'batch_size'"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"workers": -1}, "workers must be"),
        ({"precision": "fp8"}, "not among no, bf16, fp16"),
        ({"device": "warp"}, "device 'warp' cannot be used"),
        ({"max_unreadable": 1}, "max_unreadable"),
        ({"size": {"crops": 3}}, "size: 'crops'"),
        ({"size": {"crop": 6.5}}, "size: 'crop': 6.5"),
        ({"standin_size": {"groups": 3}}, "22 to 99 groups"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_a_parameter_that_cannot_be_right_is_named(tmp_path, changes, told):
    with pytest.raises(DVFLError) as refused:
        opened(tmp_path / "run", **changes)
    assert told in str(refused.value), refused.value
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, small_standins):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="run_dir"):
        opened(tmp_path / "file", data_roots=small_standins)


def test_real_data_need_networks_that_know_them(tmp_path, unmarked):
    with pytest.raises(RecipeError, match="know made-up actions only"):
        opened(tmp_path, data_roots=unmarked)


def test_data_that_nobody_asked_for_are_not_passed_over(tmp_path, small_standins):
    with pytest.raises(RecipeError, match="leaves them out"):
        opened(tmp_path, data_roots=small_standins, benchmarks=["ucf101"])


def test_another_number_of_classes_is_refused_before_a_standin_is_drawn(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(benchmark_opening, "write_standin", pytest.fail)
    model = create_model("vfl_net_lab_student", num_classes=101)
    save_checkpoint(model, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="101 classes.*12 classes.*data_roots"):
        opened(
            tmp_path,
            benchmarks=["ssv2"],
            checkpoints={"teacher": str(tmp_path / "m.safetensors")},
        )


def test_image_weights_are_no_video_network(tmp_path, small_standins):
    torch.save({"model": {"x": torch.zeros(2)}}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="a video network of this family"):
        opened(
            tmp_path,
            data_roots=small_standins,
            checkpoints={"teacher": tmp_path / "x.pth"},
        )


# --- classes by name -------------------------------------------------------------


def test_equal_drawings_get_equal_answers_under_all_names(tmp_path, small_standins):
    bench = opened(
        tmp_path, data_roots=small_standins, splits=dict.fromkeys(small_standins, "1")
    )
    results = bench.evaluate_all()
    assert len(results) == 2 * 3
    for role in ("student", "baseline", "teacher"):
        ucf, hmdb = (results[name, "1", role] for name in ("ucf101", "hmdb51"))
        assert ucf.standin and hmdb.standin
        assert ucf.class_names != hmdb.class_names
        assert ucf.top1.correct == hmdb.top1.correct > 0.6 * len(ucf.videos)
        labels = [
            sorted(action_of(r.class_names[k]) for k in r.labels) for r in (ucf, hmdb)
        ]
        assert labels[0] == labels[1]


def test_an_order_that_does_not_fit_would_cost_accuracy(tmp_path, small_standins):
    """What the pairing by name saves: the same answers, columns left as they are."""
    bench = opened(
        tmp_path, data_roots=small_standins, splits=dict.fromkeys(small_standins, "1")
    )
    entry = bench.at("hmdb51")
    result = bench.evaluate(entry, "baseline")
    back = np.argsort(entry.networks["baseline"].order)
    naive = (result.probabilities[:, back].argmax(1) == result.labels).mean()
    assert naive < result.top1.value - 0.1


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """A .pth in the layout of the authors' files, classes in a plain sort."""
    path = tmp_path_factory.mktemp("pth") / "student.pth"
    model, _ = trained_network("student")
    state, order = model.state_dict(), [ACTIONS.index(n) for n in sorted(ACTIONS)]
    assert order != sorted(order)
    for name in ("head.weight", "head.bias"):
        state[name] = state[name][order]
    torch.save({"model": state, "epoch": 119, "max_accuracy": 88.4}, path)
    return path


def test_a_pth_is_taken_for_the_authors_order_and_says_so(
    tmp_path, small_standins, released
):
    own = opened(
        tmp_path / "a",
        data_roots={"ucf101": small_standins["ucf101"]},
        splits={"ucf101": 2},
    )
    file = opened(
        tmp_path / "b",
        data_roots={"ucf101": small_standins["ucf101"]},
        splits={"ucf101": 2},
        checkpoints={"student": released},
        size={"crop": 64, "short_side": 72},
    )
    (expected,) = (own.evaluate(e, "student") for e in own.lists)
    results = file.evaluate_all()
    (found,) = results.values()
    np.testing.assert_array_equal(expected.probabilities, found.probabilities)
    (measured,) = file.measured(results)
    assert "order of the authors' released checkpoints" in measured.notes[0]
    assert "nothing says what it was trained on" in measured.notes[1]


def test_nobody_knows_the_authors_order_of_hmdb51(tmp_path, small_standins, released):
    roots = {"hmdb51": small_standins["hmdb51"]}
    with pytest.raises(CheckpointError, match="from 2 to 52"):
        opened(tmp_path, data_roots=roots, checkpoints={"student": released})
    names = tmp_path / "names.txt"
    names.write_text("\n".join(sorted(ACTIONS)))
    bench = opened(
        tmp_path,
        data_roots=roots,
        checkpoints={"student": released},
        class_orders={"student": str(names)},
    )
    network = bench.at("hmdb51").networks["student"]
    place = [sorted(ACTIONS)[k] for k in network.order]
    assert place == [action_of(name) for name in bench.at("hmdb51").dataset.classes]


def test_weights_that_do_not_name_their_classes_need_to_be_told(
    tmp_path, small_standins
):
    path = saved(tmp_path / "x.safetensors", classes=None)
    roots = {"ucf101": small_standins["ucf101"]}
    with pytest.raises(CheckpointError, match="class_orders"):
        opened(tmp_path, data_roots=roots, checkpoints={"student": path})
    given = {"data_roots": roots, "checkpoints": {"student": path}}
    bench = opened(tmp_path, class_orders={"student": "own"}, **given)
    assert bench.lists[0].networks["student"].order == tuple(range(12))
    # A training of this library, before its weights named their classes.
    path = saved(tmp_path / "x.safetensors", classes=None, run="student")
    network = opened(tmp_path, **given).lists[0].networks["student"]
    assert "data set's own order" in network.notes[0]


def test_classes_of_another_data_set_are_refused(tmp_path, small_standins):
    names = [f"action {n}" for n in range(12)]
    path = saved(tmp_path / "x.safetensors", classes=names)
    with pytest.raises(CheckpointError, match="not one of the stand-ins' actions"):
        opened(tmp_path, data_roots=small_standins, checkpoints={"student": path})


def test_views_are_those_of_the_file_or_of_the_papers(
    tmp_path, small_standins, released
):
    roots = {"ucf101": small_standins["ucf101"]}
    told = saved(tmp_path / "x.safetensors", views={"frames": 4, "crop": 48})
    given = {"data_roots": roots, "splits": {"ucf101": "1"}}
    network = opened(tmp_path, checkpoints={"student": told}, **given).lists[0].networks
    numbers = network["student"].data, network["student"].short_side
    assert (numbers[0].frames, numbers[0].crop, numbers[1]) == (4, 48, 224)
    assert not network["student"].notes
    file = opened(tmp_path, checkpoints={"student": released}, **given)
    found = file.lists[0].networks["student"]
    assert (found.data.frames, found.data.crop, found.short_side) == (8, 224, 224)
    assert "8 frames of 224 pixels are taken" in found.notes[1]
    own = opened(tmp_path, **given).lists[0].networks["teacher"]
    assert (own.data.crop, own.short_side, own.notes) == (64, 72, ())


# --- no network is scored on what it learned from ----------------------------------


def trained_on(path: Path, split: str, drawing: int | None) -> str:
    told = TrainingList("ucf101", split, drawing).to_dict()
    return saved(path, trained_on=told)


def test_a_network_is_scored_on_its_own_split(tmp_path, small_standins):
    path = trained_on(tmp_path / "x.safetensors", "2", drawing=1)
    given = {
        "data_roots": {"ucf101": small_standins["ucf101"]},
        "checkpoints": {"student": path},
    }
    bench = opened(tmp_path, **given)
    assert [entry.place for entry in bench.lists] == [("ucf101", "2")]
    with pytest.raises(DatasetError, match="all stand-ins of one seed"):
        opened(tmp_path, splits={"ucf101": "all"}, **given)


def test_three_splits_take_three_networks(tmp_path, small_standins):
    files = {
        split: trained_on(tmp_path / f"{split}.safetensors", split, drawing=1)
        for split in "123"
    }
    given = {"data_roots": {"ucf101": small_standins["ucf101"]}}
    bench = opened(tmp_path, checkpoints={"student": files}, **given)
    found = {e.place[1]: str(e.networks["student"].path) for e in bench.lists}
    assert found == files
    with pytest.raises(RecipeError, match="none for split 2"):
        opened(
            tmp_path,
            checkpoints={"ucf101": {"student": {"1": files["1"]}}},
            splits={"ucf101": "all"},
            **given,
        )
    with pytest.raises(RecipeError, match="trained on several"):
        two = {"student": files["1"], "teacher": files["2"]}
        opened(tmp_path, checkpoints=two, **given)


def test_on_real_data_each_split_needs_its_network(tmp_path, unmarked):
    path = trained_on(tmp_path / "x.safetensors", "1", drawing=None)
    given = {"data_roots": unmarked, "checkpoints": {"student": path}}
    bench = opened(tmp_path, **given)
    assert [entry.place for entry in bench.lists] == [("ucf101", "1")]
    assert not bench.lists[0].dataset.standin
    with pytest.raises(DatasetError, match="test videos of split 2"):
        opened(tmp_path, splits={"ucf101": ["1", "2"]}, **given)


def test_what_nobody_knows_is_scored_on_the_authors_list_alone(
    tmp_path, unmarked, released
):
    size = {"crop": 64, "short_side": 72}
    given = {"data_roots": unmarked, "checkpoints": {"student": released}, "size": size}
    assert opened(tmp_path, **given).lists[0].dataset.split == "authors"
    with pytest.raises(DatasetError, match="must not be scored here.*vouch_for"):
        opened(tmp_path, splits={"ucf101": "1"}, **given)
    bench = opened(tmp_path, splits={"ucf101": "1"}, vouch_for=["student"], **given)
    (measured,) = bench.measured(bench.evaluate_all())
    assert "is what the user says" in measured.notes[1]
