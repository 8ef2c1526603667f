"""How lessons are made ready: stamped, executed, looked through, and listed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from dvfl_lib.errors import LessonError
from dvfl_lib.lessons.tables import lesson_table, project_address
from helpers import load_script

ROOT = Path(__file__).resolve().parents[1]
MAKE = load_script("tools/notebooks.py")
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ABOUT = {"title": "t", "goal": "g", "minutes_cpu": None, "minutes_gpu": None}
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


def lesson(path: Path, *sources: str, **changes) -> Path:
    """A small lesson: badge, set-up, and what is given."""
    cells = [new_markdown_cell("# 00 t\n\nBADGE"), new_code_cell("# set-up")]
    cells[1].metadata["tags"] = ["setup"]
    cells += [new_code_cell(source) for source in sources]
    notebook = new_notebook(cells=cells)
    notebook.metadata = {"dvfl": dict(ABOUT), "kernelspec": KERNEL, **changes}
    nbformat.write(notebook, path)
    return path


def executed(path: Path, source: str = "1 + 1", **changes) -> Path:
    """A lesson of one cell, as if it had been executed, without its set-up."""
    lesson(path, source, **changes)
    notebook = nbformat.read(path, 4)
    notebook.cells = [new_markdown_cell("# t"), notebook.cells[2]]
    notebook.cells[1].execution_count = 1
    nbformat.write(notebook, path)
    return path


# --- stamping ---------------------------------------------------------------


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_badge_and_set_up_of_each_lesson_follow_from_the_address(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    assert MAKE.stamp(copy, project_address(ROOT)) is False, "make notebooks"


def test_a_lesson_without_the_places_is_refused_and_left_alone(tmp_path):
    path = executed(tmp_path / "x.ipynb")
    before = path.read_bytes()
    with pytest.raises(LessonError, match="BADGE"):
        MAKE.stamp(path, "https://github.com/one/first")
    assert path.read_bytes() == before


# --- the set-up cell --------------------------------------------------------


SET_UP_AROUND = """
import importlib.metadata, json, pathlib, subprocess, sys
import dvfl_lib.environment

library, installed = {library!r}, {installed!r}
started, found = [], importlib.metadata.distributions

def run(command, check):
    command = [str(part) for part in command]
    started.append(command)
    if command[:2] == ["git", "clone"]:
        target = pathlib.Path(command[-1])
        target.mkdir()
        (target / "dvfl_lib").symlink_to(library)

def distributions(**wanted):
    if wanted.get("name") == "dvfl-lib":
        return [1] if installed else []
    return found(**wanted)

subprocess.run = run
importlib.metadata.distributions = distributions
{set_up}
print(json.dumps(started))
"""


def run_set_up(folder: Path, installed: bool) -> list[list[str]]:
    """Run the set-up cell in a folder; the commands that it would have started.

    ``git clone`` brings this checkout's library by a link, pip does nothing.
    """
    code = SET_UP_AROUND.format(
        library=str(ROOT / "dvfl_lib"),
        installed=installed,
        set_up=MAKE.setup_source("https://github.com/some/course"),
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^torch +\d", done.stdout, re.M), "no environment report"
    return json.loads(done.stdout.splitlines()[-1])


def test_in_a_checkout_the_set_up_starts_nothing():
    assert run_set_up(ROOT / "notebooks", installed=True) == []


@pytest.mark.nightly
def test_without_a_checkout_the_set_up_fetches_one_and_installs_it(tmp_path):
    clone, pip = run_set_up(tmp_path, installed=False)
    assert clone[:2] == ["git", "clone"] and "--depth=1" in clone
    assert clone[-2:] == ["https://github.com/some/course", str(tmp_path / "course")]
    assert pip[1:4] == ["-m", "pip", "install"]
    assert pip[-2:] == ["-e", str(tmp_path / "course")]
    assert "-U" not in pip and "--upgrade" not in pip  # replaces nothing
    # a second run finds what the first brought
    assert run_set_up(tmp_path, installed=True) == []


# --- looking through --------------------------------------------------------

HIDDEN = """
from ipywidgets import IntSlider, interact
interact(lambda n: 1 / n, n=IntSlider(0, 0, 3))
"""


@pytest.mark.nightly
def test_an_error_hidden_in_a_widget_is_found_in_an_executed_notebook(tmp_path):
    """The execution itself ends without complaint: this is why the scan exists."""
    path = executed(tmp_path / "x.ipynb", HIDDEN)
    notebook = nbformat.read(path, 4)
    NotebookClient(notebook, kernel_name="python3", store_widget_state=True).execute()
    nbformat.write(notebook, path)
    found = [line for line in MAKE.lint(path) if "ZeroDivisionError" in line]
    assert found and found[0].startswith("widget")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda n: n.cells[1].update(execution_count=2), "top to bottom"),
        (lambda n: n.cells[1].update(execution_count=None), "top to bottom"),
        (
            lambda n: n.cells[1].update(
                outputs=[new_output("error", ename="E", evalue="v", traceback=[])]
            ),
            "shows E: v",
        ),
        (lambda n: n.metadata.update(widgets={"x": {}}), "no state"),
        (lambda n: n.metadata.pop("dvfl"), "metadata.dvfl"),
        (lambda n: n.metadata.kernelspec.update(name="conda"), "python3"),
        (lambda n: n.cells[0].metadata.update(id="colab"), "cell 0 has metadata"),
        (lambda n: n.cells[0].update(source="[a](no/such.md)"), "no/such.md"),
        (lambda n: n.cells[0].update(source='<img src="no.png">'), "no.png"),
        (lambda n: n.cells[0].update(source="# t\n\nBADGE"), "never stamped"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, change, says):
    path = executed(tmp_path / "x.ipynb")
    assert MAKE.lint(path) == []
    notebook = nbformat.read(path, 4)
    change(notebook)
    nbformat.write(notebook, path)
    found = MAKE.lint(path)
    assert len(found) == 1 and says in found[0]


def test_unused_imports_in_a_notebook_are_found_by_the_linter(tmp_path):
    """``make lint`` runs ruff on notebooks too; this holds it to that."""
    path = executed(tmp_path / "x.ipynb", "import json\nimport math\n\nprint(math.pi)")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", "pyproject.toml", path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "F401" in done.stdout and "json" in done.stdout


# --- executing --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.nightly
def test_a_lesson_is_stamped_executed_and_tidied_or_left_as_it_was(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(MAKE, "_SETUP", "ADDRESS = '{address}'")
    path = lesson(tmp_path / "00_t.ipynb", "print(ADDRESS)\nADDRESS", "2 + 2")
    MAKE.execute(path)
    assert MAKE.lint(path) == []
    notebook = nbformat.read(path, 4)
    assert notebook.cells[-1].outputs[0].data["text/plain"] == "4"
    about = notebook.metadata.dvfl
    assert 0.5 in (about["minutes_cpu"], about["minutes_gpu"])
    wrong = lesson(tmp_path / "01_t.ipynb", "1 / 0")
    MAKE.stamp(wrong)
    before = wrong.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        MAKE.execute(wrong)
    assert wrong.read_bytes() == before


def test_the_command_checks_and_tells_by_its_status(tmp_path, capsys):
    good = executed(tmp_path / "a.ipynb")
    bad = executed(tmp_path / "b.ipynb", papermill={})
    assert MAKE.main(["check", str(good)]) == 0
    assert MAKE.main(["check", str(good), str(bad)]) == 1
    assert "b.ipynb: metadata that a tool left: papermill" in capsys.readouterr().out
    assert MAKE.main([]) == MAKE.main(["walk"]) == 2


def test_the_table_has_a_row_per_lesson_and_admits_what_is_not_measured():
    rows = lesson_table(ROOT).splitlines()[2:]
    assert len(rows) == len(LESSONS)
    assert all("not measured" in row or row.count("|") == 6 for row in rows)
    assert all(
        f"](notebooks/{path.name})" in row
        for path, row in zip(LESSONS, rows, strict=True)
    )


# --- tidying ----------------------------------------------------------------


def test_what_a_commit_does_not_need_is_left_out(tmp_path):
    notebook = nbformat.read(executed(tmp_path / "x.ipynb", papermill={"a": 1}), 4)
    kept = [
        new_output("execute_result", data={"text/plain": "3"}, execution_count=1),
        new_output("error", ename="E", evalue="v", traceback=["t"]),
        new_output("stream", name="stdout", text="after\n"),
    ]
    empty = new_output("stream", name="stderr", text="     \r")
    notebook.cells[1].outputs = [empty, *kept]
    notebook.cells[1].metadata = {"execution": {"at": "noon"}, "tags": ["parameters"]}
    MAKE.tidy(notebook)
    assert notebook.cells[1].outputs == kept
    assert set(notebook.metadata) == {"dvfl", "kernelspec", "language_info"}
    assert notebook.cells[1].metadata == {"tags": ["parameters"]}


def test_of_a_widget_with_a_picture_the_picture_stays_and_no_state(tmp_path):
    view = "application/vnd.jupyter.widget-view+json"

    def shown(name, **more):
        data = {"text/plain": "w", view: {"model_id": name}, **more}
        return new_output("execute_result", data=data, execution_count=1)

    path = executed(tmp_path / "x.ipynb")
    notebook = nbformat.read(path, 4)
    picture, slider = shown("large", **{"image/png": "AAAA"}), shown("slider")
    notebook.cells[1].outputs = [picture, slider]
    state = {
        "large": {"state": {"blob": "0" * 10**6, "layout": "IPY_MODEL_l0"}},
        "l0": {"state": {}},
        "slider": {"state": {"layout": "IPY_MODEL_l1"}},
        "l1": {"state": {}},
    }
    bundle = {"state": state, "version_major": 2}
    notebook.metadata["widgets"] = {"widget-state": bundle}
    nbformat.write(notebook, path)
    assert MAKE.lint(path) == ["cell [1] keeps a widget beside its picture"]
    MAKE.tidy(notebook)
    nbformat.write(notebook, path)
    assert MAKE.lint(path) == []
    assert set(picture.data) == {"text/plain", "image/png"} and view in slider.data
    assert set(notebook.metadata.widgets["widget-state"]["state"]) == {"slider", "l1"}
    del slider.data[view]
    MAKE.tidy(notebook)
    assert "widgets" not in notebook.metadata
