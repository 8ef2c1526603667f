"""Checkpoints put to work on whole videos and streams, as ``dvfl predict`` does it."""

import os
import types
import warnings
from dataclasses import asdict
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from dvfl_lib.cli import main
from dvfl_lib.datasets import VideoDataset
from dvfl_lib.deployment import (
    Recognition,
    StreamingRecogniser,
    open_network,
    predict_video,
)
from dvfl_lib.deployment.annotate import annotated
from dvfl_lib.errors import CheckpointError, DatasetError, RecipeError, VideoError
from dvfl_lib.evaluation import evaluate
from dvfl_lib.lessons.trained import ASSETS, assets_folder
from dvfl_lib.recipes import EvaluateRecipe, recipe_for
from dvfl_lib.standins import StandinSize, clip_frames
from dvfl_lib.training import Pipeline
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video import EvaluationViews, Sample, open_video
from dvfl_lib.video.writing import encode_clip
from dvfl_lib.weights import save_checkpoint
from helpers import moving_frames, write_video

CHECKPOINT = assets_folder() / ASSETS["student"]
SIZE = {"frames": 8, "sampling": "segments", "stride": 4, "crop": 32, "short_side": 36}
FAST = ["--frames", "4", "--frame-stride", "2", "--every", "8"]


@pytest.fixture(scope="module")
def rising(tmp_path_factory):
    """A drawn video of a test group, unknown to the network."""
    path = tmp_path_factory.mktemp("drawn") / "rising.avi"
    encode_clip(path, clip_frames(0, StandinSize(), "Rising", 1, 1))
    return path


@pytest.fixture(scope="module")
def network():
    return open_network(CHECKPOINT)


def predict(*arguments) -> int:
    given = [] if "--checkpoint" in arguments else ["--checkpoint", CHECKPOINT]
    return main(["predict", *map(str, [*arguments, *given])])


def test_a_whole_video_is_asked_about_as_evaluation_does_it(network, rising):
    answer = predict_video(network, rising)
    sample = Sample(rising, 0, "", "x")
    listed = EvaluationViews([sample], network.data, network.evaluate)
    assert listed[0]["views"].shape == (6, 8, 3, 64, 64)
    engine = evaluate(
        network.model,
        listed,
        VideoDataset("", rising.parent, "", "test", network.classes, [sample]),
        "student",
        batch_size=network.evaluate.batch_size,
        progress=False,
    )
    assert np.array_equal(answer.probabilities, engine.probabilities[0])
    (name, share), *_ = answer.top(3)
    assert name == "Rising" and share == answer.probabilities.max() > 0.5


def test_top_five_with_bars(rising, capsys):
    assert predict(rising, "--clips", 1, "--crops", 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "STAND-IN" in lines[0] and "1 x 1 (8 frames" in lines[1]
    assert lines[2].endswith("Rising") and "####" in lines[2] and len(lines) == 7
    shares = [float(line.split("%")[0]) for line in lines[2:]]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 100.3


def test_a_stream_is_told_line_by_line(rising, capsys):
    assert predict(rising, "--stream", *FAST) == 0
    said = capsys.readouterr().out
    assert "one frame in" not in said  # the stride was given
    assert "first decision after 7 frames, then one every 8" in said
    lines = [line for line in said.splitlines() if line.startswith("frame")]
    assert [int(line.split()[1]) for line in lines] == list(range(6, 41, 8))
    assert "0.24 s" in lines[0] and "%" in lines[0]
    high = ["--threshold", "0.999", "--max-frames", "8"]
    assert predict(rising, "--stream", *FAST, *high) == 0
    assert "no decision" in capsys.readouterr().out


def test_a_stream_too_short_for_a_window_says_so(rising, capsys):
    options = ["--stream", "--max-frames", "9"]
    assert predict(rising, *options) == 1
    said = capsys.readouterr().out
    assert "one frame in 4 (--frame-stride)" in said
    assert "No decision: 9 frames came and a window spans 29" in said


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_an_annotated_video_has_every_frame_and_a_panel(
    rising, tmp_path, capsys, suffix
):
    output = tmp_path / f"seen{suffix}"
    options = [*FAST, "--max-frames", "12", "--top", "2"]
    assert predict(rising, *options, "--output", output) == 0
    assert f"12 frames written to {output}" in capsys.readouterr().out
    assert os.listdir(tmp_path) == [output.name]
    with open_video(output) as seen, open_video(rising) as video:
        assert (seen.num_frames, seen.width, seen.fps) == (12, 320, 25)
        assert seen.height == 240 + 4 * 18 + 12  # a line, two bars and the note
        pictures = seen.read([0, 11]).float()
        true = video.read([0, 11]).float()
    # The picture is the video's; the panel shows bars once there is an answer.
    assert (pictures[..., :240, :] - true).abs().mean() < 6
    blue = pictures[:, 2, 240:] - pictures[:, 0, 240:]
    assert blue[0].max() < 60 and blue[1].max() > 100


def test_the_panel_says_what_is_known():
    frame = moving_frames(1, 31, 45)[0]
    share = torch.tensor([0.2, 0.8]).double()
    waiting = Recognition(0, False, 5)
    unsure = Recognition(9, True, 0, share, share)
    sure = Recognition(9, True, 0, share, share, 1, "b")
    sheets = [annotated(frame, said, "ab", 3, "") for said in (waiting, unsure, sure)]
    assert {sheet.shape for sheet in sheets} == {(98, 240, 3)}
    left = (240 - 45) // 2
    for sheet in sheets:
        assert np.array_equal(sheet[:31, left : left + 45], frame)
    assert not np.array_equal(sheets[1], sheets[2])
    bars = [(sheet == (0, 114, 178)).all(-1).sum(axis=1) for sheet in sheets]
    assert bars[0].max() == 0
    assert bars[2].max() == pytest.approx(0.8 * 228, abs=2)


@pytest.mark.parametrize(
    ("trouble", "status"), [(KeyboardInterrupt, 130), (VideoError("broke off"), 1)]
)
def test_interrupted_or_damaged_on_the_way_leaves_nothing(
    rising, tmp_path, capsys, monkeypatch, trouble, status
):
    output, push = tmp_path / "seen.mp4", StreamingRecogniser.push
    output.write_bytes(b"an older one")

    def stop(self, frame):
        if self._next == 9:
            raise trouble
        return push(self, frame)

    monkeypatch.setattr(StreamingRecogniser, "push", stop)
    options = [*FAST, "--output", output]
    assert predict(rising, *options) == status
    error = capsys.readouterr().err
    assert ("no output video was written" in error) == (status == 130)
    assert len(error.strip().splitlines()) == 1
    assert os.listdir(tmp_path) == ["seen.mp4"]
    assert output.read_bytes() == b"an older one"


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("link.avi", "is the video that is read"),
        ("seen.gif", "the suffix of a video to write is one of .avi, .webm, .mp4"),
        ("folder.mp4", "is a folder"),
        ("nowhere/seen.mp4", "its folder does not exist"),
    ],
)
def test_where_nothing_can_be_written_is_refused(
    rising, tmp_path, capsys, output, says
):
    (tmp_path / "link.avi").symlink_to(rising)
    (tmp_path / "folder.mp4").mkdir()
    before, content = sorted(os.listdir(tmp_path)), rising.read_bytes()
    options = [*FAST, "--output", tmp_path / output]
    assert predict(rising, *options) == 1
    assert says in capsys.readouterr().err
    assert sorted(os.listdir(tmp_path)) == before and rising.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.mp4"], "cannot be found"),
        ([CHECKPOINT], "cannot be opened as a video"),
        (["camera"], "camera, which has no end, needs --stream"),
        (["V", "--every", "4"], "--every needs --stream"),
        (["V", "--stream", "--clips", "2"], "--clips: a stream is asked in windows"),
        (["V", "--top", "0"], "--top must be at least 1"),
        (["V", "--crops", "2"], "crops"),
        (["V", "--clips", "0"], "--clips must be at least 1"),
        (["V", "--crop", "100"], "smaller than data.crop (100)"),
        (["V", "--stream", "--frame-stride", "0"], "--frame-stride must be at least 1"),
        (["V", "--stream", "--smoothing", "0"], "--smoothing must be in (0, 1]"),
        (["V", "--stream", "--threshold", "1"], "--threshold must be in [0, 1)"),
        (["V", "--device", "abacus"], "device 'abacus' cannot be used"),
        (["V", "--checkpoint", "nowhere.pth"], "there is no weights file"),
        (["V", "--checkpoint", "V"], "neither a PyTorch nor a safetensors file"),
        (["P"], "is a picture, not a video"),
        (["P", "--stream"], "is a picture, not a video"),
        (["L"], "512 x 4 pixels; a side may be at most 50 times"),
    ],
)
def test_a_mistake_is_one_line(rising, tmp_path, capsys, arguments, says):
    files = {"V": rising, "P": tmp_path / "still.png", "L": tmp_path / "long.avi"}
    Image.fromarray(moving_frames(1)[0]).save(files["P"])
    long = np.zeros((3, 4, 512, 3), np.uint8)
    write_video(files["L"], long, "mjpeg", pix_fmt="yuvj444p")
    arguments = [files.get(a, a) for a in arguments]
    assert predict(*arguments) == 1
    shown = capsys.readouterr().err
    assert says in shown and len(shown.strip().splitlines()) == 1


# --- checkpoints, and what may go wrong on the way: one line each ------------------


def test_a_checkpoint_of_ours_brings_its_classes_and_views(network):
    assert "Rising" in network.classes and len(network.classes) == 12
    assert (network.data.frames, network.data.crop) == (8, 64)
    assert network.evaluate.clips == 2 and network.evaluate.crops == 3
    assert network.evaluate.short_side == 72 and not network.model.training
    assert network.standin and "STAND-IN" in network.notes[0]
    other = open_network(CHECKPOINT, size={"frames": 4}, clips=1, crops=1)
    assert other.data.frames == 4 and other.evaluate == EvaluateRecipe(1, 1, 72)


def authors_file(path, classes=3):
    """As the authors save them: a dictionary with the weights under 'model'."""
    model = create_model("vfl_net_lab_student", classes)
    torch.save({"model": model.state_dict(), "epoch": 3}, path)
    return path


def test_a_checkpoint_that_names_no_classes_needs_a_list(tmp_path):
    video = write_video(tmp_path / "a.mp4", moving_frames(8))
    path, names = authors_file(tmp_path / "a.pth"), tmp_path / "names.txt"
    with pytest.raises(CheckpointError, match="does not name its classes.*--classes"):
        open_network(path)
    names.write_text("one\ntwo\n")
    with pytest.raises(CheckpointError, match="3 outputs, but .*names.txt names 2"):
        open_network(path, classes=names)
    names.write_text("id,name\n0,one\n1,two\n2,three\n")
    with pytest.raises(DatasetError, match="nowhere.txt"):
        open_network(path, classes=tmp_path / "nowhere.txt")
    network = open_network(path, classes=names)
    assert network.classes == ("one", "two", "three") and not network.standin
    assert not network.model.training
    assert "8 frames of 224 pixels are taken; --frames and --crop" in network.notes[0]
    small = {"frames": 2, "crop": 32, "short_side": 36}
    network = open_network(path, classes=names, size=small, clips=1, crops=1)
    assert network.notes == ()
    assert predict_video(network, video).probabilities.sum() == pytest.approx(1)


def test_a_list_that_contradicts_the_checkpoint_is_refused(tmp_path, network):
    names = tmp_path / "names.txt"
    names.write_text("\n".join(network.classes))
    assert open_network(CHECKPOINT, classes=names).classes == network.classes
    names.write_text("\n".join(reversed(network.classes)))
    with pytest.raises(CheckpointError, match="another order: leave the list out"):
        open_network(CHECKPOINT, classes=names)


@pytest.mark.parametrize(
    ("recipe", "classes", "error"),
    [
        ({"data": {"frames": "8"}}, ["a", "b"], RecipeError),
        ({"evaluate": {"clips": "2"}}, ["a", "b"], RecipeError),
        (None, ["a", "b", "c"], CheckpointError),
    ],
)
def test_metadata_that_is_nonsense_is_refused(tmp_path, recipe, classes, error):
    path, model = tmp_path / "odd.safetensors", create_model("vfl_net_lab_student", 2)
    save_checkpoint(model, path, recipe, {"classes": classes})
    with pytest.raises(error):
        open_network(path)


def test_a_network_of_a_run_on_a_standin_says_so(tmp_path):
    """Such files say what they learned from, and no more."""
    path, story = tmp_path / "a.safetensors", {"dataset": "ucf101", "split": "1"}
    for drawing, standin in ((0, True), (None, False)):
        extra = {"classes": ["a", "b"], "trained_on": story | {"drawing": drawing}}
        save_checkpoint(create_model("vfl_net_lab_student", 2), path, None, extra)
        assert open_network(path).standin is standin


def run_file(path, views):
    extra = {"classes": ["a", "b"], "views": views}
    save_checkpoint(create_model("vfl_net_lab_student", 2), path, None, extra)
    return path


def test_a_run_is_asked_with_the_views_of_its_own_evaluation(tmp_path, monkeypatch):
    evaluate = recipe_for("demo").evaluate
    listed = types.SimpleNamespace(classes=["a", "b"])
    run = types.SimpleNamespace(recipe=recipe_for("demo"), train_list=listed)
    monkeypatch.setattr(
        "dvfl_lib.training.pipeline.training_list",
        lambda *unused: types.SimpleNamespace(to_dict=dict),
    )
    views = Pipeline._about_weights(run)["views"]
    network = open_network(run_file(tmp_path / "best.safetensors", views))
    asked = asdict(network.evaluate)
    for name in ("clips", "crops", "short_side"):
        assert asked[name] == asdict(evaluate)[name]
    assert network.evaluate.clips == 2 and network.notes == ()


def test_what_a_file_does_not_say_is_said_aloud(tmp_path):
    """A crop of 64 out of 224 pixels is another picture than 64 out of 72."""
    (note,) = open_network(run_file(tmp_path / "old.safetensors", SIZE)).notes
    assert "how many views" in note and "4 x 3" in note and "--clips" in note
    path, names = authors_file(tmp_path / "a.pth"), tmp_path / "names.txt"
    names.write_text("one\ntwo\nthree\n")
    how = {"classes": names, "clips": 1, "crops": 1}
    (note,) = open_network(path, size={"crop": 64}, **how).notes
    assert "short side of 224 (--short-side)" in note
    full = {"frames": 8, "crop": 64, "short_side": 72}
    assert open_network(path, size=full, **how).notes == ()


def test_a_camera_without_an_end_is_not_written_to_a_file(tmp_path, capsys):
    options = ["--output", tmp_path / "a.mp4"]
    assert predict("camera:9", *options) == 1
    assert "give --max-frames as well" in capsys.readouterr().err
    assert predict("camera:9", *options, "--max-frames", "3") == 1
    assert "video9: cannot be opened" in capsys.readouterr().err


def test_too_little_memory_is_one_line(rising, capsys, monkeypatch):
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    gpu = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
    other = RuntimeError("a mistake of ours")
    for trouble in (MemoryError(), gpu, caught.value, other):
        failing = Mock(side_effect=trouble)
        monkeypatch.setattr("dvfl_lib.deployment.predict_video", failing)
        if trouble is other:
            with pytest.raises(RuntimeError, match="a mistake of ours"):
                predict(rising)
        else:
            assert predict(rising) == 1
            assert "the memory does not suffice" in capsys.readouterr().err


def test_several_sets_of_weights_are_said_and_can_be_chosen(tmp_path, rising):
    path, names = tmp_path / "a.pth", tmp_path / "names.txt"
    state = create_model("vfl_net_lab_student", 2).state_dict()
    torch.save({"model": state, "model_ema": state}, path)
    names.write_text("one\ntwo\n")
    given = [rising, "--checkpoint", path, "--crop", 32, "--short-side", 36]
    given += ["--classes", names, "--clips", 1, "--crops", 1]
    with pytest.warns(UserWarning, match=r"part='model_ema' \(--part\) takes others"):
        assert predict(*given) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert predict(*given, "--part", "model_ema") == 0
