"""The protocol loses nothing, whatever is batched, interrupted or unreadable."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dvfl_lib.datasets import VideoDataset
from dvfl_lib.errors import DatasetError, ModelError, RunDirectoryError
from dvfl_lib.evaluation import Evaluation, evaluate, protocol
from dvfl_lib.recipes import DataRecipe, EvaluateRecipe
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.clips import EvaluationViews, Sample
from dvfl_lib.weights.reading import weights_digest
from helpers import moving_frames, write_video

CLASSES = ("Rise", "Sink", "Grow", "Shrink", "Turn", "Swing")


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
    views = FakeViews() if views is None else views
    videos = [FakeSample("v.avi", 0)]
    data = VideoDataset("ucf101", Path("none"), "1", "test", CLASSES, videos)
    options = {"progress": False, **options}
    return evaluate(model or network(), views, data, "student", **options)


def kept(folder, model=None, views=None, precision="no", **options):
    """The same through ``cached_evaluation``."""
    model, views = model or network(), views or FakeViews()
    digest = weights_digest(model.state_dict())
    key = protocol.evaluation_key(digest, views, CLASSES, precision)

    def score(half_done):
        return run(model, views, half_done=half_done, precision=precision, **options)

    return protocol.cached_evaluation(folder / "student.json", key, score)


# --- the protocol ------------------------------------------------------------


def test_softmax_is_averaged_over_the_views_of_each_video_in_list_order():
    model, views = network().eval(), FakeViews()
    got = run(model, views)
    with torch.no_grad():
        expected = [model(views[i]["views"]).softmax(-1).mean(0) for i in range(7)]
    assert got.videos == tuple(f"v_{i}.avi" for i in range(7))
    assert got.labels.tolist() == [0, 1, 2, 3, 4, 5, 0]
    np.testing.assert_allclose(got.probabilities, torch.stack(expected), atol=1e-6)
    assert got.probabilities.dtype == np.float32 and got.seconds > 0


@pytest.mark.parametrize("batch_size, workers", [(1, 0), (4, 0), (13, 2), (1000, 0)])
def test_batches_and_workers_change_nothing_and_drop_nothing(batch_size, workers):
    expected = run(batch_size=6)
    got = run(batch_size=batch_size, workers=workers)
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
    with pytest.raises(DatasetError, match="no video"):
        run(views=FakeViews(count=0))
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
    monkeypatch.setattr(protocol, "_SAVE_EVERY", 0.0)
    with pytest.raises(Interrupt):
        kept(tmp_path, views=Interrupted(broken=(1,)), max_unreadable=0.5)
    assert len(list(tmp_path.iterdir())) == 1

    again = FakeViews(broken=(1,))
    got = kept(tmp_path, views=again, max_unreadable=0.5)
    # The video before the interruption still waited for its forward pass.
    assert again.asked == [3, 4, 5, 6]
    whole = run(views=FakeViews(broken=(1,)), max_unreadable=0.5)
    # Other videos share a forward pass: sums may be rounded otherwise.
    np.testing.assert_allclose(got.probabilities, whole.probabilities, atol=1e-6)
    assert got.unreadable == whole.unreadable
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"student.json", "student.safetensors", ".student.key"}


def test_a_result_that_cannot_be_saved_is_not_computed_again(tmp_path, monkeypatch):
    def full(*_):
        raise RunDirectoryError("the disk is full")

    with monkeypatch.context() as patch, pytest.raises(RunDirectoryError):
        patch.setattr(Evaluation, "save", full)
        kept(tmp_path)
    again = FakeViews()
    got = kept(tmp_path, views=again)
    assert again.asked == []
    assert np.array_equal(got.probabilities, run().probabilities)


def test_a_result_killed_before_its_mark_is_not_taken_for_the_one_before(
    tmp_path, monkeypatch
):
    first, other = kept(tmp_path), network()
    with torch.no_grad():
        other.head.bias[0] += 1
    with monkeypatch.context() as patch, pytest.raises(Interrupt):
        patch.setattr(protocol, "write_whole", _interrupt)
        patch.setattr(protocol._Progress, "save", lambda self: None)
        kept(tmp_path, other)
    assert np.array_equal(kept(tmp_path).probabilities, first.probabilities)


def _interrupt(*_):
    raise Interrupt


@pytest.mark.parametrize(
    "change", ["weights", "precision", "views", "resize_digest", "decoder_version"]
)
def test_what_is_half_done_is_never_continued_with_something_else(
    tmp_path, monkeypatch, change
):
    monkeypatch.setattr(protocol, "_SAVE_EVERY", 0.0)
    with pytest.raises(Interrupt):
        kept(tmp_path, views=Interrupted())
    model, views, options = network(), FakeViews(), {}
    if change == "weights":
        with torch.no_grad():
            model.head.bias[0] += 1e-3
    elif change == "precision":
        options["precision"] = "bf16"
    elif change == "views":
        views.data = replace(views.data, stride=2)
    else:
        monkeypatch.setattr(protocol, change, lambda: "another")
    kept(tmp_path, model, views, **options)
    assert views.asked == list(range(7))


def test_damaged_progress_is_told_and_starts_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(protocol, "_SAVE_EVERY", 0.0)
    with pytest.raises(Interrupt):
        kept(tmp_path, views=Interrupted())
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:50])
    with pytest.warns(UserWarning, match="damaged"):
        got = kept(tmp_path)
    assert np.array_equal(got.probabilities, run().probabilities)


def test_too_many_unreadable_then_a_larger_share_asks_for_nothing_again(tmp_path):
    with pytest.raises(DatasetError):
        kept(tmp_path, views=FakeViews(broken=(2,)))
    again = FakeViews(broken=(2,))
    # A recipe changes it in two places.
    again.data = replace(again.data, max_unreadable=0.2, workers=0)
    got = kept(tmp_path, views=again, max_unreadable=0.2)
    assert again.asked == [] and len(got.videos) == 6


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
