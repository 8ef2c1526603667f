"""Each change changes what it says, and nothing afterwards. Grad-CAM by its formula."""

import numpy as np
import pytest
import torch

from dvfl_lib.capture import answer_to, capture, capture_maps, grad_cam
from dvfl_lib.capture.interventions import (
    block_off,
    branch_off,
    changed,
    frozen,
    greyed,
    level_off,
    masked,
    only_in,
    ordered,
    reversed_,
    shuffled,
    under,
)
from dvfl_lib.errors import ModelError
from dvfl_lib.modulation import SpatioTemporalFocalModulation
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig

pytestmark = pytest.mark.quick


@pytest.fixture
def model() -> VFLNet:
    torch.manual_seed(0)
    return VFLNet(VFLNetConfig(depths=(1, 2), embed_dim=4), 5, init="fan_in").eval()


@pytest.fixture
def clip() -> torch.Tensor:
    return torch.randn(1, 4, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def plain(model, clip):
    with torch.no_grad():
        return model(clip)


def test_changes_of_the_clip_are_what_they_are_called(model, clip):
    assert torch.equal(answer_to(model, clip, reversed_()), plain(model, clip.flip(1)))
    still = clip[:, [2, 2, 2, 2]]
    assert torch.equal(answer_to(model, clip, frozen(2)), plain(model, still))
    grey = clip.clone()
    grey[..., 4:8, 18:24] = 0.0
    assert torch.equal(answer_to(model, clip, masked(1, 3)), plain(model, grey))
    grey = clip.clone()
    grey[..., 8:16, 12:18] = 0.0
    assert torch.equal(answer_to(model, clip, masked(1, 2, (2, 4))), plain(model, grey))
    grey = clip.clone()
    grey[..., 6:12, 14:21] = 0.0
    change = masked(1, 2, (2, 3), within=(12, 21))
    assert torch.equal(answer_to(model, clip, change), plain(model, grey))
    assert change.name.endswith("of 2 x 3 in the upper left 12 x 21 pixels")
    change = shuffled(4, seed=3)
    order = [int(n) - 1 for n in change.name.split(": ")[1].split()]
    assert sorted(order) == [0, 1, 2, 3] and order != [0, 1, 2, 3]
    assert torch.equal(answer_to(model, clip, change), plain(model, clip[:, order]))


def test_a_shuffle_is_never_the_true_order():
    for seed in range(20):
        assert shuffled(2, seed).name.endswith("2 1")
    with pytest.raises(ModelError, match="2 frames or more"):
        shuffled(1)


@pytest.mark.parametrize("branch", ["space", "time"])
@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_level_is_off_as_if_its_gate_had_no_weights(model, clip, branch, level):
    found = answer_to(model, clip, level_off(branch, level))
    for layer in model.modules():
        if isinstance(layer, SpatioTemporalFocalModulation):
            gates = layer.f if branch == "space" else layer.f_temporal
            with torch.no_grad():
                gates.weight[level - 4] = 0.0
                gates.bias[level - 4] = 0.0
    assert torch.allclose(found, plain(model, clip), atol=1e-6)


@pytest.mark.parametrize("branch", ["space", "time"])
def test_a_branch_is_off_as_if_its_modulator_were_one(model, clip, branch):
    found = answer_to(model, clip, branch_off(branch))
    for layer in model.modules():
        if isinstance(layer, SpatioTemporalFocalModulation):
            part = layer.h if branch == "space" else layer.h_temporal
            torch.nn.init.zeros_(part.weight)
            torch.nn.init.ones_(part.bias)
    assert torch.allclose(found, plain(model, clip), atol=1e-6)


def test_a_change_in_one_block_leaves_the_others(model, clip):
    found = answer_to(model, clip, only_in(branch_off("time"), 2, 1))
    layers = [
        m for m in model.modules() if isinstance(m, SpatioTemporalFocalModulation)
    ]
    assert len(layers) == 3
    part = layers[1].h_temporal  # stage 1 has one block, stage 2 has two
    torch.nn.init.zeros_(part.weight)
    torch.nn.init.ones_(part.bias)
    assert torch.allclose(found, plain(model, clip), atol=1e-6)
    with pytest.raises(ModelError, match="no block 3 in stage 2"):
        answer_to(model, clip, only_in(branch_off("time"), 2, 3))


def test_without_the_temporal_branch_the_order_does_not_matter(model, clip):
    """Time is seen by it alone: the rest treats frames one by one, then averages."""
    off = branch_off("time")
    there, back = answer_to(model, clip, off), answer_to(model, clip.flip(1), off)
    assert torch.allclose(there, back, atol=1e-6)
    assert not torch.allclose(plain(model, clip), plain(model, clip.flip(1)), atol=1e-6)


def test_a_block_is_off_as_if_it_were_not_there(model, clip):
    found = answer_to(model, clip, only_in(block_off(), 2, 1))
    with under(model, block_off()):
        maps = capture_maps(model, clip)
    assert maps.at(2, 1).product.max() > 0  # it computes, unused
    model.layers[1].blocks[0] = torch.nn.Identity()
    assert torch.equal(found, plain(model, clip))
    model.layers[0].blocks[0] = model.layers[1].blocks[1] = torch.nn.Identity()
    assert np.allclose(maps.logits, plain(model, clip)[0].numpy(), atol=1e-6)


def test_several_changes_hold_at_once_and_nothing_stays_behind(model, clip):
    before = plain(model, clip)
    grey = greyed(2, 4, 10, 20, frame=1)
    off = only_in(level_off("time", 1), 1, 1), only_in(level_off("space", 3), 1, 1)
    found = answer_to(model, clip, ordered([3, 1, 1, 0]), grey, *off)
    wanted = clip[:, [3, 1, 1, 0]].clone()
    wanted[:, 1, :, 2:10, 4:20] = 0.0  # the place, after the order
    assert torch.equal(changed(clip, ordered([3, 1, 1, 0]), grey), wanted)
    with under(model, *off):
        maps = capture_maps(model, wanted)
    assert np.allclose(maps.logits, found[0].numpy(), atol=1e-6)
    gates = maps.at(1).gates
    assert not gates["time"][0].any() and not gates["space"][2].any()
    assert gates["time"][1].any() and maps.at(2).gates["time"][0].any()
    assert not torch.allclose(found, before, atol=1e-4)
    assert torch.equal(plain(model, clip), before)
    assert not any(m._forward_hooks for m in model.modules())


def test_impossible_changes_are_refused(model, clip):
    with pytest.raises(IndexError, match="index 4 is out of bounds"):
        answer_to(model, clip, frozen(4))
    for level in (4, 0):
        with pytest.raises(ModelError, match="levels are 1 to 3"):
            answer_to(model, clip, level_off("space", level))
    for row, parts in ((4, 4), (-1, 4), (0, 64)):
        with pytest.raises(ModelError, match=r"no region .* divide 16 x 24 pixels"):
            answer_to(model, clip, masked(row, 0, parts))
    for change in (branch_off, lambda branch: level_off(branch, 1)):
        with pytest.raises(KeyError, match="spatial"):
            change("spatial")
    assert not any(m._forward_hooks for m in model.modules())


def test_grad_cam_follows_its_formula(model, clip):
    """Derivatives by finite differences, in float64."""
    model, clip = model.double(), clip.double()
    cam = grad_cam(model, clip, 3)[(2, 2)]
    output = []
    block = model.layers[1].blocks[1]
    with block.register_forward_hook(lambda module, given, y: output.append(y)):
        plain(model, clip)
    (y,) = output  # (1, T, H, W, C)

    def answer(y):
        return model.forward_head(model.norm(y))[0, 3]

    with torch.no_grad():
        slopes = torch.zeros_like(y)
        for place in np.ndindex(*y.shape):
            step = torch.zeros_like(y)
            step[place] = 1e-5
            slopes[place] = (answer(y + step) - answer(y - step)) / 2e-5
    weights = slopes.mean(dim=(0, 1, 2, 3))
    wanted = (y[0] @ weights).relu().numpy()
    assert wanted.max() > 0
    assert np.allclose(cam, wanted, atol=1e-6)


def test_grad_cam_gives_a_map_of_every_block_and_leaves_no_gradient(model, clip):
    wanted = {(1, 1): (4, 4, 6), (2, 1): (4, 2, 3), (2, 2): (4, 2, 3)}
    assert {k: v.shape for k, v in grad_cam(model, clip, 0).items()} == wanted
    assert all(p.grad is None for p in model.parameters())
    frozen_weights = model.requires_grad_(False)
    again = grad_cam(frozen_weights, clip, 0)
    assert all(np.isfinite(v).all() for v in again.values())
    assert len(capture(model, clip).blocks) == 3
