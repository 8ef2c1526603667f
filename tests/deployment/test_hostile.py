"""Commands on what is no video, no checkpoint, or too much: one line, nothing lost."""

import os
import pickle

import pytest
import torch
from PIL import Image

from dvfl_lib.cli import main
from dvfl_lib.deployment.annotate import check_output
from dvfl_lib.deployment.int8 import calibration_clips
from dvfl_lib.deployment.predict import open_network
from dvfl_lib.errors import CheckpointError, RunDirectoryError
from dvfl_lib.lessons.trained import STUDENT, assets_folder
from dvfl_lib.weights.reading import read_weights
from helpers import moving_frames, write_video

CHECKPOINT = assets_folder() / STUDENT.file


def predict(*arguments) -> int:
    return main(["predict", *map(str, arguments), "--checkpoint", str(CHECKPOINT)])


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


def test_a_video_of_one_frame_is_a_video(tmp_path):
    assert predict(write_video(tmp_path / "a.mp4", moving_frames(1))) == 0


def test_more_views_than_memory_holds_are_refused(video, capsys):
    assert predict(video, "--clips", "100000") == 1
    said = capsys.readouterr().err
    assert "views; 4 are the most" in said and said.count("\n") == 1


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


def test_a_folder_named_like_a_video_is_no_calibration_video(tmp_path):
    (tmp_path / "dir.mp4").mkdir()
    path = write_video(tmp_path / "dir.mp4" / "a.mp4", moving_frames(20))
    clips, chosen = calibration_clips(open_network(CHECKPOINT), tmp_path)
    assert chosen == [path] and clips.shape == (1, 8, 3, 64, 64)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    with pytest.raises(CheckpointError, match="no plain file"):
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


def test_an_exported_file_is_told_from_a_checkpoint(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x08\x0a\x12\x07pytorch\x1a\x062.15.0" + bytes(60))
    with pytest.raises(CheckpointError, match="is an ONNX file: give the checkpoint"):
        read_weights(path)
