"""What the released code computes in place of a KL divergence, and with which head."""

import pytest
import torch
from torch import nn

from dvfl_lib import create_model
from dvfl_lib.distillation import forward_kl, random_head, released_code

pytestmark = pytest.mark.quick


def logits(*shape: int, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def literally(student: torch.Tensor, teacher: torch.Tensor, temperature: float):
    """The formula as it stands in criterion.py:15-19, over the whole batch."""
    p = torch.softmax(teacher / temperature, dim=-1)
    q = torch.softmax(student / temperature, dim=-1)
    return (p * (torch.log(p) - q)).sum() / len(q) * temperature**2


@pytest.mark.parametrize("temperature", [1.0, 10.0])
@pytest.mark.parametrize("classes", [51, 101])
def test_released_code_is_the_released_formula(classes, temperature):
    student, teacher = logits(6, classes, seed=1), logits(6, classes, seed=2)
    expected = literally(student, teacher, temperature)
    assert torch.allclose(released_code(student, teacher, temperature), expected)


def test_where_the_released_formula_is_not_a_number_ours_has_its_limit():
    student, teacher = torch.zeros(1, 3), torch.tensor([[500.0, 0.0, 0.0]])
    assert literally(student, teacher, 1.0).isnan()
    # The teacher is sure, so H(p) = 0 and <p, q> = 1/3.
    assert released_code(student, teacher, 1.0).item() == pytest.approx(-1 / 3)


def test_it_is_always_negative_and_about_minus_462_for_101_classes():
    """At T = 10: -100 (H(p) + <p, q>), with an entropy that is nearly ln 101."""
    student, teacher = (logits(64, 101, seed=n, scale=1.0) for n in (1, 2))
    each = released_code(student, teacher, 10.0, reduction="none")
    assert (each < 0).all()
    assert each.mean().item() == pytest.approx(-462, abs=1)


def test_an_equal_student_is_pulled_away_from_its_teacher():
    teacher = logits(4, 101, scale=1.0)
    student = teacher.clone().requires_grad_()
    released_code(student, teacher, 1.0, reduction="none").sum().backward()
    assert (student.grad.abs().amax(dim=1) > 1e-3).all()
    # A step downhill makes it surer of the class that it holds likeliest anyway.
    step = student.detach() - student.grad
    favourite = teacher.argmax(dim=1, keepdim=True)
    before, after = teacher.softmax(1), step.softmax(1)
    assert (after.gather(1, favourite) > before.gather(1, favourite)).all()
    kl = forward_kl(step, teacher, 1.0, reduction="none")
    assert (kl > 1e-7).all()


@pytest.mark.parametrize("classes", [51, 101, 400])
def test_its_gradient_is_a_hundredth_of_the_divergences(classes):
    """At T = 10, for logits of one spread: 0.7 % of it with 101 classes.

    There p and q are nearly 1 / K, so that the gradients are about T (<p, q> - p) / K
    and T (q - p): for independent p and q of the same spread 1 / (K sqrt 2) in size,
    and 1 / sqrt 2 in the cosine of their angle.
    """
    teacher = logits(256, classes, seed=2, scale=1.0)
    gradients = []
    for loss in (released_code, forward_kl):
        student = logits(256, classes, seed=1, scale=1.0).requires_grad_()
        loss(student, teacher, 10.0).backward()
        gradients.append(student.grad.flatten())
    theirs, right = gradients
    ratio = (theirs.norm() / right.norm()).item()
    cosine = torch.cosine_similarity(theirs, right, dim=0).item()
    assert ratio == pytest.approx(2**-0.5 / classes, rel=0.05)
    assert cosine == pytest.approx(2**-0.5, rel=0.05)
    if classes == 101:
        assert ratio == pytest.approx(0.007, abs=0.0002)


def test_its_optimum_gives_everything_to_the_teachers_favourite():
    teacher = logits(3, 8, scale=1.0)
    student = torch.zeros(3, 8, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([student], lr=0.3)
    for _ in range(1000):
        optimiser.zero_grad()
        loss = released_code(student, teacher, 1.0)
        loss.backward()
        optimiser.step()
    q, p = student.detach().softmax(1), teacher.softmax(1)
    one_hot = nn.functional.one_hot(teacher.argmax(1), 8).double()
    assert torch.allclose(q, one_hot, atol=5e-3)
    entropy = -(p * p.log()).sum(1)
    least = -(entropy + p.amax(1)).mean()
    assert loss.item() == pytest.approx(least.item(), abs=1e-3)
    # The teacher itself is nowhere near one-hot, and is a worse student than that.
    assert p.amax() < 0.9
    assert released_code(teacher, teacher, 1.0) > least + 0.05


def head_of(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.head.parameters()])


def test_a_random_head_is_drawn_anew_in_a_copy():
    teacher = create_model("vfl_net_lab_teacher", num_classes=101).eval()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    state = torch.random.get_rng_state()
    changed = random_head(teacher, seed=0, rank=0)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name])
    for name, value in changed.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("head.")
    assert not changed.training
    # Truncated at 100 standard deviations, it is a normal of std 0.02; the bias too.
    assert changed.head.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert changed.head.weight.abs().max() < 0.12
    assert changed.head.bias.std().item() == pytest.approx(0.02, rel=0.3)


def test_a_random_head_is_a_function_of_seed_and_rank():
    teacher = create_model("vfl_net_lab_teacher", num_classes=12).half()
    first = random_head(teacher, seed=3, rank=1)
    assert first.head.weight.dtype == torch.float16
    assert torch.equal(head_of(first), head_of(random_head(teacher, 3, 1)))
    for seed, rank in ((3, 0), (3, 2), (4, 1)):
        assert not torch.equal(
            head_of(first), head_of(random_head(teacher, seed, rank))
        )
