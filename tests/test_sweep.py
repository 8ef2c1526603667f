"""Sweeps: a log and a JSON per point, gone on with, never mixed up."""

import json
import signal
import subprocess
import sys
import time

import psutil
import pytest
from filelock import FileLock

from dvfl_lib.environment import versions
from dvfl_lib.errors import DVFLError, RunDirectoryError
from dvfl_lib.sweep import sweep

VERSIONS = "environment:versions"
GOOD = {"good": {}}
BOTH = {"bad": {"nothing": 1}, **GOOD}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of which one point fails, and what was said of it."""
    folder = tmp_path_factory.mktemp("sweep") / "{a} sw\u00e9ep"
    with pytest.raises(DVFLError) as error:
        sweep(VERSIONS, BOTH, folder, jobs=2)
    return folder, str(error.value)


def test_a_failing_point_does_not_stop_the_others(swept):
    folder, said = swept
    assert "1 of 2 points failed" in said and "bad: TypeError" in said
    stored = json.loads((folder / "good.json").read_text())
    assert stored["result"] == versions() and stored["arguments"] == {}
    assert not (folder / "bad.json").exists()
    assert "Traceback" in (folder / "bad.log").read_text("utf-8")


def test_a_finished_point_is_read_and_not_run(swept, monkeypatch):
    folder, _ = swept
    monkeypatch.setattr(subprocess, "Popen", None)  # nothing may be started
    assert sweep(VERSIONS, GOOD, folder, jobs=1) == {"good": versions()}


@pytest.mark.parametrize(
    "function, points",
    [(VERSIONS, {"good": {"seed": 1}}), ("environment:commit", GOOD)],
)
def test_the_result_of_another_run_is_refused(swept, function, points):
    folder, _ = swept
    with pytest.raises(RunDirectoryError, match="of .*:versions"):
        sweep(function, points, folder, jobs=1)


def test_a_damaged_result_is_refused(tmp_path):
    for content in ("", "[]", '{"function": 1}'):
        (tmp_path / "good.json").write_text(content)
        with pytest.raises(RunDirectoryError, match=r"good\.json .* damaged"):
            sweep(VERSIONS, GOOD, tmp_path, jobs=1)


def test_two_sweeps_in_one_folder_are_refused(tmp_path):
    with (
        FileLock(tmp_path / ".sweep.lock"),
        pytest.raises(RunDirectoryError, match="another sweep"),
    ):
        sweep(VERSIONS, GOOD, tmp_path, jobs=1)


# A shell that starts the tests in the background has the interrupt ignored.
TWO = """
import signal
import sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from dvfl_lib.sweep import sweep
sweep("environment:versions", {"a": {}, "b": {}}, Path(sys.argv[1]), jobs=1)
"""


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal of POSIX")
def test_an_interrupted_sweep_leaves_no_process_behind(tmp_path):
    process = psutil.Popen([sys.executable, "-c", TWO, str(tmp_path)], stderr=-3)
    deadline, family = time.monotonic() + 60, []
    while not family:
        assert time.monotonic() < deadline
        family = process.children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive, "a run stayed behind"
    assert not (tmp_path / "b.json").exists()
