"""Evaluation: the protocol loses nothing, and every number is counted by hand."""

import json
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from dvfl_lib.evaluation.progress import Progress
from torch import nn

from dvfl_lib.errors import DatasetError, ModelError, RecipeError, RunDirectoryError
from dvfl_lib.evaluation import About, Evaluation, Views, compare, evaluate, metrics
from dvfl_lib.evaluation import protocol as protocol_module
from dvfl_lib.recipes import DataRecipe, EvaluateRecipe
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.clips import EvaluationViews, Sample
from helpers import moving_frames, write_video

CLASSES = ("Rise", "Sink", "Grow", "Shrink", "Turn", "Swing")
ABOUT = About("student", True, "vfl_net_lab_student", "ucf101", "1")


@dataclass(frozen=True)
class FakeSample:
    """A sample without a file."""

    name: str
    label: int


@dataclass
class FakeViews:
    """The interface of ``EvaluationViews`` in memory; counts what is asked for."""

    count: int = 7
    broken: tuple[int, ...] = ()
    data: DataRecipe = field(
        default_factory=lambda: DataRecipe(frames=2, short_side=16, crop=16)
    )
    evaluate: EvaluateRecipe = field(
        default_factory=lambda: EvaluateRecipe(clips=2, crops=3, short_side=16)
    )
    asked: list[int] = field(default_factory=list)

    def __post_init__(self):
        self.samples = [
            FakeSample(f"v_{i}.avi", i % len(CLASSES)) for i in range(self.count)
        ]

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.asked.append(index)
        views = torch.randn(
            6, 2, 3, 16, 16, generator=torch.Generator().manual_seed(index)
        )
        gone = index in self.broken
        return {
            "views": torch.zeros_like(views) if gone else views,
            "label": self.samples[index].label,
            "index": index,
            "unreadable": [f"v_{index}.avi holds no frame"] if gone else [],
        }


def network(classes: int = len(CLASSES)) -> nn.Module:
    """A small real network with random weights, always the same."""
    torch.manual_seed(0)
    return create_model("vfl_net_lab_student", num_classes=classes, init="fan_in")


def run(model=None, views=None, **options):
    settings = {"class_names": CLASSES, "about": ABOUT, "progress": False}
    views = FakeViews() if views is None else views
    return evaluate(model or network(), views, **(settings | options))


def result(probabilities, labels, **changes) -> Evaluation:
    """An evaluation with the given numbers."""
    probabilities = np.asarray(probabilities, np.float32)
    n, k = probabilities.shape
    values = {
        "name": "student",
        "model": "vfl_net_lab_student",
        "dataset": "ucf101",
        "split": "1",
        "subset": "test",
        "standin": True,
        "class_names": tuple(f"class{c}" for c in range(k)),
        "videos": tuple(f"v_{i}.avi" for i in range(n)),
        "labels": np.asarray(labels, np.int64),
        "probabilities": probabilities,
        "unreadable": (),
        "views": Views(4, 3, 8, "segments", 224, 224),
        "precision": "no",
        "seconds": 1.5,
    }
    return Evaluation(**(values | changes))


def one_hot(predictions, k=3):
    """Probabilities whose top class is the given one."""
    return np.eye(k)[np.asarray(predictions)] * 0.8 + 0.2 / k


# --- the protocol ------------------------------------------------------------


def test_softmax_is_averaged_over_the_views_of_each_video_in_list_order():
    model, views = network().eval(), FakeViews()
    got = run(model, views)
    with torch.no_grad():
        expected = [model(views[i]["views"]).softmax(-1).mean(0) for i in range(7)]
    assert got.videos == tuple(f"v_{i}.avi" for i in range(7))
    assert got.labels.tolist() == [0, 1, 2, 3, 4, 5, 0]
    np.testing.assert_allclose(got.probabilities, torch.stack(expected), atol=1e-6)
    assert got.probabilities.dtype == np.float32


@pytest.mark.parametrize("batch_size", [1, 4, 6, 13, 1000])
def test_batch_size_changes_nothing_and_drops_nothing(batch_size):
    expected = run(batch_size=6)
    got = run(batch_size=batch_size)
    np.testing.assert_allclose(got.probabilities, expected.probabilities, atol=1e-6)
    assert got.videos == expected.videos


def test_no_forward_pass_has_more_views_than_batch_size():
    model, sizes = network(), []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    run(model, batch_size=4)
    assert sizes == [4, 2] * 7
    sizes.clear()
    run(model, batch_size=13)  # two videos of six views fit, a third is not split
    assert sizes == [12, 12, 12, 6]


def test_workers_change_nothing():
    expected, got = run(), run(workers=2)
    assert np.array_equal(got.probabilities, expected.probabilities)


def test_mode_and_random_state_are_left_as_they_were():
    model = network().train()
    model.head.eval()
    before = torch.get_rng_state()
    run(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training and not model.head.training


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_stays_near_full_precision(precision):
    expected, got = run(), run(precision=precision)
    assert got.precision == precision
    assert not np.array_equal(got.probabilities, expected.probabilities)
    np.testing.assert_allclose(got.probabilities, expected.probabilities, atol=0.05)


def test_progress_bar_shows_the_description(capsys):
    run(progress=True, description="testing the student")
    shown = capsys.readouterr().err
    assert "testing the student" in shown and "7/7" in shown


def test_unreadable_videos_are_listed_and_not_scored():
    got = run(views=FakeViews(broken=(2, 5)), max_unreadable=0.3, batch_size=20)
    intact = run()
    assert got.unreadable == ("v_2.avi holds no frame", "v_5.avi holds no frame")
    assert got.unreadable_share == 2 / 7
    assert got.videos == tuple(f"v_{i}.avi" for i in (0, 1, 3, 4, 6))
    np.testing.assert_allclose(
        got.probabilities, intact.probabilities[[0, 1, 3, 4, 6]], atol=1e-6
    )


def test_too_many_unreadable_videos_are_an_error():
    with pytest.raises(DatasetError, match=r"2 of 7 videos \(28.6%\).*v_2.avi"):
        run(views=FakeViews(broken=(2, 5)), max_unreadable=0.2)
    with pytest.raises(DatasetError, match="7 of 7"):
        run(views=FakeViews(broken=tuple(range(7))), max_unreadable=0.999)


def test_wrong_use_is_refused_before_or_at_the_first_video():
    with pytest.raises(RecipeError, match="batch_size"):
        run(batch_size=0)
    with pytest.raises(RecipeError, match="precision"):
        run(precision="int8")
    with pytest.raises(DatasetError, match="no video"):
        run(views=FakeViews(count=0))
    with pytest.raises(DatasetError, match="label 3.*only 3"):
        run(class_names=CLASSES[:3])
    with pytest.raises(ModelError, match="9 outputs, but there are 6"):
        run(network(9))


def test_a_diverged_network_is_an_error_not_a_score():
    model = network()
    with torch.no_grad():
        model.head.bias[0] = float("nan")
    with pytest.raises(ModelError, match="not finite"):
        run(model)


class Interrupt(Exception):
    """Stands for a kill."""


@dataclass
class Interrupted(FakeViews):
    """Breaks off when asked for its fifth video."""

    def __getitem__(self, index):
        if index == 4:
            raise Interrupt
        return super().__getitem__(index)


def test_an_interrupted_evaluation_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol_module, "_SAVE_EVERY", 0.0)
    with pytest.raises(Interrupt):
        run(views=Interrupted(broken=(1,)), resume_dir=tmp_path, max_unreadable=0.5)
    assert len(list(tmp_path.iterdir())) == 1

    again = FakeViews(broken=(1,))
    got = run(views=again, resume_dir=tmp_path, max_unreadable=0.5)
    # The video before the interruption still waited for its forward pass.
    assert again.asked == [3, 4, 5, 6]
    whole = run(views=FakeViews(broken=(1,)), max_unreadable=0.5)
    assert np.array_equal(got.probabilities, whole.probabilities)
    assert got.unreadable == whole.unreadable
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", ["weights", "precision", "views"])
def test_what_is_half_done_is_never_continued_with_something_else(
    tmp_path, monkeypatch, change
):
    monkeypatch.setattr(protocol_module, "_SAVE_EVERY", 0.0)
    with pytest.raises(Interrupt):
        run(views=Interrupted(), resume_dir=tmp_path)
    model, views, options = network(), FakeViews(), {}
    if change == "weights":
        with torch.no_grad():
            model.head.bias[0] += 1e-3
    elif change == "precision":
        options["precision"] = "bf16"
    else:
        views.data = replace(views.data, stride=2)
    run(model, views, resume_dir=tmp_path, **options)
    assert views.asked == list(range(7))


def test_damaged_progress_is_told_and_starts_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol_module, "_SAVE_EVERY", 0.0)
    with pytest.raises(Interrupt):
        run(views=Interrupted(), resume_dir=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    with pytest.warns(UserWarning, match="damaged"):
        got = run(resume_dir=tmp_path)
    assert np.array_equal(got.probabilities, run().probabilities)


def test_too_many_unreadable_then_a_larger_share_asks_for_nothing_again(tmp_path):
    with pytest.raises(DatasetError):
        run(views=FakeViews(broken=(2,)), resume_dir=tmp_path)
    again = FakeViews(broken=(2,))
    # A recipe changes it in two places.
    again.data = replace(again.data, max_unreadable=0.2, workers=0)
    got = run(views=again, resume_dir=tmp_path, max_unreadable=0.2)
    assert again.asked == [] and len(got.videos) == 6


def test_progress_without_a_file_saves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress = Progress.empty(2, 3)
    progress.save()
    progress.forget()
    assert not list(tmp_path.iterdir()) and progress.missing() == [0, 1]


def test_real_files_through_the_library_own_views(tmp_path):
    """Two readable videos and a broken one, decoded and cropped for real."""
    names = ["v_Rise_g01_c01.avi", "v_Sink_g01_c01.avi", "v_Grow_g01_c01.avi"]
    for name in names[:2]:
        write_video(tmp_path / name, moving_frames(20))
    (tmp_path / names[2]).write_bytes(b"no video")
    samples = [Sample(tmp_path / n, i, "g01", n) for i, n in enumerate(names)]
    data = DataRecipe(frames=4, short_side=32, crop=32)
    views = EvaluationViews(samples, data, EvaluateRecipe(2, 3, short_side=32))
    got = run(views=views, max_unreadable=0.5)
    assert got.videos == tuple(names[:2]) and names[2] in got.unreadable[0]
    assert str(got.views) == "2 x 3 (4 frames, short side 32, crop 32)"
    np.testing.assert_allclose(got.probabilities.sum(axis=1), 1, atol=1e-5)


# --- what is counted ---------------------------------------------------------


def test_top1_top5_confusion_and_classes_counted_by_hand():
    rng = np.random.default_rng(0)
    probabilities = rng.random((40, 7), dtype=np.float32)
    labels = rng.integers(0, 6, 40)  # class 6 has no video
    got = result(probabilities, labels)
    order = np.argsort(-probabilities, axis=1)
    hits1 = sum(order[i, 0] == labels[i] for i in range(40))
    hits5 = sum(labels[i] in order[i, :5] for i in range(40))
    assert (got.top1.correct, got.top1.n) == (hits1, 40)
    assert (got.top5.correct, got.top5.n) == (hits5, 40)
    counts = np.zeros((7, 7), int)
    for i in range(40):
        counts[labels[i], order[i, 0]] += 1
    assert np.array_equal(got.confusion, counts)
    for c, entry in enumerate(got.per_class):
        assert (entry.correct, entry.n) == (counts[c, c], counts[c].sum())
    assert got.per_class[6].accuracy is None
    assert got.correct.sum() == hits1


def test_top5_of_five_classes_is_none_because_it_would_always_be_right():
    assert result(one_hot([0, 1], k=5), [0, 1]).top5 is None
    assert result(one_hot([0, 1], k=6), [0, 1]).top5 is not None


def test_within_pairs_lets_only_the_two_of_a_pair_compete():
    probabilities = [
        [0.2, 0.1, 0.7, 0.0],  # class 0 against 1: right, though class 2 is on top
        [0.3, 0.1, 0.6, 0.0],  # class 1 against 0: wrong
        [0.4, 0.4, 0.1, 0.1],  # a tie counts one half
        [0.0, 0.0, 0.1, 0.9],  # class 3 is in no pair
    ]
    got = result(probabilities, [0, 1, 0, 3]).within_pairs([(0, 1)])
    assert (got.correct, got.n, got.value) == (1.5, 3, 0.5)
    nothing = result(probabilities, [3, 3, 3, 3]).within_pairs([(0, 1)])
    assert nothing.value is None and str(nothing) == "no video"


def test_family_is_right_if_predicted_and_true_class_share_one():
    got = result(one_hot([0, 1, 2, 3], k=4), [1, 3, 3, 3])
    assert got.family_accuracy([(0, 1), (2, 3)]).correct == 3
    overlapping = [(0, 1), (1, 3), (2, 3)]
    assert got.family_accuracy(overlapping).correct == 4
    assert got.family_chance([(0, 1), (2, 3)]) == 0.5
    assert got.family_chance(overlapping) == 0.75  # classes 1 and 3: three relatives


def test_impossible_pairs_and_families_are_refused():
    got = result(one_hot([0, 1, 2]), [0, 1, 2])
    with pytest.raises(DatasetError, match="class 3"):
        got.within_pairs([(0, 3)])
    with pytest.raises(DatasetError, match="one pair at most"):
        got.within_pairs([(0, 1), (1, 2)])
    with pytest.raises(DatasetError, match=r"leave out the classes \[2\]"):
        got.family_accuracy([(0, 1)])


def test_wilson_interval_of_known_cases():
    """Values of Newcombe 1998, table I, and the two ends."""
    np.testing.assert_allclose(
        metrics.wilson_interval(81, 263), (0.2553, 0.3662), atol=5e-5
    )
    np.testing.assert_allclose(
        metrics.wilson_interval(15, 148), (0.0624, 0.1605), atol=5e-5
    )
    np.testing.assert_allclose(metrics.wilson_interval(0, 20), (0.0, 0.1611), atol=5e-5)
    assert metrics.wilson_interval(20, 20)[1] == 1.0


def test_mcnemar_p_is_the_exact_binomial_tail():
    assert metrics.mcnemar_p(0, 0) == 1.0
    assert metrics.mcnemar_p(3, 3) == 1.0
    assert metrics.mcnemar_p(0, 5) == 2 / 32
    assert metrics.mcnemar_p(9, 1) == metrics.mcnemar_p(1, 9) == 22 / 1024
    assert 0 < metrics.mcnemar_p(1000, 1200) < 1e-4


def test_paired_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    shares, n = (0.1, 0.2, 0.7), 150  # only a right, only b right, the rest
    draws = rng.multinomial(n, shares, size=2000)
    inside = 0
    for only_a, only_b, _ in draws:
        low, high = metrics.paired_interval(int(only_a), int(only_b), n)
        inside += low <= shares[1] - shares[0] <= high
    assert 0.93 <= inside / len(draws) <= 0.97


def test_compare_counts_the_videos_that_only_one_got_right():
    labels = [0] * 10
    a = result(one_hot([0, 0, 1, 1, 1, 1, 1, 1, 1, 2]), labels, name="baseline")
    b = result(one_hot([1, 0, 0, 0, 0, 0, 0, 0, 0, 1]), labels, name="distilled")
    got = compare(a, b)
    assert (got.both, got.only_a, got.only_b, got.neither) == (1, 1, 7, 1)
    assert got.difference == 0.6 and got.low < 0.6 < got.high
    assert got.p == 18 / 256 and not got.distinguishable
    assert "not distinguishable from noise at this size (10 videos)" in got.verdict
    told = got.to_dict()
    assert told["difference_points"] == pytest.approx(60) and told["standin"] is True
    json.dumps(told, allow_nan=False)


def test_verdict_says_which_network_is_better():
    labels = [0] * 20
    good, bad = one_hot([0] * 20), one_hot([0] * 5 + [1] * 15)
    a, b = result(bad, labels, name="baseline"), result(good, labels, name="distilled")
    assert compare(a, b).verdict == (
        "distilled is 75.0 points better than baseline: more than noise."
    )
    assert "75.0 points worse" in compare(b, a).verdict


def test_compare_refuses_other_lists():
    a = result(one_hot([0, 1]), [0, 1])
    with pytest.raises(DatasetError, match="for example v_1.avi"):
        compare(a, result(one_hot([0]), [0]))
    with pytest.raises(DatasetError, match="another order or label"):
        compare(a, result(one_hot([0, 1]), [1, 1]))
    with pytest.raises(DatasetError, match="different data sets"):
        compare(a, result(one_hot([0, 1]), [0, 1], standin=False))


# --- files and tables --------------------------------------------------------


def test_saved_and_loaded_results_are_equal(tmp_path):
    rng = np.random.default_rng(0)
    before = result(
        rng.random((9, 6), dtype=np.float32),
        rng.integers(0, 6, 9),
        unreadable=("v_x.avi: empty",),
    )
    path = before.save(tmp_path / "results" / "student.json")
    after = Evaluation.load(path)
    assert np.array_equal(after.probabilities, before.probabilities)
    assert after.to_json() == before.to_json()
    names = {p.name for p in path.parent.iterdir()}
    assert names == {"student.json", "student.safetensors"}


def test_json_tells_units_counts_and_the_stand_in(tmp_path):
    probabilities = one_hot([0, 1, 1, 2], k=6)
    path = result(probabilities, [0, 1, 2, 2]).save(tmp_path / "r.json")
    told = json.loads(path.read_text())
    assert told["standin"] is True
    assert told["top1"]["percent"] == 75 and told["top1"]["n"] == 4
    low, high = told["top1"]["interval_95_wilson_percent"]
    assert 0 < low < 75 < high < 100
    assert told["per_class"][5]["percent"] is None
    assert told["confusion"]["counts"][2] == [0, 1, 1, 0, 0, 0]
    assert told["videos"][2] == {"name": "v_2.avi", "label": 2, "predicted": 1}
    assert told["views"]["short_side"] == 224


def test_missing_and_damaged_results_are_named(tmp_path):
    with pytest.raises(RunDirectoryError, match="nowhere.json is missing"):
        Evaluation.load(tmp_path / "nowhere.json")
    path = result(one_hot([0, 1]), [0, 1]).save(tmp_path / "r.json")
    tensors = path.with_suffix(".safetensors")
    content = tensors.read_bytes()
    tensors.write_bytes(content[:-1] + b"\x00")
    with pytest.raises(RunDirectoryError, match="does not belong to r.json"):
        Evaluation.load(path)
    tensors.unlink()
    with pytest.raises(RunDirectoryError, match="r.safetensors is missing"):
        Evaluation.load(path)
    for text in ("{", "[]", '{"format": "other"}'):
        path.write_text(text)
        with pytest.raises(RunDirectoryError, match="not a result of this library"):
            Evaluation.load(path)


def test_a_result_follows_no_path_out_of_its_folder(tmp_path):
    path = result(one_hot([0, 1]), [0, 1]).save(tmp_path / "inside" / "r.json")
    told = json.loads(path.read_text())
    told["probabilities"]["file"] = "../secret.safetensors"
    path.write_text(json.dumps(told))
    with pytest.raises(RunDirectoryError, match="inside.secret.safetensors is missing"):
        Evaluation.load(path)


def test_an_unwritable_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        result(one_hot([0, 1]), [0, 1]).save(tmp_path / "file" / "r.json")


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(DatasetError, match="labels must lie"):
        result(one_hot([0, 1]), [0, 3])
    with pytest.raises(DatasetError, match="do not go with"):
        result(one_hot([0, 1]), [0])
    with pytest.raises(DatasetError, match="not numbers"):
        result([[np.nan, 1.0]], [0])


def test_table_is_markdown_and_names_the_stand_in():
    lines = result(one_hot([0, 1]), [0, 1], name="a|b").table().splitlines()
    assert lines[0].count("|") == lines[1].count("|") == 7
    assert r"a\|b" in lines[2] and "100.0 % [34.2, 100.0]" in lines[2]
    assert "not meaningful" in lines[2]
    assert lines[-1].startswith("Stand-in data.")


def test_nothing_warns_in_a_plain_evaluation():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = run()
    assert got.seconds > 0
