"""Results of benchmarks: kept video by video, put together, written down."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dvfl_lib.evaluation.confusions import ConfusedPair, confused_pairs
from dvfl_lib.evaluation.final_table import final_rows, final_table
from dvfl_lib.evaluation.joining import joined
from dvfl_lib.lessons.benchmark_results import (
    costs_of,
    list_accuracies,
    mistake_clips,
    run_benchmarks,
    write_benchmarks,
)

from dvfl_lib.errors import DatasetError
from dvfl_lib.evaluation import protocol
from dvfl_lib.figures.benchmarks import benchmarks_figure
from dvfl_lib.lessons import benchmark_opening
from dvfl_lib.video.clips import EvaluationViews
from small_benchmarks import opened, saved


class Reading:
    """Counts the videos that are read; acts as Ctrl-C before the ``stop``-th."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.stop = -1


@pytest.fixture
def reading(monkeypatch) -> Reading:
    """Watches every video that is read; results are saved after every pass."""
    monkeypatch.setattr(protocol, "_SAVE_EVERY", 0.0)
    state, read = Reading(), EvaluationViews.__getitem__

    def watched(self, index):
        if len(state.numbers) == state.stop:
            raise KeyboardInterrupt
        state.numbers.append(index)
        return read(self, index)

    monkeypatch.setattr(EvaluationViews, "__getitem__", watched)
    return state


def without_times(run_dir: Path) -> dict[str, dict]:
    """Every result, but for how long it took."""
    files = sorted((run_dir / "results").rglob("[a-z]*.json"))
    found = {str(f.relative_to(run_dir)): json.loads(f.read_text()) for f in files}
    return {name: {**told, "seconds": None} for name, told in found.items()}


def test_what_was_interrupted_goes_on_with_the_same_numbers(
    tmp_path, small_standins, reading
):
    given = {
        "data_roots": {"hmdb51": small_standins["hmdb51"]},
        "splits": {"hmdb51": "1"},
    }
    opened(tmp_path / "whole", **given).evaluate_all()
    assert len(reading.numbers) == 3 * 84
    bench = opened(tmp_path / "pieces", **given)
    for stop in (50, 140):  # in the first network, and in the second
        reading.numbers.clear()
        reading.stop = stop
        with pytest.raises(KeyboardInterrupt):
            bench.evaluate_all()
    reading.numbers.clear()
    reading.stop = -1
    opened(tmp_path / "pieces", **given).evaluate_all()
    assert len(reading.numbers) < 3 * 84 - 150, "what was done was done again"
    whole, pieces = (
        without_times(tmp_path / "whole"),
        without_times(tmp_path / "pieces"),
    )
    assert whole == pieces and len(whole) == 3


def test_a_finished_result_is_read_and_one_of_other_weights_is_not(
    tmp_path, small_standins, reading
):
    given = {
        "data_roots": {"ucf101": small_standins["ucf101"]},
        "splits": {"ucf101": "3"},
    }
    path = saved(tmp_path / "x.safetensors")
    bench = opened(tmp_path, checkpoints={"student": path}, **given)
    first = bench.evaluate_all()["ucf101", "3", "student"]
    reading.numbers.clear()
    again = bench.evaluate_all()["ucf101", "3", "student"]
    assert reading.numbers == []
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    saved(tmp_path / "x.safetensors", network="baseline")
    bench = opened(tmp_path, checkpoints={"student": path}, **given)
    other = bench.evaluate_all()["ucf101", "3", "student"]
    assert len(reading.numbers) == 84
    assert other.top1.correct != first.top1.correct


def test_other_views_are_another_file(tmp_path, small_standins, reading):
    roots = {"ucf101": small_standins["ucf101"]}
    bench = opened(tmp_path, data_roots=roots, splits={"ucf101": "1"})
    (entry,) = bench.lists
    one, more = (bench.evaluate(entry, "student", views) for views in ("1x1", "2x3"))
    assert (one.views.clips, one.views.crops) == (1, 1)
    assert (more.views.clips, more.views.crops) == (2, 3)
    names = {path.name for path in (tmp_path / "results/ucf101/1").glob("[a-z]*.json")}
    assert names == {"student.json", "student_2x3.json"}
    reading.numbers.clear()
    bench.evaluate(entry, "student", "2x3")
    assert reading.numbers == []


def test_drawings_that_were_learned_from_are_not_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_opening, "write_standin", pytest.fail)
    with pytest.raises(DatasetError, match="all stand-ins of one seed"):
        opened(tmp_path, benchmarks=["ucf50"], seed=0)


def test_standins_are_drawn_where_no_folder_is_given(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_opening, "project_root", lambda: tmp_path)
    size = {"min_frames": 8, "max_frames": 8}
    bench = opened(
        tmp_path / "run", benchmarks=["kinetics400"], standin_size=size, seed=3
    )
    (entry,) = bench.lists
    place = tmp_path / "data/standins/seed3_22x1_8to8/kinetics400"
    assert entry.dataset.root == place and entry.dataset.standin
    assert any("missing" in note for note in bench.notes)
    found = bench.evaluate(entry, "student")
    assert len(found.unreadable) == 1 and found.standin
    (told,) = bench.measured({("kinetics400", "1", "student"): found})
    assert told.missing == 1
    (row,) = final_table(final_rows([told])).rows
    assert f"{len(found.videos)} of {len(found.videos) + 2} listed videos" in row[3]


# --- put together ------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(small_standins, tmp_path_factory):
    """All three lists of one benchmark, evaluated with two networks."""
    folder = tmp_path_factory.mktemp("finished")
    files = {
        role: saved(folder / f"{role}.safetensors", network=role)
        for role in ("student", "teacher")
    }
    roots = {"hmdb51": small_standins["hmdb51"]}
    bench = opened(folder / "run", data_roots=roots, checkpoints=files)
    return bench, bench.evaluate_all()


def test_the_rows_of_a_figure_are_the_lists(finished):
    _, results = finished
    rows = list_accuracies(results)
    assert list(rows) == [f"HMDB51, split {n}" for n in (1, 2, 3)]
    second = results["hmdb51", "2", "student"]
    assert rows["HMDB51, split 2"]["student"][0] == second.top1.value


def test_in_a_mixture_the_rows_say_which_are_standins(finished):
    _, results = finished
    first = results["hmdb51", "1", "student"]
    other = replace(first, dataset="ssv2", standin=False)
    mixture = {("hmdb51", "1", "student"): first, ("ssv2", "1", "student"): other}
    rows = list(list_accuracies(mixture))
    assert rows == ["stand-in for HMDB51, split 1", "Something-Something V2, split 1"]


def test_the_clips_of_a_mistake_are_those_the_network_saw(finished):
    bench, results = finished
    result = joined([results["hmdb51", split, "teacher"] for split in "123"])
    (pair,) = confused_pairs(result, most=1)
    clips = mistake_clips(bench, "hmdb51", "teacher", pair, most=2)
    assert len(clips) == min(2, pair.count)
    assert all(clip.shape == (8, 3, 64, 64) for clip in clips)
    assert all(0 <= clip.min() < clip.max() <= 1 for clip in clips)
    place = result.videos.index(pair.videos[0])
    assert result.class_names[result.labels[place]] == pair.true
    assert result.class_names[result.predictions[place]] == pair.said
    with pytest.raises(DatasetError, match="not all in its lists"):
        odd = ConfusedPair("a", "b", 1, 1, ("x.avi",))
        mistake_clips(bench, "hmdb51", "teacher", odd)


def test_a_mean_without_one_list_says_so(finished):
    """The third exercise of lesson 08."""
    bench, results = finished
    fewer = {place: r for place, r in results.items() if place[1] != "3"}
    for rows, part in ((fewer, True), (results, False)):
        table = final_table(final_rows(bench.measured(rows)))
        assert all(("not all of them" in row[3]) == part for row in table.rows)


def test_costs_are_those_of_the_networks(finished):
    bench, _ = finished
    costs = costs_of(bench, bench.lists[0], repeats=1)
    assert [cost.name for cost in costs] == ["student", "teacher"]
    assert costs[0].macs < costs[1].macs and costs[0].views.crop == 64


def test_the_page_marks_the_standin_everywhere(finished):
    bench, results = finished
    figure = benchmarks_figure(list_accuracies(results), standin=True)
    paths = write_benchmarks(bench, results, {"lists": figure})
    text, page, values = (path.read_text("utf-8") for path in paths)
    assert text.startswith("# Benchmarks, on stand-in data")
    assert "![Top-1 accuracy" in text and "*Stand-in data. Top-1" in text
    assert "data:image/png" in page
    told = json.loads(values)
    assert told["standin"] == {"hmdb51": True}
    assert [row["role"] for row in told["rows"]] == ["student", "teacher"]
    assert told["rows"][0]["measured"]["mean"]["splits"] == ["1", "2", "3"]
    assert len(told["calibration"]) == 6 and len(told["costs"]) == 2
    assert "safetensors" in told["about"]["student"]


def test_all_of_it_without_a_notebook(finished, small_standins, capsys):
    bench, _ = finished
    files = {r: str(n.path) for r, n in bench.lists[0].networks.items()}
    page = run_benchmarks(
        data_roots={"hmdb51": small_standins["hmdb51"]},
        checkpoints=files,
        views="1x1",
        run_dir=str(bench.run_dir),
        progress=False,
    )
    assert page == bench.run_dir / "benchmarks.html"
    printed = capsys.readouterr().out
    assert printed.count("| stand-in for HMDB51 |") == 2 and "82.7 %" in printed
