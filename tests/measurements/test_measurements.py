"""What measures speed: turns, ratios, and texts held to the stored results."""

import json
import math
from pathlib import Path

import pytest

from benchmarks import reading, stored
from benchmarks.__main__ import FROM_HOURS, FROM_MINUTES
from benchmarks.interleaving import against, interleave

ROOT = Path(__file__).parents[2]


def ticking(seconds):
    """A clock and contestants that take the given seconds, whatever the machine."""
    now, calls = [0.0], []

    def contestant(name):
        def run():
            calls.append(name)
            now[0] += seconds[name]

        return run

    return lambda: now[0], {name: contestant(name) for name in seconds}, calls


def test_contestants_take_turns_and_another_begins_each_round():
    clock, contestants, calls = ticking({"a": 1.0, "b": 2.0, "c": 3.0})
    times = interleave(contestants, rounds=3, warm_up=1, clock=clock)
    assert times == {"a": [1.0] * 3, "b": [2.0] * 3, "c": [3.0] * 3}
    rounds = ["".join(calls[i : i + 3]) for i in range(0, 12, 3)]
    assert rounds == ["cab", "abc", "bca", "cab"]


def test_the_ratio_is_taken_within_a_round():
    times = {"slow": [2.0, 4.0, 8.0, 80.0], "fast": [1.0, 2.0, 4.0, 4.0]}
    ratios = against(times, "slow")
    assert ratios["slow"].median == 1.0
    assert (ratios["fast"].median, ratios["fast"].low) == (2.0, 2.0)
    assert math.isclose(ratios["fast"].high, 6.5)  # quartile of 2, 2, 2, 20
    assert ratios["fast"].seconds == 3.0


def test_nothing_to_measure_is_refused():
    with pytest.raises(ValueError, match="contestants"):
        interleave({}, rounds=1)
    with pytest.raises(ValueError, match="one round"):
        interleave({"a": int}, rounds=0)
    with pytest.raises(KeyError):
        against({"a": [1.0]}, "b")


def test_a_result_names_its_command_commit_and_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "RESULTS", tmp_path)
    stored.write_result("x", "python -m benchmarks.x", {"standin": True, "n": 1})
    found = stored.read_result("x")
    assert found["n"] == 1 and found["standin"] is True
    assert found["command"] == "python -m benchmarks.x"
    assert {"date", "commit", "versions", "machine"} <= set(found)
    assert {"processor", "cores", "system", "gpu"} == set(found["machine"])


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The measurement of reading, as short as it can be."""
    folder = tmp_path_factory.mktemp("reading")
    return reading.measure(reading.draw_videos(folder, 24), folder, rounds=1, clips=8)


def test_reading_is_measured_as_it_was_stored(measured):
    """The same groups, files and contestants: the stored result is not out of date."""
    kept = stored.read_result("reading")
    for group in ("frames", "clips", "bytes"):
        assert names(measured[group]) == names(kept[group])
    assert list(measured["loader"]) == list(kept["loader"])
    assert kept["rounds"] >= 10 and kept["standin"] is True


def names(tree):
    """The keys of a nested dictionary, without its numbers."""
    return {k: names(v) if isinstance(v, dict) else None for k, v in tree.items()}


def test_the_cache_holds_the_frames_at_their_size(measured):
    height, width = 256, 341  # of 240 x 320 at short side 256
    for sizes in measured["bytes"].values():
        assert abs(sizes["cache, paper"] - 24 * 3 * height * width) < 1000


def test_the_table_is_the_stored_measurement():
    text = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    assert reading.table(stored.read_result("reading")) in text


def test_every_module_has_a_row_and_a_result():
    """What ``python -m benchmarks.NAME`` measures is listed, and stored or said not."""
    folder = ROOT / "benchmarks"
    text = (folder / "README.md").read_text("utf-8")
    modules = [folder / f"{name}.py" for name in (*FROM_MINUTES, *FROM_HOURS)]
    assert modules
    for module in modules:
        (row,) = [r for r in text.splitlines() if r.startswith(f"| `{module.stem}` |")]
        file = folder / "results" / f"{module.stem}.json"
        assert file.exists() != ("no result stored yet" in row)
        if file.exists():
            result = json.loads(file.read_text("utf-8"))
            assert result["command"].startswith(f"python -m benchmarks.{module.stem}")
            assert result["commit"] and result["machine"]["cores"]
