"""What a learner calls beside a check: hint, expected, solution, progress."""

from pathlib import Path

import pytest

from dvfl_lib.cli import main
from dvfl_lib.errors import LessonError
from dvfl_lib.exercises import check, expected, hint, progress, solution
from exercises.answers import answers_of


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_hints_come_one_by_one(capsys):
    hint("01.2")
    assert 'hint("01.2", 2)' in capsys.readouterr().out
    hint("01.2", 3)
    assert "Hint 3 of 3" in capsys.readouterr().out
    with pytest.raises(LessonError, match="hints 1 to 3"):
        hint("01.2", 4)


def test_the_solution_comes_after_a_try_or_when_asked_for(capsys):
    solution("01.2")
    assert "Try first" in capsys.readouterr().out
    solution("01.2", now=True)
    at_once = capsys.readouterr().out
    assert "def context_at" in at_once and "SOLUTION" not in at_once
    check("01.2", lambda *given: 1.0)
    solution("01.2")
    assert capsys.readouterr().out == at_once


def test_progress_keeps_the_best_points(capsys):
    progress()
    assert "Nothing was tried" in capsys.readouterr().out
    right = answers_of("01.2")
    Path("my_progress.json").unlink(missing_ok=True)  # of the solutions just played
    check("01.2", *right)
    check("01.2", lambda *given: 1.0)
    progress()
    told = capsys.readouterr().out
    assert "1 of 7 passed" in told and "- of -" in told


def test_expected_shows_the_open_case(capsys):
    assert float(expected("01.2")) == pytest.approx(1.0)
    bundle, metadata = expected("01.3")._repr_mimebundle_()
    assert "image/png" in bundle and "Expected" in bundle["text/plain"]
    assert metadata == {"image/png": {"alt": bundle["text/plain"]}}
    assert expected("03.3") == [[0.0], [0.05], [0.1, 0.15], [0.2]]
    assert all(len(names) == 4 and " in all" in names[3] for names in expected("03.7"))
    title = expected("03.4")._repr_mimebundle_()[0]["text/plain"]
    assert title.count("(the first of several)") == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("1.2", "named like"), (1.2, "named like"), ("01.99", "there is no"),
     ("99.1", "no exercises for lesson")],
)  # fmt: skip
def test_a_wrong_id_is_told(name, words):
    with pytest.raises(LessonError, match=words):
        check(name, abs)


def test_a_check_asks_for_all_parts():
    with pytest.raises(LessonError, match="asks for pairs, summaries; check got 1"):
        check("01.1", abs)


def test_start_copies_once_and_keeps_what_was_written(capsys):
    assert main(["exercises", "start", "01"]) == 0
    (copied,) = Path("my_exercises").glob("01_*.ipynb")
    copied.write_text("mine")
    assert main(["exercises", "start", "01"]) == 1
    assert copied.read_text() == "mine"
    assert "is there already" in capsys.readouterr().err
    assert main(["exercises", "start", "77"]) == 1
