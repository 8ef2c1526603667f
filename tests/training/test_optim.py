"""Learning rates, number for number, and who gets weight decay."""

import pytest
import torch
from timm.scheduler import CosineLRScheduler

from dvfl_lib.recipes import OptimRecipe
from dvfl_lib.training.optim import build_optimizer, learning_rate
from tiny_training import tiny_model

pytestmark = pytest.mark.quick
PAPER = OptimRecipe()
STEPS = 397  # per epoch, of 9,537 clips in batches of 24


def test_rates_of_the_paper_recipe():
    """24 clips: 0.1 * 24 / 512 = 0.0046875; warm-up start and floor 4.6875e-5."""
    assert PAPER.lr_scale * PAPER.base_lr == pytest.approx(0.0046875)
    assert learning_rate(0, STEPS, PAPER) == pytest.approx(4.6875e-5)
    assert learning_rate(120 * STEPS, STEPS, PAPER) == pytest.approx(4.6875e-5)
    half_way = learning_rate(10 * STEPS, STEPS, PAPER)
    assert half_way == pytest.approx((0.0046875 + 4.6875e-5) / 2)
    highest = max(learning_rate(s, STEPS, PAPER) for s in range(120 * STEPS))
    assert highest == pytest.approx(0.0046875, rel=1e-3)


def test_every_rate_equals_timms_scheduler():
    """The released code drives timm's scheduler, without a warm-up prefix."""
    recipe = OptimRecipe(epochs=12, warmup_epochs=3)
    parameter = torch.nn.Parameter(torch.zeros(1))
    scale = recipe.lr_scale
    optimizer = torch.optim.SGD([parameter], lr=recipe.base_lr * scale)
    scheduler = CosineLRScheduler(
        optimizer,
        t_initial=12 * 7,
        lr_min=recipe.min_lr * scale,
        warmup_lr_init=recipe.warmup_lr * scale,
        warmup_t=3 * 7,
        cycle_limit=1,
        t_in_epochs=False,
    )
    for step in range(12 * 7):
        scheduler.step_update(step)
        expected = optimizer.param_groups[0]["lr"]
        assert learning_rate(step, 7, recipe) == pytest.approx(expected, rel=1e-12)


def test_no_decay_on_one_dimensional_parameters():
    model = tiny_model()
    decayed, others = build_optimizer(model, PAPER).param_groups
    assert decayed["weight_decay"] == 1e-4 and others["weight_decay"] == 0.0
    names = {id(p): name for name, p in model.named_parameters()}
    kernels = {names[id(p)] for p in decayed["params"]}
    rest = {names[id(p)] for p in others["params"]}
    assert kernels | rest == set(names.values()) and not kernels & rest
    assert all(name.endswith("weight") and "norm" not in name for name in kernels)
    assert all(name.endswith("bias") or "norm" in name for name in rest)


def test_optimizer_is_sgd_with_nesterov():
    optimizer = build_optimizer(tiny_model(), PAPER)
    assert isinstance(optimizer, torch.optim.SGD)
    assert [g["weight_decay"] for g in optimizer.param_groups] == [1e-4, 0.0]
    assert all(g["nesterov"] and g["momentum"] == 0.9 for g in optimizer.param_groups)
    plain = build_optimizer(tiny_model(), OptimRecipe(momentum=0.0))
    assert not plain.param_groups[0]["nesterov"]
    adamw = build_optimizer(tiny_model(), OptimRecipe(name="adamw"))
    assert type(adamw) is torch.optim.AdamW
    assert adamw.param_groups[0]["betas"] == (0.9, 0.999)
