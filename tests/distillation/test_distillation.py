"""The distillation loss against independent arithmetic, and at its extremes."""

import numpy as np
import pytest
import torch

from dvfl_lib.distillation import distillation_loss, forward_kl, soft_cross_entropy
from dvfl_lib.errors import ModelError, RecipeError


def softmax64(logits: np.ndarray) -> np.ndarray:
    """Textbook softmax in float64, row by row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def kl64(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    """T^2 KL(p || q) from the definition, with plain loops over clips and classes."""
    p, q = softmax64(teacher / temperature), softmax64(student / temperature)
    total = 0.0
    for row in range(len(p)):
        for k in range(p.shape[1]):
            total += p[row, k] * (np.log(p[row, k]) - np.log(q[row, k]))
    return temperature**2 * total / len(p)


def logits(*shape: int, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 10.0])
@pytest.mark.parametrize("classes", [2, 101])
def test_forward_kl_equals_its_definition(temperature, classes):
    student, teacher = logits(5, classes, seed=1), logits(5, classes, seed=2)
    expected = kl64(student.numpy(), teacher.numpy(), temperature)
    assert forward_kl(student, teacher, temperature).item() == pytest.approx(
        expected, rel=1e-10
    )
    single = forward_kl(student.float(), teacher.float(), temperature)
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(expected, rel=1e-4)


def test_forward_kl_equals_torch_with_the_arguments_the_right_way_round():
    student, teacher = logits(6, 7, seed=1), logits(6, 7, seed=2)
    right = torch.nn.functional.kl_div(
        (student / 4).log_softmax(1), (teacher / 4).softmax(1), reduction="batchmean"
    )
    assert forward_kl(student, teacher, 4.0).item() == pytest.approx(16 * right.item())
    # Forward and reverse differ; swapping the arguments must not go unnoticed.
    assert forward_kl(teacher, student, 4.0).item() != pytest.approx(16 * right.item())


def test_forward_kl_is_the_mean_over_clips():
    student, teacher = logits(4, 5, seed=1), logits(4, 5, seed=2)
    each = forward_kl(student, teacher, 2.0, reduction="none")
    assert each.shape == (4,)
    assert torch.allclose(each.mean(), forward_kl(student, teacher, 2.0))
    alone = forward_kl(student[2:3], teacher[2:3], 2.0)
    assert torch.allclose(each[2], alone)


def test_equal_networks_have_zero_loss_and_zero_gradient():
    student = logits(3, 9).requires_grad_()
    # A shift of all logits of a clip changes no probability.
    loss = forward_kl(student, student.detach() + 5.0, 10.0)
    loss.backward()
    assert abs(loss.item()) < 1e-12
    assert student.grad.abs().max() < 1e-12


def test_gradient_is_the_difference_of_probabilities():
    student, teacher = logits(3, 6, seed=1).requires_grad_(), logits(3, 6, seed=2)
    forward_kl(student, teacher, 4.0).backward()
    expected = 4.0 * ((student / 4).softmax(1) - (teacher / 4).softmax(1)) / 3
    assert torch.allclose(student.grad, expected.detach(), atol=1e-12)


def test_gradcheck():
    student, teacher = logits(3, 5, seed=1).requires_grad_(), logits(3, 5, seed=2)
    targets = logits(3, 5, seed=3).softmax(1)
    assert torch.autograd.gradcheck(lambda s: forward_kl(s, teacher, 3.0), (student,))
    assert torch.autograd.gradcheck(
        lambda s: distillation_loss(s, teacher, targets, alpha=0.3, temperature=3.0),
        (student,),
    )


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_extreme_logits_stay_finite(size):
    student = torch.tensor([[size, -size, 0.0]], requires_grad=True)
    teacher = torch.tensor([[-size, size, 0.0]])
    loss = forward_kl(student, teacher, 1.0)
    loss.backward()
    # The teacher is sure of class 2, the student gives it exp(-2 size).
    assert loss.item() == pytest.approx(2 * size, rel=1e-6)
    assert torch.allclose(student.grad, torch.tensor([[1.0, -1.0, 0.0]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    student, teacher = logits(4, 8, seed=1).to(dtype), logits(4, 8, seed=2).to(dtype)
    loss = forward_kl(student, teacher, 10.0)
    exact = kl64(student.double().numpy(), teacher.double().numpy(), 10.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact, rel=1e-4)


def test_soft_cross_entropy_equals_its_definition():
    student, targets = logits(4, 6, seed=1), logits(4, 6, seed=2).softmax(1)
    log_q = np.log(softmax64(student.numpy()))
    expected = -(targets.numpy() * log_q).sum(axis=1)
    each = soft_cross_entropy(student, targets, reduction="none")
    assert np.allclose(each.numpy(), expected, rtol=1e-10)
    assert soft_cross_entropy(student, targets).item() == pytest.approx(expected.mean())


def test_distillation_loss_mixes_both_parts_by_alpha():
    student, teacher = logits(4, 6, seed=1), logits(4, 6, seed=2)
    targets = logits(4, 6, seed=3).softmax(1)
    kd, ce = forward_kl(student, teacher, 5.0), soft_cross_entropy(student, targets)
    for alpha in (0.0, 0.2, 1.0):
        loss = distillation_loss(
            student, teacher, targets, alpha=alpha, temperature=5.0
        )
        assert torch.allclose(loss, alpha * kd + (1 - alpha) * ce)


def test_unlabelled_clips_count_for_the_teacher_only():
    student, teacher = logits(4, 6, seed=1), logits(4, 6, seed=2)
    targets = torch.eye(6, dtype=torch.float64)[[0, 1, 2, 3]]
    labelled = torch.tensor([True, False, True, False])
    loss = distillation_loss(
        student, teacher, targets, alpha=0.2, temperature=2.0, labelled=labelled
    )
    ce = soft_cross_entropy(student[labelled], targets[labelled])
    kd = forward_kl(student, teacher, 2.0)
    assert torch.allclose(loss, 0.2 * kd + 0.8 * ce)
    none = distillation_loss(
        student,
        teacher,
        targets,
        alpha=0.2,
        temperature=2.0,
        labelled=torch.zeros(4, dtype=torch.bool),
    )
    assert torch.allclose(none, 0.2 * kd)


def test_impossible_arguments_are_refused():
    with pytest.raises(ModelError, match="same classes"):
        forward_kl(logits(2, 5), logits(2, 6), 1.0)
    with pytest.raises(ModelError, match="number of classes"):
        soft_cross_entropy(logits(2, 5), logits(2, 6))
    with pytest.raises(ModelError, match="clips, classes"):  # torch takes it otherwise
        soft_cross_entropy(logits(2, 5, 4), logits(2, 5, 4))
    for shape in ((), (3, 0)):
        with pytest.raises(ModelError, match="have no classes"):
            forward_kl(torch.zeros(shape), torch.zeros(shape), 1.0)
    for temperature in (0.0, -1.0, float("nan"), float("inf"), "4", None):
        with pytest.raises(RecipeError, match="temperature must be positive"):
            forward_kl(logits(2, 5), logits(2, 5), temperature)
    with pytest.raises(RecipeError, match="alpha"):
        distillation_loss(
            logits(2, 5), logits(2, 5), logits(2, 5), alpha=1.5, temperature=1.0
        )
    with pytest.raises(RecipeError, match="reduction"):
        forward_kl(logits(2, 5), logits(2, 5), 1.0, reduction="sum")


@pytest.mark.parametrize(
    "labelled",
    [torch.tensor([True]), torch.ones(2, 1, dtype=torch.bool), torch.tensor([1, 0])],
)
def test_a_mask_that_would_be_spread_over_the_batch_is_refused(labelled):
    """One truth value for all clips would give a sum for the mean."""
    batch = [logits(2, 5), logits(2, 5), torch.eye(5)[:2]]
    with pytest.raises(ModelError, match="labelled must be 2 truth values"):
        distillation_loss(*batch, alpha=0.5, temperature=2.0, labelled=labelled)


def test_a_batch_without_clips_is_refused():
    none = torch.zeros(0, 5)
    assert forward_kl(none, none, 1.0, "none").shape == (0,)
    for call in (
        lambda: forward_kl(none, none, 1.0),
        lambda: soft_cross_entropy(none, none),
        lambda: distillation_loss(none, none, none, alpha=0.5, temperature=1.0),
    ):
        with pytest.raises(ModelError, match="batch without clips"):
            call()
