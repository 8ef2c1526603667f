"""The quiz bank: every file is valid, fair and covers its lesson; what is exported."""

import re
from collections import Counter
from html import unescape
from itertools import takewhile

import pytest

from dvfl_lib.errors import LessonError
from tools import quiz
from tools.editions import lesson_file

FILES = sorted(quiz.BANK.glob("*.toml"))
LESSONS = [path for path in FILES if path.stem.isdigit()]
BANK = {path.stem: quiz.read(path) for path in FILES}
SAMPLE = r"""
["06.q1"]
goal = 1
section = 2
asked = "Is {a: b} = $\\{x\\}$ ~ 1 # [[half]]?\n\n```\nx = {1: 2}\n\nprint(x)\n```"
right = "[[half]] \\ $q_k\\neq 0$"
why = "So: [[sum]]"
numbers = { half = "sqrt(0.25)", sum = "f'{half + torch.ones(1).item():.1f}'" }
[["06.q1".wrong]]
misconception = "all is one"
option = "1 = 1"
told = "no #1"
[["06.q1".wrong]]
misconception = "all is none"
option = "0 ~ 0"
told = "no"
[["06.q1".wrong]]
misconception = "all is two"
option = "2"
told = "never"
"""


def written(folder, text=SAMPLE):
    path = folder / "06.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_has_its_questions_about_what_the_lesson_teaches(path):
    questions = BANK[path.stem]
    assert 8 <= len(questions) <= 10 if path in LESSONS else len(questions) == 12
    for question in questions:
        lesson = lesson_file(question.lesson).read_text("utf-8")
        assert f"## {question.section} · " in lesson, question.id
        assert question.goal in quiz.goals(question.lesson), question.id
        assert all(o.misconception and o.told for o in question.wrong), question.id
        assert len({o.text for o in question.options}) == 4, question.id


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_ids_name_the_file(path):
    """A file cannot have one twice."""
    start = path.stem.removeprefix("inventory_") + ".q"
    for question in BANK[path.stem]:
        assert re.fullmatch(re.escape(start) + r"\d+", question.id)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_goal_has_an_exercise_a_question_and_a_slide(path):
    assert len(LESSONS) == len(quiz.numbers_of_all())
    served = quiz.serving(path.stem)
    assert len(served) >= 3
    assert {goal for goal, kinds in served.items() if not all(kinds)} == set()


def test_the_map_of_goals_is_fresh():
    text = quiz.OUTCOMES.read_text("utf-8")
    assert text == quiz.outcomes(), "python -m tools.quiz outcomes"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_length_does_not_give_the_right_option_away(path):
    longest = [
        question.id
        for question in BANK[path.stem]
        if len(question.right) > max(len(o.text) for o in question.wrong)
    ]
    assert len(longest) <= 0.4 * len(BANK[path.stem]), longest


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_right_option_stands_at_each_letter_about_as_often(path):
    letters = Counter(question.letter for question in BANK[path.stem])
    assert {"A", "B", "C", "D"} == set(letters)
    assert max(letters.values()) - min(letters.values()) <= 1, letters
    for question in BANK[path.stem]:
        (place,) = [n for n, o in enumerate(question.options) if not o.misconception]
        assert "ABCD"[place] == question.letter


def test_both_inventories_ask_for_the_same_misconceptions():
    for one, other in zip(BANK["inventory_a"], BANK["inventory_b"], strict=True):
        beliefs = [{o.misconception for o in q.wrong} for q in (one, other)]
        assert beliefs[0] == beliefs[1], one.id
        assert one.asked != other.asked


def test_numbers_are_computed_one_from_another(tmp_path):
    (question,) = quiz.read(written(tmp_path))
    assert question.right == r"0.5 \ $q_k\neq 0$"
    assert question.why == "So: 1.5"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("goal = 1", "gaol = 1", "gaol"),
        ("[[half]] \\", "[[third]] \\", "third"),
        ("So: [[sum]]", "So", "not used"),
        ("sqrt(0.25)", "sqrt(-1)", "06.q1"),
        ('option = "2"', "", "option"),
    ],
)
def test_a_slip_in_a_file_is_named(tmp_path, old, new, told):
    assert old in SAMPLE
    with pytest.raises(LessonError, match=told):
        quiz.read(written(tmp_path, SAMPLE.replace(old, new)))


def parsed(text):
    """A small reader of GIFT: name -> (question, [(right, option, told)])."""
    text = re.sub(r"^\$CATEGORY.*$", "", text, flags=re.M)
    found = {}
    for block in re.split(r"\n\s*\n", text.strip()):
        # What is escaped becomes a letter that the format does not know.
        hidden = re.sub(
            r"\\(.)", lambda m: chr(0xE100 + ord(m[1].replace("n", "\n"))), block
        )
        name, asked, inside = re.fullmatch(
            r"::(.*?)::\[html\](.*?)\{\n(.*)\}", hidden, re.S
        ).groups()
        options = [
            (line[1] == "=", *line[2:].split("#", 1))
            for line in takewhile(str.strip, inside.splitlines())
        ]
        found[plain(name)] = (
            plain(asked),
            [(right, plain(option), plain(told)) for right, option, told in options],
        )
    return found


def plain(text):
    return "".join(
        chr(ord(c) - 0xE100) if 0xE100 <= ord(c) < 0xE200 else c for c in text
    )


def as_gift(question):
    return (
        quiz.html(question.asked),
        [
            (
                not option.misconception,
                quiz.html(option.text, inline=True),
                quiz.html(option.told, inline=True),
            )
            for option in question.options
        ],
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_gift_reads_back_to_the_same_questions(path):
    read = parsed(quiz.gift(BANK[path.stem], "a title"))
    assert read == {question.id: as_gift(question) for question in BANK[path.stem]}


def test_gift_escapes_what_has_a_meaning_in_it(tmp_path):
    questions = quiz.read(written(tmp_path))
    text = quiz.gift(questions, "t")
    assert r"\\(\\\{x\\\}\\)</span> \~ 1 \# 0.5" in text
    assert parsed(text) == {"06.q1": as_gift(questions[0])}


def test_the_sheet_has_its_key_on_a_page_of_its_own(tmp_path):
    path = written(tmp_path)
    page = quiz.sheet(quiz.read(path), quiz.title_of(path))
    asked, key = unescape(page).split('<section class="key">')
    assert "break-before: page" in asked
    for text in ("06 Knowledge distillation", "1 = 1", "0 ~ 0", r"\(q_k\neq 0\)"):
        assert text in asked
    for text in ("all is one", "no #1", "So: 1.5", "Right."):
        assert text in key
    assert "all is one" not in asked
    assert not re.search(r'(?:src|href)="', page.split("</script>")[-1])
