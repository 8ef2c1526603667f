"""Sweeps: a notebook and a JSON per point, gone on with, never mixed up."""

import json
import math
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import psutil
import pytest
from filelock import FileLock

from dvfl_lib import environment
from dvfl_lib.environment import versions
from dvfl_lib.errors import LessonError, RunDirectoryError
from dvfl_lib.lessons.sweep_points import SweepPoint, read_points
from dvfl_lib.lessons.sweeping import call_and_store, run_notebook, sweep

GOOD = SweepPoint("good", "lessons.environment:versions")
# Papermill reads YAML: there 1e-05 is a text, and a sign in two escapes is none.
ODD = SweepPoint(
    "odd \U0001f600",
    "evaluation.comparison:t_quantile",
    {"freedom": 3, "confidence": 1e-05},
)
BAD = SweepPoint("bad", "lessons.environment:versions", {"nothing": 1})


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of which one point fails, and what was said of it."""
    # Papermill would fill in what is in braces.
    folder = tmp_path_factory.mktemp("sweep") / "{a} sw\u00e9ep"
    with pytest.raises(LessonError) as error:
        sweep([BAD, GOOD, ODD], folder, jobs=2, progress=False)
    return folder, str(error.value)


def test_a_failing_point_does_not_stop_the_others(swept):
    folder, said = swept
    assert "1 of 3 points failed" in said and "bad: " in said
    assert "TypeError" in said and "nothing" in said
    stored = json.loads((folder / "good.json").read_text())
    assert stored["result"] == versions() and stored["arguments"] == {}
    assert not (folder / "bad.json").exists()
    assert json.loads((folder / f"{ODD.name}.json").read_text())["result"] < 1e-4


def test_the_executed_notebooks_stay_as_logs(swept):
    folder, _ = swept
    bad = nbformat.read(folder / "bad.ipynb", as_version=4)
    outputs = [out for cell in bad.cells for out in cell.get("outputs", [])]
    assert any(out.output_type == "error" for out in outputs)
    assert not list(folder.glob(".*.json"))  # parameters are cleared away


def test_a_finished_point_is_read_and_not_run(swept, monkeypatch):
    folder, _ = swept
    monkeypatch.setattr(subprocess, "Popen", None)  # nothing may be started
    assert sweep([GOOD], folder, progress=False) == {"good": versions()}
    assert read_points([GOOD, BAD], folder) == {"good": versions()}


def test_results_of_other_arguments_are_refused(swept):
    folder, _ = swept
    other = SweepPoint("good", GOOD.function, {"seed": 1})
    with pytest.raises(RunDirectoryError, match="other arguments"):
        sweep([other], folder, progress=False)


def test_the_result_of_another_function_is_refused(swept):
    folder, _ = swept
    with pytest.raises(RunDirectoryError, match="another function: .*:versions, not"):
        read_points([SweepPoint("good", "lessons.environment:commit")], folder)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"function": 1}', "null", "[" * 10**5]
)
def test_a_damaged_result_is_refused(tmp_path, content):
    (tmp_path / "good.json").write_text(content)
    with pytest.raises(RunDirectoryError, match=r"good\.json is damaged"):
        sweep([GOOD], tmp_path, progress=False)


def test_one_name_twice_is_refused(tmp_path):
    with pytest.raises(LessonError, match="two points of a sweep are called 'good'"):
        sweep([GOOD, GOOD], tmp_path)


@pytest.mark.parametrize(
    "name",
    ["", ".", "../out", "a/b", "a\\b", ".x", "point", "a\0"]
    # YAML drops the third, UTF-8 lacks the fourth, the last fills a file's name.
    + [None, 5, "a\x85b", "\udc80", "a\nb", "\u00e9" * 91],
)
def test_a_name_that_is_no_files_is_refused(name):
    with pytest.raises(LessonError, match="cannot be called"):
        SweepPoint(name, GOOD.function)


@pytest.mark.parametrize("value", [math.nan, -math.inf, {1, 2}, Path("a")])
def test_arguments_that_json_cannot_express_are_refused_before_any_run(value):
    with pytest.raises(LessonError, match="cannot express the arguments of 'good'"):
        SweepPoint("good", GOOD.function, {"runs": [value]})


@pytest.mark.parametrize("found", [math.nan, {"top1": [math.inf]}, {1, 2}])
def test_a_result_that_json_cannot_express_is_refused(tmp_path, monkeypatch, found):
    monkeypatch.setattr(environment, "versions", lambda: found)
    with pytest.raises(LessonError, match="JSON cannot express what lessons.env"):
        call_and_store(GOOD.function, {}, str(tmp_path / "good.json"))
    assert not (tmp_path / "good.json").exists()


def test_two_sweeps_in_one_folder_are_refused(tmp_path):
    with (
        FileLock(tmp_path / ".sweep.lock"),
        pytest.raises(RunDirectoryError, match="another sweep"),
    ):
        sweep([GOOD], tmp_path, progress=False)


def test_only_functions_of_the_library_are_called(tmp_path):
    for name in ("os:getcwd", "lessons.environment:nothing", "lessons", ""):
        with pytest.raises(LessonError, match="there is no"):
            call_and_store(name, {}, str(tmp_path / "x.json"))
    assert not (tmp_path / "x.json").exists()


def test_the_notebook_has_its_parameters_first():
    first, second = run_notebook().cells
    assert first.metadata["tags"] == ["parameters"]
    assert "call_and_store(function, json.loads(arguments)" in second.source


# A shell that starts the tests in the background has the interrupt ignored.
TWO = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from dvfl_lib.lessons.sweep_points import SweepPoint
from dvfl_lib.lessons.sweeping import sweep
points = [SweepPoint(name, "lessons.environment:versions") for name in ("a", "b")]
sweep(points, sys.argv[1], jobs=1, progress=False)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal of POSIX")
def test_an_interrupted_sweep_leaves_no_process_behind(tmp_path):
    process = psutil.Popen([sys.executable, "-c", TWO, str(tmp_path)], stderr=-3)
    deadline, kernels = time.monotonic() + 60, []
    while not kernels:
        assert time.monotonic() < deadline
        family = process.children(recursive=True)
        kernels = [child for child in family if is_kernel(child)]
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive, "a run stayed behind"
    assert not (tmp_path / "b.json").exists()


def is_kernel(process):
    """Whether it is a notebook's kernel."""
    with suppress(psutil.Error):
        return any("ipykernel" in part for part in process.cmdline())
    return False
