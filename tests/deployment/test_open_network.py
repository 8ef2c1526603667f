"""Checkpoints opened for use, and what may go wrong on the way: one line each."""

import os
import pickle
import types
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from deployment.test_predict import CHECKPOINT
from dvfl_lib.cli import main
from dvfl_lib.deployment import (
    LoadedNetwork,
    StreamingRecogniser,
    check_output,
    open_network,
    open_source,
    predict_video,
)
from dvfl_lib.errors import (
    CheckpointError,
    DatasetError,
    RecipeError,
    RunDirectoryError,
    VideoError,
)
from dvfl_lib.recipes import EvaluateRecipe, recipe_for
from dvfl_lib.training import Pipeline
from dvfl_lib.vfl_net import create_model
from dvfl_lib.weights import read_weights, save_checkpoint
from helpers import moving_frames, write_video

SIZE = {"frames": 8, "sampling": "segments", "stride": 4, "crop": 32, "short_side": 36}


def predict(*arguments) -> int:
    given = [] if "--checkpoint" in arguments else ["--checkpoint", CHECKPOINT]
    return main(["predict", *map(str, [*arguments, *given])])


@pytest.fixture(scope="module")
def network() -> LoadedNetwork:
    return open_network(CHECKPOINT)


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
    ("recipe", "extra", "error"),
    [
        ("nonsense", {"classes": ["a", "b"]}, CheckpointError),
        ({"data": {"frames": "8"}}, {"classes": ["a", "b"]}, RecipeError),
        ({"data": {"crop": 32.5}}, {"classes": ["a", "b"]}, RecipeError),
        ({"evaluate": {"clips": "2"}}, {"classes": ["a", "b"]}, RecipeError),
        (None, {"classes": ["a", 2]}, CheckpointError),
        (None, {"classes": "ab"}, CheckpointError),
        (None, {"classes": ["a", "b", "c"]}, CheckpointError),
        (None, {"classes": ["a", "b"], "trained_on": 3}, CheckpointError),
    ],
)
def test_metadata_that_is_nonsense_is_refused(tmp_path, recipe, extra, error):
    path = tmp_path / "odd.safetensors"
    save_checkpoint(create_model("vfl_net_lab_student", 2), path, recipe, extra)
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
    """Files of a training say in ``views`` how many; its recipe's ``evaluate`` is."""
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


def test_a_file_that_does_not_say_how_many_views_is_asked_aloud(tmp_path):
    path = run_file(tmp_path / "old.safetensors", SIZE)
    (note,) = open_network(path).notes
    assert "how many views" in note and "4 x 3" in note and "--clips" in note
    assert open_network(path, clips=1, crops=1).notes == ()


def test_giving_the_crop_alone_does_not_hide_what_is_assumed(tmp_path):
    """A crop of 64 out of 224 pixels is another picture than 64 out of 72."""
    path, names = authors_file(tmp_path / "a.pth"), tmp_path / "names.txt"
    names.write_text("one\ntwo\nthree\n")
    how = {"classes": names, "clips": 1, "crops": 1}
    (note,) = open_network(path, size={"crop": 64}, **how).notes
    assert "short side of 224 (--short-side)" in note
    full = {"frames": 8, "crop": 64, "short_side": 72}
    assert open_network(path, size=full, **how).notes == ()


def test_a_camera_without_an_end_is_not_written_to_a_file(tmp_path, capsys):
    options = ["--checkpoint", CHECKPOINT, "--output", tmp_path / "a.mp4"]
    assert predict("camera:9", *options) == 1
    assert "give --max-frames as well" in capsys.readouterr().err
    assert predict("camera:9", *options, "--max-frames", "3") == 1
    assert "video9: cannot be opened" in capsys.readouterr().err


def test_frames_far_longer_than_high_are_refused_before_they_fill_the_memory(tmp_path):
    frames = np.zeros((3, 4, 512, 3), np.uint8)
    path = write_video(tmp_path / "a.avi", frames, "mjpeg", pix_fmt="yuvj444p")
    network = open_network(CHECKPOINT)
    says = "512 x 4 pixels; a side may be at most 50 times"
    with pytest.raises(VideoError, match=f"a.avi: is {says}"):
        predict_video(network, path)
    stream = StreamingRecogniser(
        network.model, network.classes, network.data, 72, frame_stride=1
    )
    with pytest.raises(VideoError, match=f"frame 0 of the stream: is {says}"):
        list(stream.run(open_source(path)))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("v") / "a.mp4", moving_frames(20))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
@pytest.mark.parametrize("more", [[], ["--stream"]])
def test_a_picture_is_no_video(tmp_path, capsys, suffix, more):
    path = tmp_path / f"still.{suffix}"
    Image.fromarray(moving_frames(1)[0]).save(path)
    assert predict(path, *more) == 1
    assert "is a picture, not a video" in capsys.readouterr().err


def what_torch_says_of_too_much() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    return caught.value


@pytest.mark.parametrize("which", ["python", "computer", "gpu"])
def test_too_little_memory_is_one_line(video, capsys, monkeypatch, which):
    trouble = {
        "python": MemoryError(),
        "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"),
        "computer": what_torch_says_of_too_much(),
    }

    def fail(*unused, **also_unused):
        raise trouble[which]

    monkeypatch.setattr("dvfl_lib.deployment.predict_video", fail)
    assert predict(video) == 1
    assert "the memory does not suffice" in capsys.readouterr().err


def test_another_runtime_error_is_not_hidden(video, monkeypatch):
    def fail(*unused, **also_unused):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("dvfl_lib.deployment.predict_video", fail)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        predict(video)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--int8", "OUT", "--calibration", "."], "are the same file"),
        (["--int8", "b.txt", "--calibration", "."], "must end with .onnx"),
        (["--int8", "b.onnx", "--calibration", "nowhere"], "there is no folder"),
        (["--frames", "100000000"], "GiB in one view"),
    ],
)
def test_an_export_that_cannot_end_well_does_not_begin(tmp_path, capsys, given, said):
    out = tmp_path / "a.onnx"
    out.write_bytes(b"kept")
    given = [str(out) if word == "OUT" else word for word in given]
    assert main(["export", "--checkpoint", str(CHECKPOINT), "--out", str(out), *given])
    assert said in capsys.readouterr().err and out.read_bytes() == b"kept"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    with pytest.raises(CheckpointError, match="there is no weights file"):
        read_weights(pipe)
    with pytest.raises(RunDirectoryError, match="no plain file"):
        check_output(pipe, None)


def test_pytorch_s_advice_to_allow_any_code_is_not_handed_on(tmp_path):
    path = tmp_path / "list.pth"
    path.write_bytes(pickle.dumps({"model": [1, 2]}, protocol=5))
    with pytest.raises(CheckpointError) as caught:
        read_weights(path)
    assert "Unsupported operand" in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_our_own_file_in_half_precision_predicts(tmp_path, video):
    network = open_network(CHECKPOINT)
    extra = {"classes": list(network.classes), "views": SIZE | {"clips": 1, "crops": 1}}
    save_checkpoint(network.model.half(), tmp_path / "h.safetensors", None, extra)
    answer = predict_video(open_network(tmp_path / "h.safetensors"), video)
    assert answer.probabilities.sum() == pytest.approx(1)


def test_several_sets_of_weights_are_said_and_can_be_chosen(tmp_path, capsys, video):
    states = [create_model("vfl_net_lab_student", 2).state_dict() for _ in range(2)]
    torch.save(
        dict(zip(("model", "model_ema"), states, strict=True)), tmp_path / "a.pth"
    )
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    given = [
        video,
        "--checkpoint",
        tmp_path / "a.pth",
        "--crop",
        32,
        "--short-side",
        36,
    ]
    given += ["--classes", tmp_path / "names.txt", "--clips", 1, "--crops", 1]
    assert predict(*given) == 0
    assert "part='model_ema' takes others (--part)" in capsys.readouterr().out
    assert predict(*given, "--part", "model_ema") == 0
    assert "part='model' takes others" in capsys.readouterr().out
