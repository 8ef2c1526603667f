"""Inner signals: what hooks hear, the projections, the loss, DDP and autocast."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from dvfl_lib import create_model
from dvfl_lib.capture import capture
from dvfl_lib.distillation import MatchedStudent, matching_loss, teacher_signals
from dvfl_lib.errors import ModelError
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig

pytestmark = pytest.mark.quick
KINDS = ["features", "modulators"]


def networks() -> tuple[VFLNet, VFLNet]:
    torch.manual_seed(0)
    student = create_model("vfl_net_lab_student", num_classes=5, init="fan_in")
    teacher = create_model("vfl_net_lab_teacher", num_classes=5, init="fan_in")
    return student, teacher.eval()


def clip(batch: int = 2, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, 3, 32, 48, generator=generator)  # H and W differ


def signals(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


@pytest.mark.parametrize("name", ["vfl_net_lab_student", "vfl_net_lab_teacher"])
def test_modulators_are_those_of_the_last_blocks(name):
    """``capture`` finds them in its own way, with their places known."""
    network, x = create_model(name, num_classes=5, init="fan_in").eval(), clip()
    logits, found = teacher_signals(network, x, "modulators")
    trace = capture(network, x)
    last = {block.stage: block for block in trace.blocks}
    expected = [branch.modulator for b in last.values() for branch in (b.space, b.time)]
    # Blocks that nobody looks into are in their fast form: another rounding.
    assert_close(logits, trace.result)
    assert len(found) == len(expected) == 6
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours.view(theirs.shape), theirs)  # (B, T, H, W, C)


def test_features_are_the_outputs_of_the_stages():
    network, x = networks()[1], clip()
    logits, found = teacher_signals(network, x, "features")
    hidden = network.patch_embed(x.permute(0, 1, 3, 4, 2))
    for stage, signal in zip(network.layers, found, strict=True):
        for block in stage.blocks:
            hidden = block(hidden)
        assert torch.equal(signal.view(hidden.shape), hidden)
        if stage.downsample is not None:
            hidden = stage.downsample(hidden)
    assert torch.equal(logits, network(x))


@pytest.mark.parametrize("kind", KINDS)
def test_signals_have_the_teachers_shapes(kind):
    student, teacher = networks()
    logits, theirs = teacher_signals(teacher, clip(), kind)
    assert not logits.requires_grad and not any(x.requires_grad for x in theirs)
    assert [tuple(x.shape) for x in theirs[:: len(theirs) // 3]] == [
        (2, 3 * 8 * 12, 32),
        (2, 3 * 4 * 6, 64),
        (2, 3 * 2 * 3, 128),
    ]
    matched = MatchedStudent(student, teacher, kind)
    found, ours = matched(clip())
    assert_close(found, student(clip()))
    assert [x.shape for x in ours] == [x.shape for x in theirs]
    assert len(ours) == (3 if kind == "features" else 6)


def test_projections_are_linear_and_of_the_students_own():
    student, teacher = networks()
    matched = MatchedStudent(student, teacher, "modulators")
    _, own = teacher_signals(student, clip(), "modulators")
    _, projected = matched(clip())
    for layer, before, after in zip(matched.projections, own, projected, strict=True):
        expected = torch.einsum("bnc,dc->bnd", before, layer.weight) + layer.bias
        assert torch.allclose(after, expected, atol=1e-5)
    theirs = {id(p) for p in teacher.parameters()}
    assert not theirs & {id(p) for p in matched.parameters()}


def test_the_loss_equals_its_definition():
    shapes = [(2, 6, 4), (2, 3, 8)]
    ours, theirs = signals(*shapes, seed=1), signals(*shapes, seed=2)
    theirs[1] *= 100  # large values count no more
    loss = matching_loss(ours, theirs)
    for n in range(2):
        parts = []
        for r, u in zip(ours, theirs, strict=True):
            r, u = r[n].numpy(), u[n].numpy()
            parts.append(((r - u) ** 2).mean() / ((u**2).mean() + 1e-6))
        assert loss[n].item() == pytest.approx(np.mean(parts), rel=1e-12)
    zeros = [torch.zeros_like(x) for x in theirs]
    assert matching_loss(zeros, theirs).numpy() == pytest.approx(1.0, rel=1e-5)
    assert matching_loss(zeros, zeros).tolist() == [0.0, 0.0]


def test_the_losses_gradient():
    shapes = [(2, 3, 4), (2, 2, 3)]
    ours, theirs = signals(*shapes, seed=1), signals(*shapes, seed=2)
    for x in ours:
        x.requires_grad_()
    matching_loss(ours, theirs).sum().backward()
    for r, u in zip(ours, theirs, strict=True):
        energy = u.square().mean(dim=(1, 2), keepdim=True) + 1e-6
        by_hand = 2 * (r.detach() - u) / (2 * u[0].numel() * energy)
        assert torch.allclose(r.grad, by_hand, rtol=1e-10)
    assert torch.autograd.gradcheck(lambda *x: matching_loss(list(x), theirs), ours)
    same = [x.clone().requires_grad_() for x in theirs]
    loss = matching_loss(same, theirs)
    loss.sum().backward()
    assert loss.tolist() == [0.0, 0.0]
    assert all((x.grad == 0).all() for x in same)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_signals_of_any_size_give_a_finite_float32(dtype):
    ours, theirs = (signals((2, 6, 4), seed=n)[0].to(dtype) for n in (1, 2))
    exact = matching_loss([ours.double()], [theirs.double()])
    loss = matching_loss([ours], [theirs])
    assert loss.dtype == torch.float32
    assert torch.allclose(loss.double(), exact, rtol=1e-5)
    huge = matching_loss([1e4 * ours], [1e4 * theirs])
    assert torch.allclose(huge.double(), exact, rtol=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_all_parameters_learn_under_ddp_and_autocast(kind):
    """Two steps: DDP raises at the second if a parameter had no gradient."""
    student, teacher = networks()
    matched = MatchedStudent(student, teacher, kind)
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", rank=0, world_size=1, store=store)
    try:
        wrapped = nn.parallel.DistributedDataParallel(matched)
        optimiser = torch.optim.SGD(wrapped.parameters(), lr=0.1)
        for _ in range(2):
            optimiser.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                _, theirs = teacher_signals(teacher, clip(), kind)
                logits, ours = wrapped(clip())
                loss = matching_loss(ours, theirs)
            assert ours[0].dtype == torch.bfloat16 and loss.dtype == torch.float32
            (loss.mean() + logits.float().logsumexp(1).mean()).backward()
            optimiser.step()
        for name, parameter in matched.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
    finally:
        torch.distributed.destroy_process_group()


def test_nothing_is_left_behind_even_after_an_error():
    student, teacher = networks()
    matched = MatchedStudent(student, teacher, "modulators")
    before = {name: dict(vars(m)) for name, m in matched.named_modules()}
    matched(clip())
    with pytest.raises(ModelError, match="a clip is"):
        matched(clip()[0])
    with pytest.raises(ModelError, match="a clip is"):
        teacher_signals(teacher, clip()[0], "features")
    for network in (matched, teacher):
        for name, module in network.named_modules():
            assert not module._forward_hooks, name
    assert {name: dict(vars(m)) for name, m in matched.named_modules()} == before


def test_networks_that_cannot_be_matched_are_refused():
    _, teacher = networks()
    with torch.device("meta"):
        nano = create_model("vfl_net_nano", num_classes=5)
    with pytest.raises(ModelError, match="has 4 stages .* the teacher 3"):
        MatchedStudent(nano, teacher, "features")
    finer = VFLNet(VFLNetConfig((1, 1, 1), 16, patch_size=2), 5)
    with pytest.raises(ModelError, match="patches of 2 pixels"):
        MatchedStudent(finer, teacher, "features")


def test_a_published_pair_can_be_matched():
    """Nano and base: other widths and depths, one grid. No forward pass: too large."""
    with torch.device("meta"):
        student = create_model("vfl_net_nano", num_classes=5)
        teacher = create_model("video_focalnet_base", num_classes=5)
    matched = MatchedStudent(student, teacher, "modulators")
    sizes = [(p.in_features, p.out_features) for p in matched.projections]
    assert sizes[::2] == [(96, 128), (192, 256), (384, 512), (768, 1024)]
    assert sizes[1::2] == sizes[::2]
