"""Each exercise, proven both ways: right answers pass, wrong ones are told apart."""

import inspect
import re
import time

import pytest
import torch
from torch import Tensor

from dvfl_lib.exercises import running
from dvfl_lib.exercises.diagnosis import _patterns, _wrong_shape, examine
from dvfl_lib.exercises.exercise import find, lesson
from dvfl_lib.exercises.feedback import WIDTH, Report
from dvfl_lib.exercises.slips import with_slips
from exercises.answers import IDS, LESSONS, ROOT, answers_of, played, rights_of

SEEDS = pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.nightly)])
EVERY = pytest.mark.parametrize("name", IDS)
PARTS = [(name, part) for name in IDS for part in find(name).parts]
PLANTED = pytest.mark.parametrize(("name", "part"), PARTS)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A check notes points in the current folder."""
    monkeypatch.chdir(tmp_path)


def report_of(name: str, answers: tuple, seed: int = 0) -> Report:
    made = find(name)
    parts = zip(made.parts.items(), answers, strict=True)
    found = {n: examine(part, answer, seed) for (n, part), answer in parts}
    return Report(made, found, seed)


@EVERY
def test_a_stub_is_not_started(name):
    _, given, told = played(name[:2], "exercises")
    report = report_of(name, given[name])
    assert not report.started and not report.points
    assert repr(report) == told[name][0]
    assert "not started" in told[name][0] and len(told[name][0].splitlines()) == 1


@EVERY
def test_the_solution_has_all_points(name):
    for seed in (0, 1, 1234):
        report = report_of(name, answers_of(name), seed)
        assert report.passed, report
    committed, now = played(name[:2], "solutions")[2][name]
    assert committed == now


@EVERY
def test_other_right_answers_pass(name):
    rights = rights_of(name[:2]).get(name, [])
    guessed = all(part.predicted for part in find(name).parts.values())
    assert guessed or len(rights) >= 2
    for answers in rights:
        for seed in (0, 1):
            report = report_of(name, answers, seed)
            assert report.passed, report


@SEEDS
@PLANTED
def test_each_planted_mistake_gets_its_own_message(name, part, seed):
    part = find(name).parts[part]
    assert part.mistakes
    for mistake, wrong in part.mistakes.items():
        found = examine(part, wrong, seed)
        told = (found.kind, found.name, found.message)
        assert told == ("mistake", mistake, part.messages[mistake])
        assert not all(found.right.values())


@EVERY
def test_words_and_code_name_the_same(name):
    made = find(name)
    assert len(made.hints) == 3 and made.level in (1, 2, 3) and made.minutes
    for part in made.parts.values():
        assert part.messages.keys() == part.mistakes.keys()
        assert part.predicted or len(part.cases) >= 3
        for message in part.messages.values():
            assert 15 < len(message) < 320 and message.endswith((".", "?"))


WRECKS = {
    "none": lambda value: None,
    "type": lambda value: {1, 2, 3},
    "raised": lambda value: value.nonsense,
}


@pytest.mark.parametrize(
    ("name", "part"),
    [(n, p) for n, p in PARTS if inspect.isfunction(find(n).parts[p].reference)],
)
def test_what_can_be_wrong_with_any_answer_is_told(name, part):
    made = find(name)
    answer = answers_of(name)[list(made.parts).index(part)]
    part = made.parts[part]
    kinds = {"mistake", "slip", "wreck", "wrong"}
    for wreck, spoil in WRECKS.items():

        def spoilt(*arguments, spoil=spoil):
            return spoil(answer(*arguments))

        found = examine(part, spoilt)
        assert found.kind in kinds and found.message, wreck
        assert "dvfl_lib" not in found.message and len(found.message) < 420


def plain(name: str = "01.2"):
    made = find(name)
    (part,) = made.parts.values()
    return made, part, answers_of(name)[0]


def found_of(answer, name: str = "01.2"):
    made, part, _ = plain(name)
    return examine(part, answer)


def test_each_wreck_has_its_name(monkeypatch):
    """On one exercise whose answer is a number, and one whose answer is a map."""
    _, part, right = plain()
    _, _, level = plain("01.3")
    elsewhere = [torch.ones(3)]
    scope = {"elsewhere": elsewhere, "right": right}
    exec("def reads(*given):\n    return right(*given) + elsewhere[0][0]", scope)

    def changes(values, *given):
        values += 1
        return right(values - 1, *given)

    def says(*given):
        print(right(*given))

    def forever(*given):
        while True:
            pass

    monkeypatch.setattr(running, "SECONDS", 0.2)
    first = next(iter(part.cases))
    opened = running.attempt(part, right, first, 0).value
    for name, answer in {
        "none": lambda *given: None,
        "printed": says,
        "type": lambda *given: "text",
        "nan": lambda *given: float("nan"),
        "changed": changes,
        "borrowed": scope["reads"],
        "random": lambda *given: torch.rand(()),
        "time": forever,
        "raised": lambda *given: [][1],
        "constant": lambda *given: float(opened),
        "called": 3.0,
    }.items():
        found = found_of(answer)
        assert (found.kind, found.name) == ("wreck", name), found
    for name, answer in {
        "type": lambda *given: level(*given).numpy(),
        "dtype": lambda *given: level(*given).long(),
        "shape": lambda *given: level(*given)[None],
        "nan": lambda *given: level(*given) * float("nan"),
    }.items():
        found = found_of(answer, "01.3")
        assert (found.kind, found.name) == ("wreck", name), found
    shape = found_of(lambda *given: level(*given)[None], "01.3").message
    assert shape.startswith("The shape (H, W, C) = (7, 7, 2) is asked; yours is (1, ")
    asked = torch.rand(2, 3, 5)
    told = _wrong_shape(asked, asked.movedim(-1, 0), ["H", "W", "C"])
    assert told.startswith("Yours is (C, H, W) = (5, 2, 3), asked is (H, W, C)")
    assert told.endswith("the numbers are right, the axes are not in order")
    numpy = found_of(lambda *given: level(*given).numpy(), "01.3").message
    assert numpy.startswith("Asked is a torch tensor (7, 7, 2); a NumPy array came")


def test_an_exception_shows_the_learners_line_and_no_frame_of_ours():
    def wrong(values, kernel, row, column):
        return values[99, 99]

    message = found_of(wrong).message
    assert "IndexError" in message and "values[99, 99]" in message
    assert "running.py" not in message and "Traceback" not in message


@pytest.mark.parametrize(
    ("change", "symptom"),
    [
        (lambda v: v * 1.7, "factor"),
        (lambda v: -v, "factor"),
        (lambda v: v.flip(0), "order"),
    ],
)
def test_a_pattern_is_told(change, symptom):
    level = plain("01.3")[2]
    found = found_of(lambda *given: change(level(*given)), "01.3")
    assert (found.kind, found.name) == ("symptom", symptom), found


def test_right_inside_and_wrong_at_the_border_is_told():
    asked = torch.rand(4, 5, 6)
    for place, told in (((2, 3, 0), True), ((0, 4, 2), True), ((1, 2, 3), False)):
        got = asked.clone()
        got[place] += 1
        assert ("border" in dict(_patterns(asked, got, ["T", "H", "W"]))) is told


def softened(student, teacher, T):
    return ((z / T).log_softmax(dim=-1) for z in (student, teacher))


def test_two_planted_mistakes_at_once_are_both_told():
    def turned_and_over_the_classes(student, teacher, T):
        q, p = softened(student, teacher, T)
        return T**2 * (p.exp() * (q - p)).mean()

    found = examine(find("06.2").parts[""], turned_and_over_the_classes)
    assert found.kind == "mistake" and found.name.count(", ") == 1
    assert "The sign is turned" in found.message and "`batchmean`" in found.message


def test_a_slip_of_the_right_answer_is_told_of_an_answer_built_otherwise():
    def powers(student, teacher, T):
        q, p = softened(student, teacher, T)
        rows = [(a.exp() / (a - b)).sum() for a, b in zip(p, q, strict=True)]
        return T * T * sum(rows) / len(rows)

    found = examine(find("06.2").parts[""], powers)
    assert (found.kind, found.name) == (
        "slip",
        "it divides where a right one multiplies",
    )


def test_the_place_of_a_slip_in_the_learners_own_code_is_told():
    def rounds(student, teacher, T):
        q, p = softened(student, teacher, T)
        own = (p.exp() * (p - q)).sum(dim=-1)
        return T**2 * own.square().mean()

    found = examine(find("06.2").parts[""], rounds)
    assert (found.kind, found.name) == ("slip", "`square` too much")
    assert found.message.endswith("in: return T**2 * own.square().mean()")


def test_slips_change_one_thing_each_and_can_be_made():
    made = dict(with_slips(softened))
    assert len(made) > 5 and len({slip.source for slip in made}) == len(made)
    assert all(callable(one) for one in made.values())
    assert list(with_slips(len)) == []  # no source


def test_one_number_is_never_a_pattern():
    right = plain()[2]
    found = found_of(lambda *given: right(*given) * 1.7)
    assert found.kind == "wrong"


@EVERY
def test_nothing_of_a_closed_case_or_a_solution_leaks(name):
    """What is said of a wrong answer holds no expected number and no code."""
    made = find(name)
    secrets = set()
    for part in made.parts.values():
        for case in list(part.cases)[0 if part.predicted else 1 :]:
            value = running.attempt(part, part.reference, case, 0).value
            if isinstance(value, float | Tensor):
                for one in torch.as_tensor(value).detach().flatten()[:50].tolist():
                    secrets |= {f"{abs(one):.3f}"} if abs(one) % 1 > 1e-6 else set()
    told = " ".join(m for p in made.parts.values() for m in p.messages.values())
    shown = {f"{float(n):.3f}" for n in re.findall(r"\d+\.\d{3,}", told)}
    assert not shown & secrets
    solution = played_source(name)
    lines = [line.strip() for line in solution.splitlines() if len(line.strip()) > 25]
    assert not [line for line in lines if line in told or line in " ".join(made.hints)]


def played_source(name: str) -> str:
    from dvfl_lib.exercises import solution_source

    (path,) = (ROOT / "notebooks" / "solutions").glob(f"{name[:2]}_*.ipynb")
    return solution_source(path, name)


@EVERY
def test_a_check_takes_less_than_two_seconds(name):
    """Of this process's time: other work on the machine does not count."""
    answers = answers_of(name)
    start = time.process_time()
    report_of(name, answers)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("number", LESSONS)
def test_every_goal_of_a_lesson_has_an_exercise(number):
    import nbformat

    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    first = nbformat.read(path, as_version=4).cells[0].source
    goals = {int(goal) for goal in re.findall(r"^(\d)\. ", first, re.M)}
    assert {made.goal for made in lesson(number).values()} == goals


def test_a_report_fits_into_a_cell_and_says_where_to_read():
    made, part, _ = plain()
    wrong = part.mistakes["mean of those that exist"]
    report = report_of("01.2", (wrong,))
    lines = repr(report).splitlines()
    assert max(map(len, lines)) <= WIDTH and len(lines) <= 6 + len(part.cases)
    assert "3 of 5 points" in lines[0] or "points" in lines[0]
    assert lines[-1].startswith(made.place) and 'hint("01.2")' in lines[-1]
    words = re.sub(r"<[^>]+>", "", report._repr_html_().replace("<br>", "\n"))
    assert words.replace("&quot;", '"').replace("&#x27;", "'") == "\n".join(
        line if line.startswith("  ") else line for line in lines
    )
