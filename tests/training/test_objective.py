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
from dvfl_lib.training.checkpointing import model_digest
from dvfl_lib.weights import load_checkpoint
from tiny_training import MIXING, StopAfter, run, tiny_model, tiny_recipe

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


@pytest.fixture(scope="module")
def trained() -> set[str]:
    return set()


@pytest.mark.parametrize("name", KD_LOSSES)
def test_each_loss_trains_in_its_own_way(tmp_path, name, trained):
    result = distilled(tmp_path, loss=name, alpha=1.0, labelled=set(range(0, 24, 2)))
    losses = [line["loss"] for line in result.history]
    assert all(map(math.isfinite, losses))
    assert losses[-1] < losses[0] and "match" not in result.history[0]
    digest = weights_digest_of(result.final)
    assert digest not in trained, "another loss ended with the same weights"
    trained.add(digest)


def weights_digest_of(path) -> str:
    model = tiny_model(7)
    load_checkpoint(model, path)
    return model_digest(model)


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
    before = model_digest(teacher)
    plain = distilled(tmp_path / "a", teacher=teacher)
    anew = distilled(tmp_path / "b", teacher=teacher, random_head=True)
    again = distilled(tmp_path / "c", teacher=teacher, random_head=True)
    assert model_digest(teacher) == before
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
    with pytest.raises(RunDirectoryError, match=f"distil.match \\({kind} there,  now"):
        distilled(tmp_path, match_weight=2.0)


def test_matching_is_taken_up_with_its_projections(tmp_path):
    optim = tiny_recipe(epochs=4, base_lr=1.6)
    options = dict(match="modulators", augment=MIXING, optim=optim)
    whole = distilled(tmp_path / "whole", tiny_model(drop_path=0.3), **options)
    with pytest.raises(KeyboardInterrupt):
        distilled(
            tmp_path / "pieces",
            tiny_model(drop_path=0.3),
            clips=StopAfter(50),
            **options,
            checkpoint_seconds=0,
        )
    again = distilled(tmp_path / "pieces", tiny_model(drop_path=0.3), **options)
    assert again.resumed_from == 6
    assert again.final.read_bytes() == whole.final.read_bytes()
