"""Stale and damaged teacher caches.

A cache is made stale in every way that could put logits beside a clip that they are
not of. Each must be refused, say what differs and what to do, change no file, and ask
no teacher.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import save

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.teacher_cache import file_marks, store
from dvfl_lib.teacher_cache import key as cache_key
from stored_views import NAMES, Clips, Counted, assert_refused, content, opened
from tiny_training import tiny_model


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Three chunks for each view; and young files are remembered by the memo."""
    monkeypatch.setattr(store, "_CLIPS", 10)
    monkeypatch.setattr(file_marks, "_SETTLED", -1)


# --- stale -----------------------------------------------------------------------


def other_weights(clips, options):
    options["teacher"] = Counted(tiny_model(3, width=16))


def other_network(clips, options):
    options["teacher"] = Counted(tiny_model(2, width=8))


def fewer_clips(clips, options):
    clips.samples = clips.samples[:-1]


def other_order(clips, options):
    clips.samples[4], clips.samples[8] = clips.samples[8], clips.samples[4]


def other_label(clips, options):
    clips.samples[5] = replace(clips.samples[5], label=0)


def other_video(clips, options):
    clips.samples[7].path.write_bytes(b"a longer video under the old name" * 99)


def same_size_and_time(clips, options):
    """Even the time of the last change is set back."""
    path = clips.samples[7].path
    before, content = path.stat(), bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def video_removed(clips, options):
    clips.samples[7].path.unlink()


def of_data(**changes):
    def change(clips, options):
        clips.data = replace(clips.data, **changes)

    return change


def of_augment(**changes):
    def change(clips, options):
        clips.augment = replace(clips.augment, **changes)

    return change


def other_flips(clips, options):
    clips.flip_labels = {0: 1, 1: 0}


def other_seed(clips, options):
    clips.seed = 1


def other_views(clips, options):
    clips.views = 3


def other_precision(clips, options):
    options["precision"] = "bf16"


def more_classes(clips, options):
    options["classes"] = (*NAMES, "wave")


def classes_reordered(clips, options):
    options["classes"] = ("run", "jump", "sit", "walk")


STALE = {
    "other weights": (other_weights, "teacher weights"),
    "other network": (other_network, "teacher network"),
    "fewer clips": (fewer_clips, r"training clips \(24 there, 23 now\)"),
    "other order": (other_order, r"number 4: \['v4', 0\] there, \['v8', 0\] now"),
    "other label": (other_label, r"number 5: \['v5', 1\] there, \['v5', 0\] now"),
    "other video": (other_video, r"video files \(other content now: v7\)"),
    "same size and time": (same_size_and_time, r"other content now: v7\)"),
    "video removed": (video_removed, r"video files \(other content now: v7\)"),
    "frames": (of_data(frames=4), r"data.frames \(2 there, 4 now\)"),
    "crop": (of_data(crop=20, short_side=20), r"data.crop .* data.short_side"),
    "sampling": (of_data(sampling="dense"), r"data.sampling \(segments there, dense"),
    "crop area": (of_augment(crop_area=(0.5, 1)), "augment.crop_area"),
    "flip": (of_augment(flip=0.25), r"augment.flip \(0.5 there, 0.25 now\)"),
    "hue": (of_augment(hue=0.2), r"augment.hue \(0.1 there, 0.2 now\)"),
    "labels of flips": (other_flips, "labels of flipped clips"),
    "seed": (other_seed, r"clips.seed \(0 there, 1 now\)"),
    "views": (other_views, r"distil.stored_views \(2 there, 3 now\)"),
    "precision": (other_precision, r"precision \(no there, bf16 now\)"),
    "more classes": (more_classes, r"classes \(4 there, 5 now\)"),
    "classes": (classes_reordered, "number 0: jump there, run now, and 1 more"),
}


@pytest.mark.parametrize("way", STALE)
def test_a_stale_cache_is_refused(cache, clips, way):
    change, says = STALE[way]
    options = {"teacher": Counted()}
    change(clips, options)
    assert_refused(cache, f"is stale.*{says}", lambda: opened(cache, clips, **options))
    assert options["teacher"].clips == 0


def test_another_version_of_a_library_is_refused(cache, clips, monkeypatch):
    version = cache_key.version
    monkeypatch.setattr(
        cache_key, "version", lambda n: "99.0" if n == "torchvision" else version(n)
    )
    assert_refused(cache, "torchvision 99.0", lambda: opened(cache, clips))


def test_several_differences_are_all_named(cache, clips):
    clips.seed, clips.data = 3, replace(clips.data, frames=4)
    with pytest.raises(RunDirectoryError, match="clips.seed .*; data.frames"):
        opened(cache, clips)


# --- damaged ---------------------------------------------------------------------


def chunks(folder: Path) -> list[Path]:
    return sorted(folder.glob("view_*.safetensors"))


def truncated(path: Path, folder: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def emptied(path: Path, folder: Path) -> None:
    path.write_bytes(b"")


def one_bit(path: Path, folder: Path) -> None:
    changed = bytearray(path.read_bytes())
    changed[-3] ^= 4
    path.write_bytes(changed)


def brackets(path: Path, folder: Path) -> None:
    """Deeper than a reader of JSON can go."""
    path.write_bytes((10**5).to_bytes(8, "little") + b"[" * 10**5)


def other_type(path: Path, folder: Path) -> None:
    with safe_open(path, "pt") as file:
        logits, told = file.get_tensor("logits"), file.metadata()
    path.write_bytes(save({"logits": logits.bfloat16()}, metadata=told))


def renamed(path: Path, folder: Path) -> None:
    shutil.copy(chunks(folder)[0], path)


def from_another_cache(path: Path, folder: Path) -> None:
    """Of another teacher, under the same name and of the same size."""
    other = folder.with_name("other")
    opened(other, Clips(folder.with_name("videos")), Counted(tiny_model(3, width=16)))
    assert (other / path.name).stat().st_size == path.stat().st_size
    shutil.copy(other / path.name, path)


DAMAGED = {
    "truncated": (truncated, "is damaged"),
    "emptied": (emptied, "is damaged"),
    "one bit": (one_bit, "is damaged .*its numbers are not those that were written"),
    "brackets": (brackets, "is damaged .RecursionError"),
    "other type": (other_type, "is damaged .its logits are torch.bfloat16"),
    "renamed": (renamed, "clips from 0 on in view 0: it was renamed"),
    "copied": (from_another_cache, "belongs to another teacher cache"),
}


@pytest.mark.parametrize("way", DAMAGED)
@pytest.mark.parametrize("place", [1, 5])
def test_a_damaged_chunk_is_refused_and_made_again_once_deleted(
    cache, clips, way, place
):
    change, says = DAMAGED[way]
    good = content(cache)
    victim = chunks(cache)[place]
    change(victim, cache)
    teacher = Counted()
    assert_refused(cache, says, lambda: opened(cache, clips, teacher))
    assert teacher.clips == 0
    victim.unlink()  # what the message advises
    opened(cache, clips, teacher)
    assert teacher.clips == (10 if place == 1 else 4), "more than that was asked"
    assert content(cache) == good


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-30],
        lambda text: "{}",
        lambda text: "[1, 2]",
        lambda text: "[" * 10**5,
        lambda text: text.replace('"clips.seed": 0', '"clips.seed": 7'),
        lambda text: text.replace('"v7"', '"v77"'),
    ],
)
def test_a_damaged_key_is_refused(cache, clips, change):
    path = cache / "key.json"
    path.write_text(change(path.read_text()))
    assert_refused(cache, "key.json does not describe", lambda: opened(cache, clips))


def test_a_folder_of_something_else_is_left_alone(tmp_path, clips):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    assert_refused(folder, r"not empty.*thesis.txt", lambda: opened(folder, clips))
    with pytest.raises(RunDirectoryError, match="is a file"):
        opened(folder / "thesis.txt", clips)


def test_a_cache_without_its_key_is_refused(cache, clips):
    (cache / "key.json").unlink()
    assert_refused(cache, "has no key.json", lambda: opened(cache, clips))
