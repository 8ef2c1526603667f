"""What lesson 08 says of its numbers is what its cells printed."""

import ast
import re

import pytest

from dvfl_lib.evaluation import PUBLISHED_RESULTS
from dvfl_lib.lessons.benchmark_opening import open_benchmarks
from dvfl_lib.lessons.benchmark_options import RunOptions
from dvfl_lib.lessons.trained import ASSETS, assets_folder
from dvfl_lib.weights import read_metadata
from lesson_code import Outputs

LESSON = Outputs("08_evaluate_benchmarks")
cell_with, printed = LESSON.cell, LESSON.printed


def shown_table(start: str) -> list[list[str]]:
    """The cells of the Markdown table that a cell shows, without its head."""
    (output,) = cell_with(start)["outputs"]
    lines = "".join(output["data"]["text/markdown"]).splitlines()
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def words(start: str) -> str:
    """The description of the figure that a cell shows."""
    (output,) = cell_with(start)["outputs"]
    return "".join(output["data"]["text/plain"])


def numbers(line: str) -> list[float]:
    return [float(n) for n in re.findall(r"[-+]?\d+\.\d+", line)]


def tops() -> dict[str, dict[str, float]]:
    """List -> network -> top-1, in per cent, as the figure's description has them."""
    text = words("lists_figure = benchmarks_figure").partition("intervals. ")[2]
    rows = [row.split(": ") for row in text.strip(".").split("; ")]
    return {
        name: dict(zip(("student", "baseline", "teacher"), numbers(told), strict=True))
        for name, told in rows
    }


def test_the_parameters_are_those_of_the_library():
    """A name that the lesson offers is one that ``open_benchmarks`` takes."""
    (cell,) = [c for c in LESSON.cells if "parameters" in c["metadata"].get("tags", [])]
    tree = ast.parse("".join(cell["source"]))
    names = {statement.targets[0].id for statement in tree.body}
    taken = set(open_benchmarks.__kwdefaults__)
    assert names == taken | {"options", "more_views"}
    known = set(RunOptions.__dataclass_fields__)
    assert {"device", "batch_size", "workers", "precision"} <= known


def test_nine_lists_in_three_kinds_of_files():
    lines = printed("for note in bench.notes").splitlines()
    lists = [line for line in lines if " split " in line]
    assert len(lists) == 9
    assert len({line.split()[-1] for line in lists}) == 3
    assert "are missing" in lines[-1]


def test_equal_drawings_give_equal_rows():
    found = tops()
    for split in "123":
        ucf, hmdb = (found[f"{name}, split {split}"] for name in ("UCF101", "HMDB51"))
        assert ucf == hmdb
    first = found["UCF101, split 1"]
    for other in ("Something-Something V2, split 1", "Kinetics-400, split 1"):
        gaps = [abs(first[role] - found[other][role]) for role in first]
        assert max(gaps) <= 1.3, "more than about one video"


def test_the_intervals_of_each_row_overlap():
    """Recomputed from the numbers, with the number of videos of the list."""
    from dvfl_lib.evaluation.metrics import wilson_interval

    counts = {"UCF50": 61, "Kinetics-400": 82}
    for name, row in tops().items():
        n = counts.get(name.partition(",")[0], 84)
        ends = [wilson_interval(round(v * n / 100), n) for v in row.values()]
        assert max(low for low, _ in ends) <= min(high for _, high in ends), name


def test_matched_by_number_three_lose_a_sixth_and_one_everything():
    lines = printed("undo the matching").strip().splitlines()
    found = {line.split()[0]: numbers(line) for line in lines}
    assert found["ucf101"][0] == found["ucf101"][1]
    assert found["ssv2"][1] < 100 / 12
    for name in ("ucf50", "hmdb51", "kinetics400"):
        by_name, by_number = found[name]
        assert 14 < by_name - by_number < 19 and round(by_number) in (72, 73)


def test_top_k_tells_nothing_from_three_on():
    rows = printed("tops = (accuracy_of").strip().splitlines()
    for row in rows[:3]:
        assert numbers(row)[2:] == [100.0, 100.0, 100.0]
    assert min(numbers(row)[0] for row in rows[:3]) < 90
    assert numbers(rows[3])[4] == pytest.approx(100 * 5 / 12, abs=0.05)


def test_the_teachers_lists_are_ten_points_apart():
    lines = printed("mean = split_mean").strip().splitlines()
    teacher = next(line for line in lines if line.startswith("ucf101   teacher"))
    low, high = numbers(teacher)[-2:]
    assert 9.5 < high - low < 11.5
    assert len(lines) == 6 and all("±" in line for line in lines)


def test_the_paired_comparison_says_what_the_text_says():
    first, second = printed("compare(whole[shown]").strip().splitlines()
    assert "baseline is" in first and "better than student: more than noise" in first
    assert "teacher and student is not distinguishable from noise" in second


def test_more_views_win_nothing():
    rows = [numbers(row) for row in printed("moved = int").strip().splitlines()]
    assert [row[0] <= rows[0][0] for row in rows] == [True] * 4
    _, low, high = rows[0]
    assert max(rows[0][0] - row[0] for row in rows) < (high - low) / 2
    moved = [int(n) for n in re.findall(r": (\d+)$", printed("moved = int"), re.M)]
    assert len(moved) == 4 and moved[0] == 0 and max(moved) <= 15


def test_all_are_less_sure_than_right():
    rows = [numbers(row) for row in printed("sure, right = 100").strip().splitlines()]
    for sure, right, error in rows:
        assert sure < right and 24 < error < 28
    assert words("reliability_figure(found").count("less sure than right") == 3
    for asset in ASSETS.values():
        recipe = read_metadata(assets_folder() / asset.file)["recipe"]
        smoothing = recipe["augment"]["label_smoothing"]
        assert round(100 * (1 - smoothing + smoothing / 12)) == 91


def test_the_mistakes_of_the_student_sit_in_two_pairs():
    told = printed("pairs = confused_pairs(look")
    pairs = re.findall(r"(\d+) of 21: (\w+) taken for (\w+)", told)
    assert {frozenset(pair[1:]) for pair in pairs} == {
        frozenset(("Approaching", "Swelling")),
        frozenset(("Receding", "Shrinking")),
    }
    right = re.search(
        r"(\d+) of (\d+) videos on the diagonal", words("confusion_figure(look")
    )
    wrong = int(right[2]) - int(right[1])
    assert wrong - sum(int(n) for n, _, _ in pairs) <= 2
    assert "worst: Approaching" in words("per_class_figure(")


def test_no_row_is_comparable_and_unknown_numbers_are_blank():
    rows = shown_table("Markdown(markdown([final_table(rows)]))")
    assert len(rows) == 5 * 3
    assert all(row[0].startswith("stand-in for ") for row in rows)
    assert all(row[-1].startswith("no: ") for row in rows)
    blank = [row for row in rows if row[4] == ""]
    assert len(blank) == 4
    assert all(row[-1] == "no: no published number is known" for row in blank)
    ucf = next(r for r in rows if r[0].endswith("UCF101") and r[1] == "student")
    assert ucf[2].startswith("88.") and ucf[4].startswith("DVFL-Net: 88.")


def test_what_was_published_is_what_the_library_has():
    lines = printed('row.network.endswith("-B")').strip().splitlines()
    known = {r.benchmark: r.top1 for r in PUBLISHED_RESULTS if r.network[-2:] == "-B"}
    assert {line.split()[0]: numbers(line)[0] for line in lines} == known
    told = printed('row.network == "DVFL-Net"')
    assert told.count("no number found") == 2


def test_every_option_that_the_text_names_exists():
    for given in re.findall(r"options(?::| =) \{([^}]*)\}", LESSON.words):
        names = re.findall(r"[\"']?(\w+)[\"']?:", given)
        assert names and set(names) <= set(RunOptions.__dataclass_fields__)
