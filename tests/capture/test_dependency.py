"""A block's dependency is a cross; its sizes are those of the true Jacobian."""

import numpy as np
import pytest
import torch

from dvfl_lib.capture import dependency
from dvfl_lib.capture.budget import GIB, counted
from dvfl_lib.errors import ModelError
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig

SIZE = (3, 4, 5)  # tokens of stage 1


@pytest.fixture(scope="module")
def model() -> VFLNet:
    torch.manual_seed(0)
    config = VFLNetConfig(depths=(2, 1), embed_dim=4)
    return VFLNet(config, 5, init="fan_in").eval()


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.randn(1, 3, 3, 16, 20, generator=torch.Generator().manual_seed(1))


def test_one_block_reaches_exactly_the_cross(model, clip):
    tokens = [(0, 0, 0), (1, 2, 3), (2, 3, 4)]
    (sizes,) = dependency(model, clip, 1, 1, tokens).sizes
    for (t, y, x), found in zip(tokens, sizes, strict=True):
        cross = np.zeros(SIZE, bool)
        cross[t] = True
        cross[:, y, x] = True
        assert np.array_equal(found > 0, cross)


def test_two_blocks_reach_everything(model, clip):
    found = dependency(model, clip, 1, 2, [(1, 2, 3)])
    assert found.sources == ((1, 2), (1, 1))
    assert found.reached().tolist() == [[4 * 5 + 2, 3 * 4 * 5]]


def test_sources_go_back_through_the_merge_to_the_first_block(model, clip):
    found = dependency(model, clip, 2, 1, [(0, 1, 1), (2, 0, 0)])
    assert found.sources == ((2, 1), (1, 2), (1, 1))
    assert [s.shape for s in found.sizes] == [(2, 3, 2, 2), (2, *SIZE), (2, *SIZE)]


def test_sizes_estimate_the_norm_of_the_jacobian(model, clip):
    """Against every entry of the Jacobian, written out by autograd."""
    token = (1, 2, 3)
    block, inputs = model.layers[0].blocks[0], []
    with block.register_forward_pre_hook(lambda module, x: inputs.append(x[0])):
        model(clip)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: block(x)[(0, *token)], inputs[0].detach()
    )  # (C, 1, T, H, W, C)
    wanted = jacobian[:, 0].square().sum((0, -1)).sqrt().numpy()
    (found,) = dependency(model, clip, 1, 1, [token], probes=4000).sizes
    assert np.allclose(found[0], wanted, rtol=0.1, atol=1e-4)


def test_batches_change_nothing(model, clip):
    """Not even the random signs: 40 tokens are more than one default batch."""
    tokens = [(t, y, x) for t in range(2) for y in range(4) for x in range(5)]
    wanted, told = dependency(model, clip, 1, 2, tokens), []
    for batch in (1, 3):
        more = {"batch": batch, "advance": told.append}
        found = dependency(model, clip, 1, 2, tokens, **more)
        for a, b in zip(found.sizes, wanted.sizes, strict=True):
            assert np.allclose(a, b, rtol=1e-4, atol=1e-6)
            assert np.array_equal(a > 0, b > 0)
    assert told == [1] * 40 + [3] * 13 + [1]


def test_memory_decides_how_many_tokens_share_a_pass(model, clip):
    """A pass keeps about 0.0004 GiB here: counted by the largest that still fits."""
    tokens = [(t, 1, 1) for t in range(3)] * 4
    with counted(model, 1.0) as kept, torch.enable_grad():
        model(clip)
    one = kept.peak / GIB
    told, sizes = [], []
    for memory in (one, 3.5 * one, float("inf")):
        clips = []
        with model.register_forward_pre_hook(lambda m, x, c=clips: c.append(len(x[0]))):
            more = {"memory": memory, "advance": told.append}
            sizes.append(dependency(model, clip, 2, 1, tokens, **more).sizes)
        # One clip to count; then as many as share a pass, in one forward pass for all.
        assert clips == ([1] if memory == one else [1, max(told)])
        assert max(told) * one <= memory * 1.5
        assert sum(told) == len(tokens)
        told.clear()
    for a, b in zip(sizes[0], sizes[2], strict=True):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-6)


def test_too_little_memory_is_said_before_it_is_used(model, clip):
    with pytest.raises(ModelError, match="more than memory=1e-05 GiB"):
        dependency(model, clip, 2, 1, [(0, 0, 0)], memory=1e-5)
    for memory in (0, -1.0, float("nan"), "much", True):
        with pytest.raises(ModelError, match="memory is a number of GiB"):
            dependency(model, clip, 2, 1, [(0, 0, 0)], memory=memory)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_what_is_counted_is_what_autograd_keeps():
    """Known by hand: exp keeps its result, a matrix product its weights and input."""
    layer = torch.nn.Linear(8, 16, bias=False)
    x = torch.zeros(4, 8, requires_grad=True)
    with counted(layer, 1.0) as kept:
        layer(x).exp().exp()
    assert kept.bytes == 4 * (4 * 8 + 2 * 4 * 16)  # not the weights, each result once


def test_the_model_is_left_as_it_was(model, clip):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    dependency(model, clip, 2, 1, [(0, 0, 0)])
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_frozen_weights_and_no_grad_change_nothing(model, clip):
    wanted = dependency(model, clip, 1, 2, [(0, 0, 0)]).sizes
    model.requires_grad_(False)
    try:
        with torch.no_grad():
            found = dependency(model, clip, 1, 2, [(0, 0, 0)]).sizes
    finally:
        model.requires_grad_(True)
    assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tokens": []}, "no token was given"),
        ({"tokens": [(0.5, 1, 1)]}, "three whole numbers"),
        ({"tokens": [(0, 1)]}, "three whole numbers"),
        ({"tokens": [3]}, "three whole numbers"),
        ({"probes": 0}, "probes is a whole number from 1"),
        ({"probes": 1.0}, "probes is a whole number from 1"),
        ({"batch": 0}, "batch is a whole number from 1"),
    ],
)
def test_impossible_wishes_are_refused(model, clip, given, says):
    with pytest.raises(ModelError, match=says):
        dependency(model, clip, 1, 1, **{"tokens": [(0, 0, 0)]} | given)


def test_numpy_numbers_are_tokens_too(model, clip):
    tokens = np.array([[0, 1, 2]])
    assert dependency(model, clip, 1, 1, tokens).tokens == ((0, 1, 2),)


@pytest.mark.parametrize("token", [(3, 0, 0), (0, -1, 0), (0, 0, 5)])
def test_tokens_outside_the_map_are_refused(model, clip, token):
    with pytest.raises(ModelError, match=r"no token .* \(3, 4, 5\)"):
        dependency(model, clip, 1, 1, [token])


def test_unknown_blocks_are_refused(model, clip):
    with pytest.raises(ModelError, match=r"no block 2 in stage 2"):
        dependency(model, clip, 2, 2, [(0, 0, 0)])
    with pytest.raises(ModelError, match="a clip is"):
        dependency(model, clip.expand(2, -1, -1, -1, -1), 1, 1, [(0, 0, 0)])
