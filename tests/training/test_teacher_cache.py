"""The teacher's logits on disk: what is stored, and when it is read again."""

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dvfl_lib.errors import DatasetError, ModelError, RunDirectoryError
from dvfl_lib.teacher_cache import FileMarks, file_marks, store
from dvfl_lib.training.devices import make_accelerator
from dvfl_lib.video.clips import ClipKey
from stored_views import NAMES, Clips, Counted, opened
from tiny_training import CLASSES


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Three chunks for each view."""
    monkeypatch.setattr(store, "_CLIPS", 10)


def test_the_teacher_is_asked_once_about_every_view_of_every_clip(tmp_path, clips):
    teacher = Counted()
    stored = opened(tmp_path / "cache", clips, teacher)
    assert teacher.clips == 2 * len(clips)
    stored.open(make_accelerator("no"))
    assert opened(tmp_path / "cache", clips, teacher).cache.missing() == []
    assert teacher.clips == 2 * len(clips), "what is stored was asked again"
    assert stored.cache.view(0).shape == (24, CLASSES)


def test_stored_logits_are_those_of_the_live_teacher(tmp_path, clips):
    """In whatever batches: the last bits may differ, 1e-5 bounds them."""
    stored, teacher = opened(tmp_path / "cache", clips), Counted().eval()
    indices = torch.tensor([3, 17, 9])
    for epoch in (0, 1, 2, 5):
        batch = [clips[ClipKey(epoch, int(i))]["clip"] for i in indices]
        with torch.no_grad():
            live = teacher(torch.stack(batch))
        found = stored.logits(indices, epoch)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, live, rtol=0, atol=1e-5)
    apart = (stored.logits(indices, 0) - stored.logits(indices, 1)).abs().max()
    assert apart > 1e-3, "the two views are one"


# --- what does not make it stale ---------------------------------------------------


def test_copied_videos_and_idle_numbers_change_nothing(cache, clips, tmp_path):
    moved = Clips(tmp_path / "videos")
    shutil.copytree(tmp_path / "videos", tmp_path / "elsewhere")
    moved.samples = [
        replace(s, path=tmp_path / "elsewhere" / s.name) for s in moved.samples
    ]
    for sample in moved.samples:
        os.utime(sample.path)
    moved.data = replace(moved.data, workers=0, cache_frames=True, max_unreadable=0.2)
    moved.augment = replace(moved.augment, label_smoothing=0.3)
    teacher = Counted()
    opened(cache, moved, teacher, batch_size=7, workers=1)
    assert teacher.clips == 0


def test_a_video_is_read_again_only_where_it_may_have_changed(
    tmp_path, clips, monkeypatch
):
    cache = tmp_path / "cache"
    monkeypatch.setattr(file_marks, "_SETTLED", -1)  # else the files are too young
    opened(cache, clips)
    read, file_digest = [], hashlib.file_digest

    def noted(file, kind):
        read.append(Path(file.name).name)
        return file_digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    opened(cache, clips)
    assert read == []
    os.utime(clips.samples[3].path)
    opened(cache, clips)
    assert read == ["v3"]
    opened(cache, clips)
    assert read == ["v3"]
    for damage in ("{damaged", "[" * 10**5):
        (cache / "files.json").write_text(damage)
        read.clear()
        opened(cache, clips)
        assert len(read) == 24


def test_a_full_cache_serves_where_nothing_can_be_written(
    cache, clips, monkeypatch, caplog
):
    def full(path, content):
        raise RunDirectoryError(f"{path} cannot be written")

    monkeypatch.setattr(file_marks, "_SETTLED", -1)
    monkeypatch.setattr(file_marks, "write_whole", full)
    teacher = Counted()
    opened(cache, clips, teacher)
    assert teacher.clips == 0
    assert "videos will be read again next time" in caplog.text


def test_a_file_changed_a_moment_ago_is_not_remembered(tmp_path):
    """A second change within one tick of the file system's clock would not show."""
    young, memo = tmp_path / "young", tmp_path / "memo.json"
    young.write_bytes(b"1")
    marks = FileMarks(memo)
    first = marks.of([young])
    marks.save()
    assert not memo.exists()
    assert first == [hashlib.sha256(b"1").hexdigest()[:32]]
    assert FileMarks(memo).of([tmp_path, tmp_path / "missing"]) == [None, None]


# --- unreadable videos -------------------------------------------------------------


def test_an_unreadable_video_has_no_logits_and_its_replacement_its_own(tmp_path):
    clips, teacher = Clips(tmp_path / "videos", unreadable={5, 6}), Counted()
    stored = opened(tmp_path / "cache", clips, teacher)
    assert teacher.clips == 2 * (24 - 2), "a replacement was asked twice"
    item = clips[ClipKey(1, 5)]
    assert item["index"] == 7
    with torch.no_grad():
        live = teacher(item["clip"][None])
    found = stored.logits(torch.tensor([item["index"]]), 1)
    torch.testing.assert_close(found, live, rtol=0, atol=1e-5)


def test_a_video_that_can_be_read_again_is_not_guessed(tmp_path):
    clips = Clips(tmp_path / "videos", unreadable={5})
    stored = opened(tmp_path / "cache", clips)
    with pytest.raises(RunDirectoryError, match="no logits of clip v5 in view 1"):
        stored.logits(torch.tensor([4, 5]), 3)


def test_too_many_unreadable_videos_stop_the_filling(tmp_path):
    clips = Clips(tmp_path / "videos", unreadable={5, 6})
    with pytest.raises(DatasetError, match=r"2 of 24 .*max_unreadable"):
        opened(tmp_path / "cache", clips, max_unreadable=0.05)


# --- teachers that do not fit --------------------------------------------------------


def test_a_teacher_of_other_classes_and_one_that_is_not_finite(tmp_path, clips):
    with pytest.raises(ModelError, match="4 outputs, but there are 5 classes"):
        opened(tmp_path / "a", clips, classes=(*NAMES, "wave"))
    broken = Counted()
    broken.network.head.bias.data[1] = float("inf")
    with pytest.raises(ModelError, match="logits for v0 are not finite"):
        opened(tmp_path / "b", clips, broken)
    assert not list((tmp_path / "b").glob("view_*"))
