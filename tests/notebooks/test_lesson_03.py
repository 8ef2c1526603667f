"""Lesson 03 shows the library's classes, and its own VFLNet gives their numbers."""

import ast
from functools import cache

import pytest
import torch

from dvfl_lib import vfl_net
from dvfl_lib.modulation import TemporalConv1d
from dvfl_lib.vfl_net import VARIANTS, VFLNetConfig
from lesson_code import Played, definitions, run_cells, same_code

LESSON = "03_vfl_net"
SAME = ("PatchEmbed", "Mlp", "DropPath", "FocalModulationBlock", "Stage")


@cache
def lesson() -> dict:
    return run_cells(LESSON, *SAME, "VFLNet", "make_depthwise")


@pytest.mark.quick
@pytest.mark.parametrize("name", SAME)
def test_the_lesson_shows_the_librarys_class(name):
    assert same_code(definitions(LESSON, name), getattr(vfl_net, name))


@pytest.mark.quick
def test_a_change_of_one_number_would_be_seen():
    shown = definitions(LESSON, "Stage")
    numbers = [n for n in ast.walk(shown) if getattr(n, "value", None) == 2]
    numbers[-1].value = 3
    assert not same_code(shown, vfl_net.Stage)


@pytest.mark.quick
def test_the_network_of_the_lesson_is_short():
    shown = definitions(LESSON, "VFLNet")
    assert shown.end_lineno - shown.lineno + 1 <= 40


@pytest.mark.parametrize(
    ("name", "frames", "size"),
    [
        ("vfl_net_lab_student", 4, (32, 48)),
        ("vfl_net_lab_teacher", 3, (37, 32)),
        ("vfl_net_nano", 8, (64, 64)),
    ],
)
def test_its_numbers_are_the_librarys(name, frames, size):
    torch.manual_seed(0)
    library = vfl_net.create_model(name, 7, drop_path=0.3, init="fan_in").eval()
    ours = lesson()["VFLNet"](VARIANTS[name], 7, drop_path=0.3).eval()
    ours.load_state_dict(library.state_dict())
    clip = torch.randn(2, frames, 3, *size)
    with torch.no_grad():
        expected = library(clip)
        torch.testing.assert_close(ours(clip), expected, atol=1e-6, rtol=1e-6)
    assert expected.std() > 1e-3  # the logits say something


def test_in_training_it_drops_the_same_frames():
    config = VARIANTS["vfl_net_lab_student"]
    library = vfl_net.VFLNet(config, 5, drop_path=0.6).train()
    ours = lesson()["VFLNet"](config, 5, drop_path=0.6).train()
    ours.load_state_dict(library.state_dict())
    clip = torch.randn(2, 4, 3, 32, 32)
    results = []
    for model in (library, ours):
        torch.manual_seed(3)
        results.append(model(clip))
    torch.testing.assert_close(*results, atol=1e-6, rtol=1e-6)


def test_it_takes_the_librarys_weights_in_every_published_size():
    for name in list(VARIANTS)[:4]:
        with torch.device("meta"):
            library = vfl_net.create_model(name, 101)
            ours = lesson()["VFLNet"](VARIANTS[name], 101)
        shapes = [
            {k: v.shape for k, v in m.state_dict().items()} for m in (library, ours)
        ]
        assert shapes[0] == shapes[1]
        assert list(shapes[0]) == list(shapes[1])


def test_depth_wise_time_is_one_window_per_channel():
    """The network that was never built runs, and each channel reads only itself."""
    config = VFLNetConfig(depths=(1, 1), embed_dim=8)
    model = lesson()["VFLNet"](config, 3)
    lesson()["make_depthwise"](model)
    layers = model.layers[0].blocks[0].modulation.focal_layers_temporal
    assert [tuple(level[0].weight.shape) for level in layers] == [(8, 1, 3), (8, 1, 5)]
    assert all(type(level[0]) is TemporalConv1d for level in layers)
    z = torch.zeros(1, 8, 6, 4)  # (B, C, T, N)
    z[:, 2] = torch.randn(1, 6, 4)
    out = layers[0][0](z)
    by_torch = torch.nn.functional.conv1d(
        z[0, :, :, 1], layers[0][0].weight, padding=1, groups=8
    )
    torch.testing.assert_close(out[0, :, :, 1], by_torch)
    others = [channel for channel in range(8) if channel != 2]
    assert out[:, 2].abs().sum() > 0 and out[:, others].abs().sum() == 0
    assert model(torch.randn(1, 4, 3, 16, 16)).shape == (1, 3)


@pytest.mark.nightly
def test_its_tries_have_their_answers_at_the_end_of_the_lesson():
    played = Played(LESSON)
    assert torch.is_grad_enabled()
    told = played.again("def nano_costs", ("embed_dim=96", "embed_dim=64"))
    assert 9 < played.space["before"][0] < 10 and "stage 4:   5.80 M" in told
    played.again("other[0, 1, 2, 3, 0] += 1", ("3, 0] +=", "3] +="))
    assert "[0, 1, 0, 0]" in played.on("block = FocalModulationBlock(toy", "touched =")
    clip = "        return super().forward(x)\n        frames ="
    played.again("class DropPath", ("        frames =", clip))
    played.again("dropped = drop(ones)")
    dropped = played.space["dropped"]  # (B, T, H, W, 1)
    assert torch.equal(dropped, dropped[:, :1, :1, :1].expand_as(dropped))
    assert dropped.unique().tolist() == [0, 2]
    name = ("vfl_net_nano", "video_focalnet_tiny")
    told = played.again("generated_srf", name)
    assert "unused       0 tensors" in told
    assert "not loaded   head.weight, head.bias: of another size" in told
