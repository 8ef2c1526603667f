"""The measurement of the teacher cache, as short as it can be."""

import json

import pytest

from benchmarks import teacher_cache
from dvfl_lib.lessons import open_run

SHORT = {
    f"{part}.{number}": 2
    for part in ("optim", "teacher_optim")
    for number in ("epochs", "warmup_epochs")
}


@pytest.fixture
def small_runs(small_standins, tmp_path, monkeypatch):
    """``demo_run`` on a small stand-in, for two epochs."""

    def demo_run(seed, views, teacher):
        return open_run(
            profile="demo",
            dataset="ucf101",
            data_root=small_standins["ucf101"],
            split="1",
            run_dir=str(tmp_path / f"{seed}-{views}"),
            seed=seed,
            teacher_weights=str(teacher or ""),
            overrides=SHORT | {"distil.stored_views": views, "data.workers": 0},
            progress=False,
        )

    monkeypatch.setattr(teacher_cache, "demo_run", demo_run)
    return demo_run


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


def test_time_of_a_step_of_the_teaching_sizes(small_runs):
    pair = teacher_cache.lab_pair(small_runs(0, 1, None))
    assert_times(teacher_cache.measure_time(pair, 2), 2)


def test_time_of_a_step_of_a_large_pair(small_runs):
    """A smaller teacher on smaller frames takes the same way."""
    pair = teacher_cache.large_pair(1, 32, teacher="video_focalnet_tiny")
    found = teacher_cache.measure_time(pair, 1)
    assert_times(found, 1)
    assert found["ratios"][teacher_cache.CACHED]["median"] > 1


def test_accuracy_of_every_number_of_views(small_runs):
    [row] = teacher_cache.measure_accuracy([0], [1, 2])
    assert list(row["views"]) == ["0", "1", "2"]
    for name, found in row["views"].items():
        assert 0 <= found["top1"] <= 1
        assert (found["filling_seconds"] is None) == (name == "0")
    assert json.loads(json.dumps(row)) == row
