"""Traces equal what the layer computed, prove themselves, and leave no trace."""

import pytest
import torch
from torch import nn

from dvfl_lib.capture import answer_to, capture, capture_maps, dependency, grad_cam
from dvfl_lib.capture.interventions import reversed_
from dvfl_lib.errors import ModelError
from dvfl_lib.fast import set_form
from dvfl_lib.vfl_net import VARIANTS, VFLNet, VFLNetConfig, create_model

pytestmark = pytest.mark.quick

NANO_SHAPED = VFLNetConfig(depths=(1, 1, 2, 1), embed_dim=4)
MODELS = {
    "nano-shaped": lambda: VFLNet(NANO_SHAPED, 5, init="fan_in"),
    "three levels": lambda: VFLNet(
        VFLNetConfig(depths=(2, 1), embed_dim=8, focal_levels=3), 5, init="fan_in"
    ),
    "one level": lambda: VFLNet(
        VFLNetConfig(depths=(1,), embed_dim=8, focal_levels=1, focal_window=5), 5
    ),
    "lab student": lambda: create_model("vfl_net_lab_student", 12, init="fan_in"),
    "lab teacher": lambda: create_model("vfl_net_lab_teacher", 12, init="fan_in"),
}
CLIPS = [(1, 8, 3, 64, 64), (2, 3, 3, 32, 48), (1, 1, 3, 40, 32)]


@pytest.fixture(params=MODELS, ids=lambda name: name.replace(" ", "-"))
def model(request) -> VFLNet:
    """Networks of several shapes, in eval mode."""
    torch.manual_seed(0)
    return MODELS[request.param]().eval()


@pytest.fixture
def small() -> VFLNet:
    """The nano-shaped network alone."""
    torch.manual_seed(0)
    return MODELS["nano-shaped"]().eval()


def a_clip(shape: tuple[int, ...] = (2, 3, 3, 32, 48)) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("shape", CLIPS, ids=str)
def test_the_output_follows_from_the_trace_without_any_difference(model, shape):
    trace = capture(model, a_clip(shape))
    assert trace.proof(model) == 0.0


@pytest.mark.parametrize("shape", CLIPS, ids=str)
def test_shapes_are_those_of_the_docstrings(model, shape):
    config, trace = model.config, capture(model, a_clip(shape))
    batch, frames, _, height, width = shape
    for entry in trace:
        side = config.patch_size * 2 ** (entry.stage - 1)
        channels = config.embed_dim * 2 ** (entry.stage - 1)
        tokens = (batch, frames, height // side, width // side)
        for part in (entry.q, entry.m_space, entry.m_time, entry.output):
            assert part.shape == (*tokens, channels)
        for branch, whole in (
            (entry.space, (batch, frames, 1, 1, channels)),
            (entry.time, (batch, 1, *tokens[2:], channels)),
        ):
            assert branch.gates.shape == (*tokens, config.focal_levels + 1)
            shapes = [z.shape for z in branch.contexts]
            assert shapes == [(*tokens, channels)] * config.focal_levels + [whole]


def test_blocks_come_in_their_order_with_their_places(small):
    trace = capture(small, a_clip())
    places = [(entry.stage, entry.block) for entry in trace]
    assert places == [(1, 1), (2, 1), (3, 1), (3, 2), (4, 1)]
    assert len(trace.blocks) == 5
    assert trace.at(3, 2).name == "layers.2.blocks.1.modulation"
    assert trace.at(2) is trace.blocks[1]


def contributions(branch):
    """gate * context of each level."""
    gates = branch.gates.unbind(-1)
    return [g[..., None] * z for g, z in zip(gates, branch.contexts, strict=True)]


def test_every_part_equals_the_layer_computed_by_hand(small):
    """Against the equations of the layer, not against hooks."""
    layer = small.layers[2].blocks[1].modulation
    given = []
    with layer.register_forward_pre_hook(lambda module, x: given.append(x[0])):
        entry = capture(small, a_clip()).at(3, 2)
    (x,) = given
    with torch.no_grad():
        q, z, gates = layer.f(x).split((layer.dim, layer.dim, 3), dim=-1)
        for number, context in enumerate(entry.space.contexts[:2]):
            frames = z.flatten(0, 1).permute(0, 3, 1, 2)
            z = layer.focal_layers[number](frames).permute(0, 2, 3, 1)
            z = z.unflatten(0, x.shape[:2])
            assert torch.allclose(context, z, rtol=0, atol=1e-6)
        mean = nn.functional.gelu(z.mean(dim=(2, 3), keepdim=True))
        assert torch.allclose(entry.space.contexts[2], mean, rtol=0, atol=1e-6)
        zt, gates_t = layer.f_temporal(x).split((layer.dim, 3), dim=-1)
        for number, context in enumerate(entry.time.contexts[:2]):
            pixels = zt.permute(0, 4, 1, 2, 3)  # (B, C, T, H, W)
            zt = layer.focal_layers_temporal[number](pixels.flatten(3))
            zt = zt.unflatten(3, x.shape[2:4]).permute(0, 2, 3, 4, 1)
            assert torch.allclose(context, zt, rtol=0, atol=1e-6)
        mean = nn.functional.gelu(zt.mean(dim=1, keepdim=True))
        assert torch.allclose(entry.time.contexts[2], mean, rtol=0, atol=1e-6)
        assert torch.equal(entry.q, q)
        assert torch.allclose(entry.output, layer(x), rtol=0, atol=1e-6)
        assert torch.equal(entry.space.gates, gates)
        assert torch.equal(entry.time.gates, gates_t)
        parts = contributions(entry.space)
        summed = nn.functional.linear(
            sum(parts), layer.h.weight.flatten(1), layer.h.bias
        )
        assert torch.allclose(entry.m_space, summed, rtol=0, atol=1e-6)
        parts = contributions(entry.time)
        weight, bias = layer.h_temporal.weight.flatten(1), layer.h_temporal.bias
        summed = nn.functional.linear(sum(parts), weight, bias)
        assert torch.allclose(entry.m_time, summed, rtol=0, atol=1e-6)


def test_norms_are_lengths_over_the_channels(small):
    entry = capture(small, a_clip()).at(2)
    tokens = entry.q.shape[1:4]
    for amount in ("q", "m_space", "m_time", "product", "output"):
        norms = entry.norms(amount)
        wanted = getattr(entry, amount)[0].square().sum(-1).sqrt()
        assert norms.shape == tokens
        assert torch.allclose(norms, wanted)
    assert torch.equal(entry.product, entry.m_space * entry.m_time)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(small, training):
    small.train(training)
    modes = {name: m.training for name, m in small.named_modules()}
    small.head.weight.grad = torch.ones_like(small.head.weight)
    before = {name: value.clone() for name, value in small.state_dict().items()}
    clip = a_clip().requires_grad_()
    trace = capture(small, clip)
    assert {name: m.training for name, m in small.named_modules()} == modes
    for name, value in small.state_dict().items():
        assert torch.equal(value, before[name])
    assert clip.grad is None and not trace.result.requires_grad
    assert torch.equal(small.head.weight.grad, torch.ones_like(small.head.weight))
    assert all(p.grad is None for n, p in small.named_parameters() if "head" not in n)
    assert no_hooks(small) and torch.is_grad_enabled()


def no_hooks(model: nn.Module) -> bool:
    return not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_the_result_is_the_network_s_own(model):
    """While hooks listen, a layer computes in its readable form: to rounding."""
    clip = a_clip()
    with torch.no_grad():
        fast = model(clip)
        result = capture(model, clip).result
        assert torch.allclose(result, fast, rtol=0, atol=1e-6)
        assert torch.equal(result, set_form(model, "readable")(clip))


def test_hooks_are_gone_after_an_error_too(small, monkeypatch):
    def fail(features):
        raise RuntimeError("in the head")

    monkeypatch.setattr(small, "forward_head", fail)
    with pytest.raises(RuntimeError, match="in the head"):
        capture(small, a_clip())
    assert no_hooks(small)
    with pytest.raises(ModelError, match="a clip is"):
        capture(small, torch.zeros(2, 3, 32, 32))
    assert no_hooks(small)


def test_the_hooks_of_others_stay(small):
    calls = []
    layer = small.layers[0].blocks[0].modulation.h
    handle = layer.register_forward_hook(lambda *_: calls.append(1))
    capture(small, a_clip())
    small(a_clip())
    handle.remove()
    assert len(calls) == 2


def test_a_network_inside_another_module_is_found(small):
    wrapped = nn.Sequential(small)
    trace = capture(wrapped, a_clip())
    assert [entry.stage for entry in trace] == [1, 2, 3, 3, 4]
    assert trace.proof(wrapped) == 0.0


def test_the_proof_notices_a_changed_weight(small):
    trace = capture(small, a_clip())
    with torch.no_grad():
        small.layers[3].blocks[0].modulation.h_temporal.bias += 0.5
    assert trace.proof(small) > 0.1


def test_what_cannot_be_captured_is_refused(small):
    with pytest.raises(ModelError, match="no SpatioTemporalFocalModulation"):
        capture(nn.Linear(2, 2), torch.zeros(1, 2))
    lone = small.layers[0].blocks[0].modulation
    with pytest.raises(ModelError, match="layer in a block"):
        capture(lone, torch.zeros(1, 2, 3, 3, 4))
    assert no_hooks(small)
    trace = capture(small, a_clip())
    with pytest.raises(ModelError, match=r"\(3, 1\), \(3, 2\)"):
        trace.at(5)


def test_the_lab_sizes_are_captured_as_their_depths_say():
    for name in ("vfl_net_lab_student", "vfl_net_lab_teacher"):
        trace = capture(create_model(name, 12).eval(), a_clip())
        depths = VARIANTS[name].depths
        places = [(s + 1, b + 1) for s, d in enumerate(depths) for b in range(d)]
        assert [(entry.stage, entry.block) for entry in trace] == places


class Pair(nn.Module):
    """Two networks in one module, as a trainer might hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = (MODELS["one level"]().eval() for _ in range(2))

    def forward(self, clip):
        return self.student(clip) + self.teacher(clip)


WAYS = {
    "maps": capture_maps,
    "cam": lambda model, clip: grad_cam(model, clip, 0),
    "dependency": lambda model, clip: dependency(model, clip, 1, 1, [(0, 0, 0)]),
    "answer": lambda model, clip: answer_to(model, clip, reversed_()),
}
by_every_way = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))


@by_every_way
def test_training_mode_is_refused_in_whichever_part(small, way):
    clip = a_clip((1, 2, 3, 32, 32))
    way(small, clip)  # as it should be
    with pytest.raises(ModelError, match="in training mode; call its eval"):
        way(small.train(), clip)
    small.eval().layers[1].blocks[0].drop_path.train()
    with pytest.raises(ModelError, match="a part of it, is in training mode"):
        way(small, clip)


@by_every_way
def test_what_is_not_one_clip_is_refused(small, way):
    for wrong in (a_clip()[0], a_clip()):
        with pytest.raises(ModelError, match=r"a clip is \(1, T, 3, H, W\)"):
            way(small, wrong)


@pytest.mark.parametrize(
    "way", [capture_maps, capture, WAYS["cam"], WAYS["dependency"]]
)
def test_two_networks_in_one_module_are_not_mixed(way):
    with pytest.raises(ModelError, match="holds more than one network"):
        way(Pair().eval(), a_clip((1, 2, 3, 16, 16)))
