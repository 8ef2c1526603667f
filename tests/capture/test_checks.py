"""A network that cannot be looked into is refused in words, by every function."""

import pytest
import torch
from torch import nn

from dvfl_lib.capture import answer_to, capture, capture_maps, dependency, grad_cam
from dvfl_lib.capture.interventions import reversed_
from dvfl_lib.errors import ModelError
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig

WAYS = {
    "maps": capture_maps,
    "cam": lambda model, clip: grad_cam(model, clip, 0),
    "answer": lambda model, clip: answer_to(model, clip, reversed_()),
    "dependency": lambda model, clip: dependency(model, clip, 1, 1, [(0, 0, 0)]),
}
WITH_BLOCKS = [capture_maps, capture, WAYS["cam"], WAYS["dependency"]]
by_every_way = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))


def network() -> VFLNet:
    return VFLNet(VFLNetConfig(depths=(1, 1), embed_dim=4), 5, init="fan_in").eval()


@pytest.fixture
def clip() -> torch.Tensor:
    return torch.randn(1, 2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


class Pair(nn.Module):
    """Two networks in one module, as a trainer might hold them."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = network(), network()

    def forward(self, clip):
        return self.student(clip) + self.teacher(clip)


class Twice(nn.Module):
    """One network that runs twice in a pass, as a test-time augmentation does."""

    def __init__(self) -> None:
        super().__init__()
        self.model = network()

    def forward(self, clip):
        return self.model(clip) + self.model(clip.flip(-1))


class Wrapped(nn.Module):
    """What it returns is no tensor of logits."""

    def __init__(self, change) -> None:
        super().__init__()
        self.model, self.change = network(), change

    def forward(self, clip):
        return self.change(self.model(clip))


@by_every_way
def test_training_mode_is_refused_in_whichever_part(clip, way):
    way(network(), clip)  # as it should be
    with pytest.raises(ModelError, match=r"in training mode; call its eval\(\)"):
        way(network().train(), clip)
    model = network()
    model.layers[1].blocks[0].drop_path.train()
    with pytest.raises(ModelError, match="its part 'layers.1.blocks.0.drop_path'"):
        way(model, clip)


@by_every_way
def test_what_is_no_clip_or_no_network_is_refused(clip, way):
    for wrong in (clip[0], clip.expand(2, -1, -1, -1, -1), clip.numpy(), None):
        with pytest.raises(ModelError, match=r"a clip is \(1, T, 3, H, W\)"):
            way(network(), wrong)
    with pytest.raises(ModelError, match="a network is a torch module, not dict"):
        way({}, clip)


@by_every_way
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_another_number_type_is_named(clip, way, dtype):
    with pytest.raises(ModelError, match="float32 and the network computes in "):
        way(network().to(dtype), clip)


@by_every_way
def test_another_device_is_named(clip, way):
    with pytest.raises(ModelError, match="on cpu and the network on meta"):
        way(network().to("meta"), clip)


@pytest.mark.parametrize(
    "way", [capture_maps, capture, WAYS["cam"], WAYS["dependency"]]
)
def test_two_networks_in_one_module_are_not_mixed(clip, way):
    with pytest.raises(ModelError, match="holds more than one network"):
        way(Pair().eval(), clip)


@pytest.mark.parametrize("way", [capture_maps, capture])
def test_a_block_that_runs_twice_is_not_written_down_twice(clip, way):
    with pytest.raises(ModelError, match="computed twice in one pass"):
        way(Twice().eval(), clip)


@pytest.mark.parametrize("way", [WAYS["maps"], WAYS["cam"], WAYS["answer"]])
@pytest.mark.parametrize("change", [lambda y: (y,), lambda y: {"x": y}, lambda y: y[0]])
def test_an_answer_that_is_no_logits_is_refused(clip, way, change):
    with pytest.raises(ModelError, match=r"should return logits \(1, K\)"):
        way(Wrapped(change).eval(), clip)


@pytest.mark.parametrize("way", [WAYS["cam"], WAYS["dependency"]])
def test_derivatives_inside_inference_mode_are_refused(clip, way):
    with torch.inference_mode(), pytest.raises(ModelError, match="inference_mode"):
        way(network(), clip)
    with torch.inference_mode():
        model = network()
    with pytest.raises(ModelError, match="weights were made inside"):
        way(model, clip)
    with torch.inference_mode():
        assert len(capture_maps(model, clip)) == 2  # no derivative is needed here
