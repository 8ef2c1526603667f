"""Where frames come from: files one frame at a time, cameras, iterators."""

import itertools
import types
import weakref

import av
import numpy as np
import pytest

from bad_server import serve
from dvfl_lib.cli import main
from dvfl_lib.deployment import camera as frames_module
from dvfl_lib.deployment import is_camera, open_source
from dvfl_lib.deployment.camera import camera_source
from dvfl_lib.errors import RecipeError, VideoError
from dvfl_lib.video import open_video
from helpers import moving_frames, write_video


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", {"bframes": 2}), ("a.avi", {}), ("a.mkv", {"codec": "libx264"})],
)
def test_a_file_gives_the_frames_that_random_access_numbers(tmp_path, name, options):
    path = write_video(tmp_path / name, moving_frames(20), **options)
    source = open_source(path)
    with open_video(path, backend="pyav") as video:
        true = video.read(range(20)).permute(0, 2, 3, 1).numpy()  # (T, H, W, 3)
    found = list(source)
    assert len(found) == 20 and source.fps == 25 and source.path == path
    assert all(f.dtype == np.uint8 and f.shape == (48, 64, 3) for f in found)
    assert np.array_equal(np.stack(found), true)


def test_frames_of_a_file_are_not_kept(tmp_path):
    """Memory does not grow with the video: one frame at a time is made and let go."""
    source = open_source(write_video(tmp_path / "a.mp4", moving_frames(30)))
    made = []
    for number, frame in enumerate(source, 1):
        whole = frame if frame.base is None else frame.base
        made.append(weakref.ref(whole))
        del frame, whole
        assert sum(reference() is not None for reference in made) <= 2
        assert source.frames.frames_decoded == number
    assert len(made) == 30


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be found"),
        (b"", r"is empty \(0 bytes\)"),
        (b"Dear reader,\n" * 99, "opened as a video"),
    ],
)
def test_what_is_no_video_is_refused_before_the_first_frame(tmp_path, content, says):
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=says):
        open_source(tmp_path / "a.mp4")


def test_a_file_that_breaks_off_says_so_where_it_does(tmp_path, monkeypatch):
    """Decoding that ends long before the counted frames is no end of the stream."""
    path = write_video(tmp_path / "a.mp4", moving_frames(20))
    source = open_source(path)
    whole = type(source.frames)._enter

    def cut(self, key):
        whole(self, key)
        self._frames = itertools.islice(self._frames, 9)

    monkeypatch.setattr(type(source.frames), "_enter", cut)
    got = []
    with pytest.raises(VideoError, match="only 9 of 20 frames"):
        for frame in source:
            got.append(frame)
    assert len(got) == 9


def test_a_camera_is_read_like_a_file(monkeypatch):
    """FFmpeg's own drawn pictures in place of a camera, which is read the same way."""
    drawn = {"linux": ("lavfi", "testsrc=size=64x48:rate=5:duration={}", {})}
    monkeypatch.setattr(frames_module, "_DEVICES", drawn)
    monkeypatch.setattr(frames_module, "sys", types.SimpleNamespace(platform="linux"))
    source = open_source("camera:1")
    frames = list(source)
    assert len(frames) == 5 and source.fps == 5 and source.path is None
    assert all(f.dtype == np.uint8 and f.shape == (48, 64, 3) for f in frames)
    assert np.ptp(frames[0]) > 100


def test_an_address_is_read_like_a_camera(tmp_path):
    path = write_video(tmp_path / "a.ts", moving_frames(9), "mpeg2video")
    with serve(path.read_bytes()) as server:
        source = open_source(server.path().replace("//", "//me:secret@"))
        assert source.name == f"camera {server.path()}" and source.path is None
        assert np.array_equal(list(source), list(open_source(path)))
        server.content = b"#EXTM3U\n#EXTINF:2,\nfile:///etc/hostname\n"
        with pytest.raises(VideoError, match="file.bin: cannot be opened") as error:
            open_source(server.path().replace("//", "//me:secret@"))
        assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("platform", "camera", "says"),
    [
        ("linux", "97", "/dev/video97: cannot be opened"),
        ("linux", "/dev/null", "/dev/null: cannot be opened"),
        ("win32", "0", "have names on Windows"),
        ("win32", "No Such", "video=No Such: cannot be opened"),
    ],
)
def test_without_a_camera_the_message_says_what_to_do(
    monkeypatch, platform, camera, says
):
    monkeypatch.setattr(frames_module, "sys", types.SimpleNamespace(platform=platform))
    with pytest.raises(VideoError, match=says):
        camera_source(camera)


def test_what_is_a_camera_and_what_is_a_file(tmp_path, monkeypatch):
    assert all(
        map(is_camera, ("camera", "camera:2", "0", "rtsp://a:b@c/d", "HTTP://x"))
    )
    files = (
        "camera.mp4",
        "./camera",
        "cameras",
        tmp_path,
        3,
        "0.mp4",
        "./0",
        "file://x",
    )
    assert not any(map(is_camera, files))
    monkeypatch.chdir(tmp_path)
    video = write_video(tmp_path / "a.mkv", moving_frames(3))
    video.rename(tmp_path / "camera")
    assert len(list(open_source("./camera"))) == 3


class _Hesitating:
    """A camera in whose stream, now and then, no picture is ready."""

    def __init__(self, container, last):
        self.container, self.last = container, last

    def decode(self, stream):
        for number, frame in enumerate(self.container.decode(stream), 1):
            yield frame
            if number == 2:
                raise self.last

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.container.close()


def test_a_camera_that_is_not_ready_is_asked_again():
    """As macOS does between two, and after a damaged one; another trouble is told."""
    wait, damaged = av.error.BlockingIOError(35, "wait"), av.InvalidDataError(1, "bad")
    for trouble, count in ((wait, 5), (damaged, 5), (None, 2)):
        container = av.open("testsrc=size=64x48:rate=5:duration=1", format="lavfi")
        camera = _Hesitating(container, trouble or av.error.EOFError(5, "is gone"))
        pictures = frames_module._pictures("x", camera, container.streams.video[0])
        if trouble:
            assert len(list(pictures)) == count
        else:
            with pytest.raises(VideoError, match="camera x: is gone"):
                list(pictures)


def test_the_size_of_a_camera_s_pictures_is_handed_on(monkeypatch, capsys):
    asked = {}

    def open_device(device, format, options):
        asked.update(options)
        raise OSError("no such device")

    monkeypatch.setattr(frames_module.av, "open", open_device)
    monkeypatch.setattr(frames_module, "sys", types.SimpleNamespace(platform="darwin"))
    with pytest.raises(VideoError, match="cannot be opened"):
        open_source("camera", "640x480")
    assert asked == {"framerate": "30", "video_size": "640x480"}
    options = ["--checkpoint", "x", "--stream", "--camera-size", "640x480"]
    assert main(["predict", "camera", *options]) == 1  # not for the size
    assert "cannot be opened" in capsys.readouterr().err
    with pytest.raises(RecipeError, match="is 640x480, not 'big'"):
        open_source("camera", "big")
