"""What lesson 08 says of its numbers is what its cells printed."""

import ast
import re

import pytest
import yaml

from dvfl_lib.evaluation import PUBLISHED_RESULTS
from dvfl_lib.evaluation.plan import BenchmarkPlan, RunOptions
from dvfl_lib.lessons.trained import ASSETS, assets_folder
from dvfl_lib.weights import read_metadata
from lesson_code import Outputs

LESSON = Outputs("08_evaluate_benchmarks")
cell_with, printed, WORDS = LESSON.cell, LESSON.printed, LESSON.words


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
    taken = set(BenchmarkPlan.model_fields) - set(RunOptions.model_fields)
    assert names == taken | {"options", "more_views"}
    known = set(RunOptions.model_fields)
    assert {"device", "batch_size", "workers", "precision"} <= known


def test_what_papermill_is_given_are_parameters():
    """The commands of the last section name nothing that the lesson does not take."""
    (cell,) = [c for c in LESSON.cells if "parameters" in c["metadata"].get("tags", [])]
    names = {s.targets[0].id for s in ast.parse("".join(cell["source"])).body}
    commands = re.findall(r"-p views 4x3 -y '\n(.*?)'\n", WORDS, re.DOTALL)
    given = [yaml.safe_load(text) for text in commands]
    assert len(given) == 3 and all(set(values) <= names for values in given)
    authors = next(values for values in given if "splits" in values)
    assert authors["splits"] == {"ucf101": "authors"}
    for name, split in authors["splits"].items():
        rows = [r for r in PUBLISHED_RESULTS if r.benchmark == name]
        assert {row.split for row in rows} == {split}


def test_every_table_of_numbers_says_what_it_is_about():
    """Nobody can quote a line of the stand-in as a result on a benchmark."""
    lines = printed("first.suffix").split("\n\n")[0].splitlines()
    lines += printed("undo the matching").strip().splitlines()
    lines += printed("noise = f").strip().splitlines()
    assert len(lines) == 9 + 5 + 6
    assert all(line.startswith("stand-in for ") for line in lines)
    for code in ("tops = (accuracy_of", "compare(whole[shown]", "sure, right = 100"):
        assert printed(code).startswith("stand-in for UCF101")
    for code in ("moved = int", "pairs = confused_pairs(look"):
        assert printed(code).startswith("student on stand-in for UCF101")


def test_results_that_are_there_are_read():
    told = printed("again = bench.evaluate_all()")
    found = re.search(r"27 results in (\d+\.\d) seconds, such as\n(.+)\n", told)
    assert float(found[1]) < 10
    assert found[2] == "runs/benchmarks/results/ucf50/fold1/student.json"


def test_nine_lists_in_three_kinds_of_files():
    lines = printed("for note in bench.notes").splitlines()
    lists = [line for line in lines if " split " in line]
    assert len(lists) == 9
    assert len({line.split()[-1] for line in lists}) == 3
    assert "are missing" in lines[-1]
    assert "fold1  61 videos" in lines[0]
    assert "has 61 videos: 12 classes of 5 groups make 60" in WORDS


def test_equal_drawings_give_equal_rows():
    found = tops()
    for split in "123":
        ucf, hmdb = (found[f"{name}, split {split}"] for name in ("UCF101", "HMDB51"))
        assert ucf == hmdb
    first = found["UCF101, split 1"]
    for other in ("Something-Something V2, split 1", "Kinetics-400, split 1"):
        gaps = [abs(first[role] - found[other][role]) for role in first]
        assert max(gaps) <= 1.3, "more than about one video"


def test_the_baseline_leads_and_the_teacher_is_mostly_last():
    found = tops().values()
    assert all(row["baseline"] == max(row.values()) for row in found)
    assert sum(row["teacher"] == min(row.values()) for row in found) == 8
    assert "leads in all nine rows" in WORDS and "on eight of the nine lists" in WORDS


def test_the_intervals_of_each_row_overlap():
    """Recomputed from the numbers, with the number of videos of the list."""
    from dvfl_lib.evaluation.metrics import wilson_interval

    counts = {"UCF50": 61, "Kinetics-400": 82}
    for name, row in tops().items():
        n = counts.get(name.partition(",")[0], 84)
        ends = [wilson_interval(round(v * n / 100), n) for v in row.values()]
        assert max(low for low, _ in ends) <= min(high for _, high in ends), name


def about(start: str) -> dict[str, str]:
    """Benchmark -> what that cell printed of its stand-in."""
    lines = printed(start).strip().splitlines()
    parts = [re.split(r"\s{2,}", line, maxsplit=1) for line in lines]
    return {name.removeprefix("stand-in for "): told for name, told in parts}


def test_matched_by_number_three_lose_two_classes_and_one_everything():
    moved = about("have another number")
    counts = {name: int(told.split()[0]) for name, told in moved.items()}
    v2 = "Something-Something V2"
    assert counts == {"UCF50": 2, "UCF101": 0, "HMDB51": 2, v2: 12, "Kinetics-400": 2}
    found = {name: numbers(told) for name, told in about("undo the matching").items()}
    assert found["UCF101"][0] == found["UCF101"][1]
    assert found[v2][1] < 100 / 12
    for name in ("UCF50", "HMDB51", "Kinetics-400"):
        by_name, by_number = found[name]
        assert 16 < by_name - by_number < 17.1 and round(by_number) in (72, 73)
        assert 0.18 < (by_name - by_number) / by_name < 0.2  # "nearly a fifth"
    assert "lose 16 to 17 points, nearly a fifth" in WORDS


def test_top_k_tells_nothing_from_three_on():
    rows = printed("tops = (accuracy_of").strip().splitlines()[1:]
    for row in rows[:3]:
        assert numbers(row)[2:] == [100.0, 100.0, 100.0]
    assert min(numbers(row)[0] for row in rows[:3]) < 90
    assert numbers(rows[3])[4] == pytest.approx(100 * 5 / 12, abs=0.05)


def test_the_spread_of_three_lists_beside_that_of_counting():
    lines = printed("noise = f").strip().splitlines()
    rows = {tuple(line.split()[2:4]): numbers(line) for line in lines}
    assert len(rows) == 6
    for mean, _, _, _, noise in rows.values():
        share = mean / 100
        expected = 100 * (share * (1 - share) / 84) ** 0.5
        assert noise == pytest.approx(expected, abs=0.06)
    _, spread, low, high, noise = rows["UCF101", "teacher"]
    assert high - low == pytest.approx(10.7, abs=0.05) and "10.7 points" in WORDS
    assert (spread, noise) == (5.9, 3.9) and "± 5.9 is more than its 3.9" in WORDS
    _, spread, *_, noise = rows["UCF101", "student"]
    assert (spread, noise) == (3.1, 3.5)
    assert "student's ± 3.1 is no sign" in WORDS and "alone gives ± 3.5" in WORDS


def test_the_paired_comparison_says_what_the_text_says():
    _, first, second = printed("compare(whole[shown]").strip().splitlines()
    assert "baseline is" in first and "better than student: more than noise" in first
    assert "teacher and student is not distinguishable from noise" in second


def test_more_views_win_nothing():
    lines = printed("moved = int").strip().splitlines()[1:]
    rows = [numbers(row) for row in lines]
    assert [row[0] <= rows[0][0] for row in rows] == [True] * 4
    _, low, high = rows[0]
    assert max(rows[0][0] - row[0] for row in rows) < (high - low) / 2
    moved = [int(n) for n in re.findall(r": (\d+)$", printed("moved = int"), re.M)]
    assert moved[0] == 0 and (min(moved[1:]), max(moved)) == (2, 9)
    assert "change 2 to 9 of 252 answers" in WORDS
    assert "The axis begins at 80 %." in words("views_bars = benchmarks_figure")


def test_a_video_of_twelve_views_costs_twelve_views():
    rows = shown_table("twelve = [replace")
    assert [row[2] for row in rows] == ["1 x 1"] * 3 + ["4 x 3"] * 3
    for one, many in zip(rows[:3], rows[3:], strict=True):
        assert one[3] == many[3] == one[4]
        assert float(many[4]) == pytest.approx(12 * float(one[3]), rel=0.01)
    told = printed("decoding the video is not in it").splitlines()[1:]
    times = [numbers(row) for row in told]
    for (each, video), (_, twelve) in zip(times[:3], times[3:], strict=True):
        assert each == video and twelve == pytest.approx(12 * each, rel=0.02)


def test_all_are_less_sure_than_right():
    lines = printed("sure, right = 100").strip().splitlines()[1:]
    rows = [numbers(row) for row in lines]
    assert 55 < sum(row[0] for row in rows) / 3 < 65  # "near 60 %"
    for sure, right, error in rows:
        assert sure < right and 24 < error < 28
    assert words("reliability_figure(found").count("less sure than right") == 3
    for file in ASSETS.values():
        recipe = read_metadata(assets_folder() / file)["recipe"]
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
    kinds = re.findall(r"(\w+), said (\w+)", words("clips += mistake_clips"))
    receding, approaching = ("Receding", "Shrinking"), ("Approaching", "Swelling")
    assert kinds == [receding] * 2 + [approaching] * 2


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
    kinetics = [row for row in rows if row[0].endswith("Kinetics-400")]
    assert all("82 of 84 listed videos" in row[3] for row in kinetics)
    assert kinetics[-1][-1].endswith("2.4 % of the listed videos missing or unreadable")
    assert "82 of 84 listed videos were scored" in WORDS


def test_what_was_published_is_what_the_library_has():
    lines = printed('row.network.endswith("-B")').strip().splitlines()
    known = {r.benchmark: r.top1 for r in PUBLISHED_RESULTS if r.network[-2:] == "-B"}
    assert {line.split()[0]: numbers(line)[0] for line in lines} == known
    told = printed('row.network == "DVFL-Net"')
    assert told.count("no number found") == 2


def test_every_option_that_the_text_names_exists():
    for given in re.findall(r"options(?::| =) \{([^}]*)\}", LESSON.words):
        names = re.findall(r"[\"']?(\w+)[\"']?:", given)
        assert names and set(names) <= set(RunOptions.model_fields)
