"""Costs against the published counts."""

import pytest
import torch
from torch import nn

from dvfl_lib.cost import count_macs, count_parameters
from dvfl_lib.errors import ModelError
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig, create_model

SMALL = VFLNetConfig(depths=(1, 1), embed_dim=8)


def shapes_only(name: str) -> VFLNet:
    with torch.device("meta"):
        return create_model(name, 101)


@pytest.mark.parametrize(
    ("name", "giga_macs", "millions", "temporal_millions"),
    [
        ("vfl_net_nano", 27.14, 22.21, 9.32),
        ("video_focalnet_tiny", 63.00, 49.32, 21.59),
        ("video_focalnet_small", 124.33, 88.51, 39.31),
        ("video_focalnet_base", 220.65, 157.08, 69.86),
    ],
)
def test_costs_of_the_published_variants(name, giga_macs, millions, temporal_millions):
    """8 frames of 224 x 224, one view, as measured on the released code."""
    model = shapes_only(name)
    counts = count_parameters(model)
    assert round(count_macs(model, frames=8, size=224) / 1e9, 2) == giga_macs
    assert round(counts["total"] / 1e6, 2) == millions
    assert round(counts["temporal"] / 1e6, 2) == temporal_millions


def test_macs_of_single_layers_by_hand():
    class OneOfEach(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 2, stride=2, groups=3)
            self.head = nn.Linear(6, 5)

        def forward(self, clip):
            x = self.conv(clip.flatten(0, 1))  # (T, 6, 4, 8)
            return self.head(x.mean(dim=(2, 3)))

    # A value of the convolution needs one input channel times 2 x 2.
    by_hand = 7 * (6 * 4 * 8) * 4 + 7 * 5 * 6
    assert count_macs(OneOfEach(), frames=7, size=(8, 16)) == by_hand


def test_macs_are_proportional_to_frames_but_for_the_head():
    model = VFLNet(SMALL, 10)
    head = 16 * 10
    one = count_macs(model, frames=1, size=32) - head
    assert count_macs(model, frames=5, size=32) - head == 5 * one


def test_counting_leaves_the_model_as_it_was():
    model = VFLNet(SMALL, 10, drop_path=0.5).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    count_macs(model, frames=2, size=32)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)
    for name, value in model.state_dict().items():
        assert value.device.type == "cpu" and torch.equal(value, before[name])


def test_half_precision_models_can_be_counted():
    model = VFLNet(SMALL, 10)
    macs = count_macs(model, frames=2, size=32)
    assert count_macs(model.half(), frames=2, size=32) == macs


@pytest.mark.parametrize(("frames", "size"), [(0, 32), (2, 0), (2, 4)])
def test_impossible_clips_are_refused_and_no_hook_stays(frames, size):
    model = VFLNet(SMALL, 10)
    with pytest.raises(ModelError):
        count_macs(model, frames=frames, size=size)
    assert not any(module._forward_hooks for module in model.modules())
