"""Interrupted runs, other people's runs, and folders that cannot be written."""

import errno
import json
import multiprocessing
import os
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.recipes import AugmentRecipe, DistilRecipe
from dvfl_lib.training import checkpointing, loop
from dvfl_lib.training.checkpointing import fingerprint, locked, model_digest
from tiny_training import MemoryClips, StopAfter, full_run, run, tiny_model, tiny_recipe


class NeverTouched(MemoryClips):
    def __getitem__(self, key):
        raise AssertionError("a finished run must not load a clip")


@pytest.mark.quick
@pytest.mark.parametrize(
    ("name", "clips"), [("sgd", 3), ("sgd", 30), ("sgd", 71), ("adamw", 30)]
)
def test_interrupted_in_the_middle_of_an_epoch(tmp_path, clips, name, caplog):
    """Steps of 8 clips, 3 per epoch; a checkpoint after every step."""
    optim = tiny_recipe(name=name, base_lr=0.64)
    expected = run(tmp_path / "whole", optim=optim)
    with pytest.raises(KeyboardInterrupt):
        pieces = StopAfter(clips)
        run(tmp_path / "pieces", clips=pieces, optim=optim, checkpoint_seconds=0)
    assert "the same call goes on from the checkpoint" in caplog.text
    again = run(tmp_path / "pieces", optim=optim)
    assert again.resumed_from == clips // 8
    assert again.final.read_bytes() == expected.final.read_bytes()
    for line, wanted in zip(again.history, expected.history, strict=True):
        assert {**line, "seconds": 0} == {**wanted, "seconds": 0}


class Unusual(torch.optim.SGD):
    """Keeps a tensor, a plain number and a number of the group between steps."""

    def step(self, closure=None):
        for group in self.param_groups:
            group["turn"] = group.get("turn", 0) + 1
            for parameter in group["params"]:
                state = self.state[parameter]
                state["turns"] = state.get("turns", 0) + 1
                state["mean"] = 0.5 * (state.get("mean", 0) + parameter.grad)
                parameter.grad += state["mean"] / state["turns"] / group["turn"]
        return super().step(closure)


def test_any_optimisers_state_comes_back(tmp_path, monkeypatch):
    def unusual(model, recipe):
        return Unusual(model.parameters(), lr=0.1, momentum=0.9)

    monkeypatch.setattr(loop, "build_optimizer", unusual)
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "pieces", clips=StopAfter(30), checkpoint_seconds=0)
    again = run(tmp_path / "pieces")
    assert again.resumed_from == 3
    assert again.final.read_bytes() == whole.final.read_bytes()


def test_stopped_in_a_validation_validates_the_same_weights_again(tmp_path):
    expected = full_run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        full_run(tmp_path / "pieces", stop_at_validation=2, checkpoint_seconds=999)
    again = full_run(tmp_path / "pieces")
    assert again.resumed_from == 6
    assert again.history[1]["held_out"] == expected.history[1]["held_out"]
    assert again.best.read_bytes() == expected.best.read_bytes()
    assert again.final.read_bytes() == expected.final.read_bytes()


def test_a_finished_run_returns_at_once(tmp_path):
    model = tiny_model()
    first = run(tmp_path, model)
    again = tiny_model()
    second = run(tmp_path, again, clips=NeverTouched())
    assert second.resumed_from == second.steps == 9
    assert second.history == first.history and second.seconds == first.seconds
    assert model_digest(again) == model_digest(model)


def test_derived_files_are_made_again_from_the_checkpoint(tmp_path):
    first = run(tmp_path)
    content = first.final.read_bytes()
    first.final.unlink()
    (first.folder / "log.jsonl").write_text('{"epoch": 99}\n')
    (first.folder / ".last.safetensors.abc.tmp").write_text("half a checkpoint")
    run(tmp_path, clips=NeverTouched())
    assert first.final.read_bytes() == content
    lines = (first.folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == first.history
    assert not (first.folder / ".last.safetensors.abc.tmp").exists()


def test_the_best_epoch_is_the_earliest_of_the_best(tmp_path):
    scores, kept = iter([0.2, 0.5, 0.5, 0.1]), []

    def validate(model):
        assert not model.training and not torch.is_grad_enabled()
        kept.append(model_digest(model))
        return {"top1": next(scores), "videos": 7, "note": "not a number"}

    result = run(tmp_path, optim=tiny_recipe(epochs=4), validate=validate)
    assert (result.best_epoch, result.best_top1) == (2, 0.5)
    best = tiny_model(9)
    best.load_state_dict(load_file(result.best))
    assert model_digest(best) == kept[1] != kept[3]
    assert result.history[3]["held_out"] == {"top1": 0.1, "videos": 7}
    assert run(tmp_path / "without").best is None


@pytest.mark.quick
def test_a_run_begun_before_colours_could_be_drawn_per_frame_goes_on():
    clips = SimpleNamespace(samples=[])

    def of(per: str) -> dict:
        return fingerprint({"augment": AugmentRecipe(jitter_per=per)}, clips)

    name = "augment.jitter_per"
    assert name not in of("clip") and of("frame") == {**of("clip"), name: "frame"}


@pytest.mark.quick
def test_another_run_is_not_continued(tmp_path):
    run(tmp_path)
    cases = {
        "seed": {"seed": 1},
        "optim.base_lr": {"optim": tiny_recipe(base_lr=1.0)},
        "training clips": {"clips": MemoryClips(25)},
        "initial weights": {"model": tiny_model(3)},
        "drop-path": {"model": tiny_model(drop_path=0.1)},
        "distil.alpha": {"distil": DistilRecipe(), "teacher": tiny_model(2)},
        "labelled clips": {"labelled": {1, 2}},
    }
    before = (tmp_path / "tiny" / "last.safetensors").read_bytes()
    for field, changes in cases.items():
        with pytest.raises(RunDirectoryError, match=field) as caught:
            run(tmp_path, **changes)
        assert "another run_dir, delete that folder" in str(caught.value)
    assert (tmp_path / "tiny" / "last.safetensors").read_bytes() == before
    # None of these changes a result.
    run(tmp_path, workers=1, checkpoint_seconds=5, max_unreadable=0.5)
    run(tmp_path / "taught", teacher=tiny_model(2))
    with pytest.raises(RunDirectoryError, match="teacher weights"):
        run(tmp_path / "taught", teacher=tiny_model(3))


def test_a_damaged_checkpoint_is_named(tmp_path):
    last = run(tmp_path).folder / "last.safetensors"
    whole, other = last.read_bytes(), last.with_name("final.safetensors").read_bytes()
    text = [save({}, metadata={"dvfl-training": t}) for t in ("", "{}", "[1]")]
    for content in (b"", whole[:100], b"x" * 1000, whole[:-50], other, *text):
        last.write_bytes(content)
        with pytest.raises(
            RunDirectoryError, match="no checkpoint of .* or is damaged"
        ):
            run(tmp_path)


def test_a_full_disk_leaves_the_last_checkpoint_intact(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, clips=StopAfter(30), checkpoint_seconds=0)
    last = tmp_path / "tiny" / "last.safetensors"
    before = last.read_bytes()

    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", full)
        with pytest.raises(RunDirectoryError, match="No space left"):
            run(tmp_path, checkpoint_seconds=0)
    assert last.read_bytes() == before
    assert run(tmp_path).resumed_from == 3


def hold(run_dir, held, release):
    with locked(run_dir / "tiny", "training"):
        held.set()
        release.wait(60)


@pytest.mark.nightly
def test_two_processes_do_not_train_in_one_folder(tmp_path, monkeypatch):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(60)
    monkeypatch.setattr(checkpointing, "_PATIENCE", 0.3)
    with pytest.raises(RunDirectoryError, match="another process is training"):
        run(tmp_path)
    release.set()
    other.join(60)
    assert run(tmp_path).steps == 9
