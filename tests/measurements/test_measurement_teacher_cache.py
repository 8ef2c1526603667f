"""The measurement of the teacher cache, as short as it can be."""

import json

import pytest

from benchmarks import teacher_cache
from benchmarks.stored import read_result
from dvfl_lib.lessons import open_run, project_root


@pytest.fixture
def small_run(small_standins, tmp_path):
    """What ``demo_run`` opens, on a small stand-in."""
    return open_run(
        profile="demo",
        dataset="ucf101",
        data_root=small_standins["ucf101"],
        split="1",
        run_dir=str(tmp_path),
        seed=0,
        teacher_weights="",
        overrides={"distil.stored_views": 1, "data.workers": 0},
        progress=False,
    )


def assert_times(found, rounds):
    for kind in ("ratios", "ratios, loading by the same process"):
        rows = found[kind]
        assert rows[teacher_cache.LIVE]["median"] == 1.0
        assert set(rows) == {
            teacher_cache.LIVE,
            teacher_cache.CACHED,
            teacher_cache.ALONE,
        }
    assert all(len(seconds) == rounds for seconds in found["seconds"].values())
    assert json.loads(json.dumps(found)) == found


def test_time_of_a_step_of_the_teaching_sizes(small_run):
    pair = teacher_cache.lab_pair(small_run)
    assert_times(teacher_cache.measure_time(pair, 2), 2)


def test_time_of_a_step_of_a_large_pair():
    """A smaller teacher on smaller frames takes the same way."""
    pair = teacher_cache.large_pair(1, 32, teacher="video_focalnet_tiny")
    found = teacher_cache.measure_time(pair, 1)
    assert_times(found, 1)
    assert found["ratios"][teacher_cache.CACHED]["median"] > 1


def test_a_training_asks_the_teacher_as_often_as_there_are_views():
    """Step 3 s with the teacher and 1 s without: 120 epochs take 360 s, or 120 s and
    2 s for each view."""
    seconds = {teacher_cache.LIVE: [3.0, 9.0, 3.0], teacher_cache.CACHED: [1.0]}
    rows = {teacher_cache.ALONE: [1.0], **seconds}
    kinds = ("ratios", "ratios, loading by the same process")
    ratio = {"median": 1.0, "low": 1.0, "high": 1.0, "seconds": 1.0}
    pair = {kind: dict.fromkeys(rows, ratio) for kind in kinds} | {"seconds": rows}
    text = teacher_cache.table({"steps": {"a pair": pair}})
    assert f"| K = 8 | {360 / 136:.2f} |" in text and "| K = 120 | 1.00 |" in text


def test_the_table_is_the_stored_measurement():
    text = (project_root() / "benchmarks" / "README.md").read_text("utf-8")
    assert teacher_cache.table(read_result("teacher_cache")) in text
