"""A teacher's logits that are filled by processes which are killed, or by two."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.nightly
TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from tiny_training import stored_run  # noqa: E402 - found by the line above

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(TESTS.parent),
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}
# 2 views of 1500 clips; 10 steps.
OPTIONS = {
    "clips": 1500,
    "batch_size": 300,
    "micro_batch": 50,
    "epochs": 2,
    "base_lr": 0.2,
}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
# Largest difference of any weight, absolute; see test_two_processes.
TOLERANCE = 1e-5


def command(run_dir: Path, cache: Path, *launcher: str) -> list[str]:
    script = str(TESTS / "tiny_training.py")
    told = [str(run_dir), json.dumps(OPTIONS), str(cache)]
    return [sys.executable, *launcher, script, *told]


def views(cache: Path) -> dict[str, bytes]:
    """The logits alone."""
    return {path.name: path.read_bytes() for path in cache.rglob("view_*.safetensors")}


def difference(one: Path, other: Path) -> float:
    a, b = (load_file(run / "tiny" / "final.safetensors") for run in (one, other))
    return max((a[name] - b[name]).abs().max().item() for name in a)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """An uninterrupted run on one process: ``run`` and ``cache`` in one folder."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    stored_run(folder / "run", folder / "cache", **OPTIONS)
    assert len(views(folder / "cache")) == 2
    return folder


def kill_when(run_dir: Path, cache: Path, due: Callable[[], bool]) -> None:
    """SIGKILL as soon as that is so."""
    process = subprocess.Popen(command(run_dir, cache), env=ENVIRONMENT)
    deadline = time.monotonic() + 60
    while not due():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline, "nothing happens"
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_killed_while_filling_it_goes_on_at_the_first_missing_view(whole, tmp_path):
    run_dir, cache = tmp_path / "run", tmp_path / "cache"
    kill_when(run_dir, cache, lambda: bool(views(cache)))
    assert len(views(cache)) == 1
    [first] = cache.rglob("view_000.safetensors")
    before = first.stat().st_mtime_ns
    stored_run(run_dir, cache, **OPTIONS)
    assert views(cache) == views(whole / "cache")
    assert first.stat().st_mtime_ns == before
    assert not list(cache.rglob(".*.tmp")), "leftovers of the kill"
    ours, theirs = (
        (folder / "tiny" / "final.safetensors").read_bytes()
        for folder in (run_dir, whole / "run")
    )
    assert ours == theirs


def test_killed_while_training_it_reads_the_cache_again(whole, tmp_path):
    run_dir, cache = tmp_path / "run", tmp_path / "cache"
    shutil.copytree(whole / "cache", cache)
    kill_when(run_dir, cache, (run_dir / "tiny" / "last.safetensors").exists)
    again = stored_run(run_dir, cache, **OPTIONS)
    assert 0 < again.resumed_from < again.steps
    expected = (whole / "run" / "tiny" / "final.safetensors").read_bytes()
    assert again.final.read_bytes() == expected
    assert views(cache) == views(whole / "cache")


def test_two_processes_fill_one_cache_and_train_as_one(whole, tmp_path):
    run_dir, cache = tmp_path / "run", tmp_path / "cache"
    shutil.copytree(whole / "cache", cache)
    [second] = cache.rglob("view_001.safetensors")
    second.unlink()  # as if interrupted, on one process
    done = subprocess.run(
        command(run_dir, cache, *TORCHRUN),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert "finished 10 steps, begun at 0" in done.stdout
    assert views(cache) == views(whole / "cache")
    found = difference(run_dir, whole / "run")
    print("largest difference of any weight:", found)
    assert found < TOLERANCE


def test_a_stale_cache_stops_both_processes(whole, tmp_path):
    cache = tmp_path / "cache"
    shutil.copytree(whole / "cache", cache)
    [victim] = cache.rglob("view_001.safetensors")
    victim.write_bytes(victim.read_bytes()[:-8])
    done = subprocess.run(
        command(tmp_path / "run", cache, *TORCHRUN),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode != 0
    assert done.stderr.count(f"RunDirectoryError: {victim} is damaged") >= 1
