"""What lesson 08 says of its numbers is what its cells printed."""

import ast
import re
from math import isclose

import numpy as np
import pytest
import yaml

from dvfl_lib.evaluation import PUBLISHED_RESULTS, calibration_of
from dvfl_lib.evaluation.metrics import mcnemar_p, wilson_interval
from dvfl_lib.evaluation.plan import BenchmarkPlan, RunOptions
from dvfl_lib.lessons.trained import ASSETS, assets_folder
from dvfl_lib.weights import read_metadata
from lesson_code import Outputs, run_cells

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
    text = text.partition(". The axis begins at 60 %")[0]
    rows = [row.split(": ") for row in text.split("; ")]
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
    assert len(given) == 2 and all(set(values) <= names for values in given)
    authors = next(values for values in given if "splits" in values)
    assert authors["splits"] == {"ucf101": "authors"}
    for name, split in authors["splits"].items():
        rows = [r for r in PUBLISHED_RESULTS if r.benchmark == name]
        assert {row.split for row in rows} == {split}


def test_every_table_of_numbers_says_what_it_is_about():
    """Nobody can quote a line of the stand-in as a result on a benchmark."""
    lines = printed("path.suffix").split("\n\n")[0].splitlines()
    lines += printed("undo the matching").strip().splitlines()
    assert len(lines) == 9 + 5
    assert all(line.startswith("stand-in for ") for line in lines)
    for code in ("split_mean(of", "combinations(roles", "calibration_error(sure, res"):
        assert printed(code).startswith("stand-in for UCF101")
    for code in ("changed = int", "confused = confused_pairs(look"):
        assert printed(code).startswith("student on stand-in for UCF101")


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


def test_the_baseline_leads_in_nine_rows_of_the_same_drawings():
    found = tops().values()
    assert all(row["baseline"] == max(row.values()) for row in found)
    assert len(found) == 9 and "leads in all nine rows. These are not nine" in WORDS
    assert "253 drawings" in WORDS  # the fold of UCF50 has 60 of the 252, and one more


def test_the_intervals_of_each_row_overlap():
    """Recomputed from the numbers, with the number of videos of the list."""
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


def test_the_spread_of_three_lists_beside_that_of_counting():
    lines = printed("split_mean(of").strip().splitlines()[1:]
    rows = {line.split()[0]: numbers(line) for line in lines}
    assert len(rows) == 3
    for mean, spread, noise, *library in rows.values():
        share = mean / 100
        expected = 100 * (share * (1 - share) / 84) ** 0.5
        assert noise == pytest.approx(expected, abs=0.06)
        assert library == [mean, spread], "by hand as the library"
    assert rows["teacher"][1:3] == [5.9, 3.9] and "± 5.9 is more than its 3.9" in WORDS
    assert rows["student"][1:3] == [3.1, 3.5]
    assert "student's ± 3.1 is no sign" in WORDS and "alone gives ± 3.5" in WORDS


def test_the_lesson_s_small_forms_are_the_library_s():
    names = ("wilson", "mean_and_spread", "mcnemar", "calibration_error")
    wilson, mean_and_spread, mcnemar, calibration_error = map(
        run_cells("08_evaluate_benchmarks", *names).get, names
    )
    for right, n in ((0, 20), (20, 20), (61, 61), (75, 84), (81, 263), (3000, 3783)):
        assert np.allclose(wilson(right, n), wilson_interval(right, n), atol=2e-5)
    shares = [0.9, 0.8, 0.86]
    library = np.mean(shares), np.std(shares, ddof=1)
    assert np.allclose(mean_and_spread(shares), library)
    for counts in ((0, 0), (3, 3), (0, 5), (9, 1), (22, 9), (300, 340)):
        assert isclose(mcnemar(*counts), mcnemar_p(*counts), rel_tol=1e-9)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(5, 0.4), 300).astype(np.float32)  # (N, K)
    labels = rng.integers(0, 5, 300)
    ours = calibration_error(shares.max(axis=1), shares.argmax(axis=1) == labels)
    assert ours == pytest.approx(calibration_of(shares, labels).error, abs=1e-5)
    assert calibration_error(np.full(4, 0.6), np.full(4, True)) == pytest.approx(0.4)
    assert [k for k in range(11) if mcnemar(k, 20 - k) < 0.05] == list(range(6))
    assert "5 against 15, or more uneven" in WORDS


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    found = re.findall(r"in (\d+) % of", printed("rng.binomial(84"))
    assert len(found) == 4 and all(93 <= int(share) <= 97 for share in found)
    assert printed("ours = wilson(top1.correct").count("as library: True") == 3


def discordant() -> dict[frozenset[str], tuple[int, int, float]]:
    """Two networks -> videos that one or the other alone got right, and p."""
    told = printed("combinations(roles").replace("\n", " ")
    each = r"videos (\d+) right by (\w+) alone, (\d+) by (\w+) alone, p = ([\d.]+)\)"
    found = re.findall(each, told)
    return {frozenset((b, a)): (int(n), int(m), float(p)) for n, b, m, a, p in found}


def test_the_paired_comparison_says_what_the_text_says():
    lines = printed("combinations(roles").strip().splitlines()[1:]
    assert "baseline is 5.2 points better than student: more than noise" in lines[0]
    assert "teacher and student is not distinguishable from noise" in lines[2]
    assert "teacher is 7.9 points worse than baseline: more than noise" in lines[4]
    found = discordant()
    assert len(found) == 3
    for line, (n, m, p) in zip(lines[1::2], found.values(), strict=True):
        assert line.strip() == f"by hand: {n} and {m}, p = {p}; library {p}"
        assert p == pytest.approx(mcnemar_p(n, m), rel=0.02)
    one = found[frozenset(("student", "baseline"))]
    assert one[:2] == (22, 9) and "22 videos to 9" in WORDS
    ordered = sorted(mcnemar_p(n, m) for n, m, _ in found.values())
    assert f"stays at {3 * ordered[0]:.4f}" in WORDS
    assert f"comes to {2 * ordered[1]:.3f}" in WORDS


def test_the_same_mistakes_shared_or_not():
    """The question's three cases; the middle one is that of student and baseline."""
    lines = printed("for shared in (0").strip().splitlines()
    found = [re.findall(r"[\d.]+", line) for line in lines]
    for shared, few, many, p in found:
        assert (int(few), int(many)) == (17 - int(shared), 30 - int(shared))
        assert f"{mcnemar_p(int(few), int(many)):.4f}" == p
    assert [row[0] for row in found] == ["0", "8", "17"]


def test_more_views_win_nothing_that_can_be_seen():
    lines = printed("changed = int").strip().splitlines()[1:]
    assert [line.split(":")[0] for line in lines] == ["2x1", "4x1", "4x3"]
    each = re.compile(r"(\d+) answers changed: (\d+) to right, (\d+) to wrong")
    counts = [tuple(map(int, each.search(line).groups())) for line in lines]
    assert counts[-1] == (9, 2, 4) and "9 of 252 answers change" in WORDS
    assert "2 to right and 4 to wrong: a balance of −2 videos" in WORDS
    for line, (_, right, wrong) in zip(lines, counts, strict=True):
        assert float(line.rpartition("= ")[2]) == round(mcnemar_p(wrong, right), 2)


def test_a_video_of_twelve_views_costs_twelve_views():
    lines = printed("alike.setdefault").strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["student and baseline", "teacher"]
    for one, twelve in map(numbers, lines):
        assert twelve == pytest.approx(12 * one, rel=0.01)


def test_all_are_less_sure_than_right():
    lines = printed("calibration_error(sure, res").strip().splitlines()[1:]
    rows = [numbers(row) for row in lines]
    assert 55 < sum(row[0] for row in rows) / 3 < 65  # "near 60 %"
    for sure, right, error, library in rows:
        assert sure < right and 24 < error < 28 and error == library
    assert words("reliability_figure(found").count("less sure than right") == 3
    assert 3 < numbers(printed("calibrated, {len"))[0] < 10, "not zero on a short list"
    for file in ASSETS.values():
        recipe = read_metadata(assets_folder() / file)["recipe"]
        smoothing = recipe["augment"]["label_smoothing"]
        assert round(100 * (1 - smoothing + smoothing / 12)) == 91


def test_the_mistakes_of_the_student_sit_in_two_pairs():
    told = printed("confused = confused_pairs(look")
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
    kinds = re.findall(r"(\w+) \((\w+)\)", words("clips += mistake_clips"))
    receding, approaching = ("Receding", "Shrinking"), ("Approaching", "Swelling")
    assert kinds == [receding] * 2 + [approaching] * 2


def test_no_row_is_comparable_and_unknown_numbers_are_blank():
    rows = shown_table("Markdown(markdown([final_table(rows)]))")
    assert len(rows) == 5 and {row[1] for row in rows} == {"student"}
    assert all(row[0].startswith("stand-in for ") for row in rows)
    assert all(row[-1].startswith("no: ") for row in rows)
    blank = [row for row in rows if row[4] == ""]
    assert len(blank) == 2
    assert all(row[-1] == "no: no published number is known" for row in blank)
    ucf = next(r for r in rows if r[0].endswith("UCF101"))
    assert ucf[2].startswith("88.") and ucf[4].startswith("DVFL-Net: 88.")
    assert "82 of 84 listed videos" in rows[-1][3]
    assert "82 of 84 listed videos were scored" in WORDS


def test_what_was_published_is_what_the_library_has():
    lines = printed("for row in PUBLISHED_RESULTS").strip().splitlines()
    told = {tuple(line.split()[:2]): line for line in lines}
    for row in PUBLISHED_RESULTS:
        if (line := told.pop((row.benchmark, row.network), None)) is None:
            continue
        assert row.top1 is None or numbers(line) == [row.top1]
        assert line.endswith("no published number is known") == (row.top1 is None)
        assert line.endswith(" yes") == (row.clips == 4)
    assert not told and sum(line.endswith(" yes") for line in lines) == 2


def test_every_option_that_the_text_names_exists():
    for given in re.findall(r"options(?::| =) \{([^}]*)\}", LESSON.words):
        names = re.findall(r"[\"']?(\w+)[\"']?:", given)
        assert names and set(names) <= set(RunOptions.model_fields)
