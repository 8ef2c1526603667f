"""What lesson 07 says of its run is what its cells printed; its step is the library's.

That the whole step trains as the library does, tests/end_to_end/test_whole_run.py sees.
"""

import json
import re

import pytest
import torch

from dvfl_lib.distillation import distillation_loss
from dvfl_lib.environment import project_root
from lesson_code import Outputs, run_cells

NAME = "07_distill_ucf101"
LESSON = Outputs(NAME)
printed, WORDS = LESSON.printed, LESSON.words


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)]


@pytest.mark.parametrize("known", [[True, False, True], [False] * 3, [True] * 3])
def test_the_loss_of_the_lesson_is_that_of_the_library(known):
    space = run_cells(NAME, "softened_kl", "labels_part")
    generator = torch.Generator().manual_seed(3)
    student, teacher = torch.randn(2, 3, 5, generator=generator)
    label, known = torch.tensor([4, 0, 2]), torch.tensor(known)
    kl = space["softened_kl"](student, teacher, 4.0).mean()
    ce = space["labels_part"](student, label, known, 0.1)
    target = torch.nn.functional.one_hot(label, 5) * 0.9 + 0.1 / 5
    given = {"alpha": 0.3, "temperature": 4.0, "labelled": known}
    loss, *parts = distillation_loss(student, teacher, target, **given)
    assert torch.allclose(0.3 * kl + 0.7 * ce, loss)
    assert torch.allclose(torch.stack([ce, kl]), torch.stack(parts))


def test_the_worked_loss_is_the_librarys():
    one, other = printed("labels_part(student_says").splitlines()
    a, kl, b, ce, total = numbers(one)
    assert a * kl + b * ce == pytest.approx(total, abs=1e-4)
    assert numbers(other) == [total]
    mean, library = printed("softened_kl(student_says").splitlines()
    assert numbers(mean)[-1] == numbers(library)[-1] == kl


def test_the_epoch_by_hand_is_that_of_the_log():
    lines = printed("by hand {mean").splitlines()
    assert [line.split()[0] for line in lines] == ["loss", "ce", "kd"]
    for line in lines:
        ours, library = numbers(line)
        assert ours == library


def test_the_students_differ_in_the_loss_alone():
    *weights, _, differ = printed("These differ:").splitlines()
    assert len({line.split()[-1] for line in weights}) == 1
    assert {n.partition(".")[0] for n in differ.split(", ")} == {
        "distil",
        "teacher weights",
    }
    assert "differs in ['distil.loss']" in printed("with_control = ")


def test_it_says_how_many_labels_were_used():
    told = printed("labels: of a class")
    assert "768 clips" in told and "96 clips" in told
    assert "120 labels: of a class {10}" in told
    for words in ("from 768 labels, the students from 120", "96 held-out clips have"):
        assert words in WORDS


def test_the_control_came_out_as_told():
    tops, with_labels, against = printed("hard_run.evaluate").splitlines()
    hard, soft = (float(n) for n in re.findall(r"([\d.]+) %", tops))
    assert f"{hard} and {soft} %" in WORDS
    assert "more than noise" in with_labels and "not distinguishable" in against
    told = re.search(r"(\d+) were right with labels alone and (\d+) with", WORDS)
    right = re.search(r"(\d+) right by soft opinions alone, (\d+) by hard", against)
    assert told.groups() == right.groups()[::-1]
    p = re.search(r"p = ([\d.]+)\)", against)[1]
    assert f"$p={p}$" in WORDS
    right, of = numbers(printed("torch.cat(found)"))
    assert 0.85 < right / of < 0.95 and "nine labels of ten are right" in WORDS


def test_the_classes_on_which_it_is_behind_are_told():
    lines = printed("most often taken for").splitlines()
    heads = [line.partition(",")[0] for line in lines if not line.startswith(" ")]
    assert heads == ["Shrinking", "Swelling"] and "On two of twelve" in WORDS
    (_, *shrinking), (_, *swelling) = lines[:4], lines[4:]
    rows = [numbers(line.partition("right")[0])[0] for line in swelling]
    said = [numbers(line.partition("said")[2])[0] for line in swelling]
    assert f"{rows[2]:.0f} right against {rows[1]:.0f}" in WORDS
    assert f'says "Swelling" {said[1]:.0f} times' in WORDS
    assert f"says it {said[2]:.0f} times, {rows[2]:.0f} times rightly" in WORDS
    rows = [numbers(line.partition("right")[0])[0] for line in shrinking]
    assert f"*Shrinking*: {rows[2]:.0f} against {rows[1]:.0f}" in WORDS
    assert all("taken for Receding" in line for line in shrinking)
    taken = [numbers(line)[-1] for line in shrinking]
    told = f"takes {taken[2]:.0f} for Receding; but so do the teacher with "
    assert told + f"{taken[0]:.0f} and the baseline with {taken[1]:.0f}" in WORDS


def test_the_answer_to_the_second_try_is_in_the_stored_runs():
    file = project_root() / "benchmarks" / "results" / "ablation.json"
    found = json.loads(file.read_text("utf-8"))["found"]
    gains = []
    for seed in range(3):
        alone, taught = (found[f"{n}_share_0.5_seed{seed}"] for n in ("labels", "kl"))
        gains.append(round(100 * (taught["top1"] - alone["top1"])))
    assert "gained {}, {} and {} points".format(*gains) in WORDS
