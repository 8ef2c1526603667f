"""Every lesson keeps to the form of the course: what a reader can count on."""

import ast
import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from lesson_code import statements

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def cells(request) -> list[dict]:
    """The cells of each lesson, with their source as one text."""
    found = json.loads(request.param.read_text("utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in found]


def markdown(cells: list[dict]) -> str:
    return "\n\n".join(c["source"] for c in cells if c["cell_type"] == "markdown")


def is_figure(cell: dict) -> bool:
    outputs = cell.get("outputs", [])
    return any("image/png" in output.get("data", {}) for output in outputs)


def test_the_lesson_says_what_it_is_for(cells):
    first = cells[0]["source"]
    for part in ("**Goal.**", "After this lesson you can", "**Before you start.**"):
        assert part in first, f"{part} is missing"
    assert re.search(r"\*\*Time\.\*\*.*minutes", first), "no minutes"
    assert re.search(r"\*\*Time\.\*\*.*(GPU|CPU)", first), "no hardware"
    goals = re.findall(r"^\d\. ", first, re.M)
    assert 3 <= len(goals) <= 5


def test_the_lesson_ends_with_recap_and_references(cells):
    text = markdown(cells)
    assert re.search(r"^## Recap$", text, re.M)
    assert "**Try.**" in text
    references = text.partition("**References.**")[2]
    assert re.search(r"\]\(https://arxiv\.org/abs/", references)


def test_questions_have_their_answers_folded_away(cells):
    """The answer to a question stands in the same cell, or after the next result."""
    text = markdown(cells)
    questions = [m.start() for m in re.finditer(r"\*\*Question\.\*\*", text)]
    assert len(questions) >= 2
    for start, end in zip(questions, [*questions[1:], len(text)], strict=True):
        assert "<details><summary>" in text[start:end], text[start : start + 80]
    assert text.count("<details>") == text.count("</details>")


def test_a_question_comes_before_its_result(cells):
    """No question is the last word: a cell that answers it follows."""
    for number, cell in enumerate(cells):
        if "**Question.**" in cell["source"]:
            rest = [c["cell_type"] for c in cells[number + 1 :]]
            assert "code" in rest[:2], cell["source"][:80]


@pytest.mark.parametrize("path", NOTEBOOKS[5:], ids=lambda path: path.stem)
def test_a_question_is_never_ten_cells_away(path):
    """Lessons 00 to 04 have stretches in which the reader writes and looks."""
    found = json.loads(path.read_text("utf-8"))["cells"]
    asked = re.compile(r"\*\*(Question|Try)\.\*\*")
    places = [n for n, c in enumerate(found) if asked.search("".join(c["source"]))]
    assert max(b - a for a, b in pairwise([0, *places])) <= 10


def test_after_each_figure_stands_what_to_notice(cells):
    """Figures that follow each other may share one."""
    for number, cell in enumerate(cells):
        if not is_figure(cell):
            continue
        rest = iter(cells[number + 1 :])
        following = next((c for c in rest if not is_figure(c)), None)
        while following is not None and following["cell_type"] == "code":
            following = next(rest, None)
        words = "" if following is None else following["source"]
        assert "**What to notice.**" in words, f"after {cell['source'][-80:]!r}"


def test_every_figure_has_words_for_who_cannot_see_it(cells):
    for cell in filter(is_figure, cells):
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                words = "".join(output["data"]["text/plain"])
                assert len(words) > 15 and "Figure(" not in words, words


def test_sections_are_numbered_in_order(cells):
    numbers = [int(n) for n in re.findall(r"^## (\d+) · ", markdown(cells), re.M)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_the_set_up_cell_is_the_first_code_of_the_lesson(cells):
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    assert "setup" in first["metadata"].get("tags", [])


def classes(nodes: list[ast.stmt]) -> set[str]:
    """The names of all classes defined in these statements, inner ones too."""
    module = ast.Module(nodes, type_ignores=[])
    return {n.name for n in ast.walk(module) if isinstance(n, ast.ClassDef)}


@cache
def of_library() -> set[str]:
    files = (ROOT / "dvfl_lib").rglob("*.py")
    found = classes([s for f in files for s in ast.parse(f.read_text("utf-8")).body])
    assert "VFLNet" in found
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_class_of_a_lesson_has_its_name_in_the_library(path):
    """Who reads on in the library finds what the lesson built."""
    assert classes(statements(path.stem)) <= of_library()
