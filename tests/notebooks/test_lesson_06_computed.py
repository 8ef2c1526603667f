"""What lesson 06 says and its cells do not print: computed again here."""

from math import log

import pytest
import torch

from dvfl_lib.distillation import kd_loss, random_head
from dvfl_lib.lessons import trained_network
from dvfl_lib.lessons.distilling import (
    answers_to_drawn_clips,
    mean_softmax,
    profile_correlation,
)
from lesson_code import Outputs, run_cells

NAME = "06_knowledge_distillation"
WORDS = Outputs(NAME).words


def space_of_bumps() -> dict:
    """The lesson's functions of section 4, with the two bumps of its teacher."""
    space = run_cells(NAME, "bump", "fit")
    x = torch.linspace(-8, 8, 65, dtype=torch.float64)
    space["x"] = x
    space["two_bumps"] = 0.6 * space["bump"](-3, 1.0) + 0.4 * space["bump"](3, 0.8)
    return space


def networks(*names: str) -> dict:
    return {name: trained_network(name)[0] for name in names}


@pytest.fixture(scope="module")
def answered():
    classes = trained_network("teacher")[1]["classes"]
    return answers_to_drawn_clips(networks("teacher", "student", "baseline"), classes)


def test_on_the_left_bump_the_student_is_the_teacher_over_its_share():
    """Reverse KL's loss is ln(1/0.6) because q/p is 1/0.6 where the student is."""
    space = space_of_bumps()
    x = space["x"]
    q, loss = space["fit"]("reverse_kl", -3)
    ratio = (q / space["two_bumps"])[(x > -5.5) & (x < -0.5)]
    assert torch.allclose(ratio, torch.full_like(ratio, 1 / 0.6), rtol=0.1)
    assert loss == pytest.approx(log(1 / 0.6), abs=0.005)


def test_at_the_mean_the_two_clips_pull_a_student_equally_hard():
    """The gradient is zero for one answer to both clips, not for each by itself."""
    opinions = torch.tensor([[0.6, 0.399, 0.001], [0.001, 0.399, 0.6]])
    means = opinions.mean(dim=0), opinions.log().mean(dim=0).softmax(dim=0)
    for name, mean in zip(("forward_kl", "reverse_kl"), means, strict=True):
        student = mean.log().repeat(2, 1).requires_grad_()
        kd_loss(name, student, opinions.log(), None, 1.0).sum().backward()
        # both clips' gradients together: the student has one answer for both
        assert student.grad.sum(dim=0).abs().max() < 1e-5
        assert student.grad.abs().max() > 0.1


@pytest.mark.nightly
def test_student_and_teacher_largely_agree(answered):
    baseline, teacher = (answered.logits[n] for n in ("baseline", "teacher"))
    middle = [z - z.mean(dim=1, keepdim=True) for z in (baseline, teacher)]
    assert torch.cosine_similarity(*(z.flatten() for z in middle), dim=0) > 0.9


@pytest.mark.nightly
def test_the_first_try_has_the_answer_that_stands_there():
    space = space_of_bumps()
    x = space["x"]
    ends = {}
    for name, start in (
        ("released_code", 0),
        ("reverse_kl", 0),
        ("reverse_kl", 1.5),
        ("reverse_kl", 2),
        ("reverse_kl", 3),
    ):
        q, _ = space["fit"](name, start)
        mean = (q * x).sum()
        width = (q * (x - mean) ** 2).sum().sqrt()
        ends[name, start] = (round(mean.item(), 1), width.item())
    released = ends["released_code", 0]
    assert released[0] == -3.0 and released[1] < 0.05
    reverse = [end for (name, _), (end, _) in ends.items() if name == "reverse_kl"]
    assert reverse == [-3, -3, 3, 3]
    assert "From a start of 1.5 the reverse fit still ends on the left; from 2" in WORDS


@pytest.mark.nightly
def test_the_second_try_has_the_answer_that_stands_there(answered):
    nearer = []
    for T in (1.0, 10.0):
        rows = {
            name: mean_softmax(logits, answered.labels, T)
            for name, logits in answered.logits.items()
        }
        student, baseline = (
            profile_correlation(rows[name], rows["teacher"])
            for name in ("student", "baseline")
        )
        nearer.append(int((student > baseline).sum()))
    assert nearer == [11, 12]
    assert "In 11 at $T=1$" in WORDS and "in all 12 at $T=10$" in WORDS


@pytest.mark.nightly
def test_the_third_try_has_the_answer_that_stands_there(answered):
    head = random_head(trained_network("teacher")[0], 0, 0).head
    with torch.no_grad():
        said = head(answered.features["teacher"])
    assert torch.equal(said.argmax(dim=1), (25 * said).argmax(dim=1))
    top = [(k * said / 10).softmax(dim=1).amax(dim=1).mean().item() for k in (1, 25)]
    true = (answered.logits["teacher"] / 10).softmax(dim=1).amax(dim=1).mean().item()
    assert [round(v, 2) for v in (*top, true)] == [0.08, 0.13, 0.12]
    assert "from a share of 0.08 to 0.13 on average" in WORDS
