"""The fast form is the readable one, and the straightforward one, to rounding."""

import copy

import pytest
import torch
from torch import nn

from benchmarks.straightforward import straightforward
from dvfl_lib import fast
from dvfl_lib.capture import capture
from dvfl_lib.errors import ModelError
from dvfl_lib.fast import FastMlp, FastModulation, FastPatchEmbed, set_form
from dvfl_lib.layers import Mlp, PatchEmbed
from dvfl_lib.modulation import SpatioTemporalFocalModulation
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig, create_model

SMALL = VFLNetConfig(depths=(1, 2), embed_dim=8, focal_levels=2)
FAST = (FastModulation, FastMlp, FastPatchEmbed)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return VFLNet(SMALL, 5, init="fan_in").eval()


def forms(net: VFLNet) -> dict[str, nn.Module]:
    return {
        "fast": net,
        "readable": set_form(copy.deepcopy(net), "readable"),
        "straightforward": straightforward(net),
    }


def clips(batch=2, frames=4, height=32, width=48) -> torch.Tensor:
    return torch.randn(batch, frames, 3, height, width)


def without_derivative(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return net(x)


@pytest.mark.quick
@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("sides", [(32, 48), (33, 37)])
def test_all_forms_give_the_same_logits(net, frames, sides):
    x = clips(2, frames, *sides)
    with torch.no_grad():
        fast_, readable, straight = (form(x) for form in forms(net).values())
    assert torch.allclose(fast_, readable, rtol=0, atol=1e-5)
    assert torch.allclose(fast_, straight, rtol=0, atol=1e-5)
    assert (readable.max(dim=1).values - readable.min(dim=1).values).min() > 0.1


def test_full_size_logits_are_within_a_ten_thousandth():
    torch.manual_seed(1)
    found = {
        name: without_derivative(form, clips(1, 8, 224, 224))
        for name, form in forms(create_model("vfl_net_nano", 101).eval()).items()
        if torch.manual_seed(2)
    }
    for name in ("readable", "straightforward"):
        assert (found["fast"] - found[name]).abs().max() < 1e-4


def test_a_clip_alone_gives_what_it_gives_in_a_batch(net):
    x = clips(3)
    with torch.no_grad():
        together, alone = net(x), torch.cat([net(clip[None]) for clip in x])
    assert torch.allclose(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("piece", [2**20, 100])  # 100: three tokens at most
@pytest.mark.parametrize("dtype, near", [("float64", 1e-9), ("float32", 1e-4)])
def test_all_forms_give_the_same_gradients(net, monkeypatch, dtype, near, piece):
    """In float32 the fast form's products are convolutions, in float64 they are not."""
    monkeypatch.setattr(fast, "_PIECE", piece)
    kind = getattr(torch, dtype)
    net, x = net.to(kind), clips().to(kind)
    grads = {}
    for name, form in forms(net).items():
        given = x.clone().requires_grad_()
        loss = form(given).square().sum()
        loss.backward()
        grads[name] = {n: p.grad for n, p in form.named_parameters()}
        grads[name]["pixels"] = given.grad
    for name in ("readable", "straightforward"):
        assert grads[name].keys() == grads["fast"].keys()
        for key, grad in grads[name].items():
            largest = grad.abs().max()
            assert largest > 0, key
            assert (grad - grads["fast"][key]).abs().max() < near * largest, key


def test_pieces_of_the_mlp_change_nothing(net, monkeypatch):
    x = clips()
    whole = without_derivative(net, x)
    monkeypatch.setattr(fast, "_PIECE", 100)  # three tokens of the first stage
    assert torch.allclose(without_derivative(net, x), whole, rtol=0, atol=1e-6)


def test_neither_the_clip_nor_the_weights_are_changed(net):
    x, before = clips(), copy.deepcopy(net.state_dict())
    kept = x.clone()
    first = without_derivative(net, x)
    assert torch.equal(x, kept)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert torch.equal(without_derivative(net, x), first)


def test_a_layer_leaves_its_input_alone(net):
    """In-place work is done on memory of the layer's own only."""
    for layer in (net.layers[0].blocks[0].modulation, net.layers[0].blocks[0].mlp):
        x = torch.randn(2, 3, 4, 5, 8)
        kept = x.clone()
        without_derivative(layer, x)
        assert torch.equal(x, kept)


def test_the_state_dict_is_the_same_and_the_form_changes_both_ways(net):
    readable = set_form(copy.deepcopy(net), "readable")
    assert not any(isinstance(m, FAST) for m in readable.modules())
    assert list(readable.state_dict()) == list(net.state_dict())
    kinds = {type(module) for module in net.modules()}
    assert set(FAST) <= kinds
    assert not {SpatioTemporalFocalModulation, Mlp, PatchEmbed} & kinds
    assert set_form(readable, "fast") is readable
    assert {type(m) for m in readable.modules()} == kinds


def test_another_form_is_refused(net):
    with pytest.raises(ModelError, match="'fast' or 'readable', not 'quick'"):
        set_form(net, "quick")


@pytest.mark.quick
def test_a_hook_sees_what_the_readable_form_shows(net):
    x, readable = clips(), set_form(copy.deepcopy(net), "readable")
    seen = {}

    def listen(name):
        return lambda module, given, result: seen.update({name: result.detach()})

    for name, form in (("fast", net), ("readable", readable)):
        layer = form.layers[0].blocks[0].modulation.focal_layers[0]
        handle = layer.register_forward_hook(listen(name))
        without_derivative(form, x)
        handle.remove()
    assert torch.allclose(seen["fast"], seen["readable"], rtol=0, atol=1e-6)


@pytest.mark.quick
def test_capture_sees_the_same_parts_in_both_forms(net):
    x, readable = clips(1), set_form(copy.deepcopy(net), "readable")
    mine, its = capture(net, x), capture(readable, x)
    for one, other in zip(mine, its, strict=True):
        assert torch.allclose(one.q, other.q, rtol=0, atol=1e-5)
        assert torch.allclose(one.space.gates, other.space.gates, rtol=0, atol=1e-5)


def test_a_part_that_was_replaced_is_used(net):
    """For example by a layer with fewer numbers: the fast form must not go round it."""
    called = []

    class Odd(nn.Linear):
        def forward(self, x):
            called.append(x.shape)
            return super().forward(x) * 0

    block = net.layers[0].blocks[0]
    block.mlp.fc2 = Odd(block.mlp.fc1.out_features, 8)
    x = torch.randn(2, 3, 4, 5, 8)
    assert without_derivative(block.mlp, x).abs().max() == 0 and called


def test_autocast_to_half_precision_stays_near(net):
    x = clips()
    exact = without_derivative(net, x)
    with torch.autocast("cpu", torch.bfloat16):
        rough = without_derivative(net, x)
    spread = exact.max() - exact.min()
    assert 0 < (rough.float() - exact).abs().max() < 0.05 * spread


@pytest.mark.nightly
@pytest.mark.parametrize("training", [False, True])
def test_the_compiler_takes_the_network_whole(net, training):
    """No graph break, in evaluation and with derivatives; equal results."""
    torch._dynamo.reset()
    net.train(training)
    x = clips(1)
    with torch.set_grad_enabled(training):
        told = torch._dynamo.explain(net)(x)
        assert (told.graph_break_count, told.graph_count) == (0, 1)
        whole = torch.compile(net, fullgraph=True, backend="aot_eager")
        assert torch.allclose(whole(x), net(x), rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("without", [False, True])
def test_other_derivatives_and_vmap_are_the_same(net, without):
    """Of the second order, forward, and many clips at once, as torch.func does it."""
    x = clips()

    def all_of(form):
        def size(y):
            return form(y).square().sum()

        with torch.set_grad_enabled(not without):
            return (
                torch.func.grad(lambda y: torch.func.grad(size)(y).square().sum())(x),
                torch.func.jvp(form, (x,), (torch.ones_like(x),))[1],
                torch.func.vmap(lambda y: form(y[None])[0])(x),
            )

    readable = forms(net)["readable"]
    for fast_one, other in zip(all_of(net), all_of(readable), strict=True):
        assert torch.allclose(fast_one, other, rtol=1e-4, atol=1e-6)
        assert other.abs().max() > 1e-4
