"""What a review of streams and predictions found, each with its test."""

import os
import subprocess
import sys
import types
from dataclasses import asdict

import av
import numpy as np
import pytest

from deployment.test_network import authors_file
from deployment.test_predict import CHECKPOINT, predict
from dvfl_lib.deployment import (
    StreamingRecogniser,
    open_network,
    open_source,
    predict_video,
)
from dvfl_lib.deployment import camera as frames_module
from dvfl_lib.errors import ModelError, VideoError
from dvfl_lib.lessons.trained import STUDENT, assets_folder
from dvfl_lib.recipes import DataRecipe, recipe_for
from dvfl_lib.training import Pipeline
from dvfl_lib.vfl_net import create_model
from dvfl_lib.weights import save_checkpoint
from helpers import moving_frames, write_video

SIZE = {"frames": 8, "sampling": "segments", "stride": 4, "crop": 32, "short_side": 36}


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


class _Hesitating:
    """A camera in whose stream, now and then, no picture is ready."""

    def __init__(self, container, ready):
        self.container, self.ready, self.asked = container, ready, 0

    def decode(self, stream):
        self.asked += 1
        if not self.ready or self.asked < 3:
            raise av.error.BlockingIOError(35, "Resource temporarily unavailable")
        for number, frame in enumerate(self.container.decode(stream), 1):
            yield frame
            if number == 2:
                raise av.error.BlockingIOError(35, "Resource temporarily unavailable")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.container.close()


@pytest.mark.parametrize("ready", [True, False])
def test_a_camera_that_is_not_ready_is_asked_again(monkeypatch, ready):
    """As macOS does between two pictures; but not for ever."""
    monkeypatch.setattr(frames_module, "_PATIENCE", 0.05)
    monkeypatch.setattr(frames_module, "_PAUSE", 0.0)
    container = av.open("testsrc=size=64x48:rate=5:duration=1", format="lavfi")
    camera = _Hesitating(container, ready)
    pictures = frames_module._pictures("x", camera, container.streams.video[0])
    if ready:
        assert len(list(pictures)) == 5 and camera.asked > 3
    else:
        with pytest.raises(VideoError, match="stopped giving pictures"):
            next(pictures)


def test_a_camera_without_an_end_is_not_written_to_a_file(tmp_path, capsys):
    options = ["--checkpoint", CHECKPOINT, "--output", tmp_path / "a.mp4"]
    assert predict("camera:9", *options) == 1
    assert "give --max-frames as well" in capsys.readouterr().err
    assert predict("camera:9", *options, "--max-frames", "3") == 1
    assert "video9: cannot be opened" in capsys.readouterr().err


def test_a_reader_who_has_seen_enough_causes_no_traceback(tmp_path):
    video = write_video(tmp_path / "a.mp4", moving_frames(60))
    command = [sys.executable, "-m", "dvfl_lib.cli", "predict", str(video)]
    command += ["--checkpoint", str(CHECKPOINT), "--stream", "--frame-stride", "1"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert done.returncode == 1 and done.stderr == ""


def test_frames_far_longer_than_high_are_refused_before_they_fill_the_memory(tmp_path):
    frames = np.zeros((3, 4, 512, 3), np.uint8)
    path = write_video(tmp_path / "a.avi", frames, "mjpeg", pix_fmt="yuvj444p")
    network = open_network(assets_folder() / STUDENT.file)
    says = "512 x 4 pixels; a side may be at most 50 times"
    with pytest.raises(VideoError, match=f"a.avi: is {says}"):
        predict_video(network, path)
    stream = StreamingRecogniser(
        network.model, network.classes, network.data, 72, frame_stride=1
    )
    with pytest.raises(VideoError, match=f"frame 0 of the stream: is {says}"):
        list(stream.run(open_source(path)))


def test_training_mode_is_noticed_whenever_it_begins():
    model = create_model("vfl_net_lab_student", 3).eval()
    data = DataRecipe(frames=2, crop=32, short_side=36)
    stream = StreamingRecogniser(model, ["a", "b", "c"], data, 36, frame_stride=1)
    frames = moving_frames(3)
    stream.push(frames[0])
    model.train()
    with pytest.raises(ModelError, match="training mode"):
        stream.push(frames[1])
    model.eval()
    assert stream.push(frames[1]).decided
