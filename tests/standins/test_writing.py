"""Stand-ins are written whole, the same again, and never over other data."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

import small_standins
from dvfl_lib.errors import DatasetError, RunDirectoryError
from dvfl_lib.standins import StandinSize, clip_frames, encode_clip, write_standin
from dvfl_lib.standins import writing as standin_writing
from dvfl_lib.video import writing
from dvfl_lib.video.reading import open_video
from small_standins import SMALL, write_small

ROOT = Path(__file__).resolve().parents[2]
CODECS = {".avi": "mpeg4", ".webm": "vp9", ".mp4": "h264"}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_small("hmdb51", tmp_path_factory.mktemp("data") / "standin")


def digest(root: Path) -> str:
    """Of all files, by name and content."""
    total = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        total.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


@pytest.mark.nightly
def test_one_and_two_workers_write_the_same_bytes(tmp_path):
    size = StandinSize(groups=22, clips_per_group=1, min_frames=8, max_frames=9)
    one, two = (
        write_standin("ssv2", tmp_path / str(n), 3, size, workers=n, progress=False)
        for n in (1, 2)
    )
    assert digest(one) == digest(two)
    assert json.loads((one / "STANDIN.json").read_text()) == {
        **{"standin_for": "ssv2", "format": 1, "seed": 3, "groups": 22},
        **{"clips_per_group": 1, "min_frames": 8, "max_frames": 9},
    }


@pytest.mark.nightly
def test_writers_end_with_the_call_that_was_killed(tmp_path):
    line = "from dvfl_lib.standins import write_standin as w; "
    line += f"w('ucf101', {str(tmp_path / 's')!r}, progress=False)"
    call = subprocess.Popen([sys.executable, "-c", line], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("s/UCF-101/*/v_*.avi")):
        assert time.monotonic() < deadline, "nothing is written"
        time.sleep(0.2)
    call.kill()
    call.wait()
    time.sleep(3)
    before = len(list(tmp_path.glob("s/UCF-101/*/v_*.avi")))
    time.sleep(2)
    assert len(list(tmp_path.glob("s/UCF-101/*/v_*.avi"))) == before


def test_an_interrupted_writing_goes_on(small, tmp_path, monkeypatch):
    written, root = [], tmp_path / "s"
    encode = standin_writing.encode_clip

    def killed_after_five(path, frames, **how):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        encode(path, frames, **how)

    with monkeypatch.context() as patch:
        patch.setattr(small_standins, "_KNOWN", {})
        patch.setattr(standin_writing, "encode_clip", killed_after_five)
        with pytest.raises(KeyboardInterrupt):
            write_small("hmdb51", root)
    assert not (root / "STANDIN.json").exists()
    written[0].with_name(f".{written[0].stem}.7.avi").write_text("half a clip")
    write_small("hmdb51", root)
    assert digest(root) == digest(small)


def test_what_is_lost_or_empty_is_written_again(small, tmp_path):
    copy = shutil.copytree(small, tmp_path / "copy")
    first, second, *_ = sorted(copy.rglob("*.avi"))
    first.unlink()
    second.write_bytes(b"")
    (copy / "testTrainMulti_7030_splits" / "rise_test_split1.txt").unlink()
    write_small("hmdb51", copy)
    assert digest(copy) == digest(small)


@pytest.mark.parametrize("name", ["UCF-101", "ucfTrainTestlist"])
def test_it_never_writes_over_other_data(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="not a stand-in"):
        write_standin("ucf101", tmp_path, progress=False)
    assert os.listdir(tmp_path) == [name]


def test_another_stand_in_is_left_as_it_is(small):
    before = digest(small)
    for name, seed in (("hmdb51", 5), ("ucf101", 0)):
        with pytest.raises(DatasetError, match="another stand-in"):
            write_standin(name, small, seed, SMALL, progress=False)
    assert write_standin("HMDB51", small, 0, SMALL, progress=False) == small
    assert digest(small) == before


def test_unknown_names_and_a_file_for_a_folder_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="no stand-in for 'ucf'.* ucf101"):
        write_standin("ucf", tmp_path / "s")
    assert not (tmp_path / "s").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        write_standin("ucf101", tmp_path / "file", progress=False)


# --- one file: no mark of time's direction, the same bytes again ---------------


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    size = StandinSize(min_frames=12, max_frames=16)
    return clip_frames(0, size, "Rising", 1, 1)


def decoded(path: Path) -> np.ndarray:
    with open_video(path) as video:
        return video.read(range(video.num_frames)).numpy().astype(int)


@pytest.mark.parametrize("suffix", CODECS)
def test_a_file_is_of_its_kind_and_shows_the_frames(tmp_path, frames, suffix):
    assert set(writing.SUFFIXES) == set(CODECS)
    path = tmp_path / f"a{suffix}"
    encode_clip(path, frames, size=(192, 144), rate=12)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.codec.canonical_name == CODECS[suffix]
        packets = [p for p in container.demux(stream) if p.size]
        assert len(packets) == len(frames)
        assert all(p.is_keyframe for p in packets)
    with open_video(path) as video:
        assert (video.width, video.height, round(video.fps)) == (192, 144, 12)
    shown = decoded(path).transpose(0, 2, 3, 1)[:, ::2, ::2]
    pictures = [av.VideoFrame.from_ndarray(f, format="rgb24") for f in frames]
    small = np.stack([p.reformat(96, 72).to_ndarray() for p in pictures]).astype(int)
    errors = np.abs(shown - small).mean((1, 2, 3))
    others = np.abs(shown - np.roll(small, 3, axis=0)).mean((1, 2, 3))
    assert (errors < 6).all() and (errors < others).all()


@pytest.mark.parametrize("suffix", CODECS)
def test_a_reversed_clip_is_the_clip_reversed_pixel_for_pixel(tmp_path, frames, suffix):
    """So a file tells no more of its direction than the frames before coding do."""
    files = [tmp_path / f"{name}{suffix}" for name in "abc"]
    for file, shown in zip(files, (frames, frames[::-1], frames), strict=True):
        encode_clip(file, shown)
    forwards, backwards = decoded(files[0]), decoded(files[1])
    assert (forwards == backwards[::-1]).all() and (forwards != backwards).any()
    assert files[0].read_bytes() == files[2].read_bytes()


def test_other_suffixes_and_folders_are_refused(tmp_path, frames):
    with pytest.raises(DatasetError, match="must be one of .avi, .webm, .mp4"):
        encode_clip(tmp_path / "a.mkv", frames)
    with pytest.raises(DatasetError, match="cannot be written"):
        encode_clip(tmp_path / "nowhere" / "a.avi", frames)
