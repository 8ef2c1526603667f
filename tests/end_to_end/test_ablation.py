"""Lesson 09 as a program, and what its cells show.

Of all lessons, this one alone is not executed by nbval: four trainings at teaching
size take too long for that. Here papermill executes it with small videos and nine
epochs for a student. What does not come from these trainings is compared with the
committed outputs, as nbval does. At the end, every Try of the lesson is tried.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from dvfl_lib.lessons import project_root
from dvfl_lib.lessons.ablation import run_ablation
from printed import Printed
from small_standins import write_small

pytestmark = pytest.mark.slow
NOTEBOOK = project_root() / "notebooks" / "09_ablation_forward_kl.ipynb"
OVERRIDES = {
    "optim.epochs": 9,  # more than stored views, as in the lesson
    "optim.warmup_epochs": 1,
    "teacher.model": "vfl_net_lab_student",
    "data.frames": 2,
}
MEMORY = "print(say([-0.021, -0.006, 0.065]))"
AGAIN = ("run", "one_run", "first_table", "first_gain", "both_noises")


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> Path:
    """The folder of a run: ``out.ipynb`` and what the lesson wrote."""
    folder = tmp_path_factory.mktemp("ablation")
    tried = nbformat.read(NOTEBOOK, as_version=4)
    cells = {cell.id: cell.source for cell in tried.cells}
    ignored = {"tags": ["nbval-ignore-output"]}
    for source in (MEMORY, "seeds = [0, 1, 2]", *(cells[name] for name in AGAIN)):
        tried.cells.append(nbformat.v4.new_code_cell(source, metadata=ignored))
    nbformat.write(tried, folder / "tried.ipynb")
    given = {
        "data_root": str(write_small("ucf101", folder / "data")),
        "run_dir": str(folder / "run"),
        "overrides": OVERRIDES,
        "jobs": 2,
    }
    files = str(folder / "tried.ipynb"), str(folder / "out.ipynb")
    line = [sys.executable, "-m", "papermill", *files]
    subprocess.run(
        [*line, "--cwd", str(NOTEBOOK.parent), "-y", json.dumps(given)],
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        cwd=project_root(),
    )
    return folder


def compared(path: Path) -> dict[str, list]:
    """The outputs of each cell that nbval would compare; of pictures, their words."""
    found = {}
    for cell in nbformat.read(path, as_version=4).cells:
        tags = {"nbval-ignore-output", "parameters", "injected-parameters"}
        if cell.cell_type == "code" and not tags & {*cell.metadata.get("tags", ())}:
            found[cell.source] = shown(cell.outputs)
    return found


def shown(outputs) -> list[str]:
    """A kernel may send what a cell prints in several pieces: they are one text."""
    printed = "".join(output.get("text", "") for output in outputs)
    shown = [output["data"] for output in outputs if "data" in output]
    texts = (data.get("text/markdown", data["text/plain"]) for data in shown)
    return [Printed(text) for text in (printed, *texts)]


def test_printed_in_pieces_is_printed():
    pieces = [nbformat.v4.new_output("stream", text=text) for text in ("a\n", "b\n")]
    figure = nbformat.v4.new_output("display_data", data={"text/plain": "a figure"})
    assert shown([pieces[0], figure, pieces[1]]) == ["a\nb\n", "a figure"]


def test_every_cell_shows_what_is_committed(executed):
    expected = compared(NOTEBOOK)
    assert sum(map(any, expected.values())) > 15
    assert compared(executed / "out.ipynb") == expected


def test_the_runs_and_their_tables_are_left(executed):
    run = executed / "run"
    told = json.loads((run / "ablation.json").read_text("utf-8"))
    assert told["standin"] is True
    page = (run / "ablation.md").read_text("utf-8")
    assert "labels alone" in page and "seed 1" in page and "stand-in" in page
    assert (run / "reduced.png").stat().st_size > 1000
    for name in ("labels", "kl_teacher_12", "teacher_12"):
        for seed in (0, 1):
            assert (run / f"{name}_seed{seed}.log").is_file()


def test_every_try_works_at_the_end(executed):
    """Under the names that the lesson has left; a third seed joins the two."""
    cells = nbformat.read(executed / "out.ipynb", as_version=4).cells
    told = [shown(cell.outputs)[0] for cell in cells[-len(AGAIN) - 2 :]]
    assert told[0] == "+1.3 points (-10.1 to +12.7), 3 seeds\n"
    assert told[-2].count("mean of 3 seeds") == 1 and told[-1].count("seed ") >= 3


def test_what_is_finished_is_read_and_not_run_again(executed):
    kept = {path: path.stat().st_mtime_ns for path in executed.glob("run/*.log")}
    read = run_ablation(
        grid="reduced",
        seeds=[0, 1],
        folder=executed / "run",
        data_root=str(executed / "data"),
        overrides=OVERRIDES,
    )
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for seed in (0, 1):
        labels = read.found[f"labels_seed{seed}"]
        taught = read.found[f"kl_teacher_12_seed{seed}"]
        assert labels["role"] == "baseline" and taught["role"] == "student"
        assert labels["standin"] is True and taught["labels"] == labels["labels"]
