"""What lesson 09 writes is what the library has; what it says, the stored grid says."""

import re
from collections import Counter
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
import yaml
from scipy.stats import t, ttest_1samp, ttest_rel

from dvfl_lib.evaluation.comparison import compare_seeds, t_quantile
from dvfl_lib.lessons.ablation import stored_ablation
from dvfl_lib.lessons.ablation_grid import grid_for
from dvfl_lib.recipes import recipe_for
from lesson_code import Outputs, run_cells

NAME = "09_ablation_forward_kl"
LESSON = Outputs(NAME)
printed, WORDS = LESSON.printed, LESSON.words
STORED, ORIGIN = stored_ablation()
COUNTS = "none one two three four five six seven eight nine ten eleven".split()
WRITTEN = run_cells(NAME, "paired_interval", "p_value", "holm", "between", "say")
WRITTEN["stored"] = STORED


def said(sentence: str) -> bool:
    return sentence in WORDS


def told(study: str, reference: str = "") -> list[str]:
    """Settings of a study that are told apart from their reference."""
    varied = STORED.studies[study]
    varied = replace(varied, reference=reference or varied.reference)
    names = [setting.name for setting in varied.settings]
    compared = {n: STORED.compare(varied.reference_of(n), n) for n in names}
    return [name for name in names if compared[name].distinguishable]


def points(value: float) -> str:
    return f"{100 * value:.1f}"


def signed(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")


def mean(setting: str) -> float:
    return fmean(STORED.values(setting).values())


def _first_three() -> list[list[float]]:
    return [[STORED.values(n)[s] for s in (0, 1, 2)] for n in ("labels", "kl")]


def above(setting: str, other: str) -> list[bool]:
    """Seed by seed, whether the first has more right."""
    return [difference > 0 for difference in STORED.compare(other, setting).differences]


def interval(found) -> str:
    low, high = (f"{100 * value:+.1f}" for value in (found.low, found.high))
    return f"{100 * found.mean:+.1f} points ({low} to {high}), {found.n} seeds"


def test_what_is_written_is_what_the_library_has():
    numbers = np.random.default_rng(0).normal(0.1, 0.1, (4, 6))
    for differences in map(list, numbers):
        found = compare_seeds([0.0] * 6, differences)
        ours = WRITTEN["paired_interval"](differences)
        assert ours == pytest.approx((found.mean, found.low, found.high))
        p = ttest_1samp(differences, 0).pvalue
        assert WRITTEN["p_value"](differences) == pytest.approx(p)
        assert (p < 0.05) == found.distinguishable
    first, second = printed("found = compare_seeds(before").splitlines()
    assert first.partition(": ")[2] == second.partition(": ")[2]


def test_holm_counts_what_was_tried():
    """Against the definition: reject while p(k) <= 0.05 / (m - k)."""
    ps = {"a": 0.012, "b": 0.2, "c": 0.001, "d": 0.02, "e": 0.03}
    corrected = WRITTEN["holm"](ps)
    expected = {"c": 0.005, "a": 0.048, "d": 0.06, "e": 0.06, "b": 0.2}
    assert list(corrected) == list(expected)  # d, e: none below the one before
    assert corrected == pytest.approx(expected)
    assert WRITTEN["holm"]({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}
    assert "'teacher, baseline': 0.0036" in printed("def holm(")


def test_every_figure_says_which_seeds_and_shows_what_is_stored_now():
    for study in STORED.studies:
        outputs = LESSON.cell(f'show_study("{study}")')["outputs"]
        (output,) = [output for output in outputs if "data" in output]
        words = "".join(output["data"]["text/plain"])
        for row in STORED.rows(study):
            top1, n = fmean(row.values.values()), len(row.values)
            assert f"{row.label}: mean {100 * top1:.1f} % of {n} seeds" in words
            assert not row.versus or f"over {row.gain.n} seeds" in words
    assert STORED.standin and "stand-in: True" in printed("origin[")
    told = printed("origin[")
    assert all(commit in told for commit in ORIGIN["commits of the runs"])
    for made in (*ORIGIN["earlier"], ORIGIN):
        assert made["command"].removeprefix("python -m benchmarks.") in told


def test_all_is_scored_on_one_list():
    assert {run["videos"] for run in STORED.found.values()} == {336}
    assert said("the same 336 videos") and said("one video is 0.3 points")
    labels = {STORED.found[f"labels_seed{s}"]["labels"] for s in (0, 1, 2)}
    clips = {run["training_clips"] for run in STORED.found.values()}
    assert (labels, clips) == ({120}, {768}) and said("120 of 768")


def test_seeds_are_those_that_the_text_says():
    main = len(STORED.compare("labels", "kl").differences)
    assert main == max(map(len, map(STORED.values, ("labels", "kl", "reverse_kl"))))
    settings = {name.rpartition("_seed")[0] for name in STORED.found}
    counts = Counter(len(STORED.values(name)) for name in settings)
    assert counts[3] > len(settings) / 2 and said("Most settings have three seeds")
    assert said(f"{COUNTS[counts[main]]} have {COUNTS[main]}")
    assert said(f"{COUNTS[len(STORED.values('labels'))]} for 0, three for 0.1")
    right = f"{100 * (mean('alpha_0.1') - mean('labels')):.0f}"
    assert said(f"stands {right} points right of the bar of 0") and int(right) > 5
    assert said(
        f"yet the difference is {signed(STORED.compare('labels', 'alpha_0.1').mean)}."
    )


def test_two_seeds_hardly_suffice():
    assert t_quantile(1) / 2 == pytest.approx(6.4, abs=0.05)
    found = compare_seeds([0.0, 0.0], [0.20, 0.24])
    assert (round(100 * found.mean), round(100 * (found.high - found.mean))) == (22, 25)
    assert said("22 ± 25") and said("12.71 to 2.36")
    assert (f"{t_quantile(1):.2f}", f"{t_quantile(7):.2f}") == ("12.71", "2.36")
    assert (f"{t_quantile(2):.2f}", f"{t_quantile(4):.2f}") == ("4.30", "2.78")
    first = printed("steps < 1.96").splitlines()[0]
    assert "1.96 in 70%" in first and said("three of ten experiments")


def test_pairing_gains_what_is_shared():
    lines = printed("def luck(").splitlines()
    assert [re.findall(r"take (\d+) times", line) for line in lines] == [
        ["1"],
        ["2"],
        ["10"],
    ]
    rows = re.findall(r"r = ([-+.\d]+) of 3 seeds, ([-+.\d]+)", printed("corrcoef"))
    assert float(rows[1][0]) < 0 and all(float(last) > 0 for _, last in rows)
    assert rows[0] == ("+0.99", "+0.60") and said(
        "Of three seeds +0.99, of eight +0.60"
    )
    assert said("Watch the sign of reverse KL")


def test_more_weight_is_better_and_one_run_failed():
    assert "alpha_0.1" not in told("alpha") and "alpha_0.3" not in told("alpha")
    assert {"alpha_0.2", "kl", "alpha_0.7", "alpha_0.9"} <= set(told("alpha"))
    order = ["alpha_0.1", "alpha_0.2", "kl", "alpha_0.7", "alpha_0.9"]
    assert sorted(order, key=lambda n: STORED.compare("labels", n).mean) == order
    failed = STORED.compare("labels", "alpha_0.3")
    first, second, third = failed.differences
    assert min(first, second) >= 0.139 and round(100 * third) == -29
    assert (round(100 * failed.low), round(100 * failed.high)) == (-63, 63)
    assert said("the third *loses* 29") and said("from −63 to +63")


def test_neither_temperatures_nor_views_are_told_apart():
    assert told("temperature") == told("views") == told("temperature", "t_1") == []
    heats = [s.name for s in STORED.studies["temperature"].settings if s.name != "kl"]
    means = [STORED.compare("kl", name).mean for name in heats]
    assert said(f"between {signed(min(means))} and {signed(max(means))} points")
    names = ("views_1", "views_2", "views_4", "kl")
    means = [STORED.compare("views_0", name).mean for name in names]
    assert means == sorted(means, reverse=True) and max(means) < 0
    assert said(f"by {points(-means[-1])} points at eight")


def test_the_squared_error_pulls_about_twice_as_hard():
    pulls = [float(v) for v in re.findall(r"pull ([\d.]+)", printed("autograd.grad"))]
    assert pulls[0] / pulls[2] == pytest.approx(2, abs=0.05)
    assert 1.5 < pulls[0] / pulls[1] < 2.1 and said("twice as hard")


def test_the_rivals_stand_as_the_text_says():
    squared, reverse = (
        STORED.compare("kl", n) for n in ("squared_error", "reverse_kl")
    )
    assert "reverse_kl" not in told("loss") and "labels" in told("loss")
    failed = [100 * STORED.values("labels")[seed] for seed in (6, 7)]
    assert said(f"failed, at {failed[0]:.0f} and {failed[1]:.0f} %")
    wide, early = (STORED.compare("labels", "kl"), compare_seeds(*_first_three()))
    assert wide.high - wide.low > early.high - early.low
    assert set(told("loss")) <= {"labels", "squared_error"}
    ends = points(squared.low), points(squared.high)
    if squared.distinguishable:
        assert said(f"by {points(squared.mean)} points ({ends[0]} to {ends[1]})")
    else:
        assert all(above("squared_error", "kl"))
        assert said(f"by {points(squared.mean)} points, and still not told apart")
    lowest = min(STORED.values("reverse_kl").values())
    assert said(f"one of its seeds fell to {points(lowest)} %")
    assert interval(reverse) in printed('"reverse_kl", "squared_error"):\n    for n')
    pull = STORED.compare("alpha_0.7", "squared_error")
    assert said(f"({signed(pull.mean)} points over {COUNTS[pull.n]} seeds")
    assert not pull.distinguishable and pull.n == 3
    for name in ("decoupled_kd", "match_features"):
        assert all(above(name, "kl")) and len(above(name, "kl")) == 3
    assert not any(above("jensen_shannon", "kl"))
    low = STORED.values("kl")[1]
    assert low == min(STORED.values("kl").values()) and said(f"low, at {points(low)} %")


def test_nothing_of_the_teacher_is_seen_in_the_released_ways():
    assert told("released") == ["kl"]
    found = STORED.compare("labels", "released")
    up = sum(above("released", "labels"))
    assert said(f"{signed(found.mean)} points over {COUNTS[found.n]} seeds")
    assert said(f"{COUNTS[up]} up and {COUNTS[found.n - up]} down")
    assert said(f"interval {signed(found.low)} to {signed(found.high)}")
    assert not any(above("kl_random_head", "labels"))
    lowest = min(STORED.values("released_head").values())
    assert lowest < 0.1 and said("one of three seeds ended at guessing")


def test_drop_path_hurts_the_student_alone():
    student = recipe_for("demo").student
    assert (student.model, student.drop_path) == ("vfl_net_lab_student", 0.0)
    for rate in ("0.1", "0.2"):
        assert not any(above(f"labels_drop_{rate}", "labels"))
        assert f"labels_drop_{rate}" not in told("drop_path")
        assert abs(STORED.compare("kl", f"kl_drop_{rate}").mean) < 0.02
    assert round(100 * min(STORED.values("labels_drop_0.1").values())) == 11
    shown = printed("rates = ").splitlines()
    for line, (without, given) in zip(shown, ("11", "22", "21"), strict=True):
        pair = f"labels_drop_0.{without}", f"kl_drop_0.{given}"
        assert line.endswith(interval(STORED.compare(*pair)))
    one, two, mixed = (float(re.findall(r"\+(\d+\.\d) points", li)[0]) for li in shown)
    assert said(f"{one} points at 0.1 and {two} at 0.2")
    assert said(f"0.1 against 0.2, gives {mixed}")


def test_no_teacher_is_told_from_the_next():
    steps = [("kl_teacher_8", "kl_teacher_12"), ("kl_teacher_12", "kl")]
    shown = printed('("teacher_8", "teacher_12", "teacher")')
    for one, other in steps:
        found = STORED.compare(one, other)
        assert found.mean > 0 and not found.distinguishable
        assert interval(found) in shown
    assert all(above("kl_teacher_8", "teacher_8")) and not any(above("kl", "teacher"))


def test_the_recap_answers_the_title():
    for pair in (("labels", "kl"), ("labels_share_1", "kl_share_1")):
        found = STORED.compare(*pair)
        assert found.distinguishable == (pair[0] == "labels")
        seeds = f"{COUNTS[found.n]} seeds"
        ends = f"interval {points(found.low)} to {points(found.high)}, {seeds}"
        if pair[0] == "labels":
            assert said(f"{points(found.mean)} points, {ends}")
        else:
            ends = f"({signed(found.low)} to {signed(found.high)}), {seeds}"
            assert said(f"With all labels: {signed(found.mean)} points {ends}")


def test_the_gain_shrinks_as_labels_grow():
    shares = ("_share_0.05", "", "_share_0.5", "_share_1")
    found = [STORED.compare(f"labels{share}", f"kl{share}") for share in shares]
    gains = [gain.mean for gain in found]
    assert gains == sorted(gains, reverse=True) and abs(gains[-1]) < 0.02
    assert [gain.distinguishable for gain in found] == [True, True, False, False]
    assert all(above("kl_share_0.5", "labels_share_0.5"))
    few, some, half = (f"{100 * gain:.0f}" for gain in gains[:3])
    assert said(f"{few} points with 5 % of the labels (three seeds), {some} with 15 %")
    assert said(f"{half} with half of them (three;")
    assert said(f"({COUNTS[found[-1].n]}). The paper's setting")
    low, high = signed(found[-1].low), signed(found[-1].high)
    assert said(f"reaches from {low} to {high}") and said(
        f"up to {int(100 * found[-1].high)} points would"
    )


def test_a_third_seed_shrinks_the_interval_to_a_fifth():
    two = compare_seeds([0.0, 0.0], [0.1, 0.3])
    three = compare_seeds([0.0] * 3, [0.1, 0.3, 0.2])
    ratio = (three.high - three.mean) / (two.high - two.mean)
    assert ratio == pytest.approx(0.2, abs=0.01)


def test_the_interval_from_memory():
    text = WRITTEN["say"]([-0.021, -0.006, 0.065])
    assert text == "+1.3 points (-10.1 to +12.7), 3 seeds"
    assert said("say([-0.021, -0.006, 0.065])") and said("from −10.1 to +12.7")


def test_holm_is_counted_over_all_comparisons():
    rows = STORED.comparisons()
    ps = {
        n: ttest_1samp(row.gain.differences, 0).pvalue
        for n, (_, row) in enumerate(rows)
    }
    corrected = WRITTEN["holm"](ps)
    apart = [row.told_apart for _, row in rows]
    assert apart == [ps[n] < 0.05 for n in range(len(rows))]
    assert f"{len(rows)} comparisons, {sum(apart)} of them" in printed(
        "compared = shown"
    )
    stays = [n for n, p in corrected.items() if p < 0.05]
    assert said(
        f"{sum(apart)} were told apart one by one, {COUNTS[len(stays)]} survive"
    )
    lines = printed("for name, p in holm(ps)").splitlines()
    assert len(lines) == sum(apart)
    for n, line in zip(corrected, lines, strict=False):
        _, row = rows[n]
        assert f"{row.label} against {row.versus} (" in line
        assert f"p = {ps[n]:.4f}, with Holm {corrected[n]:.3f}" in line
    level = 0.05 / len(rows)
    assert said(f"0.05 / {len(rows)} = {level:.4f}")
    assert said(f"{t.isf(level / 2, 2):.0f} steps $s/\\sqrt3$")
    assert said(f"{t.isf(level / 2, 7):.1f} steps $s/\\sqrt8$")
    # The text names what stays.
    pairs = [STORED.comparisons()[n][0][1:] for n in stays]
    assert ["0.5", "0"] in pairs and ["forward KL, 0.05", "labels alone, 0.05"] in pairs
    kl, labels = STORED.values("kl"), STORED.values("labels")
    both = zip(*[(kl[seed], labels[seed]) for seed in kl], strict=True)
    (place,) = [n for n in stays if rows[n][0][1:] == ["0.5", "0"]]
    assert ttest_rel(*both).pvalue == pytest.approx(ps[place])


def test_another_reference_tells_other_losses_apart():
    shown = printed("varied.reference}: told apart")
    labels = {s.name: s.label for s in STORED.studies["loss"].settings}
    for reference in ("kl", "squared_error"):
        names = [labels[name] for name in told("loss", reference)]
        assert f"loss, against {reference}: told apart {names}" in shown
    assert len(told("loss", "squared_error")) > len(told("loss"))
    assert said(
        f"{COUNTS[len(told('loss', 'squared_error'))]} settings are told apart, not"
    )


def test_what_is_found_is_labels_or_a_teacher_where_labels_are_few():
    """Or a loss that pulls harder than another."""
    found = [words[1:] for words, row in STORED.comparisons() if row.told_apart]
    others = [pair for pair in found if not any("labels" in name for name in pair)]
    losses = ["squared error on logits", "forward KL"]
    assert all("0" in pair or pair == losses for pair in others)


def test_the_command_for_a_gpu_is_complete():
    (given,) = re.findall(r'-p run_dir runs/ablation_ucf101 -y "(\{.*?\})"', WORDS)
    values = yaml.safe_load(given)
    assert values == {"studies": ["loss"], "seeds": [0, 1, 2], "jobs": 1}
    (cell,) = [c for c in LESSON.cells if "parameters" in c["metadata"].get("tags", [])]
    names = re.findall(r"^(\w+) = ", "".join(cell["source"]), re.M)
    assert {*values, "grid", "profile", "data_root", "run_dir"} <= {*names}
    grid = grid_for(recipe_for("paper"))
    students = len(grid.studies["loss"].settings) * len(values["seeds"])
    assert said(f"These are {students} students") and not grid.common
    assert {s.teacher for s in grid.studies["loss"].settings} == {"", "teacher"}
    assert not {"views", "label_share", "all_labels"} & {*grid.studies}


def test_the_box_is_that_of_lesson_08():
    box = "> **Two kinds of noise.**"
    start = LESSON.words.index(box)
    text = LESSON.words[start:].partition('means "equal".')[0]
    assert text in Outputs("08_evaluate_benchmarks").words and len(text) > 800


def test_with_all_labels_one_loss_is_told_apart():
    assert told("all_labels") == [] and said("No loss is told apart from labels alone")
    assert told("all_labels", "kl_share_1") == ["squared_error_share_1"]
    behind = STORED.compare("kl_share_1", "squared_error_share_1").mean
    assert said(f"is {points(-behind)} points *behind* with all")
