"""What lesson 06 says of its pictures and numbers is what its cells printed."""

import re
from math import log

import pytest

from dvfl_lib.evaluation.metrics import mcnemar_p
from dvfl_lib.lessons import trained_network
from dvfl_lib.lessons.distilling import answers_to_drawn_clips
from lesson_code import Outputs, run_cells

NETWORKS = ("teacher", "student", "baseline")
NAME = "06_knowledge_distillation"
LESSON = Outputs(NAME)
cell, printed, WORDS = LESSON.cell, LESSON.printed, LESSON.words


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"[-+]?\d+(?:\.\d+)?", text)]


def lines(code: str) -> list[str]:
    return printed(code).strip().splitlines()


def words_of_figure(code: str) -> str:
    """The description of the figure that this cell shows."""
    (output,) = [o for o in cell(code)["outputs"] if "data" in o]
    return "".join(output["data"]["text/plain"])


def test_student_and_baseline_are_right_about_nearly_the_same_clips():
    *rows, only = (numbers(line) for line in lines("clips right"))
    assert [row[0] for row in rows] == [77, 77, 79] and sum(only) <= 6
    tops = [trained_network(n)[1]["test"]["top1"] for n in NETWORKS]
    assert [row[2] for row in rows] == [round(100 * top, 1) for top in tops]
    assert "right about nearly the same clips" in WORDS
    assert "labels alone taught the baseline 95.8 %" in WORDS


def test_only_the_opinion_tells_the_two_students_apart():
    a, b = (numbers(line) for line in lines("hard, soft = "))
    assert a[0] == b[0] and a[1] < b[1]
    one, two, itself = (numbers(line) for line in lines("the teacher itself: "))
    assert one[0] == one[1] < two[0] == two[1] and itself == [0]
    ours, library, *_ = lines("in two steps")
    assert numbers(ours) == numbers(library) == one[:1]
    assert printed("in two steps").count("-inf") == 1
    autograd, formula = (numbers(line) for line in lines("by autograd"))
    assert autograd == formula


def test_each_value_of_kl_div_can_be_told_from_the_others():
    right, summed, mean, swapped, forgotten, other = (
        float(line.split()[-1]) for line in lines("in calls.items()")
    )
    shown = numbers(printed('print("by size:"'))
    assert shown == sorted([right, summed, mean, swapped, forgotten])
    assert right == numbers(lines("in two steps")[0])[0] == 0.0493
    assert summed == pytest.approx(2 * right, abs=2e-4)
    assert mean == pytest.approx(right / 3, abs=1e-4)
    assert swapped == other != right and forgotten < 0
    for value in shown[1:]:
        assert f"- {value}" in WORDS
    assert "- −1.278: the logarithm is forgotten" in WORDS


def test_the_loss_written_is_the_library_s():
    same, mean = lines('kd_loss("forward_kl", baseline')
    assert same == "kd_loss: (84,) the same: True"
    ours, library = numbers(mean)
    assert ours == library
    assert printed("T (q - p) is the gradient") == "T (q - p) is the gradient: True\n"
    ours, library = numbers(printed("found, _, _ = distillation_loss"))
    assert ours == library


def test_a_teacher_that_learns_forgets():
    stands, learns = (numbers(line) for line in lines("the teacher stands:"))
    assert stands == [0, 52, 52] and learns[0] == 0
    assert learns[1] == learns[2] and 9 < learns[1] < 20
    assert "the teacher forgot most of what it knew" in WORDS


def test_a_temperature_blurs_how_sure_the_teacher_was():
    shares = re.findall(r"with (\d+) %", words_of_figure("(1, 2, 4, 10, 20)}"))
    assert shares == sorted(shares, key=int, reverse=True) and int(shares[0]) > 50
    spread = run_cells(NAME, "spread")["spread"]
    one = {"teacher": trained_network("teacher")[0]}
    answers = answers_to_drawn_clips(one, ("Rising", "Approaching"))
    sure, unsure = answers.logits["teacher"][::7]
    assert 1 < spread(sure, 1) < 2 and 2.5 < spread(unsure, 1) < 3
    for T in (8, 16, 32):
        assert spread(sure, T) == pytest.approx(spread(unsure, T), abs=0.05)


def test_forward_covers_and_reverse_seeks():
    rows = {
        line[:32].strip(): numbers(line[32:]) for line in lines("told_of(two_bumps)")
    }
    teacher, forward = rows["teacher"], rows["forward KL"]
    assert forward[:2] == teacher[:2]
    left, right = (rows[f"reverse KL, from the {side}"] for side in ("left", "right"))
    assert left[0] == -3 and right[0] == 3
    assert left[3] == pytest.approx(-log(0.6), abs=0.005) == 0.51
    assert right[3] == pytest.approx(-log(0.4), abs=0.01) == 0.91
    covers = rows["Jensen-Shannon, from the middle"]
    stays = rows["Jensen-Shannon, from the left"]
    assert covers[0] == pytest.approx(-0.6, abs=0.2) and covers[1] > 2.5
    assert stays[0] == pytest.approx(-3, abs=0.02) and stays[1] < 1.1
    assert (stays[3], covers[3]) == (0.16, 0.15)
    assert "at a loss hardly worse (0.16 against 0.15)" in WORDS
    assert forward[2] == pytest.approx(25, abs=3) and teacher[2] < 3
    assert "a quarter of its belief between the bumps" in WORDS


def test_one_answer_for_two_clips_is_a_mean_or_a_geometric_mean():
    """Not where it started: each divergence has one best answer."""
    for line, said in zip(
        lines("two.log().mean(dim=0)"),
        ("Forward makes (0.30, 0.40, 0.30)", "reverse (0.05, 0.89, 0.05)"),
        strict=True,
    ):
        found = numbers(line)
        one, other, mean = found[:3], found[3:6], found[6:]
        assert one == other == mean == numbers(said), line
        assert said in WORDS


def test_the_factor_keeps_the_length_of_the_gradient():
    *rows, limit = (numbers(line) for line in lines("limit    with T^2"))
    # T, the 2 of T^2, with, without
    assert all(row[2] == pytest.approx(limit[1], rel=0.06) for row in rows[2:])
    assert rows[0][3] / rows[-1][3] > 1000
    for T, _, with_factor, without in rows:
        assert without == pytest.approx(with_factor / T**2, abs=5e-4)


def test_decoupled_kd_and_squared_error_are_the_library_s():
    parts, eight, squared, *library = (
        numbers(line.split(":")[1]) for line in lines("weight 1 - p_t:")
    )
    assert parts[0] == parts[1] and library == [eight, squared]


def test_on_the_triangle_all_but_one_rest_at_the_teacher():
    rows = {line[:17].strip(): numbers(line[17:]) for line in lines("sure and wrong")}
    assert len(rows) == 6
    assert [name for name, (rest, _) in rows.items() if rest] == ["released formula"]
    corner = {name: value for name, (_, value) in rows.items()}
    assert corner["forward KL"] > 1
    for name in ("reverse KL", "Jensen-Shannon", "released formula"):
        assert corner[name] < 0.03
    assert min(corner["squared error"], corner["decoupled KD"]) > 5


def test_the_reverse_gradient_has_the_factor():
    forward, reverse = (
        numbers(line) for line in lines('("reverse", reverse_gradient)')
    )
    assert max(map(abs, reverse)) < 0.02 < 0.3 < min(map(abs, forward))


def test_the_gradients_are_as_written():
    for code in ('named("reverse_kl"), baseline', 'named("released_code"), baseline'):
        assert lines(code)[0] == "as written: True"
    forward, released = lines('named("released_code"), baseline')[1:]
    assert forward.startswith("forward") and numbers(forward) == [0]
    assert released.startswith("released") and numbers(released)[0] > 0.01


def test_the_released_formula_ends_at_one_class():
    told = words_of_figure('ends["student, released formula"]')
    assert "released formula: most likely Approaching with 100 %" in told
    teacher, student = re.findall(r"Approaching with (\d+) %", told)[:2]
    assert teacher == student


def test_its_gradient_is_as_small_as_derived():
    rows = [numbers(line) for line in lines("for K in (12, 101, 400)")]
    for classes, measured, derived in rows:
        assert derived == pytest.approx(100 / (classes * 2**0.5), abs=0.006)
        assert measured == pytest.approx(derived, rel=0.03)


def test_a_random_head_knows_nothing():
    true, many, spread = (numbers(line) for line in lines("random heads"))
    assert true[0] > 85
    assert many[:2] == [100, pytest.approx(100 / 12, abs=1)]
    assert 20 < spread[0] / spread[1] < 30


def test_what_arrives_of_the_teacher():
    rows = {line[:25].strip(): numbers(line[25:]) for line in lines("learners = {")}
    (start, trained), random = list(rows.values())[:2], list(rows.values())[2:]
    assert [round(v) for v in (start[0], trained[0])] == [20, 15]
    assert [round(v) for v in (start[1], trained[1])] == [2, 4]
    assert start[1] == pytest.approx(start[0] / 12, abs=6e-3)
    assert round(random[1][0]) == 43 and random[0][0] < 1
    assert max(random[0][1], random[1][1]) < 0.2
    for words in ("15 to 20 % of their length", "has 2 to 4 %", "(43 %)"):
        assert words in WORDS


def test_the_text_gives_the_published_numbers_as_they_are():
    told = "82.7 and 71.6 % on HMDB51, 86.6 and 81.4 % on UCF50, 88.4 and 82.5 % on"
    assert "0.1 with distillation, 0.2 without" in WORDS
    assert told in WORDS and "we cannot know what these numbers were computed" in WORDS


def test_the_student_took_over_its_teachers_doubts():
    student, baseline, count = (numbers(line) for line in lines("nearer = ("))
    assert student[0] > 0.95 > baseline[0] + 0.03 and student[1] > baseline[1]
    assert count == [12, 12]
    *rows, count = (numbers(line) for line in lines("library = nckd("))
    assert all(ours == library for ours, library in rows) and count == [83, 84]
    same, only = (numbers(line) for line in lines("comb(sum(only), k)"))
    assert same == [78, 71] and only == [9, 2, 0.07]
    assert mcnemar_p(9, 2) == pytest.approx(0.065, abs=0.001)
    teacher, student, baseline = (numbers(t) for t in lines("gives the other one"))
    for taught, learnt, alone in zip(teacher, student, baseline, strict=True):
        assert taught > learnt and 2.5 < learnt / alone < 3.2


def test_features_can_be_matched():
    start, end = (numbers(line) for line in lines("matching_loss(["))
    assert start == [1] and end[0] == 100 and end[1] == end[2] < 0.1
