"""A folder of pictures as one video: order, sizes, and what is none."""

import numpy as np
import pytest
from PIL import Image

from dvfl_lib.cli import main
from dvfl_lib.deployment import open_network, open_source, predict_video
from dvfl_lib.deployment.frame_folder import FolderReader
from dvfl_lib.errors import VideoError
from dvfl_lib.lessons.trained import ASSETS, assets_folder
from helpers import moving_frames, write_video

CHECKPOINT = assets_folder() / ASSETS["student"]


def write(folder, frames, name="frame {}.png", first=1):
    folder.mkdir(exist_ok=True)
    for number, frame in enumerate(frames, first):
        Image.fromarray(frame).save(folder / name.format(number))
    return folder


@pytest.mark.parametrize("name", ["frame {}.png", "{:05d}.BMP", "b{}a2.png"])
def test_frames_come_in_the_natural_order_of_their_names(tmp_path, name):
    frames = moving_frames(12)
    folder = write(tmp_path / "f", frames, name)
    for stray in ("._frame 1.png", ".DS_Store", "notes.txt", "sound.wav"):
        (folder / stray).write_bytes(b"x")
    with FolderReader(folder) as video:
        assert (video.num_frames, video.height, video.width) == (12, 48, 64)
        assert np.array_equal(list(video), frames)
        found = video.read([11, 0, 9]).permute(0, 2, 3, 1).numpy()  # (T, H, W, 3)
        assert np.array_equal(found, frames[[11, 0, 9]])
    source = open_source(folder)
    assert np.array_equal(list(source), frames)
    assert source.fps == 0 and source.path == folder


def test_a_folder_is_asked_about_as_the_video_of_its_frames(tmp_path, capsys):
    frames, network = moving_frames(16, 80, 80), open_network(CHECKPOINT)
    folder = write(tmp_path / "f", frames)
    write_video(tmp_path / "v.mkv", frames, "ffv1", pix_fmt="bgr0")
    both = [predict_video(network, path) for path in (folder, tmp_path / "v.mkv")]
    assert np.array_equal(both[0].probabilities, both[1].probabilities)
    told = ["predict", str(folder), "--checkpoint", str(CHECKPOINT)]
    assert main([*told, "--stream", "--frames", "4", "--frame-stride", "2"]) == 0
    assert "frame      6  " in capsys.readouterr().out  # and no time


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: [p.unlink() for p in f.iterdir()], "a folder with 0 pictures"),
        (lambda f: write(f, moving_frames(1), "flow_{}.jpg"), "one number, such as fl"),
        (lambda f: write(f, moving_frames(1, 8), first=9), "9.png: has 64 x 8 pix"),
        (lambda f: (f / "9.jpg").write_bytes(b"x"), "9.jpg: cannot be read as a pict"),
        (
            lambda f: Image.fromarray(np.zeros((48, 64), np.uint16)).save(f / "9.png"),
            "9.png: .*more than 8 bits",
        ),
    ],
)
def test_what_is_no_video_is_refused(tmp_path, spoil, says):
    folder = write(tmp_path / "f", moving_frames(3))
    spoil(folder)
    with pytest.raises(VideoError, match=says):
        list(open_source(folder))
