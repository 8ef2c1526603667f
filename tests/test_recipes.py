"""Recipes: the paper profile's numbers, and overrides that are checked."""

import json
from dataclasses import FrozenInstanceError

import pytest

from dvfl_lib.errors import RecipeError
from dvfl_lib.recipes import PROFILES, DataRecipe, Recipe, recipe_for

pytestmark = pytest.mark.quick


def test_the_paper_profile_is_the_authors_recipe_number_for_number():
    """The numbers of the released configurations (facts of the repository)."""
    r = recipe_for("paper")
    assert (r.data.frames, r.data.short_side, r.data.crop) == (8, 256, 224)
    assert r.data.sampling == "segments"
    o = r.optim
    assert (o.epochs, o.warmup_epochs) == (120, 20)
    assert (o.momentum, o.weight_decay) == (0.9, 1e-4)
    assert (o.base_lr, o.warmup_lr, o.min_lr, o.lr_batch) == (0.1, 0.001, 0.001, 512)
    assert (o.batch_size, o.micro_batch, o.clip_grad_norm) == (24, 8, 5.0)
    assert o.precision == "fp16"
    assert o.base_lr * o.lr_scale == pytest.approx(0.0046875)
    assert o.min_lr * o.lr_scale == pytest.approx(4.6875e-5)
    a = r.augment
    assert (a.crop_area, a.flip, a.jitter, a.grayscale) == ((0.08, 1.0), 0.5, 0.8, 0.2)
    assert a.crop_ratio == pytest.approx((3 / 4, 4 / 3))
    assert a.jitter_per == "frame"  # datasets/pipeline.py:1707
    assert (a.brightness, a.contrast, a.saturation, a.hue) == (0.4, 0.4, 0.2, 0.1)
    assert (a.mixup, a.cutmix, a.label_smoothing) == (0.8, 1.0, 0.1)
    assert (r.distil.alpha, r.distil.temperature) == (0.2, 10.0)
    assert (r.teacher.model, r.teacher.drop_path) == ("video_focalnet_base", 0.5)
    assert (r.student.model, r.student.drop_path) == ("vfl_net_nano", 0.1)
    assert r.teacher.image_weights == "focalnet_base_srf"
    assert r.student.image_weights == "focalnet_tiny_srf"
    e = r.evaluate
    assert (e.clips, e.crops, e.short_side) == (4, 3, 224)


def test_students_differ_from_profile_to_profile_only_where_they_must():
    assert set(PROFILES) == {"demo", "colab", "paper"}
    colab = recipe_for("colab")
    assert colab.student == recipe_for("paper").student
    assert colab.distil == recipe_for("paper").distil


def test_overrides_change_only_what_they_name():
    r = recipe_for("demo", {"optim.epochs": 40, "distil.alpha": 1})
    assert r.optim.epochs == 40 and r.distil.alpha == 1.0
    assert r.teacher_optim == recipe_for("demo").teacher_optim
    assert isinstance(r.distil.alpha, float)


def test_two_overrides_may_be_right_only_together():
    r = recipe_for("demo", {"data.crop": 64, "data.short_side": 72,
                            "evaluate.short_side": 72})  # fmt: skip
    assert r.data.crop == 64


def test_a_live_teacher_can_do_what_stored_logits_cannot():
    live = {"distil.stored_views": 2, "distil.live_teacher": True}
    for more in (
        {"distil.match": "modulators"},
        {"distil.random_head": True},
        {"augment.mixup": 0.8, "distil.label_share": 1.0},
    ):
        recipe = recipe_for("demo", live | more)
        assert recipe.distil.stored_views == 2 and not recipe.distil.stores_logits
    assert recipe_for("demo", {"distil.stored_views": 2}).distil.stores_logits
    assert not recipe_for("demo").distil.stores_logits


def test_a_list_from_json_serves_as_a_tuple():
    recipe = recipe_for("demo", {"augment.crop_area": [0.5, 1]})
    assert recipe.augment.crop_area == (0.5, 1.0)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"optim.epoch": 2}, "optim.epochs"),
        ({"epochs": 2}, "no recipe parameter"),
        ({"optim.epochs": "two"}, "optim.epochs: .* integer, not 'two'"),
        ({"optim.epochs": 1.5}, "integer, not 1.5"),
        ({"optim.epochs": True}, "integer, not True"),
        ({"teacher_optim.epochs": 0}, "teacher_optim.epochs: .* than or equal to 1"),
        ({"teacher_optim.batch_size": 33}, "teacher_optim: batch_size .33. must be a"),
        ({"optim.warmup_epochs": 999}, "optim: warmup_epochs .* more than epochs"),
        ({"optim.precision": "fp8"}, "optim.precision: .*'fp8'"),
        ({"optim.name": "adam"}, "optim.name: .*'adamw'.*, not 'adam'"),
        ({"optim.base_lr": float("inf")}, "finite"),
        ({"distil.alpha": 1.5}, "distil.alpha"),
        ({"distil.temperature": 0}, "distil.temperature"),
        ({"augment.crop_area": [0.5]}, "augment.crop_area"),
        ({"augment.crop_area": [0.9, 0.5]}, "augment.crop_area .* .low, high."),
        ({"augment.mixup": 0.8}, "label_share"),
        ({"evaluate.short_side": 20}, "evaluate.short_side"),
        ({"data.short_side": 20}, "data.short_side"),
        ({"data.cache_frames": 1}, "data.cache_frames: .* boolean, not 1"),
        ({"distil.stored_views": 2, "distil.match": "modulators"}, "insides"),
        ({"distil.stored_views": 2, "distil.random_head": True}, "of each process"),
        (
            {"augment.cutmix": 1, "distil.label_share": 1, "distil.stored_views": 2},
            "stored_views needs augment.mixup=0 .* about the unmixed clip",
        ),
        (
            {"augment.mixup": 1, "distil.label_share": 1, "optim.micro_batch": 1},
            "micro_batch 1 leaves nothing to mix with",
        ),
    ],
)
def test_impossible_overrides_are_refused_with_their_name(overrides, says):
    with pytest.raises(RecipeError, match=says):
        recipe_for("demo", overrides)


@pytest.mark.parametrize("name", ["papr", "", None, 3])
def test_an_unknown_profile_is_refused_with_the_known_ones(name):
    with pytest.raises(RecipeError, match="paper"):
        recipe_for(name)


def test_a_recipe_goes_through_json_and_back():
    recipe = recipe_for("demo", {"augment.crop_area": (0.5, 1), "optim.name": "adamw"})
    again = json.loads(json.dumps(recipe.to_dict()))
    assert Recipe.from_dict(again) == recipe
    assert Recipe.from_dict({}) == Recipe() and again["optim"]["epochs"] == 24
    with pytest.raises(RecipeError, match="optim.rate: Unexpected"):
        Recipe.from_dict({"optim": {"rate": 1}})


def test_a_recipe_cannot_be_changed_and_a_part_of_it_is_checked_too():
    with pytest.raises(RecipeError, match="crop: .* integer, not 32.5"):
        DataRecipe(crop=32.5)
    with pytest.raises(FrozenInstanceError):
        Recipe().optim.epochs = 3
