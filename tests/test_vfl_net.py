"""The network: exact sizes, released names, and equality with timm's FocalNet."""

import pytest
import timm
import torch
from timm.models.focalnet import FocalNet, checkpoint_filter_fn
from torch import Tensor, nn

import dvfl_lib
from dvfl_lib.errors import DVFLError, ModelError
from dvfl_lib.modulation import SpatioTemporalFocalModulation
from dvfl_lib.vfl_net import VARIANTS, DropPath, VFLNet, VFLNetConfig, create_model

SMALL = VFLNetConfig(depths=(1, 2), embed_dim=8)


def shapes_only(name: str, num_classes: int) -> VFLNet:
    """The network without any numbers in it: even the largest costs nothing."""
    with torch.device("meta"):
        return create_model(name, num_classes)


def with_random_weights(model: nn.Module, seed: int = 0) -> nn.Module:
    """Fill every parameter, biases and norms too, with values that keep signals alive.

    Accepts a model on the "meta" device.
    """
    if next(model.parameters()).is_meta:
        model = model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(generator=generator)
            if parameter.ndim > 1:
                parameter.mul_(parameter[0].numel() ** -0.5)
            else:
                parameter.mul_(0.1).add_(1.0 if "norm" in name else 0.0)
    return model


def small_network(num_classes: int = 5, seed: int = 0, **kwargs) -> VFLNet:
    return with_random_weights(VFLNet(SMALL, num_classes, **kwargs), seed).eval()


def clip_of(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- sizes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_classes", "values"),
    [
        (50, 22_175_504),
        (51, 22_176_273),
        (101, 22_214_723),
        (174, 22_270_860),
        (400, 22_444_654),
    ],
)
def test_nano_has_the_released_number_of_parameters(num_classes, values):
    model = shapes_only("vfl_net_nano", num_classes)
    assert sum(p.numel() for p in model.parameters()) == values


# Millions, as measured on the released code, for 50, 51, 101, 174 and 400 classes.
MILLIONS = {
    "vfl_net_nano": (22.176, 22.176, 22.215, 22.271, 22.445),
    "video_focalnet_tiny": (49.28, 49.28, 49.32, 49.38, 49.55),
    "video_focalnet_small": (88.47, 88.47, 88.51, 88.56, 88.74),
    "video_focalnet_base": (157.03, 157.03, 157.08, 157.16, 157.39),
}
TEMPORAL_MILLIONS = {
    "vfl_net_nano": 9.317,
    "video_focalnet_tiny": 21.59,
    "video_focalnet_small": 39.31,
    "video_focalnet_base": 69.86,
}


def parameters_by_formula(name: str, num_classes: int) -> tuple[int, int]:
    """(all, temporal branch), summed by hand from the layers' definitions."""
    depths, dim = VARIANTS[name].depths, VARIANTS[name].embed_dim
    total = temporal = 0
    channels_in, patch = 3, 4
    for depth in depths:
        total += dim * channels_in * patch**2 + dim + 2 * dim  # patches and norm
        spatial = (dim + 1) * (2 * dim + 3) + dim * (9 + 25)
        spatial += 2 * (dim + 1) * dim  # h and proj
        branch = (dim + 1) * (dim + 3) + dim * dim * (3 + 5) + (dim + 1) * dim
        mlp = (dim + 1) * 4 * dim + (4 * dim + 1) * dim
        total += depth * (spatial + branch + mlp + 4 * dim)
        temporal += depth * branch
        channels_in, patch, dim = dim, 2, 2 * dim
    total += 2 * channels_in + (channels_in + 1) * num_classes
    return total, temporal


@pytest.mark.parametrize("name", MILLIONS)
def test_parameter_counts_equal_the_formula_and_the_published_rounding(name):
    digits = 3 if name == "vfl_net_nano" else 2
    heads = (50, 51, 101, 174, 400)
    for num_classes, millions in zip(heads, MILLIONS[name], strict=True):
        model = shapes_only(name, num_classes)
        sizes = {key: p.numel() for key, p in model.named_parameters()}
        temporal = sum(size for key, size in sizes.items() if "temporal" in key)
        counted = (sum(sizes.values()), temporal)
        assert counted == parameters_by_formula(name, num_classes)
        assert round(counted[0] / 1e6, digits) == millions
        assert round(temporal / 1e6, digits) == TEMPORAL_MILLIONS[name]


def released_names(depths: tuple[int, ...]) -> set[str]:
    """The keys of the released state dicts, spelt out."""
    pairs = ["patch_embed.proj", "patch_embed.norm", "norm", "head"]
    single = []
    for stage, depth in enumerate(depths):
        if stage < len(depths) - 1:
            at = f"layers.{stage}.downsample"
            pairs += [f"{at}.proj", f"{at}.norm"]
        for number in range(depth):
            block = f"layers.{stage}.blocks.{number}"
            for part in ("f", "f_temporal", "h", "h_temporal", "proj"):
                pairs.append(f"{block}.modulation.{part}")
            for level in range(2):
                for branch in ("focal_layers", "focal_layers_temporal"):
                    single.append(f"{block}.modulation.{branch}.{level}.0.weight")
            pairs += [f"{block}.{part}" for part in ("norm1", "norm2")]
            pairs += [f"{block}.mlp.{part}" for part in ("fc1", "fc2")]
    return {f"{p}.{kind}" for p in pairs for kind in ("weight", "bias")} | set(single)


@pytest.mark.parametrize("name", MILLIONS)
def test_state_dict_has_the_released_names(name):
    state = shapes_only(name, 101).state_dict()
    assert set(state) == released_names(VARIANTS[name].depths)


@pytest.mark.quick
def test_nano_has_130_tensors_of_which_30_are_temporal():
    names = list(shapes_only("vfl_net_nano", 101).state_dict())
    assert len(names) == 130
    assert sum("temporal" in name for name in names) == 30


# --- equality with an independent implementation ---------------------------------


def switch_time_off(model: VFLNet) -> None:
    """Set every temporal modulator to one: what remains is an image network."""
    for module in model.modules():
        if isinstance(module, SpatioTemporalFocalModulation):
            nn.init.zeros_(module.h_temporal.weight)
            nn.init.ones_(module.h_temporal.bias)


def timm_twin(model: VFLNet, twin: FocalNet) -> FocalNet:
    """timm's network with the same weights, through timm's own renaming."""
    spatial = {k: v for k, v in model.state_dict().items() if "temporal" not in k}
    twin.load_state_dict(checkpoint_filter_fn(spatial, twin), assign=True)
    ours = {m.eps for m in model.modules() if isinstance(m, nn.LayerNorm)}
    theirs = {m.eps for m in twin.modules() if isinstance(m, nn.LayerNorm)}
    assert ours == theirs == {1e-5}
    return twin.eval()


def assert_equals_image_network(name: str, clip: Tensor) -> None:
    config = VARIANTS[name]
    model = with_random_weights(shapes_only(name, 11)).eval()
    switch_time_off(model)
    with torch.device("meta"):
        if name == "vfl_net_nano":  # a depth that timm has no name for
            twin = FocalNet(depths=config.depths, embed_dim=96, num_classes=11)
        else:
            image_name = name.replace("video_focalnet", "focalnet") + "_srf"
            twin = timm.create_model(image_name, num_classes=11)
    twin = timm_twin(model, twin)
    with torch.no_grad():
        logits = model(clip)
        # The head is linear: the mean of a clip's logits is that of its features.
        frames = twin(clip.flatten(0, 1)).unflatten(0, clip.shape[:2])  # (B, T, K)
    expected = frames.mean(dim=1)
    assert expected.std() > 0.1
    assert torch.allclose(logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.quick
@pytest.mark.parametrize(
    "shape",
    [(1, 2, 3, 224, 224), (2, 3, 3, 75, 109)],
    ids=["224 x 224", "odd size"],
)
def test_nano_without_time_is_an_image_focalnet(shape):
    assert_equals_image_network("vfl_net_nano", clip_of(*shape))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("video_focalnet_tiny", (1, 1, 3, 224, 224)),
        ("video_focalnet_tiny", (1, 3, 3, 75, 109)),
        ("video_focalnet_base", (1, 2, 3, 67, 91)),
        pytest.param(
            "video_focalnet_small", (1, 2, 3, 67, 91), marks=pytest.mark.nightly
        ),
        pytest.param(
            "video_focalnet_base", (1, 1, 3, 224, 224), marks=pytest.mark.nightly
        ),
    ],
)
def test_published_variants_without_time_are_image_focalnets(name, shape):
    assert_equals_image_network(name, clip_of(*shape))


# --- behaviour -------------------------------------------------------------------


@pytest.mark.quick
@pytest.mark.parametrize("frames", [1, 2, 5, 8, 13])
def test_any_number_of_frames_and_odd_sizes(frames):
    model = small_network()
    with torch.no_grad():
        assert model(clip_of(2, frames, 3, 23, 41)).shape == (2, 5)


def test_a_remainder_that_fills_no_patch_is_cut_off():
    model, clip = small_network(), clip_of(1, 2, 3, 19, 22)
    with torch.no_grad():
        cut = model(clip[..., :16, :20])
        assert torch.allclose(model(clip), cut, rtol=0, atol=1e-6)


def test_clips_of_a_batch_do_not_touch_each_other():
    model, clips = small_network(), clip_of(3, 4, 3, 16, 16)
    with torch.no_grad():
        alone = torch.cat([model(clip[None]) for clip in clips])
        assert torch.allclose(model(clips), alone, rtol=0, atol=1e-5)


def test_time_reversed_kernels_on_a_reversed_clip_give_the_same_logits():
    """There is no position embedding in time that could tell the two apart."""
    model, clip = small_network().double(), clip_of(1, 6, 3, 16, 16).double()
    with torch.no_grad():
        forward = model(clip)
        assert not torch.allclose(model(clip.flip(1)), forward)  # order does matter
        for name, parameter in model.named_parameters():
            if "focal_layers_temporal" in name:
                parameter.copy_(parameter.flip(-1))
        assert torch.allclose(model(clip.flip(1)), forward, rtol=0, atol=1e-10)


def test_mirrored_kernels_on_a_mirrored_clip_give_the_same_logits():
    """There is no position embedding in space either."""
    model, clip = small_network().double(), clip_of(1, 2, 3, 16, 24).double()
    with torch.no_grad():
        forward = model(clip)
        for parameter in model.parameters():
            if parameter.ndim == 4:  # the kernels of all 2-d convolutions
                parameter.copy_(parameter.flip(-1))
        assert torch.allclose(model(clip.flip(-1)), forward, rtol=0, atol=1e-10)


def test_without_temporal_modulator_the_order_of_frames_is_invisible():
    model, clip = small_network(), clip_of(1, 5, 3, 16, 16)
    switch_time_off(model)
    with torch.no_grad():
        shuffled = clip[:, [3, 0, 4, 1, 2]]
        assert torch.allclose(model(shuffled), model(clip), rtol=0, atol=1e-5)


def test_features_are_normalised_tokens_of_the_last_stage():
    model, clip = small_network(), clip_of(2, 3, 3, 16, 24)
    with torch.no_grad():
        features = model.forward_features(clip)
        assert features.shape == (2, 3, 2, 3, 16)
        assert torch.equal(model.forward_head(features), model(clip))


@pytest.mark.quick
def test_gradients_reach_every_parameter():
    model = small_network().train()
    model(clip_of(2, 3, 3, 16, 16)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.quick
@pytest.mark.parametrize(
    "shape",
    [(2, 3, 16, 16), (1, 3, 4, 16, 16), (1, 0, 3, 16, 16), (0, 2, 3, 16, 16)],
    ids=["an image batch", "channels before frames", "no frames", "no clips"],
)
def test_what_is_no_clip_is_refused_with_its_shape(shape):
    with pytest.raises(ModelError, match=r"batch, frames, 3, height, width") as error:
        small_network()(torch.zeros(shape))
    assert str(shape) in str(error.value)


def test_too_small_frames_are_refused_with_the_least_size():
    model = small_network()
    with torch.no_grad():
        assert model(torch.zeros(1, 1, 3, 8, 8)).shape == (1, 5)
    with pytest.raises(ModelError, match="at least 8 x 8"):
        model(torch.zeros(1, 1, 3, 7, 16))


def test_least_size_of_the_published_variants_is_one_token_in_the_last_stage():
    model = with_random_weights(shapes_only("vfl_net_nano", 2)).eval()
    assert VARIANTS["vfl_net_nano"].smallest_side == 32
    with torch.no_grad():
        features = model.forward_features(torch.zeros(1, 1, 3, 32, 32))
    assert features.shape == (1, 1, 1, 1, 768)


# --- drop-path -------------------------------------------------------------------


@pytest.mark.quick
def test_drop_path_drops_whole_frames_each_by_itself():
    torch.manual_seed(0)
    drop = DropPath(0.5).train()
    out = drop(torch.ones(16, 8, 2, 2, 3))
    per_frame = out.flatten(2)  # (B, T, H*W*C)
    assert torch.equal(per_frame.amin(dim=2), per_frame.amax(dim=2))
    kept = per_frame[..., 0]
    assert set(kept.unique().tolist()) == {0.0, 2.0}  # dropped, or scaled by 1/(1-p)
    within_a_clip = kept.amin(dim=1) != kept.amax(dim=1)
    assert within_a_clip.any()  # the frames of one clip have different fates


def test_drop_path_grows_linearly_over_the_blocks():
    model = create_model("vfl_net_nano", 2, drop_path=0.2)
    rates = [m.p for m in model.modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])


def test_drop_path_is_off_in_evaluation():
    model, clip = small_network(drop_path=0.9), clip_of(2, 4, 3, 16, 16)
    without = small_network(drop_path=0.0)
    with torch.no_grad():
        assert torch.equal(model(clip), without(clip))
        model.train()
        assert not torch.equal(model(clip), without(clip))


def test_drop_path_of_zero_uses_no_randomness():
    model = small_network(drop_path=0.0).train()
    state = torch.get_rng_state()
    model(clip_of(1, 2, 3, 16, 16))
    assert torch.equal(torch.get_rng_state(), state)


# --- create_model ----------------------------------------------------------------


def test_the_four_published_names_come_first():
    assert dvfl_lib.list_models()[:4] == [
        "vfl_net_nano",
        "video_focalnet_tiny",
        "video_focalnet_small",
        "video_focalnet_base",
    ]
    assert dvfl_lib.create_model is create_model


@pytest.mark.parametrize("name", dvfl_lib.list_models())
def test_every_listed_name_can_be_created(name):
    model = shapes_only(name, 7)
    assert model.head.out_features == model.num_classes == 7
    assert model.config == VARIANTS[name]


def test_equal_seeds_give_equal_networks_and_equal_results():
    clip = clip_of(1, 2, 3, 32, 32)
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(create_model("vfl_net_lab_student", 4).eval())
    with torch.no_grad():
        first, second = (model(clip) for model in models)
        assert torch.equal(first, second)
        assert torch.equal(models[0](clip), first)


@pytest.mark.quick
def test_initial_weights_follow_the_released_rule():
    torch.manual_seed(0)
    model = create_model("vfl_net_lab_teacher", 10)
    linear = [m for m in model.modules() if isinstance(m, nn.Linear)]
    values = torch.cat([m.weight.flatten() for m in linear])
    assert values.std().item() == pytest.approx(0.02, rel=0.02)
    assert all(torch.count_nonzero(m.bias) == 0 for m in linear)


def test_fan_in_start_keeps_the_product_near_the_query():
    model = create_model("vfl_net_lab_teacher", 10, init="fan_in")
    for module in model.modules():
        if isinstance(module, SpatioTemporalFocalModulation):
            assert torch.equal(module.h.bias, torch.ones(module.dim))
            assert torch.equal(module.h_temporal.bias, torch.ones(module.dim))
            scale = module.f.weight.std().item() * module.dim**0.5
            assert scale == pytest.approx(1.0, rel=0.1)


@pytest.mark.quick
def test_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ModelError, match="Did you mean 'video_focalnet_base'") as error:
        create_model("video_focalnet_bas")
    assert "vfl_net_nano" in str(error.value)
    assert isinstance(error.value, DVFLError)


@pytest.mark.parametrize(
    ("kwargs", "part"),
    [
        ({"num_classes": 0}, "num_classes is a whole number from 1 on, not 0"),
        ({"num_classes": 2.5}, "num_classes is a whole number"),
        ({"drop_path": 1.0}, r"drop_path must be in \[0, 1\)"),
        ({"drop_path": -0.1}, r"drop_path must be in \[0, 1\)"),
        ({"drop_path": float("nan")}, r"drop_path must be in \[0, 1\)"),
        ({"init": "zeros"}, "init must be"),
    ],
)
def test_impossible_values_are_refused(kwargs, part):
    with pytest.raises(ModelError, match=part):
        create_model("vfl_net_lab_student", **kwargs)


@pytest.mark.parametrize("name", [None, "", ["vfl_net_nano"]])
def test_a_name_that_is_no_name_is_refused(name):
    with pytest.raises(ModelError, match="there is no model"):
        create_model(name)
