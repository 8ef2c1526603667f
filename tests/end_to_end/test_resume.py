"""A run that is killed again and again ends as if nothing had happened."""

import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.nightly
TESTS = Path(__file__).resolve().parents[1]
# 10 steps per epoch; a checkpoint every few steps, so that a kill costs some.
OPTIONS = {"clips": 80, "epochs": 10, "checkpoint_seconds": 0.15}


def train(run_dir: Path, options: dict) -> None:
    """What a child process does; leaves a note of the step it began at."""
    from tiny_training import full_run

    torch.set_num_threads(1)
    result = full_run(run_dir, **options)
    (run_dir / "begun").write_text(str(result.resumed_from))


@pytest.fixture(scope="module")
def processes():
    """Children of a server that has loaded the library: they start at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny_training"])
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    with pytest.MonkeyPatch.context() as patch:
        # The server finds modules by the environment, its children by sys.path.
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        patch.syspath_prepend(str(TESTS))
        yield context


def start(context, run_dir: Path, **changes):
    process = context.Process(target=train, args=(run_dir, {**OPTIONS, **changes}))
    process.start()
    return process


def finish(context, run_dir: Path, **changes) -> int:
    """Run to the end; returns the step at which this start began."""
    run_dir.mkdir(exist_ok=True)
    process = start(context, run_dir, **changes)
    process.join(timeout=120)
    assert process.exitcode == 0
    return int((run_dir / "begun").read_text())


def write_time(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def kill_while_training(context, run_dir: Path, delay: float, **changes) -> None:
    """SIGKILL ``delay`` seconds after the first checkpoint of this start."""
    last = run_dir / "tiny" / "last.safetensors"
    before = write_time(last)
    process = start(context, run_dir, **changes)
    deadline = time.monotonic() + 60
    while write_time(last) == before and process.is_alive():
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.005)
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL, "killed too late: it had finished"


def log_without_times(run_dir: Path) -> list[dict]:
    lines = (run_dir / "tiny" / "log.jsonl").read_text().splitlines()
    return [{**json.loads(line), "seconds": None} for line in lines]


def test_killed_at_random_moments_ends_with_the_same_bits(tmp_path, processes):
    """Mixing, drop-path and distillation on; workers change from start to start."""
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    assert finish(processes, whole) == 0
    moments = random.Random()  # really random: a failure prints them
    delays = [moments.uniform(0, 0.5) for _ in range(4)]
    print("delays of the kills in seconds:", delays)
    for number, delay in enumerate(delays):
        kill_while_training(processes, pieces, delay, workers=int(number == 1))
    begun = finish(processes, pieces)
    assert begun > 0, "the last start did not take up the checkpoint"
    for name in ("final.safetensors", "best.safetensors"):
        expected = (whole / "tiny" / name).read_bytes()
        assert (pieces / "tiny" / name).read_bytes() == expected, name
    assert log_without_times(pieces) == log_without_times(whole)
    leftovers = {path.name for path in (pieces / "tiny").iterdir()}
    assert leftovers == {path.name for path in (whole / "tiny").iterdir()}
