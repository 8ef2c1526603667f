"""``dvfl run`` from video files to the report, also when it is killed on the way.

The stand-in is small and the epochs are few here: what is tested is the way, not
how well the networks learn. The notebook is the real one.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from dvfl_lib.cli import main
from dvfl_lib.environment import project_root
from dvfl_lib.standins import StandinSize, write_standin
from lesson_code import Played

ROLES = ("teacher", "baseline", "student")
NOTEBOOK = project_root() / "notebooks" / "07_distill_ucf101.ipynb"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
TORCHRUN += ["--standalone", "--nproc_per_node", "2"]
SHORT = {
    f"{part}.{name}": value
    for part in ("optim", "teacher_optim")
    for name, value in (("epochs", 3), ("warmup_epochs", 1))
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A stand-in of one short clip per group."""
    root = tmp_path_factory.mktemp("whole run") / "data"  # with a blank in its path
    size = StandinSize(groups=22, clips_per_group=1, min_frames=8, max_frames=9)
    return write_standin("ucf101", root, size=size, workers=1, progress=False)


def command(data: Path, run_dir: Path) -> list[str]:
    """The command line of a short run."""
    line = [sys.executable, "-m", "dvfl_lib.cli", "run"]
    line += ["--data-root", str(data), "--run-dir", str(run_dir)]
    for name, value in SHORT.items():
        line += ["--set", f"{name}={value}"]
    return line


def run(data: Path, run_dir: Path) -> subprocess.CompletedProcess:
    """Run it to the end."""
    done = subprocess.run(
        command(data, run_dir), capture_output=True, text=True, cwd=project_root()
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """An uninterrupted run, and what it printed."""
    run_dir = tmp_path_factory.mktemp("runs") / "whole"
    return run_dir, run(data, run_dir)


def test_it_leaves_notebook_metrics_checkpoints_figures_and_report(finished):
    run_dir, _ = finished
    notebook = nbformat.read(run_dir / NOTEBOOK.name, as_version=4)
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert all(o.output_type != "error" for o in outputs)
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 5
    for role in ROLES:
        result = json.loads((run_dir / "results" / f"{role}.json").read_text())
        assert result["standin"] is True
        for weights in ("best", "final"):
            with safe_open(run_dir / role / f"{weights}.safetensors", "pt") as file:
                told = json.loads(file.metadata()["dvfl"])
            assert "recipe" in told and len(told["classes"]) == 12
            assert told["trained_on"] == {
                "dataset": "ucf101",
                "split": "1",
                "drawing": 0,
            }
            assert told["views"]["crop"] == 32
    assert {p.stem for p in (run_dir / "figures").glob("*.png")} == {
        "top1",
        "training",
        "confusion",
        "classes",
    }
    for page in ("report.md", "report.html"):
        text = (run_dir / page).read_text("utf-8")
        assert "stand-in" in text.lower()
        assert all(word in text for word in ("McNemar", "student, distilled"))
    html = (run_dir / "report.html").read_text("utf-8")
    assert not re.search(r'(?:src|href)="(?!data:|https://|#)', html)


def form_of(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """What each code cell puts out: its text and its kinds of pictures and tables."""
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    cells = [
        c for c in cells if "injected-parameters" not in c.metadata.get("tags", [])
    ]
    told = [[o for o in c.outputs if o.get("name") != "stderr"] for c in cells]
    return [
        sorted({k for o in outputs for k in o.get("data", {"text": 0})})
        for outputs in told  # bars come and go with what was there before
    ]


def test_it_puts_out_what_the_lesson_shows(finished):
    executed = nbformat.read(finished[0] / NOTEBOOK.name, as_version=4)
    assert form_of(executed) == form_of(nbformat.read(NOTEBOOK, as_version=4))


def printed(run_dir: Path, code: str) -> str:
    """What the cell that holds ``code`` printed in the executed notebook."""
    cells = nbformat.read(run_dir / NOTEBOOK.name, as_version=4).cells
    (cell,) = [c for c in cells if c.cell_type == "code" and code in c.source]
    return "".join(o.text for o in cell.outputs if o.get("name") == "stdout")


def test_the_lessons_own_step_trains_as_the_library_does(finished):
    lines = printed(finished[0], "by hand {mean").splitlines()
    pairs = [re.findall(r"\d+\.\d+", line) for line in lines]
    assert len(pairs) == 3
    assert all(float(a) == pytest.approx(float(b), abs=2e-6) for a, b in pairs)


def test_the_trainings_differ_in_what_the_lesson_says(finished):
    differ = printed(finished[0], "These differ:").splitlines()[-1].split(", ")
    assert {n.partition(".")[0] for n in differ} == {"distil", "teacher weights"}
    assert "differs in ['distil.loss']" in printed(finished[0], "with_control = ")


def test_what_a_reader_is_to_try_works_at_the_end_of_the_lesson(finished, data):
    given = {"data_root": str(data), "run_dir": str(finished[0])}
    lesson = Played(NOTEBOOK.stem, **given, overrides=SHORT)  # trains nothing again
    before = lesson.again("by hand {mean")
    lesson.again("def labels_part", ("known.sum().clamp(min=1)", "len(known)"))
    lesson.again("parts.append")
    after = lesson.again("by hand {mean")
    ce, less = (float(t.split("by hand ")[2].split(",")[0]) for t in (before, after))
    assert 0.05 < less / ce < 0.3  # about 15 of 100 clips have a label


def test_progress_bars_with_the_time_left_reach_the_terminal(finished):
    _, done = finished
    for bar in ("teacher", "baseline", "student", "decoding"):
        found = re.search(rf"{bar}: +\d+%.*\[\d\d:\d\d<\d\d:\d\d", done.stderr)
        assert found, f"no bar of {bar}"


def test_only_the_last_state_of_a_bar_is_kept_in_the_notebook(finished):
    run_dir, _ = finished
    text = (run_dir / NOTEBOOK.name).read_text("utf-8")
    assert text.count("100%|") >= 4
    assert "\\r" not in text


def contents(run_dir: Path) -> dict[str, bytes]:
    """Weights and results that must not depend on interruptions."""
    files = [f"{r}/{w}.safetensors" for r in ROLES for w in ("best", "final")]
    files += [f"results/{role}.safetensors" for role in ROLES]
    return {name: (run_dir / name).read_bytes() for name in files}


@pytest.mark.nightly
def test_killed_on_the_way_it_ends_the_same(finished, data, tmp_path):
    """SIGKILL to the command alone: its kernel must not be in the way either."""
    run_dir = tmp_path / "killed"
    process = subprocess.Popen(
        command(data, run_dir),
        cwd=project_root(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (run_dir / "baseline" / "last.safetensors").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run(data, run_dir)
    assert contents(run_dir) == contents(finished[0])


@pytest.mark.nightly
def test_a_finished_run_is_not_trained_again(finished, data):
    run_dir, _ = finished
    before = {p: p.stat().st_mtime_ns for p in run_dir.rglob("*.safetensors")}
    run(data, run_dir)
    assert {p: p.stat().st_mtime_ns for p in run_dir.rglob("*.safetensors")} == before


@pytest.mark.nightly
def test_another_recipe_is_refused_in_the_same_folder(finished, data, capsys):
    line = [*command(data, finished[0])[3:], "--set", "distil.alpha=0.9"]
    line[0] = "train"
    assert main(line) == 1
    told = capsys.readouterr().err
    assert "alpha" in told and "run_dir" in told and "Traceback" not in told


@pytest.mark.nightly
def test_two_processes_share_a_run_and_agree_with_one(data, tmp_path):
    """``dvfl train`` under torchrun, on gloo; the tolerance is for sums' order."""
    line = command(data, tmp_path / "one")[3:]
    line[0] = "train"
    for part in ("optim", "teacher_optim"):
        line += ["--set", f"{part}.micro_batch=16"]
    alone = [sys.executable, "-m", "dvfl_lib.cli", *line]
    line[line.index("--run-dir") + 1] = str(tmp_path / "two")
    pair = [*TORCHRUN, "-m", "dvfl_lib.cli", *line]
    for started in (alone, pair):
        done = subprocess.run(
            started, capture_output=True, text=True, cwd=project_root()
        )
        assert done.returncode == 0, done.stderr[-3000:]
    for role in ROLES:
        one, two = (
            load_file(tmp_path / name / role / "final.safetensors")
            for name in ("one", "two")
        )
        assert all(torch.allclose(one[k], two[k], atol=1e-5) for k in one)


@pytest.mark.nightly
def test_what_does_not_divide_among_processes_is_refused(data, tmp_path):
    """One micro-batch a step cannot be shared by two: so there were two processes."""
    line = command(data, tmp_path / "run")[3:]
    line[0] = "train"
    done = subprocess.run(
        [*TORCHRUN, "-m", "dvfl_lib.cli", *line],
        capture_output=True,
        text=True,
        cwd=project_root(),
    )
    assert done.returncode != 0
    assert "cannot be shared equally by 2 processes" in done.stderr
