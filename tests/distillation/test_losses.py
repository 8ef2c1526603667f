"""Each distillation loss against sums written out, and against hand-made gradients.

The references below use nothing but exp, log and loops in float64, and share no code
with the library.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from dvfl_lib import create_model
from dvfl_lib.distillation.decoupled import decoupled_kd, nckd, tckd
from dvfl_lib.distillation.losses import (
    KD_LOSSES,
    distillation_loss,
    forward_kl,
    jensen_shannon,
    kd_loss,
    reverse_kl,
    soft_cross_entropy,
    squared_error,
)
from dvfl_lib.errors import ModelError, RecipeError
from dvfl_lib.recipes import OptimRecipe, Recipe
from dvfl_lib.training import TrainConfig, objective
from tests.lesson_code import run_cells

pytestmark = pytest.mark.quick

NAMES = list(KD_LOSSES)
DIVERGENCES = ["forward_kl", "reverse_kl", "jensen_shannon", "decoupled_kd"]
NOT_ZERO = ("released_code", "hard_label")  # where the student equals the teacher
COLD = ("squared_error", "hard_label")  # look at no temperature
LABELS = torch.tensor([0, 3, -1, 1])


def logits(*shape: int, seed: int = 0, scale: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def pair(classes: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    return logits(4, classes, seed=1), logits(4, classes, seed=2)


def softmax(row: list[float], temperature: float) -> list[float]:
    powers = [math.exp(x / temperature) for x in row]
    return [x / sum(powers) for x in powers]


def kl(a: list[float], b: list[float]) -> float:
    return sum(x * (math.log(x) - math.log(y)) for x, y in zip(a, b, strict=True))


def target_of(label: int, teacher: list[float]) -> int:
    return label if label >= 0 else teacher.index(max(teacher))


def without(row: list[float], target: int) -> list[float]:
    """The probabilities of the other classes, given that it is one of them."""
    rest = [x for k, x in enumerate(row) if k != target]
    return [x / sum(rest) for x in rest]


def value(name: str, s: list[float], t: list[float], label: int, T: float) -> float:
    """The loss of one clip by its definition."""
    q, p = softmax(s, T), softmax(t, T)
    classes = len(s)
    if name == "forward_kl":
        return T * T * kl(p, q)
    if name == "reverse_kl":
        return T * T * kl(q, p)
    if name == "jensen_shannon":
        m = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
        return T * T * (kl(p, m) / 2 + kl(q, m) / 2)
    if name == "squared_error":
        return sum((x - y) ** 2 for x, y in zip(s, t, strict=True)) / classes
    if name == "released_code":
        return T * T * sum(p[k] * (math.log(p[k]) - q[k]) for k in range(classes))
    if name == "hard_label":
        return -math.log(softmax(s, 1.0)[t.index(max(t))])
    target = target_of(label, t)
    binary = kl([p[target], 1 - p[target]], [q[target], 1 - q[target]])
    others = kl(without(p, target), without(q, target))
    return T * T * (1.0 * binary + 8.0 * others)


def gradient(name: str, s: list[float], t: list[float], label: int, T: float):
    """d loss / d student logits of one clip, derived by hand."""
    q, p = np.array(softmax(s, T)), np.array(softmax(t, T))
    if name == "forward_kl":
        return T * (q - p)
    if name == "reverse_kl":
        return T * q * (np.log(q / p) - (q * np.log(q / p)).sum())
    if name == "jensen_shannon":
        ratio = np.log(2 * q / (p + q))
        return T / 2 * q * (ratio - (q * ratio).sum())
    if name == "squared_error":
        return 2 * (np.array(s) - np.array(t)) / len(s)
    if name == "released_code":
        return -T * q * (p - (p * q).sum())
    if name == "hard_label":
        return np.array(softmax(s, 1.0)) - (np.array(t) == max(t))
    target = target_of(label, t)
    other = np.arange(len(s)) != target
    q_hat, p_hat = q[other] / q[other].sum(), p[other] / p[other].sum()
    result = np.empty(len(s))
    result[target] = T * (q[target] - p[target])
    result[other] = -T * (q[target] - p[target]) * q_hat + 8 * T * (q_hat - p_hat)
    return result


@pytest.mark.parametrize("temperature", [0.7, 1.0, 4.0, 10.0])
@pytest.mark.parametrize("classes", [4, 101])
@pytest.mark.parametrize("name", NAMES)
def test_every_loss_and_gradient_equal_their_definitions(name, classes, temperature):
    student, teacher = pair(classes)
    student.requires_grad_()
    each = kd_loss(name, student, teacher, LABELS, temperature)
    each.sum().backward()
    assert each.shape == (4,) and each.dtype == torch.float64
    for clip in range(4):
        row = (student[clip].tolist(), teacher[clip].tolist(), int(LABELS[clip]))
        expected = value(name, *row, temperature)
        assert each[clip].item() == pytest.approx(expected, rel=1e-9)
        by_hand = gradient(name, *row, temperature)
        assert student.grad[clip].numpy() == pytest.approx(by_hand, rel=1e-7, abs=1e-12)
    single = kd_loss(name, student.float(), teacher.float(), LABELS, temperature)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), each, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "function", [forward_kl, reverse_kl, jensen_shannon, squared_error]
)
def test_the_mean_is_over_the_clips(function):
    student, teacher = pair()
    each = function(student, teacher, 2.0, reduction="none")
    assert torch.allclose(function(student, teacher, 2.0), each.mean())
    assert torch.allclose(
        function(student[1:2], teacher[1:2], 2.0, reduction="mean"), each[1]
    )


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NOT_ZERO])
def test_an_equal_student_has_nothing_to_learn(name):
    teacher = logits(4, 9)
    student = teacher.clone().requires_grad_()
    loss = kd_loss(name, student, teacher, LABELS, 10.0)
    loss.sum().backward()
    assert loss.detach().abs().max() < 1e-11
    assert student.grad.abs().max() < 1e-11


@pytest.mark.parametrize("name", NAMES)
def test_a_shift_of_all_logits_matters_to_the_squared_error_only(name):
    student, teacher = pair()
    before = kd_loss(name, student, teacher, LABELS, 4.0)
    after = kd_loss(name, student + 5.0, teacher, LABELS, 4.0)
    assert torch.allclose(before, after) == (name != "squared_error")


def test_how_the_losses_relate_in_their_limits():
    student, teacher = pair()
    # All logits have mean zero: Hinton et al., section 2.1.
    student, teacher = (x - x.mean(1, keepdim=True) for x in (student, teacher))
    hot = forward_kl(student, teacher, 1e4, "none")
    half = squared_error(student, teacher, 1e4, "none") / 2
    assert torch.allclose(hot, half, rtol=1e-3)
    near = teacher + 1e-3 * student
    quarter = forward_kl(near, teacher, 2.0, "none") / 4
    assert torch.allclose(
        jensen_shannon(near, teacher, 2.0, "none"), quarter, rtol=0.01
    )


def test_tckd_and_nckd_add_up_to_forward_kl():
    student, teacher = pair()
    p = (teacher / 4.0).softmax(dim=1)
    target = torch.where(LABELS >= 0, LABELS, teacher.argmax(dim=1))
    p_target = p.gather(1, target.unsqueeze(1)).squeeze(1)
    of_target = tckd(student, teacher, LABELS, 4.0, "none")
    of_others = nckd(student, teacher, LABELS, 4.0, "none")
    whole = forward_kl(student, teacher, 4.0, "none")
    assert torch.allclose(of_target + (1 - p_target) * of_others, whole)
    weighed = decoupled_kd(student, teacher, LABELS, 4.0, alpha=0.5, beta=2.0)
    assert torch.allclose(weighed, (0.5 * of_target + 2 * of_others).mean())


def test_the_teachers_favourite_stands_in_for_a_label_that_is_not_there():
    student, teacher = pair()
    believed = teacher.argmax(dim=1)
    expected = decoupled_kd(student, teacher, believed, 4.0, reduction="none")
    for labels in (None, torch.full((4,), -1), believed.int()):
        found = decoupled_kd(student, teacher, labels, 4.0, reduction="none")
        assert torch.equal(found, expected)
    other = decoupled_kd(student, teacher, (believed + 1) % 7, 4.0, reduction="none")
    assert not torch.isclose(other, expected).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_are_finite_in_float32(name, dtype):
    size = 9984.0  # nearly 1e4, and exact in all three types
    student = torch.tensor([[size, -size, 0.0]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[-size, size, 0.0]], dtype=dtype)
    loss = kd_loss(name, student, teacher, torch.tensor([1]), 1.0)
    loss.sum().backward()
    expected = {
        "forward_kl": 2 * size,  # the teacher is sure of class 1, q_1 = exp(-2 size)
        "reverse_kl": 2 * size,
        "jensen_shannon": math.log(2),
        "squared_error": 8 * size**2 / 3,
        "decoupled_kd": 2 * size + 8 * size,  # q^_2 = exp(-size)
        "released_code": 0.0,
        "hard_label": 2 * size,
    }
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected[name], rel=1e-6)
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_computed_in_float32(name, dtype):
    student, teacher = (x.to(dtype) for x in pair(51))
    exact = kd_loss(name, student.double(), teacher.double(), LABELS, 10.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = kd_loss(name, student, teacher, LABELS, 10.0)
    assert loss.dtype == torch.float32
    assert torch.allclose(loss.double(), exact, rtol=1e-4, atol=1e-5)


def test_the_losses_by_name():
    student, teacher = pair()
    for name, loss in KD_LOSSES.items():
        hot, cold = (kd_loss(name, student, teacher, LABELS, T) for T in (9.0, 1.0))
        assert torch.allclose(hot, cold) == (name in COLD)
        one, other = (
            kd_loss(name, student, teacher, torch.full((4,), k), 1.0) for k in (1, 2)
        )
        assert torch.allclose(one, other) != loss.takes_labels
        with pytest.raises(ModelError, match="same classes"):
            kd_loss(name, student, teacher[:, :5], LABELS, 1.0)
    with pytest.raises(RecipeError, match="Did you mean 'reverse_kl'"):
        kd_loss("revers_kl", student, teacher, LABELS, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_the_total_loss_takes_any_of_them(name):
    student, teacher = pair()
    targets = logits(4, 7, seed=3).softmax(1)
    labelled = torch.tensor([True, False, True, True])
    labels = targets.argmax(1)
    labels[1] = -1
    kd = kd_loss(name, student, teacher, labels, 4.0).mean()
    ce = soft_cross_entropy(student[labelled], targets[labelled])
    for alpha in (0.0, 0.3, 1.0):
        numbers = {"alpha": alpha, "temperature": 4.0, "loss": name}
        found = distillation_loss(
            student, teacher, targets, labelled=labelled, **numbers
        )
        for ours, theirs in zip(
            found, (alpha * kd + (1 - alpha) * ce, ce, kd), strict=True
        ):
            assert torch.allclose(ours, theirs)


def test_soft_cross_entropy_equals_its_definition():
    student, targets = logits(4, 6, seed=1), logits(4, 6, seed=2).softmax(1)
    q = np.array([softmax(row, 1.0) for row in student.tolist()])
    expected = -(targets.numpy() * np.log(q)).sum(axis=1)
    found = soft_cross_entropy(student, targets)
    assert found.item() == pytest.approx(expected.mean(), rel=1e-10)
    labelled = torch.tensor([True, False, True, False])
    some = soft_cross_entropy(student, targets, labelled, count=3)
    assert some.item() == pytest.approx((expected[0] + expected[2]) / 3, rel=1e-10)


def test_a_batch_without_labels_leaves_the_teacher_alone():
    student, teacher, targets = (
        logits(4, 6, seed=1),
        logits(4, 6, seed=2),
        torch.eye(6)[:4],
    )
    none = torch.zeros(4, dtype=torch.bool)
    numbers = {"alpha": 0.2, "temperature": 2.0, "labelled": none}
    loss, _, _ = distillation_loss(student, teacher, targets, **numbers)
    assert torch.allclose(loss, 0.2 * forward_kl(student, teacher, 2.0))


def test_impossible_arguments_are_refused():
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(RecipeError, match="temperature must be positive"):
            forward_kl(logits(2, 5), logits(2, 5), temperature)


@pytest.mark.parametrize(
    "labelled",
    [torch.tensor([True]), torch.ones(2, 1, dtype=torch.bool)],
)
def test_a_mask_that_would_be_spread_over_the_batch_is_refused(labelled):
    """One truth value for all clips would give a sum for the mean."""
    batch = [logits(2, 5), logits(2, 5), torch.eye(5)[:2]]
    with pytest.raises(ModelError, match="labelled must be 2 truth values"):
        distillation_loss(*batch, alpha=0.5, temperature=2.0, labelled=labelled)


def test_parts_of_a_step_add_up_to_its_loss():
    student, teacher = pair()
    targets = logits(4, 7, seed=3).softmax(1)
    labelled = torch.tensor([True, False, True, True])
    numbers = {"alpha": 0.3, "temperature": 4.0}
    whole = distillation_loss(student, teacher, targets, labelled=labelled, **numbers)
    parts = [
        distillation_loss(
            student[part],
            teacher[part],
            targets[part],
            labelled=labelled[part],
            normalise_by=(4, 3),
            **numbers,
        )
        for part in (slice(0, 1), slice(1, 4))
    ]
    for all_, *some in zip(whole, *parts, strict=True):
        assert torch.allclose(all_, sum(some))


def test_labels_are_what_decoupled_kd_takes_for_the_target():
    student, teacher = pair()
    targets = torch.eye(7, dtype=torch.float64)[[0, 3, 2, 1]]
    numbers = {"alpha": 1.0, "temperature": 4.0, "loss": "decoupled_kd"}
    loss, _, _ = distillation_loss(student, teacher, targets, labels=LABELS, **numbers)
    assert torch.allclose(loss, decoupled_kd(student, teacher, LABELS, 4.0))
    by_target, _, _ = distillation_loss(student, teacher, targets, **numbers)
    given = targets.argmax(1)
    assert torch.allclose(by_target, decoupled_kd(student, teacher, given, 4.0))


def test_the_loss_that_lesson_07_shows_is_the_one_that_training_calls(monkeypatch):
    shown = run_cells("07_distill_ucf101")["distillation_loss"]
    assert shown is objective.distillation_loss is distillation_loss
    seen = []

    def listening(*args, **numbers):
        seen.append(shown(*args, **numbers))
        return seen[-1]

    monkeypatch.setattr(objective, "distillation_loss", listening)
    networks = [create_model(f"vfl_net_lab_{n}", 3) for n in ("student", "teacher")]
    recipe = Recipe(optim=OptimRecipe(batch_size=2, micro_batch=2))
    nowhere = dict(run_dir=Path("."), name="step", teacher=networks[1].eval())
    config = TrainConfig(recipe, recipe.optim, num_classes=3, seed=0, **nowhere)
    ask = objective.Objective(config)
    batch = {"clip": torch.randn(2, 2, 3, 16, 16), "label": torch.tensor([0, 2])}
    batch["index"] = torch.arange(2)
    micro = objective.MicroBatch(0, 0, 0, (0, 1))
    found = ask(networks[0], micro, batch, 2, torch.no_grad())
    assert len(seen) == 1
    assert all(
        ours is theirs for ours, theirs in zip(found.values(), seen[0], strict=True)
    )
