"""Two processes with gloo reach what one process reaches.

Mixing, drop-path and distillation are on. Both see the same clips and the same
random draws; only the order of summation differs: a step's gradient is
(a + b) + (c + d) instead of ((a + b) + c) + d.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytestmark = pytest.mark.nightly
TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from tiny_training import full_run  # noqa: E402 - found by the line above

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(TESTS.parent),
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}
OPTIONS = {"epochs": 6, "micro_batch": 2}  # 18 steps of 4 micro-batches

# Largest difference of any weight, absolute; measured 1e-7 to 1e-6. The weights are of
# size 0.1 to 1, and training moves them by up to MOVED.
TOLERANCE = 1e-5
MOVED = 1e-2


def train_on_two(run_dir: Path, **options) -> str:
    """Start the script of ``tiny_training`` with torchrun; returns what it printed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run"),
            *("--standalone", "--nproc_per_node", "2"),
            *(
                str(TESTS / "tiny_training.py"),
                str(run_dir),
                json.dumps(OPTIONS | options),
            ),
        ],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def final_weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(run_dir / "tiny" / "final.safetensors")


def difference(one: dict, other: dict) -> float:
    assert one.keys() == other.keys()
    return max((one[name] - other[name]).abs().max().item() for name in one)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory) -> Path:
    run_dir = tmp_path_factory.mktemp("one")
    assert full_run(run_dir, **OPTIONS).steps == 18
    return run_dir


def test_two_processes_equal_one(one_process, tmp_path):
    assert "finished 18 steps, begun at 0" in train_on_two(tmp_path)
    found = difference(final_weights(one_process), final_weights(tmp_path))
    print("largest difference of any weight:", found)
    assert found < TOLERANCE
    logs = [
        [json.loads(line) for line in (folder / "tiny" / "log.jsonl").open()]
        for folder in (one_process, tmp_path)
    ]
    for alone, together in zip(*logs, strict=True):
        for key in ("loss", "ce", "kd", "lr"):
            assert together[key] == pytest.approx(alone[key], rel=1e-4)


def test_with_matched_insides_two_processes_equal_one(tmp_path):
    """The projections are shared and averaged like the student."""
    one, two = tmp_path / "one", tmp_path / "two"
    alone = full_run(one, **OPTIONS, match="modulators")
    train_on_two(two, match="modulators")
    kept = [load_file(folder / "tiny" / "last.safetensors") for folder in (one, two)]
    assert any("weights/projections" in name for name in kept[0])
    assert difference(*kept) < TOLERANCE
    assert alone.history[-1]["match"] < alone.history[0]["match"]


def test_begun_on_one_process_and_finished_on_two(one_process, tmp_path):
    """Weights and momentum reach the process that reads no file."""
    with pytest.raises(KeyboardInterrupt):
        full_run(tmp_path, **OPTIONS, stop_at_validation=4)
    early = load_file(tmp_path / "tiny" / "last.safetensors")
    assert "finished 18 steps, begun at 12" in train_on_two(tmp_path)
    final = final_weights(tmp_path)
    assert difference(final_weights(one_process), final) < TOLERANCE
    moved = {name: early[f"weights/{name}"] for name in final}
    assert difference(moved, final) > MOVED, "too little happened to tell"
