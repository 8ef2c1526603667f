"""``fit`` with stored views: the cache stands in for the teacher, to the last bit."""

import multiprocessing
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dvfl_lib.errors import RecipeError, RunDirectoryError
from dvfl_lib.recipes import DistilRecipe
from dvfl_lib.training import locking
from dvfl_lib.training.devices import make_accelerator
from dvfl_lib.training.state import RunFolder
from dvfl_lib.training.stored_teacher import StoredTeacher
from dvfl_lib.video.clips import ClipKey
from stored_views import Counted
from tiny_training import (
    CLASSES,
    MIXING,
    MemoryClips,
    run,
    stored_run,
    tiny_model,
)

STORED = DistilRecipe(0.5, 2.0, stored_views=2)
LIVE = DistilRecipe(0.5, 2.0, stored_views=2, live_teacher=True)


def without_times(history: list[dict]) -> list[dict]:
    return [{**line, "seconds": None} for line in history]


def weights(result) -> dict[str, torch.Tensor]:
    return load_file(result.final)


def difference(one, other) -> float:
    one, other = weights(one), weights(other)
    return max((one[name] - other[name]).abs().max().item() for name in one)


def test_cached_logits_train_to_the_same_bits_as_a_live_teacher(tmp_path):
    """Batches of the filling are those of the training here: clip by clip."""
    alone = dict(batch_size=4, micro_batch=1, epochs=4)
    live_teacher, teacher = Counted(), Counted()
    live = stored_run(tmp_path / "live", None, teacher=live_teacher, **alone)
    cached = stored_run(tmp_path / "a", tmp_path / "cache", teacher=teacher, **alone)
    assert live_teacher.clips == 4 * 24 and teacher.clips == 2 * 24
    one, other = weights(live), weights(cached)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert without_times(live.history) == without_times(cached.history)


def test_in_other_batches_it_agrees_to_rounding(tmp_path):
    live = stored_run(tmp_path / "live", None)
    cached = stored_run(tmp_path / "a", tmp_path / "cache")
    assert difference(live, cached) < 1e-5
    assert difference(live, stored_run(tmp_path / "b", None, base_lr=3.2)) > 1e-3


def test_a_second_run_asks_no_teacher_and_another_teacher_is_refused(tmp_path):
    first_teacher, teacher, other = Counted(), Counted(), Counted(tiny_model(3))
    first = stored_run(tmp_path / "a", tmp_path / "cache", teacher=first_teacher)
    second = stored_run(tmp_path / "b", tmp_path / "cache", teacher=teacher)
    assert (first_teacher.clips, teacher.clips) == (2 * 24, 0)
    assert second.final.read_bytes() == first.final.read_bytes()
    with pytest.raises(RunDirectoryError, match="is stale.*teacher weights"):
        stored_run(tmp_path / "c", tmp_path / "cache", teacher=other)
    assert other.clips == 0


def test_the_filling_is_not_counted_as_training(tmp_path, monkeypatch):
    def slow(self, accelerator, opened=StoredTeacher.open):
        time.sleep(1)
        return opened(self, accelerator)

    monkeypatch.setattr(StoredTeacher, "open", slow)
    begun = time.monotonic()
    result = stored_run(tmp_path / "a", tmp_path / "cache")
    assert 0 < result.seconds < time.monotonic() - begun - 1


def test_epochs_take_turns_with_the_views(tmp_path):
    """The baseline sees the very clips that the distilled student sees."""
    seen: dict[str, list] = {"baseline": [], "distilled": []}
    for name, changes in (
        ("baseline", {}),
        (
            "distilled",
            dict(
                teacher=tiny_model(2, width=16),
                distil=STORED,
                teacher_cache=tmp_path / "cache",
            ),
        ),
    ):
        student, kept = tiny_model(), seen[name]
        student.register_forward_pre_hook(
            lambda m, args, kept=kept: kept.append(args[0])
        )
        clips = MemoryClips(8, views=2)
        run(tmp_path / name, student, clips=clips, **changes)
    assert all(map(torch.equal, seen["baseline"], seen["distilled"]))
    first, second, third = (
        {
            clip.sum().item()
            for batch in seen["baseline"][2 * e : 2 * e + 2]
            for clip in batch
        }
        for e in range(3)
    )
    assert first == third and not first & second


@pytest.mark.parametrize("stop", [3, 30, 70])
def test_interrupted_anywhere_it_ends_with_the_same_bits(tmp_path, stop):
    """At the 3rd and 30th clip of the filling; in the training."""

    class StopAfter(MemoryClips):
        left = 2 * 24 + stop  # clips without files are marked by what they show

        def __getitem__(self, key):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
            return super().__getitem__(key)

    whole = stored_run(tmp_path / "whole", tmp_path / "other")
    clips = StopAfter(views=2)
    with pytest.raises(KeyboardInterrupt):
        stored_run(tmp_path / "pieces", tmp_path / "cache", clips)
    clips.left = 10**6
    again = stored_run(tmp_path / "pieces", tmp_path / "cache", clips)
    assert again.resumed_from == max(0, (stop - 2 * 24) // 8)
    assert again.final.read_bytes() == whole.final.read_bytes()


def test_a_finished_run_needs_neither_cache_nor_teacher(tmp_path):
    first = stored_run(tmp_path / "a", tmp_path / "cache", teacher=Counted())
    for path in (tmp_path / "cache").glob("view_*"):
        path.unlink()
    teacher = Counted()
    again = stored_run(tmp_path / "a", tmp_path / "cache", teacher=teacher)
    assert again.resumed_from == first.steps and teacher.clips == 0
    assert not list((tmp_path / "cache").glob("view_*")), "it was filled for nothing"


class Replaced(MemoryClips):
    """Clip 5 cannot be read: clip 6 stands in for it."""

    def __getitem__(self, key):
        if key.index != 5:
            return super().__getitem__(key)
        item = super().__getitem__(ClipKey(key.epoch, 6))
        return {**item, "index": 6, "unreadable": ["v5 holds no frame"]}


def test_a_replacement_meets_the_logits_of_itself(tmp_path):
    teacher = Counted()
    cached = stored_run(
        tmp_path / "a", tmp_path / "cache", Replaced(views=2), teacher=teacher
    )
    live = stored_run(tmp_path / "live", None, Replaced(views=2), teacher=Counted())
    assert teacher.clips == 2 * 23
    assert cached.unreadable == live.unreadable == ["v5 holds no frame"]
    assert difference(cached, live) < 1e-5


def test_stored_views_are_part_of_a_run(tmp_path):
    run(tmp_path, clips=MemoryClips(views=2))
    with pytest.raises(
        RunDirectoryError, match=r"stored views of the clips \(2 there, 0 now\)"
    ):
        run(tmp_path)


def test_two_processes_do_not_fill_one_cache(tmp_path, monkeypatch):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(60)
    monkeypatch.setattr(locking, "_PATIENCE", 0.3)
    with pytest.raises(RunDirectoryError, match="another process is filling it in"):
        stored_run(tmp_path / "run", tmp_path / "cache")
    release.set()
    other.join(60)
    assert stored_run(tmp_path / "run", tmp_path / "cache").steps == 9


def _hold(folder: Path, held, release) -> None:
    with RunFolder(folder, "cache").held():
        held.set()
        release.wait(60)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": MIXING}, "stored answer of the teacher is about the unmixed clip"),
        ({"teacher_cache": None}, "needs teacher_cache, the folder"),
        ({"clips": MemoryClips()}, "the clips have 0 stored views"),
        ({"clips": MemoryClips(views=3)}, "the clips have 3 stored views"),
        ({"distil": DistilRecipe()}, "stored_views is 0, but the clips have 2"),
    ],
)
def test_contradictions_are_refused_before_any_work(tmp_path, changes, message):
    arguments = dict(
        clips=MemoryClips(views=2),
        distil=STORED,
        teacher=tiny_model(2, width=16),
        teacher_cache=tmp_path / "cache",
    )
    with pytest.raises(RecipeError, match=message):
        run(tmp_path / "run", **{**arguments, **changes})
    assert not (tmp_path / "run").exists() and not (tmp_path / "cache").exists()


def test_mixing_is_allowed_where_the_teacher_is_live(tmp_path):
    teacher = Counted()
    clips = MemoryClips(views=2)
    run(tmp_path, clips=clips, distil=LIVE, teacher=teacher, augment=MIXING)
    assert teacher.clips == 3 * 24


def test_workers_of_the_filling_change_nothing(tmp_path):
    found = []
    for workers in (0, 2):
        stored = StoredTeacher(
            tmp_path / str(workers),
            tiny_model(2, width=16),
            MemoryClips(views=2),
            classes=[str(k) for k in range(CLASSES)],
            views=2,
            precision="no",
            batch_size=4,
            seed=0,
            workers=workers,
            show=False,
        )
        found.append(stored.open(make_accelerator("no")).view(1))
    assert torch.equal(*found)
