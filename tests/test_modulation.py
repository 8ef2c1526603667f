"""The modulation layer against its equations, evaluated one token at a time.

The slow form below shares no code with the module: no convolution, no einsum, no
reshape, only loops over batch, time, height and width, with vectors over channels.
"""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from dvfl_lib.modulation import (
    SpatioTemporalFocalModulation,
    TemporalConv1d,
    summarise,
)

pytestmark = pytest.mark.quick
DIM = 4


def gelu(v: Tensor) -> Tensor:
    return 0.5 * v * (1.0 + torch.erf(v / math.sqrt(2.0)))


def affine(weights: dict[str, Tensor], name: str, v: Tensor) -> Tensor:
    """A linear layer, or a convolution of kernel size 1, on one token."""
    matrix = weights[f"{name}.weight"]
    return (
        matrix.reshape(matrix.shape[0], matrix.shape[1]) @ v + weights[f"{name}.bias"]
    )


def slow_modulation(weights: dict[str, Tensor], levels: int, x: Tensor) -> Tensor:
    """y = proj(q * h(sum_l g_l z_l) * h_t(sum_l g'_l z'_l)), token by token."""
    batch, frames, height, width, dim = x.shape
    tokens = list(product(range(batch), range(frames), range(height), range(width)))
    q, z, g, zt, gt = {}, {}, {}, {}, {}
    for at in tokens:
        projected = affine(weights, "f", x[at])
        q[at], z[at] = projected[:dim], projected[dim : 2 * dim]
        g[at] = projected[2 * dim :]
        projected = affine(weights, "f_temporal", x[at])
        zt[at], gt[at] = projected[:dim], projected[dim:]
    zero = torch.zeros(dim, dtype=x.dtype)
    space = {at: zero for at in tokens}
    time = {at: zero for at in tokens}
    for level in range(levels):
        kernel = weights[f"focal_layers.{level}.0.weight"]  # (C, 1, k, k)
        kernel_t = weights[f"focal_layers_temporal.{level}.0.weight"]  # (C, C, k)
        k = 3 + 2 * level
        offsets = range(-(k // 2), k // 2 + 1)
        next_z, next_zt = {}, {}
        for b, t, i, j in tokens:
            total = zero
            for di, dj in product(offsets, offsets):
                neighbour = z.get((b, t, i + di, j + dj), zero)  # zero outside
                total = total + kernel[:, 0, di + k // 2, dj + k // 2] * neighbour
            next_z[b, t, i, j] = gelu(total)
            total = zero
            for dt in offsets:
                neighbour = zt.get((b, t + dt, i, j), zero)
                total = total + kernel_t[:, :, dt + k // 2] @ neighbour
            next_zt[b, t, i, j] = gelu(total)
        z, zt = next_z, next_zt
        for at in tokens:
            space[at] = space[at] + g[at][level] * z[at]
            time[at] = time[at] + gt[at][level] * zt[at]
    for b, t, i, j in tokens:
        frame = [z[b, t, r, c] for r in range(height) for c in range(width)]
        pixel = [zt[b, s, i, j] for s in range(frames)]
        everywhere = gelu(sum(frame) / len(frame))
        always = gelu(sum(pixel) / len(pixel))
        at = (b, t, i, j)
        space[at] = space[at] + g[at][levels] * everywhere
        time[at] = time[at] + gt[at][levels] * always
    rows = [
        affine(
            weights,
            "proj",
            q[at]
            * affine(weights, "h", space[at])
            * affine(weights, "h_temporal", time[at]),
        )
        for at in tokens
    ]
    return torch.stack(rows).reshape(x.shape)


def layer_in_float64(levels: int = 2, dim: int = DIM) -> SpatioTemporalFocalModulation:
    """A layer whose every weight and bias is drawn at random."""
    torch.manual_seed(levels)
    layer = SpatioTemporalFocalModulation(dim, focal_levels=levels).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(0, 0.7)
    return layer


def clip_of_tokens(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, DIM, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("levels", [2, 3])
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 3, 5), (2, 2, 5, 3), (1, 5, 4, 3), (2, 5, 1, 1)],
    ids=["one frame", "two frames", "five frames", "one pixel"],
)
def test_layer_equals_its_equations_token_by_token(levels, shape):
    layer, x = layer_in_float64(levels), clip_of_tokens(*shape)
    with torch.no_grad():
        expected = slow_modulation(dict(layer.named_parameters()), levels, x)
        assert torch.allclose(layer(x), expected, rtol=0, atol=1e-10)
    assert expected.abs().max() > 0.1  # not an agreement of zeros


def test_gradients_equal_those_of_the_equations():
    layer, x = layer_in_float64(), clip_of_tokens(1, 3, 3, 2).requires_grad_()
    inputs = [x, *layer.parameters()]
    towards = clip_of_tokens(1, 3, 3, 2)
    fast = torch.autograd.grad((layer(x) * towards).sum(), inputs)
    slow_form = slow_modulation(dict(layer.named_parameters()), 2, x)
    slow = torch.autograd.grad((slow_form * towards).sum(), inputs)
    for got, expected in zip(fast, slow, strict=True):
        assert torch.allclose(got, expected, rtol=1e-10, atol=1e-10)
        assert expected.abs().max() > 0


def test_a_token_sees_its_frame_and_its_pixel_in_all_frames_and_nothing_else():
    """The receptive field in space-time is a cross: the two branches are parallel."""
    layer = layer_in_float64()
    x = clip_of_tokens(2, 4, 5, 6).requires_grad_()
    b, t, i, j = 1, 2, 3, 1
    (gradient,) = torch.autograd.grad(layer(x)[b, t, i, j].sum(), x)
    seen = gradient.abs().sum(dim=-1) > 0  # (B, T, H, W)
    cross = torch.zeros(2, 4, 5, 6, dtype=torch.bool)
    cross[b, t] = True
    cross[b, :, i, j] = True
    assert torch.equal(seen, cross)


def test_one_layer_takes_any_number_of_frames_and_any_size():
    layer = layer_in_float64()
    for shape in [(1, 8, 7, 7), (3, 2, 1, 9), (1, 1, 14, 3)]:
        x = clip_of_tokens(*shape)
        assert layer(x).shape == x.shape


def test_clips_of_a_batch_do_not_touch_each_other():
    layer, x = layer_in_float64(), clip_of_tokens(3, 4, 3, 3)
    with torch.no_grad():
        alone = torch.cat([layer(clip[None]) for clip in x])
        assert torch.allclose(layer(x), alone, rtol=0, atol=1e-12)


def test_forward_leaves_no_trace_on_the_layer():
    """Pictures come from hooks: a layer that stored maps would hold their memory."""
    layer = layer_in_float64()

    def belongings() -> dict[str, set[str]]:
        return {name: set(vars(module)) for name, module in layer.named_modules()}

    before = belongings()
    weights = {name: value.clone() for name, value in layer.state_dict().items()}
    x = clip_of_tokens(1, 2, 3, 3)
    untouched = x.clone()
    layer(x)
    assert belongings() == before
    assert torch.equal(x, untouched)
    for name, value in layer.state_dict().items():
        assert torch.equal(value, weights[name])


def test_state_dict_has_the_released_names_and_shapes():
    layer = SpatioTemporalFocalModulation(6, focal_levels=3)
    assert {name: tuple(v.shape) for name, v in layer.state_dict().items()} == {
        "f.weight": (16, 6),  # query, context, 3 + 1 gates
        "f.bias": (16,),
        "f_temporal.weight": (10, 6),  # context, 3 + 1 gates
        "f_temporal.bias": (10,),
        "h.weight": (6, 6, 1, 1),
        "h.bias": (6,),
        "h_temporal.weight": (6, 6, 1),
        "h_temporal.bias": (6,),
        "proj.weight": (6, 6),
        "proj.bias": (6,),
        "focal_layers.0.0.weight": (6, 1, 3, 3),  # one kernel per channel
        "focal_layers.1.0.weight": (6, 1, 5, 5),
        "focal_layers.2.0.weight": (6, 1, 7, 7),
        "focal_layers_temporal.0.0.weight": (6, 6, 3),  # dense
        "focal_layers_temporal.1.0.weight": (6, 6, 5),
        "focal_layers_temporal.2.0.weight": (6, 6, 7),
    }


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_temporal_convolution_is_conv1d_of_each_pixel(groups):
    torch.manual_seed(0)
    layer = TemporalConv1d(4, 8, 3, padding=1, groups=groups).double()
    x = torch.randn(2, 4, 4, 6, dtype=torch.float64)  # (B, C, T, N)
    plain = torch.nn.Conv1d(4, 8, 3, padding=1, groups=groups).double()
    plain.load_state_dict(layer.state_dict())
    with torch.no_grad():
        each = torch.stack([plain(x[..., n]) for n in range(6)], dim=-1)
        assert torch.allclose(layer(x), each, rtol=0, atol=1e-12)


def test_the_summary_by_hand():
    """Two levels that double and add one; the mean of the second; gates 1, 2, -1."""
    double, add = torch.nn.Module(), torch.nn.Module()
    double.forward, add.forward = lambda z: 2 * z, lambda z: z + 1
    z = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)  # (N, C, .)
    gates = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    gates = gates.view(1, 3, 1).expand(1, 3, 2)
    summary = summarise(torch.nn.ModuleList([double, add]), z, gates, over=(2,))
    local = torch.tensor([[[2 + 2 * 3, 6 + 2 * 7]]], dtype=torch.float64)
    wanted = local - gelu(torch.tensor(5.0, dtype=torch.float64))  # (3 + 7) / 2
    assert torch.allclose(summary, wanted, rtol=0, atol=1e-12)


def test_zero_query_gives_the_bias_of_the_last_projection():
    """Everything goes through the query: without one, no context can speak."""
    layer, x = layer_in_float64(), clip_of_tokens(1, 2, 3, 3)
    with torch.no_grad():
        layer.f.weight[:DIM] = 0
        layer.f.bias[:DIM] = 0
        assert torch.equal(layer(x), layer.proj.bias.expand_as(x))


def test_the_image_layer_is_the_video_layer_with_time_switched_off():
    from dvfl_lib.modulation import FocalModulation

    torch.manual_seed(0)
    video = SpatioTemporalFocalModulation(8)
    torch.nn.init.zeros_(video.h_temporal.weight)
    torch.nn.init.ones_(video.h_temporal.bias)
    image = FocalModulation(8)
    weights = video.state_dict()
    image.load_state_dict({k: v for k, v in weights.items() if "temporal" not in k})
    clip = torch.randn(2, 3, 5, 4, 8)
    by_frame = image(clip.flatten(0, 1)).unflatten(0, (2, 3))  # (B, T, H, W, C)
    assert torch.allclose(video(clip), by_frame, rtol=0, atol=1e-6)


def test_the_image_layer_is_timm_s():
    """An independent implementation of the same layer, with the same weight names."""
    from timm.models.focalnet import FocalModulation as Timm

    from dvfl_lib.modulation import FocalModulation

    torch.manual_seed(0)
    theirs = Timm(12, focal_window=3, focal_level=2, use_post_norm=False)
    ours = FocalModulation(12)
    weights = theirs.state_dict()  # its linear layers are 1 x 1 convolutions
    for name in ("f.weight", "proj.weight"):
        weights[name] = weights[name].squeeze((2, 3))  # (C out, C in)
    ours.load_state_dict(weights)
    image = torch.randn(2, 9, 7, 12)  # (B, H, W, C)
    expected = theirs(image.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert torch.allclose(ours(image), expected, rtol=0, atol=1e-6)
