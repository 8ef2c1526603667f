"""The notebooks of exercises are what the masters and the words make of them."""

import re

import nbformat
import pytest

from dvfl_lib.exercises import expected
from exercises.answers import LESSONS, ROOT, notebook
from tools.editions import blanked, class_edition, filled, stub, students, tags, turned
from tools.notebooks import _errors

EVERY = pytest.mark.parametrize("number", LESSONS)


def sources(made: nbformat.NotebookNode) -> list[tuple]:
    return [(c.cell_type, c.source, c.metadata.get("tags")) for c in made.cells]


@EVERY
def test_both_editions_are_fresh(number):
    master = notebook(number, "solutions")
    again = filled(master, number)
    assert sources(again) == sources(master)
    student = notebook(number, "exercises")
    assert sources(students(again, number)) == sources(student)


@EVERY
def test_no_solution_is_in_the_students_edition(number):
    text = "\n".join(cell.source for cell in notebook(number, "exercises").cells)
    assert "SOLUTION" not in text
    assert "NotImplementedError" in text or "= ..." in text


@EVERY
@pytest.mark.parametrize("edition", ["exercises", "solutions"])
def test_notebooks_are_executed_without_an_error(number, edition):
    made = notebook(number, edition)
    code = [c for c in made.cells if c.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1)) and len(made.cells) <= 40
    assert not [e for cell in code for e in _errors(cell.outputs, "cell")]


@EVERY
def test_what_is_expected_is_shown_as_committed(number):
    shown = [c for c in notebook(number, "solutions").cells if "help" in tags(c)]
    for cell in shown:
        (output,) = cell.outputs
        picture = expected(re.fullmatch(r'expected\("(.*)"\)', cell.source)[1])
        data, metadata = picture._repr_mimebundle_()
        assert data["text/plain"] == output.data["text/plain"]
        assert metadata == output.metadata


@EVERY
def test_the_lines_your_turn_are_stamped(number):
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    lesson = nbformat.read(path, as_version=4)
    before = sources(lesson)
    assert any("**Your turn.**" in source for _, source, _ in before)
    turned(lesson, number)
    assert sources(lesson) == before


def test_a_stub_raises_or_waits_for_a_value():
    source = (
        "def f(x):\n    y = 1\n    ### BEGIN SOLUTION\n    return y\n"
        "    ### END SOLUTION"
    )
    raised = 'def f(x):\n    y = 1\n    raise NotImplementedError("01.2")'
    assert stub(source, "01.2") == raised
    value = "### BEGIN SOLUTION\na = 3\nb = 4\n### END SOLUTION"
    assert stub(value, "01.2") == "a = ...\nb = ..."


def test_the_class_edition_leaves_key_lines_blank(tmp_path, monkeypatch):
    assert blanked("def f(x):\n    é = (x +\n  1)\n    return é  # why") == (
        "def f(x):\n    é = (...)\n    return ...  # why"
    )
    monkeypatch.setattr("tools.editions.BUILD", tmp_path)
    made = nbformat.read(class_edition("01"), as_version=4)
    key = [c.source for c in made.cells if "key" in c.metadata.get("tags", [])]
    assert len(key) >= 4 and all("..." in source for source in key)
    assert not any(c.get("outputs") for c in made.cells)
