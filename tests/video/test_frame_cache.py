"""The frame cache gives back what was decoded, and mends itself."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.video import frame_cache, transforms
from dvfl_lib.video.frame_cache import FrameCache
from dvfl_lib.video.reading import open_video
from dvfl_lib.video.transforms import resize_short_side
from helpers import moving_frames, write_video
from video.test_reading import HAS_DECORD


@pytest.fixture
def video(tmp_path) -> Path:
    return write_video(tmp_path / "a.avi", moving_frames(20))


@pytest.fixture
def cache(tmp_path, monkeypatch) -> FrameCache:
    monkeypatch.setattr(frame_cache, "_CHUNK", 8)  # decoded in pieces
    return FrameCache(tmp_path / "cache", short_side=32)


def test_a_cached_reader_equals_decoding_and_resizing(video, cache):
    with open_video(video) as fresh, cache.reader(video) as kept:
        assert (kept.num_frames, kept.fps) == (fresh.num_frames, fresh.fps)
        assert (kept.height, kept.width) == (32, 42)
        wanted = [19, 0, 7, 7]
        expected = resize_short_side(fresh.read(wanted), 32)
        assert torch.equal(kept.read(wanted), expected)


def test_what_was_read_may_be_changed(video, cache):
    """Reading gives a copy: the memory map below is read-only."""
    reader = cache.reader(video)
    frames = reader.read([3])
    frames.zero_()
    assert reader.read([3]).any()


def test_fill_reports_what_it_did_and_does_it_once(video, tmp_path, cache, capfd):
    empty = tmp_path / "empty.avi"
    empty.touch()
    other = write_video(tmp_path / "b.avi", moving_frames(10))
    paths = [video, empty, other, video]
    report = cache.fill(paths, workers=2)
    assert "3/3" in capfd.readouterr().err
    assert (report.written, report.reused) == (2, 0)
    assert list(report.unreadable) == [str(empty)]
    assert "0 bytes" in report.unreadable[str(empty)]
    size = sum(file.stat().st_size for file in cache.folder.glob("*.npy"))
    assert report.bytes == size >= 30 * 3 * 32 * 42
    again = cache.fill(paths, progress=False)
    assert (again.written, again.reused, again.bytes) == (0, 2, size)


@pytest.mark.parametrize(
    "damage",
    ["cut", "emptied", "garbage", "archive", "other shape", "note lost", "note cut"],
)
def test_a_damaged_cache_file_is_made_again(video, cache, damage):
    good = cache.reader(video).read([5])
    file = cache.file_of(video)
    if damage == "cut":
        os.truncate(file, file.stat().st_size // 2)
    elif damage == "emptied":  # as after a power failure
        os.truncate(file, 0)
    elif damage == "garbage":
        file.write_bytes(b"no array")
    elif damage == "archive":
        with file.open("wb") as archive:
            np.savez(archive, frames=np.zeros(3))
    elif damage == "other shape":
        np.save(file, np.zeros(20, np.uint8))
    elif damage == "note lost":
        file.with_suffix(".json").unlink()
    else:
        file.with_suffix(".json").write_text('{"fps": ')
    assert torch.equal(cache.reader(video).read([5]), good)
    assert json.loads(file.with_suffix(".json").read_text())["shape"] == [20, 3, 32, 42]


def test_a_pickled_array_is_never_loaded(video, cache):
    cache.reader(video)
    np.save(cache.file_of(video), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert cache.reader(video).read([0]).shape == (1, 3, 32, 42)


def test_a_replaced_video_and_another_size_have_their_own_files(video, cache, tmp_path):
    first = cache.file_of(video)
    assert FrameCache(cache.folder, 48).file_of(video) != first
    assert cache.reader(video).num_frames == 20
    write_video(video, moving_frames(12))
    assert cache.file_of(video) != first
    assert cache.reader(video).num_frames == 12


def test_another_filter_or_decoder_has_its_own_files(video, cache, monkeypatch):
    first = cache.file_of(video)
    cache.reader(video)
    if HAS_DECORD:
        monkeypatch.setenv("DVFL_VIDEO_BACKEND", "decord")
        assert cache.file_of(video) != first
        monkeypatch.undo()

    def nearest(frames, size, **unused):
        return F.resize(frames, size, InterpolationMode.NEAREST, antialias=False)

    monkeypatch.setattr(transforms, "F", SimpleNamespace(resize=nearest))
    assert cache.file_of(video) != first
    with open_video(video) as fresh, cache.reader(video) as kept:
        expected = transforms.resize_short_side(fresh.read([3]), 32)
        assert torch.equal(kept.read([3]), expected)


@pytest.mark.parametrize("name", [b"\xff.avi", "走".encode() * 80 + b".avi"])
def test_names_that_are_no_utf8_or_long_in_bytes_are_cached(video, cache, name):
    path = video.rename(video.with_name(os.fsdecode(name)))
    assert cache.reader(path).num_frames == 20
    assert cache.fill([path], progress=False).reused == 1


def test_two_may_fill_one_cache_at_once(tmp_path, cache):
    videos = [write_video(tmp_path / f"{k}.avi", moving_frames(9)) for k in range(6)]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(cache.fill, videos, 2, False) for _ in range(2)]
    assert [run.result().unreadable for run in runs] == [{}, {}]
    assert cache.fill(videos, progress=False).reused == 6
    assert len(list(cache.folder.iterdir())) == 12  # and no half-written file


def test_a_full_disk_is_explained_and_leaves_no_half_file(video, cache, monkeypatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunDirectoryError, match="No space.*data.cache_frames=false"):
        cache.fill([video], progress=False)
    assert list(cache.folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_explained(video, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        FrameCache(tmp_path / "file" / "cache", 32).reader(video)
