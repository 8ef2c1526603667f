"""What a record holds is what the networks did; what cannot be recorded is refused."""

from importlib import import_module

import av
import numpy as np
import pytest
import torch

from dvfl_lib.capture import capture_maps, grad_cam
from dvfl_lib.errors import DVFLError, ModelError, VideoError
from dvfl_lib.explorer import record_clip, record_video
from dvfl_lib.explorer.recording import usual_tokens
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.reading import open_video
from dvfl_lib.video.transforms import evaluation_crops, normalise
from small_record import noise, small_networks, small_record

CLASSES = ("jump", "run", "sit")


@pytest.fixture(scope="module")
def networks():
    return small_networks()


@pytest.fixture(scope="module")
def student(networks):
    return {"student": networks["student"]}


@pytest.fixture(scope="module")
def record():
    return small_record(label="run")


def test_a_record_holds_what_the_networks_did(record, networks):
    clip = normalise(torch.from_numpy(record.frames).permute(0, 3, 1, 2))[None]
    for name, model in networks.items():
        entry, maps = record.network(name), capture_maps(model, clip)
        # Another layout in memory may round otherwise.
        assert np.allclose(entry.logits, maps.logits, atol=1e-5)
        assert np.allclose(entry.maps.at(2).product, maps.at(2).product, atol=1e-4)
        cams = grad_cam(model, clip, int(maps.logits.argmax()))
        for number, place in enumerate(maps.places):
            assert np.allclose(entry.cams[number], cams[place], atol=1e-6)
    with pytest.raises(
        DVFLError, match="no network 'x'; it holds 'student', 'teacher'"
    ):
        record.network("x")


def test_reach_is_a_cross_in_the_kept_form_too(record):
    reach = record.network("student").reach[0]
    assert reach.sources == ((1, 1),) and len(reach.tokens) == 3 * 2 * 2
    for number, (t, y, x) in enumerate(reach.tokens):
        cross = np.zeros((3, 8, 8), bool)
        cross[t] = True
        cross[:, y, x] = True
        assert np.array_equal(reach.maps[0][number] > 0, cross)
        assert reach.maps[0][number].max() == 255
    assert [2, 2, 6] in reach.tokens.tolist()
    last = record.network("teacher").reach[3]
    assert last.sources == ((3, 2), (3, 1), (2, 1), (1, 1))


def test_usual_tokens_lie_within_the_map():
    assert usual_tokens((1, 2, 2), 4) == [(0, y, x) for y in (0, 1) for x in (0, 1)]
    assert usual_tokens((1, 16, 16), 2) == [(0, y, x) for y in (4, 12) for x in (4, 12)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"frames": noise().float()}, r"uint8 tensor \(T, 3, H, W\)"),
        ({"frames": noise().numpy()}, r"uint8 tensor \(T, 3, H, W\)"),
        ({"frames": noise()[:0]}, r"uint8 tensor \(T, 3, H, W\)"),
        ({"networks": {}}, "a name of its own"),
        ({"classes": CLASSES[:2]}, "network 'student': .* 3 classes, but 2"),
        ({"classes": [1, 2, 3]}, "names are strings, not 1"),
        ({"title": "\ud800"}, "half a character"),
        ({"label": "swim"}, "'swim' is none of the classes"),
        ({"standin": None}, "standin is True or False"),
        ({"grid": 1.5}, "grid is a whole number from 0"),
        ({"probes": 0}, "probes is a whole number from 1"),
        ({"networks": {"a": torch.nn.Linear(1, 1).eval()}}, "'a': .*no Spatio"),
    ],
)
def test_impossible_recordings_are_refused(student, given, says):
    asked = {"frames": noise(), "networks": student, "classes": CLASSES, **given}
    with pytest.raises(DVFLError, match=says):
        record_clip(**asked)


def test_networks_of_no_use_are_refused_before_anything_takes_time(monkeypatch):
    module = import_module("dvfl_lib.explorer.recording")
    monkeypatch.setattr(module, "dependency", None)
    model = create_model("vfl_net_lab_student", 3, init="fan_in")
    with pytest.raises(ModelError, match="network 'n': .* training mode"):
        record_clip(noise(), {"n": model}, CLASSES)
    for layer in (model.eval().head, model.layers[1].blocks[0].mlp.fc1):
        layer.weight.data[0, 0] = float("nan")
        with pytest.raises(DVFLError, match="network 'n': .* NaN or infinite numbers"):
            record_clip(noise(), {"n": model}, CLASSES)


def test_a_bar_is_shown_where_it_takes_long(student, capsys, monkeypatch):
    asked = noise()[:1], student, CLASSES
    record_clip(*asked, grid=1)
    assert capsys.readouterr().err == ""  # it was quick
    monkeypatch.setattr("dvfl_lib.explorer.recording._PATIENCE", 0)
    record_clip(*asked, grid=1)
    assert "recording student" in capsys.readouterr().err
    record_clip(*asked, grid=1, progress=False)
    assert capsys.readouterr().err == ""


def write_video(path, frames, height, width):
    """A bright square that moves."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.full((height, width, 3), 40, np.uint8)
            left = number * 5 % max(width - 20, 1)
            picture[height // 3 : height // 2, left : left + 20] = 230
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("frames", "height", "width"),
    [(20, 320, 180), (1, 120, 160), (10, 40, 400), (8, 72, 97)],
)
def test_a_video_is_seen_as_in_an_evaluation(tmp_path, student, frames, height, width):
    """To the pixel, also where the rest at both sides is odd: 97 - 64."""
    path = write_video(tmp_path / "video.mp4", frames, height, width)
    record = record_video(path, student, CLASSES, grid=0)
    assert record.title == "video.mp4" and record.frames.shape == (8, 64, 64, 3)
    assert record.networks[0].reach == ()
    with open_video(path) as reader:
        numbers = [int((n + 0.5) * frames / 8) for n in range(8)]
        clip = evaluation_crops(reader.read(numbers), 72, 64)[0]
    seen = normalise(torch.from_numpy(record.frames).permute(0, 3, 1, 2))
    if frames != 20:  # of a segment of several frames, any may be taken
        assert torch.allclose(seen, clip, atol=1e-6)
    for block in record.networks[0].maps:
        assert np.isfinite(block.product).all() and block.product.max() > 0


def test_what_is_no_video_is_refused_by_name(tmp_path, student):
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("none.mp4", "text.mp4"):
        with pytest.raises(VideoError, match=name):
            record_video(tmp_path / name, student, CLASSES)
    with pytest.raises(ModelError, match="crop is a whole number from 1"):
        record_video(tmp_path / "text.mp4", student, CLASSES, crop=0)
