"""What a run is known by: numbers that came later do not disown runs from before."""

import json

import pytest
from safetensors import safe_open

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.recipes import DistilRecipe
from dvfl_lib.training.fingerprint import LATER, differences
from tiny_training import MemoryClips, run, tiny_model

# The names in the fingerprint of a distilled run before there were rivals of the
# loss, matching and stored views.
BEFORE = {
    "augment.brightness",
    "augment.contrast",
    "augment.crop_area",
    "augment.crop_ratio",
    "augment.cutmix",
    "augment.flip",
    "augment.grayscale",
    "augment.hue",
    "augment.jitter",
    "augment.label_smoothing",
    "augment.mixup",
    "augment.saturation",
    "clips.seed",
    "data",
    "distil.alpha",
    "distil.label_share",
    "distil.temperature",
    "drop-path",
    "initial weights",
    "labelled clips",
    "network",
    "num_classes",
    "optim.base_lr",
    "optim.batch_size",
    "optim.clip_grad_norm",
    "optim.cpu_threads",
    "optim.epochs",
    "optim.lr_batch",
    "optim.micro_batch",
    "optim.min_lr",
    "optim.momentum",
    "optim.precision",
    "optim.warmup_epochs",
    "optim.warmup_lr",
    "optim.weight_decay",
    "seed",
    "teacher weights",
    "training clips",
    "validate_every",
}


def fingerprint_of(result) -> dict:
    with safe_open(result.folder / "last.safetensors", framework="pt") as file:
        return json.loads(file.metadata()["dvfl-training"])["fingerprint"]


def distilled(run_dir, views=0, **changes):
    return run(
        run_dir,
        clips=MemoryClips(views=views),
        teacher=tiny_model(2, width=16),
        distil=DistilRecipe(0.5, 2.0, **changes),
        teacher_cache=run_dir / "cache",
    )


def test_a_run_from_before_is_the_same_run(tmp_path):
    assert set(fingerprint_of(distilled(tmp_path))) == BEFORE


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"loss": "reverse_kl"}, {"distil.loss": "reverse_kl"}),
        ({"random_head": True}, {"distil.random_head": True}),
        (
            {"match": "features", "match_weight": 3.0},
            {"distil.match": "features", "distil.match_weight": 3.0},
        ),
        (
            {"stored_views": 2, "views": 2},
            {"distil.stored_views": 2, "stored views of the clips": 2},
        ),
        (
            {"stored_views": 2, "views": 2, "live_teacher": True},
            {
                "distil.stored_views": 2,
                "stored views of the clips": 2,
                "distil.live_teacher": True,
            },
        ),
    ],
)
def test_what_is_used_of_them_is_named_and_told_with_its_default(
    tmp_path, changes, named
):
    found = fingerprint_of(distilled(tmp_path, **changes))
    assert {k: v for k, v in found.items() if k not in BEFORE} == named
    name, value = next(iter(named.items()))
    with pytest.raises(RunDirectoryError) as caught:
        distilled(tmp_path)
    assert f"{name} ({value} there, {LATER[name]} now)" in str(caught.value)


def test_every_later_number_has_the_value_that_runs_had_before():
    recipe = DistilRecipe()
    for name, before in LATER.items():
        part, _, field = name.partition(".")
        if part == "distil":
            assert getattr(recipe, field) == before
    assert differences({}, {"distil.loss": "forward_kl"}, LATER) == []
