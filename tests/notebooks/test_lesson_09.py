"""What lesson 09 says of the stored grid is what the stored grid says."""

import re
from statistics import fmean, stdev

import pytest

from dvfl_lib.evaluation.comparison import compare_seeds, t_quantile
from dvfl_lib.lessons.ablation import count_told_apart, stored_ablation
from lesson_code import Outputs

NAME = "09_ablation_forward_kl"
LESSON = Outputs(NAME)
printed, WORDS = LESSON.printed, LESSON.words
STORED, ORIGIN = stored_ablation()


def said(sentence: str) -> bool:
    return sentence in WORDS


def gains(study: str, *settings: str) -> list:
    return [STORED.against(study, setting) for setting in settings]


def told(study: str) -> list[str]:
    """Settings of a study that are told apart from their reference."""
    names = [setting.name for setting in STORED.studies[study].settings]
    return [name for name in names if STORED.against(study, name).distinguishable]


def points(value: float) -> str:
    return f"{100 * value:.1f}"


def mean(setting: str) -> float:
    return fmean(STORED.values(setting))


def above(setting: str, other: str) -> list[bool]:
    """Seed by seed, whether the first has more right."""
    pairs = zip(STORED.values(setting), STORED.values(other), strict=True)
    return [mine > its for mine, its in pairs]


def test_every_figure_says_how_many_seeds_and_where_the_data_are_from():
    """And shows what is stored now."""
    for study in STORED.studies:
        (output,) = LESSON.cell(f'show_study("{study}")')["outputs"]
        words = "".join(output["data"]["text/plain"])
        assert f"{len(STORED.seeds)} seeds" in words and len(STORED.seeds) >= 3
        for row in STORED.rows(study):
            assert f"{row.label}: mean {100 * fmean(row.values):.1f} %" in words
    assert STORED.standin and "stand-in: True" in printed("origin[")
    assert all(commit in printed("origin[") for commit in ORIGIN["commits of the runs"])


def test_two_seeds_hardly_suffice():
    assert t_quantile(1) / 2 == pytest.approx(6.4, abs=0.05)
    found = compare_seeds([0.0, 0.0], [0.20, 0.24])
    assert (round(100 * found.mean), round(100 * (found.high - found.mean))) == (22, 25)
    assert said("give 22 ± 25")


def test_pairs_vary_by_less_than_half():
    alone, taught = STORED.values("labels"), STORED.values("kl")
    paired = stdev([b - a for a, b in zip(alone, taught, strict=True)])
    unpaired = (stdev(alone) ** 2 + stdev(taught) ** 2) ** 0.5
    assert paired < unpaired / 2 and (unpaired / paired) ** 2 > 4
    assert said("less than half") and said("more than four times as many")


def test_more_weight_is_better_and_one_run_failed():
    assert "alpha_0.1" not in told("alpha") and "alpha_0.3" not in told("alpha")
    assert {"alpha_0.2", "kl", "alpha_0.7", "alpha_0.9"} <= set(told("alpha"))
    order = ["labels", "alpha_0.1", "alpha_0.2", "kl", "alpha_0.7", "alpha_0.9"]
    assert [mean(name) for name in order] == sorted(mean(name) for name in order)
    assert abs(mean("alpha_0.9") - mean("teacher")) < 0.02
    [failed] = gains("alpha", "alpha_0.3")
    first, second, third = failed.differences
    assert min(first, second) >= 0.139 and round(100 * third) == -29
    assert (round(100 * failed.low), round(100 * failed.high)) == (-63, 63)
    assert said("the third *loses* 29") and said("from −63 to +63")


def test_no_temperature_is_told_apart():
    assert told("temperature") == []
    means = [mean(s.name) for s in STORED.studies["temperature"].settings]
    assert max(means) - min(means) < 0.07 and said("within seven points")
    ten, twenty = STORED.values("t_10"), STORED.values("t_20")
    assert max(abs(a - b) for a, b in zip(ten, twenty, strict=True)) > 0.07


def test_no_rival_is_told_apart_though_signs_agree():
    assert told("loss") == ["labels"]
    assert points(-gains("loss", "labels")[0].mean) == "21.5"
    for name in ("squared_error", "decoupled_kd", "match_features"):
        assert all(above(name, "kl"))
    assert not any(above("jensen_shannon", "kl"))
    for name in ("squared_error", "decoupled_kd", "alpha_0.7"):
        assert round(100 * mean(name)) in (88, 89)
    assert said("three equal signs come by chance once in four times")


def test_nothing_of_the_teacher_is_seen_in_the_released_ways():
    assert told("released") == ["kl"]
    assert above("released", "labels").count(True) == 1
    assert abs(gains("released", "released")[0].mean) < 0.01
    assert not any(above("kl_random_head", "labels"))
    lowest = min(STORED.values("released_head"))
    assert lowest < 0.1 and said("one of its three seeds ended at guessing")


def test_drop_path_hurts_the_student_alone():
    for rate in ("0.1", "0.2"):
        assert not any(above(f"labels_drop_{rate}", "labels"))
        assert f"labels_drop_{rate}" not in told("drop_path")
        assert abs(mean(f"kl_drop_{rate}") - mean("kl")) < 0.02
    assert round(100 * min(STORED.values("labels_drop_0.1"))) == 11
    mixed, same = gains("drop_path", "kl_drop_0.1", "kl_drop_0.2")
    assert said(f"gives {points(mixed.mean)} points")
    assert said(f"gives {points(same.mean)}")
    own = gains("drop_path", "kl")[0].mean
    assert said(f"looks larger at 0.2 ({points(same.mean)} points)")
    assert said(f"than without drop-path ({points(own)})")
    assert said(f"reaches from {points(same.low)} to {points(same.high)}")
    against = STORED.studies["drop_path"].reference_of
    assert against("kl_drop_0.2") == "labels_drop_0.2" == against("kl_drop_0.1")
    assert {against(f"labels_drop_{rate}") for rate in ("0.1", "0.2")} == {"labels"}


def test_a_better_teacher_makes_a_better_student():
    students = [mean(name) for name in ("kl_teacher_8", "kl_teacher_12", "kl")]
    teachers = [mean(name) for name in ("teacher_8", "teacher_12", "teacher")]
    assert students == sorted(students) and teachers == sorted(teachers)
    assert 0 < mean("teacher_8") - mean("labels") < 0.05
    assert "kl_teacher_8" not in told("teacher")
    assert -0.05 < gains("teacher", "kl_teacher_8")[0].low < 0
    assert all(above("kl_teacher_8", "teacher_8")) and not any(above("kl", "teacher"))
    shown = re.findall(r"\d+\.\d", printed('("teacher_8", "teacher_12", "teacher")'))
    names = ("teacher_8", "teacher_12", "teacher")
    assert shown == [points(v) for name in names for v in STORED.values(name)]


def test_the_recap_answers_the_title():
    [few], [all_labels] = gains("alpha", "kl"), gains("label_share", "kl_share_1")
    assert said(f"{points(few.mean)} points, interval {points(few.low)} to")
    assert said(f"to {points(few.high)}. With all labels")
    assert said(f"−{points(-all_labels.mean)} points, not told apart from zero")
    assert few.distinguishable and not all_labels.distinguishable


def test_the_gain_shrinks_as_labels_grow():
    names = ("kl_share_0.05", "kl", "kl_share_0.5", "kl_share_1")
    found = gains("label_share", *names)
    assert [int(100 * gain.mean) for gain in found] == [53, 21, 11, 0]
    assert [gain.distinguishable for gain in found] == [True, True, False, False]
    assert all(above("kl_share_0.5", "labels_share_0.5"))
    assert said("53 points with 5 % of the labels, 21 with 15 %, 11 with half")


def test_more_stored_views_are_no_better_and_nothing_is_told_apart():
    assert told("views") == []
    names = ("views_0", "views_1", "views_2", "views_4", "kl")
    means = [mean(name) for name in names]
    assert means == sorted(means, reverse=True)
    assert said(f"One stored view costs {points(means[0] - means[1])} points")
    assert said(f"eight cost {points(means[0] - means[-1])}")
    assert said(f"fell to {points(min(STORED.values('kl')))} %")


def test_the_exercise_on_temperatures():
    found = compare_seeds(STORED.values("t_20"), STORED.values("t_1"))
    told_there = ", ".join(f"{100 * d:+.1f}" for d in found.differences[:2])
    assert said(f"{told_there} and {100 * found.differences[2]:+.1f} points")
    assert said(f"by {points(found.mean)} in the mean")
    low, high = f"−{points(-found.low)}", f"+{points(found.high)}"
    assert said(f"from {low} to {high}")


def test_a_third_seed_shrinks_the_interval_to_a_fifth():
    two = compare_seeds([0.0, 0.0], [0.1, 0.3])
    three = compare_seeds([0.0] * 3, [0.1, 0.3, 0.2])
    ratio = (three.high - three.mean) / (two.high - two.mean)
    assert ratio == pytest.approx(0.2, abs=0.01)


def test_far_more_is_found_than_chance_would_give():
    compared, found, by_chance = count_told_apart(STORED)
    assert found > 2 * by_chance
    assert f"{compared} comparisons, {found} of them" in printed("count_told_apart(")
    assert round(by_chance) == 2
    both = {"kl", "labels"}
    pairs = [
        {setting.name, study.reference_of(setting.name)}
        for study in STORED.studies.values()
        for setting in study.settings
    ]
    assert pairs.count(both) == 6 and said("against labels alone is in six of them")


def test_what_is_found_is_labels_or_a_teacher_where_labels_are_few():
    found = [
        (setting, study.reference_of(setting))
        for name, study in STORED.studies.items()
        for setting in told(name)
        if study.reference_of(setting) != setting
    ]
    pairs = {frozenset(pair) for pair in found}
    labels = [p for p in pairs if all(name.startswith("labels") for name in p)]
    assert len(labels) == 3 and said("Three compare labels alone with labels alone")
    others = [p for p in pairs if p not in labels]
    assert all(any(name.startswith("labels") for name in pair) for pair in others)
    assert len(pairs) == count_told_apart(STORED)[1]
