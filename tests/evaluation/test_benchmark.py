"""Networks x data sets x splits: refused in time, scored by name, each result kept."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dvfl_lib.datasets.leakage import TrainingList
from dvfl_lib.errors import CheckpointError, DatasetError, DVFLError, RecipeError
from dvfl_lib.evaluation import (
    benchmark,
    concatenate,
    confused_pairs,
    costs_of,
    final_rows,
    final_table,
    list_accuracies,
    plan,
    write_benchmarks,
)
from dvfl_lib.figures import benchmarks_figure
from dvfl_lib.lessons import mistake_clips, trained_network
from dvfl_lib.standins.scenes import ACTIONS, action_of
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.clips import EvaluationViews
from dvfl_lib.weights import save_checkpoint
from dvfl_lib.weights.reading import read_weights
from small_benchmarks import few_videos, opened, saved


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    few_videos(monkeypatch)


@pytest.fixture
def ucf(small_standins) -> dict:
    return {"data_roots": {"ucf101": small_standins["ucf101"]}}


@pytest.fixture
def hmdb(small_standins) -> dict:
    return {"data_roots": {"hmdb51": small_standins["hmdb51"]}}


@pytest.fixture(scope="module")
def unmarked(small_standins, tmp_path_factory) -> dict[str, str]:
    """The same files without the mark: for all that can be told, real data."""
    root = tmp_path_factory.mktemp("real") / "ucf101"
    shutil.copytree(small_standins["ucf101"], root)
    (root / "STANDIN.json").unlink()
    return {"ucf101": str(root)}


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> str:
    """A .pth in the layout of the authors' files, classes in a plain sort."""
    path = tmp_path_factory.mktemp("pth") / "student.pth"
    model, _ = trained_network("student")
    state, order = model.state_dict(), [ACTIONS.index(n) for n in sorted(ACTIONS)]
    assert order != sorted(order)
    for name in ("head.weight", "head.bias"):
        state[name] = state[name][order]
    torch.save({"model": state, "epoch": 119, "max_accuracy": 88.4}, path)
    return f"student={path}"


# --- refused before anything is computed ---------------------------------------


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"benchmarks": ["ucf102"]}, "benchmarks.0: .*'ucf101'"),
        (
            {"data_roots": {"ucf101": "/none"}},
            "there is no folder /none",
        ),
        ({"splits": "1"}, "splits: .*dictionary"),
        ({"checkpoints": ["pupil=x"]}, "checkpoints.0.role: .*'student'"),
        (
            {"checkpoints": ["student=none.pth"]},
            "there is no file none.pth",
        ),
        ({"trust_unknown_training": ["me"]}, "trust_unknown_training.0"),
        ({"batchsize": 4}, "'batchsize'. Did you mean 'batch_size'"),
        ({"batch_size": 0}, "batch_size: .*greater than or equal to 1"),
        ({"precision": "fp8"}, "precision: .*'bf16'"),
        ({"device": "warp"}, "device 'warp' cannot be used"),
        ({"size": {"crop": 6}}, "crop"),
        ({"standin_size": {"groups": 3}}, "22 to 99 groups"),
    ],
)
def test_a_parameter_that_cannot_be_right_is_named(tmp_path, changes, told):
    with pytest.raises(DVFLError, match=told):
        opened(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_what_nobody_asked_for_is_not_passed_over(tmp_path, small_standins, ucf):
    with pytest.raises(RecipeError, match="leaves it out"):
        opened(tmp_path, data_roots=small_standins, benchmarks=["ucf101"])
    path = saved(tmp_path / "x.safetensors")
    for given, told in (
        ([f"student={path}@ssv2"], "checkpoints names ssv2"),
        ([f"student={path}", f"student={path}"], "two files for student"),
    ):
        with pytest.raises(RecipeError, match=told):
            opened(tmp_path, checkpoints=given, **ucf)
    with pytest.raises(RecipeError, match="none for hmdb51"):
        given = [f"student={path}@ucf101"]
        opened(tmp_path, checkpoints=given, data_roots=small_standins)


def test_real_data_need_networks_that_know_them(tmp_path, unmarked):
    with pytest.raises(RecipeError, match="know made-up actions only"):
        opened(tmp_path, data_roots=unmarked)


def test_weights_that_are_not_what_they_say_are_refused(tmp_path, ucf):
    model = create_model("vfl_net_lab_student", num_classes=101)
    save_checkpoint(model, tmp_path / "m.safetensors")
    files = [f"teacher={tmp_path / 'm.safetensors'}"]
    with pytest.raises(CheckpointError, match="101 classes.*12 classes.*data_roots"):
        opened(tmp_path, checkpoints=files, **ucf)
    torch.save({"model": {"x": torch.zeros(2)}}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="a video network of this family"):
        opened(tmp_path, checkpoints=[f"teacher={tmp_path / 'x.pth'}"], **ucf)
    path = saved(tmp_path / "x.safetensors")
    given = {"role": "student", "path": path, "arch": "vfl_net_nano"}
    with pytest.raises(CheckpointError, match="lab_student.*not vfl_net_nano"):
        opened(tmp_path, checkpoints=[given], **ucf)


# --- classes by name -------------------------------------------------------------


def test_equal_drawings_get_equal_answers_under_all_names(tmp_path, small_standins):
    splits = dict.fromkeys(small_standins, "1")
    bench = opened(tmp_path, data_roots=small_standins, splits=splits)
    entries = [bench.at(name) for name in ("ucf101", "hmdb51")]
    found = []
    for result in (bench.evaluate(entry, "student") for entry in entries):
        actions = [action_of(name) for name in result.class_names]
        columns = [actions.index(name) for name in ACTIONS]
        rows = np.argsort([ACTIONS.index(actions[y]) for y in result.labels])
        found.append(result.probabilities[rows][:, columns])
        assert result.standin and result.top1.value > 0.6
    # Other videos share a forward pass: sums may be rounded otherwise.
    np.testing.assert_allclose(*found, rtol=0, atol=1e-6)
    assert entries[0].dataset.classes != entries[1].dataset.classes
    # What the pairing saves: the same answers, columns left as they are.
    back = np.argsort(entries[1].networks["student"].order)
    naive = (result.probabilities[:, back].argmax(1) == result.labels).mean()
    assert naive < result.top1.value


def test_a_pth_is_taken_for_the_authors_order_and_says_so(tmp_path, ucf, released):
    ucf["splits"] = {"ucf101": 2}
    own = opened(tmp_path / "a", **ucf)
    size = {"crop": 64, "short_side": 72}
    file = opened(tmp_path / "b", checkpoints=[released], size=size, **ucf)
    expected = own.evaluate(own.lists[0], "student")
    results = file.evaluate_all()
    (found,) = results.values()
    np.testing.assert_array_equal(expected.probabilities, found.probabilities)
    assert "order of the authors' released checkpoints" in found.notes[0]
    assert "nothing says what it was trained on" in found.notes[1]


def test_nobody_knows_the_authors_order_of_hmdb51(tmp_path, hmdb, released):
    with pytest.raises(CheckpointError, match="from 2 to 52"):
        opened(tmp_path, checkpoints=[released], **hmdb)
    names = tmp_path / "names.txt"
    names.write_text("\n".join(sorted(ACTIONS)))
    given = {"checkpoints": [released], "class_orders": {"student": str(names)}}
    bench = opened(tmp_path, **given, **hmdb)
    network = bench.at("hmdb51").networks["student"]
    place = [sorted(ACTIONS)[k] for k in network.order]
    assert place == [action_of(name) for name in bench.at("hmdb51").dataset.classes]


def test_weights_that_do_not_name_their_classes_need_to_be_told(tmp_path, ucf):
    path = saved(tmp_path / "x.safetensors", classes=None)
    ucf["checkpoints"] = [f"student={path}"]
    with pytest.raises(CheckpointError, match="class_orders"):
        opened(tmp_path, **ucf)
    bench = opened(tmp_path, class_orders={"student": "own"}, **ucf)
    assert bench.lists[0].networks["student"].order == tuple(range(12))
    # A training of this library, before its weights named their classes.
    saved(tmp_path / "x.safetensors", classes=None, run="student")
    network = opened(tmp_path, **ucf).lists[0].networks["student"]
    assert "data set's own order" in network.notes[0]
    saved(tmp_path / "x.safetensors", classes=[f"action {n}" for n in range(12)])
    with pytest.raises(CheckpointError, match="not one of the stand-ins' actions"):
        opened(tmp_path, **ucf)


def test_views_are_those_of_the_file_or_of_the_papers(tmp_path, ucf, released):
    told = saved(tmp_path / "x.safetensors", views={"frames": 4, "crop": 48})
    ucf["splits"] = {"ucf101": "1"}

    def first(role="student", **given):
        return opened(tmp_path, **given, **ucf).lists[0].networks[role]

    network = first(checkpoints=[f"student={told}"])
    numbers = network.data.frames, network.data.crop, network.short_side
    assert numbers == (4, 48, 224) and len(network.notes) == 1
    network = first(checkpoints=[released])
    numbers = network.data.frames, network.data.crop, network.short_side
    assert numbers == (8, 224, 224)
    assert "8 frames of 224 pixels are taken" in network.notes[1]
    network = first("teacher")
    assert (network.data.crop, network.short_side, network.notes) == (64, 72, ())


# --- no network is scored on what it learned from ----------------------------------


def trained_on(path: Path, split: str, drawing: int | None) -> str:
    told = TrainingList("ucf101", split, drawing).to_dict()
    return saved(path, trained_on=told)


def test_a_network_is_scored_on_its_own_split(tmp_path, ucf):
    path = trained_on(tmp_path / "x.safetensors", "2", drawing=1)
    ucf["checkpoints"] = [f"student={path}"]
    bench = opened(tmp_path, **ucf)
    assert [entry.place for entry in bench.lists] == [("ucf101", "2")]
    with pytest.raises(DatasetError, match="all stand-ins of one seed"):
        opened(tmp_path, splits={"ucf101": "all"}, **ucf)


def test_three_splits_take_three_networks(tmp_path, ucf):
    files = {
        split: trained_on(tmp_path / f"{split}.safetensors", split, drawing=1)
        for split in "123"
    }
    given = [f"student={path}@ucf101:{split}" for split, path in files.items()]
    bench = opened(tmp_path, checkpoints=given, **ucf)
    found = {e.place[1]: e.networks["student"].file.path for e in bench.lists}
    assert {split: str(path) for split, path in found.items()} == files
    with pytest.raises(RecipeError, match="none for ucf101, split 2: student"):
        opened(tmp_path, checkpoints=given[:1], splits={"ucf101": "all"}, **ucf)
    two = [f"student={files['1']}", f"teacher={files['2']}"]
    with pytest.raises(RecipeError, match="trained on several"):
        opened(tmp_path, checkpoints=two, **ucf)


def test_on_real_data_each_split_needs_its_network(tmp_path, unmarked):
    path = trained_on(tmp_path / "x.safetensors", "1", drawing=None)
    given = {"data_roots": unmarked, "checkpoints": [f"student={path}"]}
    bench = opened(tmp_path, **given)
    assert [entry.place for entry in bench.lists] == [("ucf101", "1")]
    assert not bench.lists[0].dataset.standin
    with pytest.raises(DatasetError, match="test videos of split 2"):
        opened(tmp_path, splits={"ucf101": ["1", "2"]}, **given)


def test_what_nobody_knows_is_scored_on_the_authors_list_alone(
    tmp_path, unmarked, released
):
    given = {"data_roots": unmarked, "checkpoints": [released]}
    given["size"] = {"crop": 64, "short_side": 72}
    assert opened(tmp_path, **given).lists[0].dataset.split == "authors"
    given["splits"] = {"ucf101": "1"}
    with pytest.raises(DatasetError, match="must not be scored here.*trust_unknown"):
        opened(tmp_path, **given)
    bench = opened(tmp_path, trust_unknown_training=["student"], **given)
    (result,) = bench.evaluate_all().values()
    assert "is what the user says" in result.notes[1]


def test_drawings_that_were_learned_from_are_not_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "write_standin", pytest.fail)
    with pytest.raises(DatasetError, match="all stand-ins of one seed"):
        opened(tmp_path, benchmarks=["ucf50"], seed=0)


def test_nothing_is_drawn_for_a_split_or_a_head_that_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "write_standin", pytest.fail)
    save_checkpoint(create_model("vfl_net_lab_student", 51), tmp_path / "x.safetensors")
    for told, given in (
        ("hmdb51 has no split '4'", {"splits": {"hmdb51": ["1", "4"]}}),
        (
            "51 classes",
            {"checkpoints": [f"student={tmp_path / 'x.safetensors'}@hmdb51"]},
        ),
    ):
        with pytest.raises(DVFLError, match=told):
            opened(tmp_path, benchmarks=["hmdb51"], **given)


# --- kept video by video, read once ------------------------------------------------


def test_weights_are_read_once_to_open_and_once_per_list_to_answer(
    tmp_path, hmdb, monkeypatch
):
    reads = []

    def counted(path, part):
        reads.append(Path(path).name)
        return read_weights(path, part)

    monkeypatch.setattr(plan, "read_weights", counted)
    monkeypatch.setattr(benchmark, "read_weights", counted)
    path = saved(tmp_path / "x.safetensors")
    hmdb |= {"checkpoints": [f"student={path}"], "splits": {"hmdb51": ["1", "2"]}}
    bench = opened(tmp_path, **hmdb)
    assert len(reads) == 1  # to open two lists
    bench.evaluate_all()
    assert len(reads) == 3  # to answer, once per list
    opened(tmp_path, **hmdb).evaluate_all()  # finished results are read
    assert len(reads) == 4


def test_other_weights_are_another_result(tmp_path, ucf, monkeypatch):
    numbers, read = [], EvaluationViews.__getitem__

    def watched(views, index):
        numbers.append(index)
        return read(views, index)

    monkeypatch.setattr(EvaluationViews, "__getitem__", watched)
    ucf["splits"] = {"ucf101": "3"}
    path = saved(tmp_path / "x.safetensors")
    ucf["checkpoints"] = [f"student={path}"]
    bench = opened(tmp_path, **ucf)
    first = bench.evaluate_all()["ucf101", "3", "student"]
    numbers.clear()
    again = bench.evaluate_all()["ucf101", "3", "student"]
    assert numbers == []
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    saved(tmp_path / "x.safetensors", network="baseline")
    with pytest.raises(CheckpointError, match="changed meanwhile"):
        bench.lists[0].networks["student"].load()
    bench = opened(tmp_path, **ucf)
    other = bench.evaluate_all()["ucf101", "3", "student"]
    assert len(numbers) == 12
    assert not np.array_equal(other.probabilities, first.probabilities)
    # And other views are another file.
    more = bench.evaluate(bench.lists[0], "student", "2x3")
    assert (more.views.clips, more.views.crops) == (2, 3)
    names = {path.name for path in (tmp_path / "results/ucf101/3").glob("[a-z]*.json")}
    assert names == {"student.json", "student_2x3.json"}


@pytest.mark.nightly
def test_standins_are_drawn_where_no_folder_is_given(tmp_path, monkeypatch):
    monkeypatch.undo()  # the whole list
    monkeypatch.setattr(benchmark, "project_root", lambda: tmp_path)
    given = {"benchmarks": ["kinetics400"], "seed": 3}
    given["standin_size"] = {"min_frames": 8, "max_frames": 8}
    bench = opened(tmp_path / "run", **given)
    (entry,) = bench.lists
    place = tmp_path / "data/standins/seed3_22x1_8to8/kinetics400"
    assert entry.dataset.root == place and entry.dataset.standin
    assert any("missing" in note for note in bench.notes)
    found = bench.evaluate(entry, "student")
    assert len(found.unreadable) == 1 and found.standin
    assert found.missing == 1
    (row,) = final_table(final_rows([found])).rows
    assert f"{len(found.videos)} of {len(found.videos) + 2} listed videos" in row[3]


# --- put together ------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(small_standins, tmp_path_factory):
    """All three lists of one data set, evaluated with two networks."""
    folder = tmp_path_factory.mktemp("finished")
    files = [
        f"{role}={saved(folder / f'{role}.safetensors', network=role)}"
        for role in ("student", "teacher")
    ]
    roots = {"hmdb51": small_standins["hmdb51"]}
    with pytest.MonkeyPatch.context() as patch:
        few_videos(patch)
        bench = opened(folder / "run", data_roots=roots, checkpoints=files)
        return bench, bench.evaluate_all()


def test_the_rows_of_a_figure_are_the_lists(finished):
    _, results = finished
    rows = list_accuracies(results)
    assert list(rows) == [f"HMDB51, split {n}" for n in (1, 2, 3)]
    first = results["hmdb51", "1", "student"]
    assert rows["HMDB51, split 1"]["student"][0] == first.top1.value
    other = replace(first, dataset="ssv2", standin=False)
    mixture = {("hmdb51", "1", "student"): first, ("ssv2", "1", "student"): other}
    rows = list(list_accuracies(mixture))
    assert rows == ["stand-in for HMDB51, split 1", "Something-Something V2, split 1"]


def test_the_clips_of_a_mistake_are_those_the_network_saw(finished):
    bench, results = finished
    result = concatenate([results["hmdb51", split, "teacher"] for split in "123"])
    (pair,) = confused_pairs(result, most=1)
    clips = mistake_clips(bench, "hmdb51", "teacher", pair, most=2)
    assert len(clips) == min(2, pair.count)
    assert all(clip.shape == (8, 3, 64, 64) for clip in clips)
    place = result.videos.index(pair.videos[0])
    assert result.class_names[result.labels[place]] == pair.true
    assert result.class_names[result.predictions[place]] == pair.said


def test_the_page_marks_the_standin_everywhere(finished):
    bench, results = finished
    costs = costs_of(bench, bench.lists[0])
    assert [cost.name for cost in costs] == ["student", "teacher"]
    assert costs[0].macs < costs[1].macs and costs[0].views.crop == 64
    figure = benchmarks_figure(list_accuracies(results), standin=True)
    paths = write_benchmarks(bench, results, {"lists": figure}, costs)
    text, page, values = (path.read_text("utf-8") for path in paths)
    assert text.startswith("# Benchmarks, on stand-in data")
    assert "![Top-1 accuracy" in text and "*Stand-in data. Top-1" in text
    assert "data:image/png" in page
    told = json.loads(values)
    assert told["standin"] == {"hmdb51": True}
    assert [row["role"] for row in told["rows"]] == ["student", "teacher"]
    assert told["rows"][0]["measured"]["mean"]["splits"] == ["1", "2", "3"]
    assert len(told["calibration"]) == 6 and len(told["costs"]) == 2
    assert "safetensors" in told["about"]["student"]
