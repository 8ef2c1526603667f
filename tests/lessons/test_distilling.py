"""What lesson 06 measures: answers to drawn clips, gradients on the triangle."""

import pytest
import torch

from dvfl_lib.distillation import KD_LOSSES, kd_loss
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.lessons.distilling import answers_to_drawn_clips, simplex_field
from dvfl_lib.video.transforms import normalise

TEACHER = (0.55, 0.35, 0.10)


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


def named(name: str):
    return lambda student, teacher, T: kd_loss(name, student, teacher, None, T)


@pytest.mark.parametrize("name", KD_LOSSES)
def test_moves_are_what_a_small_step_of_the_logits_does(name):
    field = simplex_field(named(name), TEACHER)
    q, p = field.points, torch.tensor(TEACHER, dtype=torch.float64)
    assert torch.allclose(q.sum(dim=1), torch.ones(len(q), dtype=torch.float64))
    assert len(q) == 946 == len(q.unique(dim=0)) and q.min() > 0
    student = (q.log() - q.log().mean(dim=1, keepdim=True)).requires_grad_()
    target = (p.log() - p.log().mean()).expand_as(q)
    loss = kd_loss(name, student, target, None, 1.0).sum()
    (gradient,) = torch.autograd.grad(loss, student)
    assert torch.allclose(field.sizes, gradient.norm(dim=1))
    step = 1e-6
    moved = ((student - step * gradient).softmax(dim=1) - q) / step
    assert torch.allclose(field.moves, moved, atol=1e-4)


TO_A_CORNER = ("released_code", "hard_label")  # a student that names one class


@pytest.mark.parametrize("name", [n for n in KD_LOSSES if n not in TO_A_CORNER])
def test_every_loss_but_two_leads_to_the_teacher(name):
    field = simplex_field(named(name), TEACHER)
    way = torch.tensor(TEACHER, dtype=torch.float64) - field.points
    nearest = way.norm(dim=1).argmin()
    assert field.sizes[nearest] < 0.15 * field.sizes.max()
    # Gradients can bend, but from most points the first step comes nearer.
    assert ((field.moves * way).sum(dim=1) > 0).double().mean() > 0.8


def test_the_released_formula_leads_to_the_corner_of_the_favourite():
    field = simplex_field(named("released_code"), TEACHER)
    teacher = torch.tensor(TEACHER, dtype=torch.float64)
    nearest = (teacher - field.points).norm(dim=1).argmin()
    assert field.moves[nearest][0] > 0.01
    assert (field.moves @ teacher > 0).all()  # <p, q> grows everywhere
    assert field.sizes[nearest] > 0.3 * field.sizes.max()


def test_a_hard_label_leads_to_its_own_corner():
    field = simplex_field(named("hard_label"), TEACHER)
    assert (field.moves[:, 0] > 0).all()  # TEACHER's first class
