"""Lesson 08 as a program: cut short, killed on the way, it ends with the same numbers.

Two small stand-ins, three test lists: what is tested is the way.
"""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat
import pytest

from dvfl_lib.lessons import project_root
from small_standins import write_small

NOTEBOOK = project_root() / "notebooks" / "08_evaluate_benchmarks.ipynb"
SPLITS = ("1", "2")  # of HMDB51
ROLES = ("student", "baseline", "teacher")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("data")
    names = ("hmdb51", "kinetics400")
    return {name: str(write_small(name, root / name, seed=1)) for name in names}


def command(folder: Path, data: dict, notebook: Path = NOTEBOOK) -> list[str]:
    """papermill with the notebook's own parameters, cut down."""
    given = {
        "data_roots": data,
        "run_dir": str(folder / "run"),
        "splits": {"hmdb51": list(SPLITS)},
        "more_views": [],
    }
    line = [sys.executable, "-m", "papermill", str(notebook), str(folder / "out.ipynb")]
    return [*line, "--cwd", str(NOTEBOOK.parent), "-y", json.dumps(given)]


def results(folder: Path) -> dict[str, dict]:
    """Every result that is there, but for how long it took."""
    root = folder / "run" / "results"
    files = sorted(root.rglob("[a-z]*.json")) if root.is_dir() else []
    return {
        str(file.relative_to(root)): {**json.loads(file.read_text()), "seconds": None}
        for file in files
    }


def report(folder: Path) -> dict:
    """The numbers of the page, without what was measured in seconds."""
    told = json.loads((folder / "run" / "benchmarks.json").read_text("utf-8"))
    del told["costs"]
    return told


def run(folder: Path, data: dict, notebook: Path = NOTEBOOK) -> None:
    """To the end."""
    folder.mkdir(exist_ok=True)
    line = command(folder, data, notebook)
    done = subprocess.run(line, capture_output=True, text=True, cwd=project_root())
    assert done.returncode == 0, done.stderr[-4000:]


def with_tries(path: Path) -> Path:
    """The lesson, and behind its last cell what "Try" asks its reader to do there."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    (opens,) = [source for source in code if "bench = open_benchmarks(" in source]
    (evaluates,) = [source for source in code if "results = bench" in source]
    asked = notebook.cells[-1].source.partition("**Try.**")[2]
    tries = re.findall(r"^```\n(.*?)^```", asked, re.M | re.S)
    for quoted in ("split_mean(of(shown, main)[:2])", 'options = {"seed": 0}'):
        assert quoted in asked
    tries.append("print(split_mean(of(shown, main)[:2]).whole)")
    # One network and one list, for time.
    few = 'benchmarks, splits = ["kinetics400"], {}\ndel data_roots["hmdb51"]\n'
    few += 'checkpoints = [f"student={first.networks[shown].file.path}"]\n'
    views = 'views, more_views, run_dir = "4x3", [], run_dir + " of its own"\n'
    shown = "\nprint([str(result.views) for result in results.values()])"
    tries.append(few + views + opens + "\n" + evaluates + shown)
    seed = 'data_roots = {}\noptions["seed"] = 0\ntry:\n'
    refused = "\nexcept Exception as error:\n    print(error)"
    tries.append(seed + textwrap.indent(opens, "    ") + refused)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in tries]
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """An uninterrupted run, with all that the lesson asks to try."""
    folder = tmp_path_factory.mktemp("whole run")  # with a blank in its path
    run(folder, data, with_tries(folder / "with tries.ipynb"))
    return folder


def test_it_leaves_a_result_per_list_and_network_and_a_page(whole):
    names = set(results(whole))
    own = {f"hmdb51/{split}/{role}.json" for split in SPLITS for role in ROLES}
    own |= {f"kinetics400/1/{role}.json" for role in ROLES}
    assert own == names and len(own) == 3 * len(ROLES)
    assert all(told["standin"] for told in results(whole).values())
    for page in ("benchmarks.md", "benchmarks.html"):
        text = (whole / "run" / page).read_text("utf-8").replace("\u00a0", " ")
        assert "on stand-in data" in text and "82.7 %" in text
    assert len(list((whole / "run" / "figures").glob("*.png"))) == 4
    notebook = nbformat.read(whole / "out.ipynb", as_version=4)
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert all(o.output_type != "error" for o in outputs)


def test_what_the_lesson_asks_to_try_works_at_its_end(whole):
    notebook = nbformat.read(whole / "out.ipynb", as_version=4)
    *_, uneven, fewer, mean, views, seed = notebook.cells
    assert uneven.outputs[0].text == "[0, 1, 2, 3, 4, 5]\n"
    table = fewer.outputs[0].data["text/markdown"]
    assert "mean of splits 1, 2, not all of them" in table
    assert mean.outputs[0].text == "False\n"
    (told,) = [o.text for o in views.outputs if o.get("name") == "stdout"]
    assert told.startswith("['4 x 3 (")
    (told,) = [o.text for o in seed.outputs if o.get("name") == "stdout"]
    assert "show the same scenes" in told


def test_what_no_parameter_changes_is_printed_as_in_the_lesson(whole):
    """Leaks, published numbers: the cells that nbval would compare."""
    executed, stored = (
        {
            "".join(cell["source"]): [o.get("text") for o in cell["outputs"]]
            for cell in nbformat.read(path, as_version=4).cells
            if cell.cell_type == "code"
        }
        for path in (whole / "out.ipynb", NOTEBOOK)
    )
    for start in ("split 1:", "for row in PUBLISHED_RESULTS", "for shared in (0"):
        (source,) = [code for code in stored if start in code]
        assert executed[source] == stored[source] != []


def kill_between(folder: Path, data: dict, least: int) -> int:
    """SIGKILL to the command and its kernel once so many results are there."""
    process = subprocess.Popen(
        command(folder, data),
        cwd=project_root(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the kernel is of the same group
    )
    deadline = time.monotonic() + 300
    while len(list((folder / "run").rglob("[a-z]*.json"))) < least:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(results(folder))


@pytest.mark.nightly
def test_killed_in_the_middle_it_ends_with_the_same_numbers(whole, data, tmp_path):
    for least in (2, 6):
        there = kill_between(tmp_path, data, least)
        assert least <= there < len(results(whole))
    kept = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "run" / "results").rglob("[a-z]*.json")
    }
    run(tmp_path, data)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert results(tmp_path) == results(whole)
    assert report(tmp_path) == report(whole)


@pytest.mark.nightly
def test_a_wrong_parameter_ends_before_any_work(data, tmp_path):
    line = [*command(tmp_path, data), "-p", "views", "4x2"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=project_root())
    assert done.returncode != 0
    assert "RecipeError" in done.stderr and "4x3" in done.stderr
    assert not (tmp_path / "run" / "results").exists()
