"""Stored logits: they stand in for the teacher, and stale ones are never used."""

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from dvfl_lib.errors import DatasetError, ModelError, RunDirectoryError
from dvfl_lib.recipes import DistilRecipe
from dvfl_lib.training import checkpointing, teacher_logits
from dvfl_lib.training.checkpointing import locked
from dvfl_lib.video.clips import ClipKey
from stored_views import Clips, Counted, content, opened, stored_teacher
from tiny_training import (
    MemoryClips,
    StopAfter,
    run,
    stored_run,
    tiny_model,
)


@pytest.fixture
def clips(tmp_path) -> Clips:
    return Clips(tmp_path / "videos")


@pytest.fixture
def cache(tmp_path, clips) -> Path:
    """Logits of a teacher, whole."""
    opened(tmp_path / "cache", clips)
    return tmp_path / "cache"


def difference(one, other) -> float:
    one, other = load_file(one.final), load_file(other.final)
    return max((one[name] - other[name]).abs().max().item() for name in one)


# --- in place of a teacher -----------------------------------------------------------


def test_cached_logits_train_to_the_same_bits_as_a_live_teacher(tmp_path):
    """Batches of the filling are those of the training here: clip by clip."""
    alone = dict(batch_size=4, micro_batch=1, epochs=4)
    live_teacher, teacher = Counted(), Counted()
    live = stored_run(tmp_path / "live", None, teacher=live_teacher, **alone)
    cached = stored_run(tmp_path / "a", tmp_path / "cache", teacher=teacher, **alone)
    assert live_teacher.clips == 4 * 24 and teacher.clips == 2 * 24
    assert difference(live, cached) == 0
    for one, other in zip(live.history, cached.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}
    again = Counted()
    second = stored_run(tmp_path / "b", tmp_path / "cache", teacher=again, **alone)
    assert again.clips == 0
    assert second.final.read_bytes() == cached.final.read_bytes()


def test_epochs_take_turns_with_the_views(tmp_path):
    """The baseline sees the very clips that the student sees."""
    seen: dict[str, list] = {"baseline": [], "student": []}
    teaching = dict(
        teacher=tiny_model(2, width=16),
        distil=DistilRecipe(0.5, 2.0, stored_views=2),
        cache=tmp_path / "cache",
    )
    for name, changes in (("baseline", {}), ("student", teaching)):
        student, kept = tiny_model(), seen[name]
        student.register_forward_pre_hook(
            lambda m, args, kept=kept: kept.append(args[0])
        )
        run(tmp_path / name, student, clips=MemoryClips(8, views=2), **changes)
    assert all(map(torch.equal, seen["baseline"], seen["student"]))
    epochs = [torch.cat(seen["baseline"][2 * e : 2 * e + 2]) for e in range(3)]
    first, second, third = ({c.sum().item() for c in clips} for clips in epochs)
    assert first == third and not first & second


@pytest.mark.parametrize("stop", [3, 30, 70])
def test_interrupted_anywhere_it_ends_with_the_same_bits(tmp_path, stop):
    """At the 3rd and 30th clip of the filling; in the training."""

    whole = stored_run(tmp_path / "whole", tmp_path / "other")
    clips = StopAfter(stop, views=2)
    with pytest.raises(KeyboardInterrupt):
        stored_run(tmp_path / "pieces", tmp_path / "cache", clips)
    clips.left = 10**6
    again = stored_run(tmp_path / "pieces", tmp_path / "cache", clips)
    assert again.resumed_from == max(0, (stop - 2 * 24) // 8)
    assert again.final.read_bytes() == whole.final.read_bytes()


def test_a_finished_run_needs_no_teacher(tmp_path):
    first = stored_run(tmp_path / "a", tmp_path / "cache", teacher=Counted())
    shutil.rmtree(tmp_path / "cache")
    teacher = Counted()
    again = stored_run(tmp_path / "a", tmp_path / "cache", teacher=teacher)
    assert again.resumed_from == first.steps and teacher.clips == 0
    assert not (tmp_path / "cache").exists(), "it was filled for nothing"


# --- unreadable videos, teachers that do not fit -------------------------------------


def test_a_replacement_meets_the_logits_of_itself(tmp_path):
    clips, teacher = Clips(tmp_path / "videos", unreadable={5, 6}), Counted()
    stored = opened(tmp_path / "cache", clips, teacher)
    assert teacher.clips == 2 * (24 - 2), "a replacement was asked twice"
    item = clips[ClipKey(1, 5)]
    assert item["index"] == 7
    with torch.no_grad():
        live = teacher(item["clip"][None])
    found = stored.logits(torch.tensor([item["index"]]), 1)
    torch.testing.assert_close(found, live, rtol=0, atol=1e-5)
    # A video that can be read again is not guessed.
    with pytest.raises(RunDirectoryError, match="view_001.* no logits of clip v5"):
        stored.logits(torch.tensor([4, 5]), 3)
    with pytest.raises(DatasetError, match=r"2 of 24 .*max_unreadable"):
        opened(tmp_path / "other", clips, max_unreadable=0.05)


def test_a_teacher_that_is_not_finite(tmp_path, clips):
    broken = Counted()
    broken.network.head.bias.data[1] = float("inf")
    with pytest.raises(ModelError, match="logits for v0 are not finite"):
        opened(tmp_path / "b", clips, broken)
    assert not content(tmp_path / "b")


# --- other clips, other teachers, damage ---------------------------------------------


def test_copied_videos_and_idle_numbers_change_nothing(cache, clips, tmp_path):
    shutil.copytree(tmp_path / "videos", tmp_path / "elsewhere")
    clips.samples = [
        replace(s, path=tmp_path / "elsewhere" / s.name) for s in clips.samples
    ]
    clips.data = replace(clips.data, workers=0, cache_frames=True, max_unreadable=0.2)
    clips.augment = replace(clips.augment, label_smoothing=0.3)
    teacher = Counted()
    opened(cache, clips, teacher, batch_size=7, workers=1)
    assert teacher.clips == 0


def test_whatever_decides_a_logit_decides_the_folder(tmp_path, monkeypatch):
    def folder(change=None, **options):
        clips = Clips(tmp_path / "videos")
        if change:
            change(clips)
        return stored_teacher(tmp_path, clips, **options).folder

    def of(**changes):
        return lambda clips: vars(clips).update(changes)

    def swapped(clips):
        clips.samples[4], clips.samples[8] = clips.samples[8], clips.samples[4]

    def relabelled(clips):
        clips.samples[5] = replace(clips.samples[5], label=0)

    def longer(clips):
        clips.samples[7].path.write_bytes(b"a longer video under the old name" * 99)

    found = [folder(), folder(swapped), folder(relabelled)]
    found += [
        folder(of(data=replace(Clips.data, frames=4))),
        folder(of(data=replace(Clips.data, crop=20, short_side=20))),
        folder(of(augment=replace(Clips.augment, flip=0.25))),
        folder(of(flip_labels={0: 1, 1: 0})),
        folder(of(seed=1)),
        folder(of(views=3)),
        folder(teacher=Counted(tiny_model(3, width=16))),
        folder(precision="bf16"),
        folder(classes=("run", "jump", "sit", "walk")),
    ]
    assert folder() == found[0]
    for name, other in (("decoder_version", "PyAV 99"), ("versions", {"torch": "99"})):
        monkeypatch.setattr(teacher_logits, name, lambda other=other: other)
        found.append(folder())
    monkeypatch.setattr(checkpointing, "resize_digest", lambda: "another")
    found += [folder(), folder(longer)]
    assert len(set(found)) == len(found)


def test_logits_under_another_key_are_refused(cache, clips):
    """A folder that somebody renamed."""
    [folder] = cache.iterdir()
    clips.seed = 1
    folder.rename(stored_teacher(cache, clips).folder)
    with pytest.raises(RunDirectoryError, match="not those written under this name"):
        opened(cache, clips)


def one_bit(path: Path) -> None:
    changed = bytearray(path.read_bytes())
    changed[-3] ^= 4
    path.write_bytes(changed)


def renamed(path: Path) -> None:
    shutil.copy(path.with_name("view_000.safetensors"), path)


def without_metadata(path: Path) -> None:
    path.write_bytes(save(load_file(path)))


DAMAGE = [lambda p: p.write_bytes(p.read_bytes()[:-40])]


@pytest.mark.parametrize("change", [*DAMAGE, one_bit, renamed, without_metadata])
def test_a_damaged_view_is_refused_and_made_again_once_deleted(cache, clips, change):
    [victim] = cache.rglob("view_001.safetensors")
    good, teacher = content(cache), Counted()
    change(victim)
    with pytest.raises(RunDirectoryError, match="view_001.safetensors is damaged.*Del"):
        opened(cache, clips, teacher)
    assert teacher.clips == 0
    victim.unlink()  # what the message advises
    opened(cache, clips, teacher)
    assert teacher.clips == 24, "more than that view was asked"
    assert content(cache) == good


def test_two_processes_do_not_fill_one_folder(tmp_path, clips, monkeypatch):
    monkeypatch.setattr(checkpointing, "_PATIENCE", 0.1)
    monkeypatch.setattr(teacher_logits, "_PATIENCE", 0.3)
    with locked(stored_teacher(tmp_path / "cache", clips).folder, "filling"):
        with pytest.raises(RunDirectoryError, match="another process is filling"):
            opened(tmp_path / "cache", clips)


def test_a_second_student_of_a_sweep_waits_for_the_first(tmp_path, clips, monkeypatch):
    """However long it takes, and asks the teacher nothing that is there by then."""
    monkeypatch.setattr(checkpointing, "_PATIENCE", 0.1)
    opened(tmp_path / "first", clips)
    folder = stored_teacher(tmp_path / "cache", clips).folder

    def fill(begun):
        with locked(folder, "filling"):
            begun.set()
            time.sleep(0.5)
            made = stored_teacher(tmp_path / "first", clips).folder
            ours = shutil.ignore_patterns(".lock")
            shutil.copytree(made, folder, dirs_exist_ok=True, ignore=ours)

    begun, teacher = threading.Event(), Counted()
    first = threading.Thread(target=fill, args=(begun,))
    first.start()
    begun.wait()
    opened(tmp_path / "cache", clips, teacher)
    first.join()
    assert teacher.clips == 0
