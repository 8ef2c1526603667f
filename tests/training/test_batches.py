"""The batch plan: complete, repeatable, shared fairly, entered anywhere."""

from dataclasses import replace

import pytest
import torch

from dvfl_lib.errors import DatasetError, RecipeError
from dvfl_lib.training.batches import BatchPlan, step_loader
from tiny_training import MemoryClips, tiny_recipe

pytestmark = pytest.mark.quick
OPTIM = tiny_recipe(batch_size=8, micro_batch=2, epochs=3)
PLAN = BatchPlan(26, OPTIM, seed=5)


def epoch_clips(plan: BatchPlan, epoch: int) -> list[int]:
    first = epoch * plan.steps_per_epoch
    steps = range(first, first + plan.steps_per_epoch)
    return [index for step in steps for index in plan.step_indices(step)]


def test_an_epoch_takes_every_clip_at_most_once_and_drops_the_rest():
    assert (PLAN.steps_per_epoch, PLAN.total_steps) == (3, 9)
    epochs = [epoch_clips(PLAN, epoch) for epoch in range(3)]
    for clips in epochs:
        assert len(clips) == len(set(clips)) == 24
        assert set(clips) <= set(range(26))
    assert len({tuple(clips) for clips in epochs}) == 3
    left_out = [frozenset(range(26)) - set(clips) for clips in epochs]
    assert len(set(left_out)) > 1, "other clips are left out in other epochs"


def test_order_is_a_function_of_the_seed():
    again = BatchPlan(26, replace(OPTIM, micro_batch=4, epochs=9), seed=5)
    other = BatchPlan(26, OPTIM, seed=6)
    assert epoch_clips(again, 1) == epoch_clips(PLAN, 1)
    assert epoch_clips(other, 1) != epoch_clips(PLAN, 1)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_share_the_same_micro_batches(world):
    whole = PLAN.micro_batches(4)
    shares = [
        replace(PLAN, world=world, rank=rank).micro_batches(4) for rank in range(world)
    ]
    assert [micro for share in shares for micro in share] == whole
    assert len({len(share) for share in shares}) == 1
    assert [micro.number for micro in whole] == [0, 1, 2, 3]
    together = tuple(index for micro in whole for index in micro.indices)
    assert together == PLAN.step_indices(4)


def test_unfair_shares_and_too_few_clips_are_refused():
    three = tiny_recipe(batch_size=24, micro_batch=8)
    assert BatchPlan(48, three, seed=0, world=3).share == 1
    with pytest.raises(RecipeError, match="by 2 processes: .* a multiple of 2 .*micro"):
        BatchPlan(48, three, seed=0, world=2)
    with pytest.raises(DatasetError, match="do not fill one batch of 8"):
        BatchPlan(7, OPTIM, seed=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_enters_the_plan_anywhere(workers):
    """From step 4, in the middle of epoch 1, it yields what a run from 0 would."""
    clips = MemoryClips(26)
    everything = list(step_loader(clips, PLAN, 0, 0))
    late = list(step_loader(clips, PLAN, 4, workers))
    assert len(everything) == 9 * 4 and len(late) == 5 * 4
    for (micro, batch), (expected, wanted) in zip(late, everything[16:], strict=True):
        assert micro == expected
        assert batch["index"].tolist() == list(micro.indices)
        assert torch.equal(batch["clip"], wanted["clip"])
        assert torch.equal(batch["label"], wanted["label"])
    second = list(step_loader(clips, replace(PLAN, world=2, rank=1), 4, 0))
    halves = [everything[16 + 4 * step + part] for step in range(5) for part in (2, 3)]
    for (_, batch), (_, wanted) in zip(second, halves, strict=True):
        assert torch.equal(batch["index"], wanted["index"])


def test_loading_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    next(step_loader(MemoryClips(26), PLAN, start=0, workers=0))
    assert torch.equal(before, torch.get_rng_state())
