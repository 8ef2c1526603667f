"""A block's dependency is a cross; its sizes are those of the true Jacobian."""

from importlib import import_module

import numpy as np
import pytest
import torch

from dvfl_lib.capture import dependency
from dvfl_lib.errors import ModelError
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig

pytestmark = pytest.mark.quick

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
    assert [(s > 0).sum() for s in found.sizes] == [4 * 5 + 2, 3 * 4 * 5]


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
    (found,) = dependency(model, clip, 1, 1, [token], probes=800).sizes
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


def test_a_pass_takes_no_more_pixels_than_it_should(model, clip, monkeypatch):
    """Two clips of 3 x 16 x 20 pixels: so many tokens share a pass, forwards once."""
    module = import_module("dvfl_lib.capture.dependency")  # not the function
    monkeypatch.setattr(module, "_PIXELS", 2 * 3 * 16 * 20)
    told, clips = [], []
    with model.register_forward_pre_hook(lambda m, x: clips.append(len(x[0]))):
        dependency(model, clip, 2, 1, [(0, 0, 0)] * 5, advance=told.append)
    assert (told, clips) == ([2, 2, 1], [2])


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
