"""Slides: what a tag makes of a cell, and every deck without a browser."""

import hashlib
import re

import pytest
from nbformat.v4 import (
    new_code_cell,
    new_markdown_cell,
    new_notebook,
    new_output,
)

from dvfl_lib.errors import LessonError
from dvfl_lib.exercises.exercise import lesson
from tools import slides
from tools.editions import lesson_file, numbers_of_all
from tools.notebooks import write_notebook

FIRST = (
    "# 06 A lesson\n\n**Goal.** See it.\n\nAfter this lesson you can\n\n1. see;\n2. do."
)
PICTURE = {"image/png": "aGk=", "text/plain": "A curve, that <falls>."}


def text(source, *tags):
    return new_markdown_cell(source, metadata={"tags": list(tags)})


def code(source, *tags, printed="", picture=False):
    outputs = [new_output("stream", text=printed)] if printed else []
    outputs += [new_output("display_data", PICTURE)] if picture else []
    return new_code_cell(source, outputs=outputs, metadata={"tags": list(tags)})


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The slides of a small lesson, without the first and the last."""

    def make(*cells):
        path = tmp_path / "06_x.ipynb"
        notebook = new_notebook(cells=[text(FIRST), *cells])
        for number, cell in enumerate(notebook.cells):
            cell.id = f"cell-{number}"
        write_notebook(path, notebook)
        monkeypatch.setattr(slides, "lesson_file", lambda number: path)
        return slides.deck("06")[1:-1]

    return make


def shown(slide):
    return re.sub("<[^>]+>", "", " ".join(slide.body)).split()


def test_sentences_end_where_a_reader_ends_them():
    paragraph = "At $T=1.5$ it is. See `a. B`? *Yes.* In 0.5 s. [A. B](c.md) too."
    assert slides.sentences(paragraph) == [
        "At $T=1.5$ it is.",
        "See `a. B`?",
        "*Yes.*",
        "In 0.5 s.",
        "[A. B](c.md) too.",
    ]


def test_a_cell_becomes_a_slide_for_each_thing_it_speaks_of(made):
    one, two = made(
        text(
            "**What to notice.** No.\n\n## 2 · Two\n\nA is. B is. C is:\n\n$$x$$\n\n"
            "(Aside.)\n\n**Why?** D is. E is:\n\n**Your turn.** No.",
            "slide",
            "goal-2",
        )
    )
    assert (one.title, two.title, two.section) == ("2 · Two", "Why?", "2 · Two")
    assert shown(one) == "A is. B is. C is: \\[x\\]".split()
    assert shown(two) == "D is. E is.".split()
    assert one.goals == two.goals == {2}
    assert "(Aside.)" in " ".join(one.notes)


def test_what_is_said_is_chosen_by_its_first_words(made):
    cell = "## 2 · Two\n\nA is. B is. C is.\n\n- D is. E is.\n- F is.\n\n**G.** H is."
    (one,) = made(text(cell, "slide", "say: C", "say: E"))
    assert shown(one) == "C is. E is.".split()
    with pytest.raises(LessonError, match="cell-1: no sentence .*'X'"):
        made(text(cell, "slide", "say: X"))


def test_a_question_is_asked_before_its_answer_is_shown(made):
    cell = (
        "## 2 · Two\n\nNow A. Now B.\n\n**Question.** Which?\n\n"
        "<details><summary>Answer</summary>\n\nNone.\n\n</details>\n\nMore."
    )
    (asked,) = made(text(cell, "ask", "say: Now B"))
    assert (asked.kind, asked.title) == ("ask", "2 · Two")
    assert shown(asked) == "Now B. Which? None.".split()
    assert re.search(r'class="answer fragment"><p>None', asked.body[-1])


def test_code_shares_the_slide_of_the_words_before_it_and_its_output_that_of_it(made):
    one, two = made(
        text("## 2 · Two\n\nA is.", "slide"),
        code("def f(): ...", "slide"),
        code("print(f())", "slide", "goal-1", printed="7\n"),
        code("secret()", "result", printed="8\n"),
    )
    assert shown(one) == "A is. def f(): ... 7".split()
    assert one.goals == {1}
    assert shown(two) == ["8"]


def test_a_picture_is_shown_with_its_words_and_with_what_to_notice(made):
    one, two = made(
        text("## 2 · Two\n\nA is.", "slide"),
        code("draw()"),
        code("show()", "slide", picture=True),
        code("more()"),
        text("**What to notice.** It falls. It ends.", "say: It falls"),
    )
    assert (two.kind, two.title) == ("picture", "2 · Two")
    assert 'alt="A curve, that &lt;falls&gt;."' in two.body[0] + two.body[1]
    assert "show" not in " ".join(two.body)
    assert '<div class="seen fragment"><p>It falls.</p></div>' in two.body
    assert "It ends." in two.notes[0]


def test_source_that_is_too_long_names_its_cell(made):
    with pytest.raises(LessonError, match="cell-1: more than 16 lines"):
        made(code("x = 1\n" * 17, "slide"))


@pytest.mark.parametrize("number", numbers_of_all())
def test_each_deck_is_whole(number):
    deck = slides.deck(number)
    assert 12 <= len(deck) <= 25
    for slide in deck[1:]:
        assert slide.title and any(slide.body), slide.cell
        for alt in re.findall('<img [^>]*alt="([^"]*)"', " ".join(slide.body)):
            assert len(alt) > 15, slide.cell
    for exercise in lesson(number).values():
        assert exercise.id in deck[-1].body[0]
    assert sum(slide.kind == "ask" for slide in deck) >= 2


def test_a_page_brings_all_that_it_needs_and_links_to_its_lesson():
    page = re.sub("<script>.*?</script>", "", slides.page("06"), flags=re.S)
    assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="(?!data:)', page)
    assert page.count("<section ") == len(slides.deck("06"))
    assert f'href="{lesson_file("06").name}"' in page


def test_links_of_a_deck_lead_to_the_repository(tmp_path, monkeypatch):
    address = slides.project_address(slides.ROOT)
    monkeypatch.setattr(slides, "ROOT", tmp_path)
    monkeypatch.setattr(slides, "project_address", lambda root: address)
    assert slides.main(["06"]) == 0
    (path,) = (tmp_path / "build" / "slides").glob("*.html")
    lesson = f"{address}/blob/main/notebooks/{lesson_file('06').name}"
    assert f'href="{lesson}"' in path.read_text("utf-8")


def test_what_is_vendored_is_what_it_says():
    folder = slides.PIECES / "vendor"
    told = dict(
        re.findall(
            r"^\| \[(\S+)\].*`([0-9a-f]{64})` \|$",
            (folder / "README.md").read_text("utf-8"),
            re.M,
        )
    )
    assert set(told) == {path.name for path in folder.iterdir()} - {"README.md"}
    for name, digest in told.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
