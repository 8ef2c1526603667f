"""What lesson 06 says and its cells do not print, and its Try, at its end."""

import re
from math import log

import pytest
import torch

from dvfl_lib.distillation import kd_loss, random_head
from dvfl_lib.lessons import trained_network
from lesson_code import Outputs, Played

NAME = "06_knowledge_distillation"
WORDS = Outputs(NAME).words


@pytest.fixture(scope="module")
def played():
    """The lesson after its last cell, where a reader comes to Try."""
    return Played(NAME)


def test_on_the_left_bump_the_student_is_the_teacher_over_its_share(played):
    """Reverse KL's loss is ln(1/0.6) because q/p is 1/0.6 where the student is."""
    space = played.space
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


def test_the_profiles_correlation_is_that_of_torch(played):
    space = played.space
    found = space["profile_correlation"](space["baseline"])
    rows = [space["mean_opinions"](space[n])[3] for n in ("baseline", "teacher")]
    wrong = torch.arange(len(rows[0])) != 3
    expected = torch.corrcoef(torch.stack([row[wrong] for row in rows]))[0, 1]
    assert found[3].item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_library_draws_heads_as_wide():
    head = random_head(trained_network("teacher")[0], 0, 0).head
    assert head.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_first_try_has_the_answer_that_stands_there(played):
    (code,) = re.findall(r"```python\n(def jensen_shannon.*?)```", WORDS, re.S)
    pair = "(baseline, teacher, 4.0)"
    played.run(f"{code}\nfound = jensen_shannon{pair}")
    pair = played.space["baseline"], played.space["teacher"]
    library = kd_loss("jensen_shannon", *pair, None, 4.0)
    assert torch.allclose(played.space["found"], library, atol=1e-5)


def test_the_second_try_has_the_answer_that_stands_there(played):
    told = played.run("print(told_of(fit('released_code', 0)[0]))")
    assert told.startswith("mean -3.00, width 0.0")
    starts = (0, 1.5, 2, 3)
    told = [played.run(f"print(told_of(fit('reverse_kl', {n})[0]))") for n in starts]
    assert [line[:8] for line in told] == 2 * ["mean -3."] + 2 * ["mean +3."]
    assert "From a start of 1.5 the reverse fit still ends on the left; from 2" in WORDS


def test_the_third_try_has_the_answer_that_stands_there(played):
    for T, classes in ((1, 11), (10, 12)):
        change = ("profile_correlation(z)", f"profile_correlation(z, {T})")
        told = played.again("nearer = (", change)
        assert f"in {classes} of 12 classes" in told
    assert "In 11 at $T=1$" in WORDS and "in all 12 at $T=10$" in WORDS


def test_the_fourth_try_has_the_answer_that_stands_there(played):
    said, teacher = played.space["said"][0], played.space["teacher"]
    assert torch.equal(said.argmax(dim=1), (25 * said).argmax(dim=1))
    assert (25 * said).std() == pytest.approx(teacher.std().item(), rel=0.1)
    top = [(k * said / 10).softmax(dim=1).amax(dim=1).mean().item() for k in (1, 25)]
    true = (teacher / 10).softmax(dim=1).amax(dim=1).mean().item()
    assert f"from a share of {top[0]:.2f} to {top[1]:.2f} on average" in WORDS
    assert top[1] == pytest.approx(true, abs=0.02)
