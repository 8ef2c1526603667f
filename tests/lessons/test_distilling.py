"""What lesson 06 measures: gradients on the triangle, profiles of wrong classes."""

import pytest
import torch

from dvfl_lib.distillation import KD_LOSSES
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.lessons.distilling import (
    answers_to_drawn_clips,
    likeness_within_classes,
    loss_gradient,
    mean_softmax,
    profile_correlation,
    simplex_field,
)
from dvfl_lib.video.transforms import normalise

TEACHER = (0.55, 0.35, 0.10)


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_networks_are_asked_about_the_clips_that_are_drawn():
    student, story = trained_network("student")
    found = answers_to_drawn_clips({"student": student}, story["classes"][:2])
    assert found.labels.tolist() == [0] * 7 + [1] * 7
    one = lesson_clip(story["classes"][1], group=5)
    with torch.no_grad():
        expected = student(normalise(one)[None])[0]
        heads = student.head(found.features["student"])
    assert torch.allclose(found.logits["student"][11], expected, atol=1e-5)
    assert torch.allclose(found.logits["student"], heads, atol=1e-5)
    assert not found.logits["student"].requires_grad


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_gradient_is_that_of_each_clip_alone(temperature):
    student, teacher = logits(5, 4, seed=1), logits(5, 4, seed=2)
    found = loss_gradient("forward_kl", student, teacher, temperature)
    p, q = ((x / temperature).softmax(dim=1) for x in (teacher, student))
    assert torch.allclose(found, temperature * (q - p))
    assert not student.requires_grad
    with torch.no_grad():  # lessons switch gradients off
        again = loss_gradient("forward_kl", student, teacher, temperature)
    assert torch.equal(found, again)


@pytest.mark.parametrize("name", KD_LOSSES)
def test_moves_are_what_a_small_step_of_the_logits_does(name):
    field = simplex_field(name, TEACHER)
    q, p = field.points, torch.tensor(TEACHER, dtype=torch.float64)
    assert torch.allclose(q.sum(dim=1), torch.ones(len(q), dtype=torch.float64))
    assert len(q) == 946 == len(q.unique(dim=0)) and q.min() > 0
    student = q.log() - q.log().mean(dim=1, keepdim=True)
    target = (p.log() - p.log().mean()).expand_as(q)
    gradient = loss_gradient(name, student, target, 1.0)
    assert torch.allclose(field.sizes, gradient.norm(dim=1))
    step = 1e-6
    moved = ((student - step * gradient).softmax(dim=1) - q) / step
    assert torch.allclose(field.moves, moved, atol=1e-4)


@pytest.mark.parametrize("name", [n for n in KD_LOSSES if n != "released_code"])
def test_every_loss_but_the_released_one_leads_to_the_teacher(name):
    field = simplex_field(name, TEACHER)
    way = torch.tensor(TEACHER, dtype=torch.float64) - field.points
    nearest = way.norm(dim=1).argmin()
    assert field.sizes[nearest] < 0.15 * field.sizes.max()
    # Gradients can bend, but from most points the first step comes nearer.
    assert ((field.moves * way).sum(dim=1) > 0).double().mean() > 0.8


def test_the_released_formula_leads_to_the_corner_of_the_favourite():
    field = simplex_field("released_code", TEACHER)
    teacher = torch.tensor(TEACHER, dtype=torch.float64)
    nearest = (teacher - field.points).norm(dim=1).argmin()
    assert field.moves[nearest][0] > 0.01
    assert (field.moves @ teacher > 0).all()  # <p, q> grows everywhere
    assert field.sizes[nearest] > 0.3 * field.sizes.max()


def test_mean_softmax_are_rows_of_probabilities():
    answers, labels = logits(6, 3), torch.tensor([0, 0, 1, 2, 2, 2])
    rows = mean_softmax(answers, labels, 4.0)
    assert torch.allclose(rows[1], (answers[2] / 4).softmax(dim=0))
    assert torch.allclose(rows[0], (answers[:2] / 4).softmax(dim=1).mean(dim=0))


def test_profiles_are_compared_without_the_true_class():
    first = logits(5, 5, seed=1)
    same = 2 * first + 1
    same.fill_diagonal_(-100.0)
    assert profile_correlation(first, same).tolist() == pytest.approx([1.0] * 5)
    other = logits(5, 5, seed=2)
    found = profile_correlation(first, other)
    rest = torch.tensor([1, 2, 3, 4])
    expected = torch.corrcoef(torch.stack((first[0][rest], other[0][rest])))[0, 1]
    assert found[0].item() == pytest.approx(expected.item())


def test_likeness_within_classes_does_not_see_what_classes_share():
    labels = torch.arange(4).repeat_interleave(30)
    shared = 20 * logits(4, 4, seed=3)[labels]  # large, and the same in a class
    first, second = (shared + logits(120, 4, seed=n) for n in (4, 5))
    assert abs(likeness_within_classes(first, second, labels, 50.0)) < 0.2
    near = first + 0.1 * logits(120, 4, seed=6)
    assert likeness_within_classes(first, near, labels, 50.0) > 0.95
