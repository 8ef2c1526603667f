"""What lesson 06 says of its pictures and numbers is what its cells printed."""

import re
from math import acos, degrees, log

import pytest

from dvfl_lib.lessons import trained_network
from dvfl_lib.lessons.distilling import answers_to_drawn_clips
from lesson_code import Outputs, run_cells

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


def test_the_three_networks_are_about_equally_good():
    right = [numbers(line)[0] for line in lines("clips right")]
    assert len(right) == 3 and max(right) - min(right) <= 2
    assert "On these 84 clips they are about equally good" in WORDS


def test_only_the_opinion_tells_the_two_students_apart():
    a, b = (numbers(line) for line in lines("hard, soft = "))
    assert a[0] == b[0] and a[1] < b[1]
    one, two, itself = (numbers(line) for line in lines("the teacher itself: "))
    assert one[0] == one[1] < two[0] == two[1] and itself == [0]
    assert numbers(printed("in the library: {forward"))[0] == one[0]
    autograd, formula = (numbers(line) for line in lines("by autograd"))
    assert autograd == formula


def test_of_the_calls_of_kl_div_only_the_first_is_ours():
    right, summed, mean, swapped, forgotten = (
        float(line.split()[-1]) for line in lines("in calls.items()")
    )
    assert right == pytest.approx(numbers(printed("in the library: {forward"))[0])
    assert summed == pytest.approx(2 * right, abs=2e-4)
    assert mean == pytest.approx(right / 3, abs=1e-4)
    assert swapped > 0 and swapped != right and forgotten < 0


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
        line[:32].strip(): numbers(line[32:])
        for line in lines("mean_and_width(two_bumps)")
    }
    teacher, forward = rows["teacher"], rows["forward KL"]
    assert forward[:2] == teacher
    left, right = (rows[f"reverse KL, from the {side}"] for side in ("left", "right"))
    assert left[0] == -3 and right[0] == 3
    assert left[2] == pytest.approx(-log(0.6), abs=0.005) == 0.51
    assert right[2] == pytest.approx(-log(0.4), abs=0.01) == 0.91
    covers = rows["Jensen-Shannon, from the middle"]
    stays = rows["Jensen-Shannon, from the left"]
    assert covers[0] == pytest.approx(-0.6, abs=0.2) and covers[1] > 2.5
    assert stays[0] == pytest.approx(-3, abs=0.02) and stays[1] < 1.1
    assert (stays[2], covers[2]) == (0.16, 0.15)
    assert "at a loss hardly worse (0.16 against 0.15)" in WORDS
    teacher_between, between = numbers(printed("valley = "))
    assert between == pytest.approx(25, abs=3) and teacher_between < 3


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


def test_on_the_triangle_all_but_one_rest_at_the_teacher():
    rows = {line[:17].strip(): numbers(line[17:]) for line in lines("sure and wrong")}
    assert len(rows) == 6
    assert [name for name, (rest, _) in rows.items() if rest] == ["released formula"]
    corner = {name: value for name, (_, value) in rows.items()}
    assert corner["forward KL"] > 1
    for name in ("reverse KL", "Jensen-Shannon", "released formula"):
        assert corner[name] < 0.03
    assert min(corner["squared error"], corner["decoupled KD"]) > 5


def test_the_released_formula_is_what_was_derived():
    (by_hand, _, forgotten), (library,) = (
        numbers(line) for line in lines("by_hand:.2f")
    )
    assert by_hand == forgotten == library < 0
    assert "gradient as derived: True" in printed("gradient as derived")
    forward, released = (numbers(line)[0] for line in lines("for an equal student:"))
    assert forward == 0 < released
    told = words_of_figure('ends["student, released formula"]')
    assert "released formula: most likely Approaching with 100 %" in told
    teacher, student = re.findall(r"Approaching with (\d+) %", told)[:2]
    assert teacher == student


def test_its_gradient_is_as_small_as_derived():
    *rows, value = lines("ratio = released")
    for row in rows:
        classes, measured, derived = (numbers(row)[k] for k in (0, 1, -1))
        assert derived == pytest.approx(100 / (classes * 2**0.5), abs=0.006)
        assert measured == pytest.approx(derived, rel=0.03)
    assert "With 101 classes, as UCF101 has, and *independent* logits, 0.7 %" in WORDS
    assert numbers(rows[2])[:2] == [101, 0.71]
    assert value.endswith("-462") and "The loss reads −462 there" in WORDS


def shares(code: str) -> dict[str, tuple[float, float]]:
    found = {}
    for line in lines(code):
        share, cosine = numbers(line)
        found[line[:31].strip()] = (share, cosine)
    assert len(found) == 4
    return found


def test_what_is_left_in_the_total_loss():
    found = shares("shares(logits, teacher, name)")
    forward = [v for name, (v, _) in found.items() if "forward KL" in name]
    assert [round(v) for v in sorted(forward)] == [15, 20]
    released = [pair for name, pair in found.items() if "released" in name]
    assert [share for share, _ in released] == [1.65, 4.08]
    assert all(cosine >= 0.999 for _, cosine in released)
    assert found["at the start  released formula"][0] == pytest.approx(
        19.74 / 12, abs=6e-3
    )
    for words in ("15 to 20 %", "1.65 % at the start and 4.08 % in the end"):
        assert words in WORDS
    ratio = 4.08 / found["trained       forward KL"][0]
    assert round(100 * ratio) == 27 and "the ratio is 27 %, not 5.9 %" in WORDS
    twelve = lines("ratio = released")[0]
    assert numbers(twelve)[:2] == [12, 5.9]


def test_a_cosine_near_one_can_be_an_angle_of_nine_degrees():
    found = shares("shares(logits, teacher, name)")
    cosines = [
        found[f"trained       {n}"][1] for n in ("forward KL", "released formula")
    ]
    assert [round(c, 3) for c in cosines] == [0.988, 0.999] and cosines[1] == 0.9992
    assert [round(degrees(acos(c))) for c in cosines] == [9, 2]
    assert "0.988 is 9 degrees, 0.9992 is 2" in WORDS


def test_a_random_head_knows_nothing_and_two_agree_by_chance():
    true, *ranks, many, same, single = lines("100 heads: ")
    assert numbers(true)[0] > 85
    chance = 100 / 12
    low = [numbers(line)[1] for line in ranks]
    assert all(abs(value - chance) < 3 for value in low[:2]) and 10 < low[2] < 20
    assert numbers(many)[1] == pytest.approx(chance, abs=1)
    agreement, pairs = numbers(same)
    assert agreement == pytest.approx(chance, abs=0.5) and pairs == 100 * 99 / 2
    lowest, highest = numbers(single)
    assert lowest == 0 and highest > 40
    assert "Two heads agree about as often as by chance" in WORDS
    spread_true, spread_random = numbers(printed("spread of the logits"))
    assert 20 < spread_true / spread_random < 30
    found = shares("shares(logits, said[0], name)")
    start = [v for name, (v, _) in found.items() if "start" in name]
    assert max(start) < 1
    later = {name: v for name, (v, _) in found.items() if "trained" in name}
    assert round(later["trained       forward KL"]) == 43 and "43 %" in WORDS
    assert later["trained       released formula"] < 0.2


def test_the_text_gives_the_published_numbers_as_they_are():
    told = "82.7 and 71.6 % on HMDB51, 86.6 and 81.4 % on UCF50, 88.4 and 82.5 % on"
    assert "0.1 with distillation, 0.2 without" in WORDS
    assert told in WORDS and "we cannot know what these numbers were computed" in WORDS


def test_doubts_are_about_relatives_for_all_three():
    *rows, lot = (numbers(line)[0] for line in lines("def second_thought"))
    assert min(rows) > 75 and max(rows) - min(rows) <= 2 and lot == 45
    assert round(lot * 11 / 100) == 5 and "Five of the eleven wrong classes" in WORDS


def test_the_student_took_over_its_teachers_doubts():
    student, baseline, count = (numbers(line) for line in lines("nearer = ("))
    assert student[0] > 0.95 > baseline[0] + 0.03 and student[1] > baseline[1]
    assert count == [12, 12]
    count, interval = lines("wilson_interval(count")
    assert numbers(count) == [83, 84] and numbers(interval) == [95, 0.94, 1.0]
    within = [numbers(line)[0] for line in lines("correlation within classes")]
    assert within[0] > within[1] + 0.2
    same, only, test = (numbers(line) for line in lines("mcnemar_p(*only)"))
    assert same[0] > same[1] and only == [9, 2] and test == [0.07]
    teacher, student, baseline = (numbers(t) for t in lines("gives the other one"))
    for taught, learnt, alone in zip(teacher, student, baseline, strict=True):
        assert taught > learnt and 2.5 < learnt / alone < 3.2


def test_the_accuracies_are_those_of_the_manifest():
    tops = {n: trained_network(n)[1]["test"]["top1"] for n in ("student", "baseline")}
    tops["teacher"] = trained_network("teacher")[1]["test"]["top1"]
    told = [f"{100 * tops[n]:.1f} %" for n in ("student", "baseline", "teacher")]
    student, baseline, teacher = told
    assert (
        f"baseline, {student} against {baseline}, with a teacher of {teacher}" in WORDS
    )
    assert tops["baseline"] == max(tops.values()) > tops["student"] > tops["teacher"]
    rounded = {n: f"{100 * top:.1f}" for n, top in tops.items()}
    assert (
        "baseline {baseline}, student {student}, teacher {teacher} %".format(**rounded)
        in WORDS
    )


def test_modulators_can_be_matched():
    ends = [float(line.split()[-1]) for line in lines("(offered, signals)")]
    assert ends == [0, 1]
    losses = [float(line.split()[-1]) for line in lines("MatchedStudent(pupil")]
    assert losses == sorted(losses, reverse=True) and losses[0] > 1 > 2 * losses[-1]


def test_three_stages_give_six_signals():
    assert len(trained_network("teacher")[0].layers) == 3
    assert "step  0: 6 signals" in printed("MatchedStudent(pupil")
    assert "a spatial and a temporal modulator in each of three stages" in WORDS
