"""``fit``: what it learns, what it leaves alone, what it refuses."""

import csv
import json
import logging

import pytest
import torch
from torch import nn

from dvfl_lib.environment import cpu_threads, processes
from dvfl_lib.errors import DatasetError, RecipeError
from dvfl_lib.recipes import DistilRecipe
from dvfl_lib.training import devices, objective
from dvfl_lib.video import transforms
from dvfl_lib.video.clips import ClipKey
from dvfl_lib.weights import load_checkpoint, read_metadata
from tiny_training import (
    CLASSES,
    MIXING,
    MemoryClips,
    full_run,
    run,
    tiny_model,
    tiny_recipe,
)

DISTIL = DistilRecipe(alpha=0.5, temperature=2.0)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def largest_difference(one: dict, other: dict) -> float:
    return max((one[name] - other[name]).abs().max().item() for name in one)


def test_it_learns_and_says_so(tmp_path):
    model, clips = tiny_model(), MemoryClips()
    result = run(tmp_path, model, clips=clips, optim=tiny_recipe(epochs=10))
    unseen = torch.stack([clips[ClipKey(99, i)]["clip"] for i in range(24)])
    labels = torch.tensor([sample.label for sample in clips.samples])
    assert (model.eval()(unseen).argmax(1) == labels).float().mean() > 0.9
    assert [line["epoch"] for line in result.history] == list(range(1, 11))
    assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]
    assert result.steps == 30 and result.resumed_from == 0
    lines = (result.folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == result.history


def test_same_seed_same_bits_whatever_the_global_generator_says(tmp_path):
    runs = []
    for number in range(2):
        torch.manual_seed(number)
        before = torch.get_rng_state()
        result = full_run(tmp_path / str(number))
        assert torch.equal(before, torch.get_rng_state())
        runs.append(result.final.read_bytes())
    assert runs[0] == runs[1]
    other = tiny_model(1, drop_path=0.3)
    run(tmp_path / "other", other, augment=MIXING, seed=1)
    same = tiny_model(1, drop_path=0.3)
    run(tmp_path / "same", same, augment=MIXING, seed=0)
    assert not equal(weights(other), weights(same))


def test_every_micro_batch_draws_its_own_mixing_and_drop_path(tmp_path, monkeypatch):
    drawn = {"mix": [], "forward": []}

    def mix_clips(*arguments):
        drawn["mix"].append(torch.rand(1).item())
        return transforms.mix_clips(*arguments)

    monkeypatch.setattr(objective, "mix_clips", mix_clips)
    student = tiny_model()
    student.register_forward_pre_hook(
        lambda module, args: drawn["forward"].append(torch.rand(1).item())
    )
    run(tmp_path, student, augment=MIXING)
    assert len(drawn["mix"]) == len(drawn["forward"]) == 9 * 2
    assert len({*drawn["mix"], *drawn["forward"]}) == 2 * 9 * 2


def test_micro_batches_add_up_to_the_big_batch(tmp_path):
    found = []
    for size in (8, 4, 1):
        model = tiny_model()
        recipe = tiny_recipe(micro_batch=size)
        result = run(
            tmp_path / str(size),
            model,
            optim=recipe,
            teacher=tiny_model(2, width=16),
            distil=DISTIL,
            labelled={0, 3, 5, 8, 13, 21},
        )
        found.append((weights(model), result.history[-1]["loss"]))
    for other, loss in found[1:]:
        assert largest_difference(found[0][0], other) < 1e-5
        assert loss == pytest.approx(found[0][1], rel=1e-4)
    assert largest_difference(found[0][0], weights(tiny_model())) > 1e-2


def test_a_frozen_teacher_sees_the_mixed_clips_of_the_student(tmp_path):
    seen, modes = {"teacher": [], "student": []}, set()
    student, teacher = tiny_model(), tiny_model(2, drop_path=0.5, width=16).train()
    for name, model in (("student", student), ("teacher", teacher)):
        model.register_forward_pre_hook(
            lambda module, args, name=name: seen[name].append(args[0].clone())
        )
    teacher.register_forward_hook(
        lambda module, args, out: modes.add((module.training, out.requires_grad))
    )
    before = weights(teacher)
    run(tmp_path, student, augment=MIXING, teacher=teacher, distil=DISTIL)
    assert len(seen["teacher"]) == 18 and modes == {(False, False)}
    assert all(map(torch.equal, seen["teacher"], seen["student"]))
    assert equal(before, weights(teacher))
    assert all(p.grad is None for p in teacher.parameters())


class Mislabelled(MemoryClips):
    """Clips not in ``right`` come with their label shifted."""

    def __init__(self, right: set[int], shift: int) -> None:
        super().__init__()
        self.right, self.shift = right, shift

    def __getitem__(self, key):
        item = super().__getitem__(key)
        if key.index not in self.right:
            item["label"] = (item["label"] + self.shift) % CLASSES
        return item


@pytest.mark.quick
def test_labels_that_may_not_be_seen_change_nothing(tmp_path):
    """Other labels for the unlabelled half end in the same weights."""
    half = set(range(0, 24, 2))
    found = []
    for shift in (0, 1):
        model = tiny_model()
        run(
            tmp_path / str(shift),
            model,
            clips=Mislabelled(half, shift),
            labelled=half,
            teacher=tiny_model(2, width=16),
            distil=DISTIL,
        )
        found.append(weights(model))
    assert equal(*found)


def test_bfloat16_trains_and_leaves_the_network_as_it_was(tmp_path):
    model, seen = tiny_model(), []
    model.head.register_forward_hook(lambda m, a, out: seen.append(out.dtype))
    recipe = tiny_recipe(precision="bf16")
    result = run(tmp_path / "a", model, optim=recipe)
    assert set(seen) == {torch.bfloat16}
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert model.eval()(torch.zeros(1, 2, 3, 8, 8)).dtype == torch.float32
    assert seen[-1] == torch.float32, "the precision wrapper was left on"
    # One process may train in several precisions, one after another.
    assert run(tmp_path / "b").steps == 9


def test_float16_keeps_its_gradient_scale_over_a_restart(tmp_path):
    """The scale begins too large on purpose: early steps are skipped."""
    recipe = tiny_recipe(precision="fp16")
    first, second = tmp_path / "a", tmp_path / "b"
    whole = run(first, optim=recipe, validate=lambda m: {"top1": 0.0})
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]
    scores = iter([{"top1": 0.0}])
    with pytest.raises(StopIteration):  # in the second validation
        run(second, optim=recipe, validate=lambda m: next(scores))
    again = run(second, optim=recipe, validate=lambda m: {"top1": 0.0})
    assert again.resumed_from == 6
    assert again.final.read_bytes() == whole.final.read_bytes()


def test_a_precision_that_the_device_lacks(monkeypatch):
    def refuse(**arguments):
        raise ValueError("fp16 mixed precision requires a GPU")

    monkeypatch.setattr(devices, "Accelerator", refuse)
    with pytest.raises(RecipeError, match="'fp16' does not work here .fp16 mixed"):
        devices.make_accelerator("fp16")


def test_deterministic_mode_is_left_as_it_was(tmp_path):
    assert not torch.are_deterministic_algorithms_enabled()
    seen = []

    def validate(model):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return {"top1": 0.0}

    run(tmp_path, validate=validate)
    assert all(seen) and not torch.are_deterministic_algorithms_enabled()


class Unreadable(MemoryClips):
    """Clips 5 and 6 cannot be read: each is replaced by the next, which says so."""

    def __getitem__(self, key):
        bad = {5: [5, 6], 6: [6]}.get(key.index, [])
        index = 7 if bad else key.index
        item = super().__getitem__(ClipKey(key.epoch, index))
        return {**item, "unreadable": [f"v{i}.avi holds no frame" for i in bad]}


def test_unreadable_videos_are_reported_once(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        result = run(tmp_path, clips=Unreadable(), max_unreadable=0.1)
    names = ["v5.avi holds no frame", "v6.avi holds no frame"]
    assert sorted(result.unreadable) == names
    assert sorted(r.getMessage() for r in caplog.records) == [
        f"skipped: {name}" for name in names
    ]
    listed = json.loads((result.folder / "unreadable.json").read_text())
    assert sorted(listed) == names
    with pytest.raises(DatasetError, match=r"2 of 24 .*max_unreadable.*v5.avi"):
        run(tmp_path / "fewer", clips=Unreadable(), max_unreadable=0.05)


class Poisoned(MemoryClips):
    """Clip 3 is not finite from epoch 1 on."""

    def __getitem__(self, key):
        item = super().__getitem__(key)
        if key.index == 3 and key.epoch == 1:
            item["clip"] = item["clip"] * float("nan")
        return item


def test_a_loss_that_is_not_finite_stops_with_the_checkpoint_intact(tmp_path):
    model = tiny_model()
    with pytest.raises(RecipeError, match="no longer finite at step [345] .*learning"):
        run(tmp_path, model, clips=Poisoned(), checkpoint_seconds=0)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert (tmp_path / "tiny" / "last.safetensors").exists()
    # Mended clips have the same names: the run goes on behind the last good step.
    assert run(tmp_path, clips=MemoryClips()).resumed_from >= 3


def test_final_weights_can_be_loaded_and_say_what_they_are(tmp_path):
    model, fresh = tiny_model(), tiny_model(seed=9)
    result = run(tmp_path, model, about={"classes": ["a", "b", "c", "d"]})
    load_checkpoint(fresh, result.final)
    assert equal(weights(fresh), weights(model))
    metadata = read_metadata(result.final)
    assert metadata["classes"] == ["a", "b", "c", "d"] and metadata["run"] == "tiny"
    assert metadata["recipe"]["optim"]["batch_size"] == 8 and metadata["epoch"] == 3


def test_threads_are_set_for_a_block_alone():
    before = torch.get_num_threads()
    for count, inside in ((before + 1, before + 1), (0, before)):
        with cpu_threads(count):
            found = torch.get_num_threads()
        on_cpu = processes().device.type == "cpu"
        assert found == (inside if on_cpu else before)
        assert torch.get_num_threads() == before


# --- trackers ------------------------------------------------------------------------


def test_a_table_of_the_log(tmp_path):
    result = run(tmp_path, track="csv", validate=lambda m: {"top1": 0.5})
    rows = list(csv.DictReader((result.folder / "log.csv").open()))
    assert [float(row["loss"]) for row in rows] == [e["loss"] for e in result.history]
    assert {row["held_out/top1"] for row in rows} == {"0.5"}


@pytest.mark.nightly
def test_tensorboard_reads_what_was_tracked(tmp_path):
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    result = run(tmp_path, track="tensorboard", validate=lambda m: {"top1": 0.5})
    read = events.EventAccumulator(str(result.folder / "tensorboard"))
    read.Reload()
    found = [(event.step, event.value) for event in read.Scalars("loss")]
    assert found == [(e["epoch"], pytest.approx(e["loss"])) for e in result.history]
    assert [event.value for event in read.Scalars("held_out/top1")] == [0.5] * 3


@pytest.mark.nightly
def test_wandb_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    result = run(tmp_path, track="wandb", validate=lambda m: {"top1": 0.5})
    [log] = result.folder.glob("wandb/offline-run-*/run-*.wandb")
    assert b"held_out/top1" in log.read_bytes()
