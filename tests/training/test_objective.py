"""``fit`` with the rivals of the forward KL divergence, and with matched insides."""

import math
from typing import get_args

import pytest
import torch
from safetensors.torch import load_file

from dvfl_lib.distillation import KD_LOSSES, MatchingKind
from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.recipes import DistilRecipe
from dvfl_lib.training import objective
from dvfl_lib.training.checkpointing import weights_digest
from dvfl_lib.weights import load_checkpoint
from tiny_training import MIXING, MemoryClips, run, tiny_model, tiny_recipe

FIT = ("augment", "labelled", "optim", "validate", "clips", "checkpoint_seconds")


def distilled(run_dir, model=None, teacher=None, **changes):
    """Few steps towards a teacher; ``changes`` of ``fit`` and of the distil recipe."""
    of_fit = {name: changes.pop(name) for name in FIT if name in changes}
    return run(
        run_dir,
        model,
        teacher=teacher or tiny_model(2, width=16),
        distil=DistilRecipe(**{"alpha": 0.5, "temperature": 2.0, **changes}),
        **{"optim": tiny_recipe(epochs=4, base_lr=1.6), **of_fit},
    )


@pytest.mark.parametrize("name", KD_LOSSES)
def test_each_loss_trains(tmp_path, name):
    result = distilled(tmp_path, loss=name, alpha=1.0, labelled=set(range(0, 24, 2)))
    losses = [line["loss"] for line in result.history]
    assert all(map(math.isfinite, losses))
    assert losses[-1] < losses[0]


def test_each_loss_is_another(tmp_path):
    found = {
        weights_digest_of(distilled(tmp_path / name, loss=name).final)
        for name in KD_LOSSES
    }
    assert len(found) == len(KD_LOSSES)


def weights_digest_of(path) -> str:
    model = tiny_model(7)
    load_checkpoint(model, path)
    return weights_digest(model)


def test_a_withheld_label_does_not_reach_the_decoupled_loss(tmp_path, monkeypatch):
    seen, loss = [], objective.distillation_loss

    def noted(*answers, labels, **numbers):
        seen.extend(labels.tolist())
        return loss(*answers, labels=labels, **numbers)

    monkeypatch.setattr(objective, "distillation_loss", noted)
    distilled(tmp_path / "a", loss="decoupled_kd", labelled={0, 1, 6})
    assert sorted(label for label in seen if label >= 0) == sorted([0, 1, 2] * 4)
    assert seen.count(-1) == 4 * 21
    seen.clear()
    distilled(tmp_path / "b", loss="decoupled_kd", augment=MIXING)
    assert set(seen) == {-1}, "a mixture was given the label of one of its parts"


def test_a_random_head_is_a_copy_of_its_own(tmp_path):
    teacher = tiny_model(2, width=16)
    before = weights_digest(teacher)
    plain = distilled(tmp_path / "a", teacher=teacher)
    anew = distilled(tmp_path / "b", teacher=teacher, random_head=True)
    again = distilled(tmp_path / "c", teacher=teacher, random_head=True)
    assert weights_digest(teacher) == before
    assert anew.history[0]["kd"] != plain.history[0]["kd"]
    assert anew.final.read_bytes() == again.final.read_bytes()
    with pytest.raises(RunDirectoryError, match="distil.random_head"):
        distilled(tmp_path / "b", teacher=teacher)


# --- matching ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", get_args(MatchingKind))
def test_matching_trains_and_saves_the_student_alone(tmp_path, kind):
    model, seen = tiny_model(), []

    def validate(network):
        assert network is model and not network.training
        assert network(torch.zeros(1, 2, 3, 8, 8)).shape == (1, 4)
        seen.append(1)
        return {"top1": len(seen)}

    result = distilled(tmp_path, model, match=kind, match_weight=2.0, validate=validate)
    matches = [line["match"] for line in result.history]
    assert all(map(math.isfinite, matches)) and matches[-1] < matches[0]
    for line in result.history:
        parts = 0.5 * line["kd"] + 0.5 * line["ce"] + 2.0 * line["match"]
        assert line["loss"] == pytest.approx(parts, rel=1e-5)
    for path in (result.final, result.best):
        assert set(load_file(path)) == set(model.state_dict())
        load_checkpoint(tiny_model(5), path)
    kept = load_file(result.folder / "last.safetensors")
    assert any("projections" in name for name in kept)
    assert all(type(m).__name__ != "MatchedStudent" for m in model.modules())


def test_without_matching_the_history_does_not_name_it(tmp_path):
    assert "match" not in distilled(tmp_path).history[0]


@pytest.mark.parametrize("kind", get_args(MatchingKind))
def test_matching_moves_the_student(tmp_path, kind):
    plain = distilled(tmp_path / "a")
    matched = distilled(tmp_path / "b", match=kind)
    assert weights_digest_of(plain.final) != weights_digest_of(matched.final)
    with pytest.raises(RunDirectoryError, match=f"distil.match \\({kind} there,  now"):
        distilled(tmp_path / "b")


class StopAfter(MemoryClips):
    def __init__(self, clips: int) -> None:
        super().__init__()
        self.left = clips

    def __getitem__(self, key):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().__getitem__(key)


@pytest.mark.parametrize("stop", [20, 50])
def test_matching_is_taken_up_with_its_projections(tmp_path, stop):
    optim = tiny_recipe(epochs=4, base_lr=1.6)
    options = dict(match="modulators", augment=MIXING, optim=optim)
    whole = distilled(tmp_path / "whole", tiny_model(drop_path=0.3), **options)
    with pytest.raises(KeyboardInterrupt):
        distilled(
            tmp_path / "pieces",
            tiny_model(drop_path=0.3),
            clips=StopAfter(stop),
            **options,
            checkpoint_seconds=0,
        )
    again = distilled(tmp_path / "pieces", tiny_model(drop_path=0.3), **options)
    assert again.resumed_from == stop // 8
    assert again.final.read_bytes() == whole.final.read_bytes()


def test_matching_in_bfloat16(tmp_path):
    optim = tiny_recipe(epochs=4, base_lr=1.6, precision="bf16")
    result = distilled(tmp_path, match="modulators", optim=optim)
    assert result.history[-1]["match"] < result.history[0]["match"]
