"""The tables of course/syllabus.md can be kept to: times, breaks, exercises, sums.

And what the pack's pages link to and call is there.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
HEADER = (
    "| Time | Lesson: sections | What happens | Votes | Exercises | Leave out first |"
)
COLUMNS = ("time", "lesson", "what", "votes", "exercises", "leave")
PAGES = sorted((ROOT / "course").glob("*.md"))
NUMBERS = {f"{number:02}" for number in range(11)}
TEXT = (ROOT / "course" / "syllabus.md").read_text("utf-8")
LENGTHS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S))
EVERY = pytest.mark.parametrize("length", LENGTHS)


def minutes_of(clock: str) -> int:
    hours, minutes = clock.split(":")
    return 60 * int(hours) + int(minutes)


def tables(length: str) -> list[list[dict]]:
    """Each table's rows, with their begin and end in minutes of the day."""
    found = []
    for block in LENGTHS[length].split(HEADER)[1:]:
        rows = []
        for line in re.findall(r"^\| (\d.*?) \|$", block, re.M):
            row = dict(
                zip(COLUMNS, map(str.strip, f"{line} ".split(" |")), strict=True)
            )
            row["begin"], row["end"] = map(minutes_of, row["time"].split("–"))
            rows.append(row)
        found.append(rows)
    return found


def is_break(row: dict) -> bool:
    return row["what"] == "**break**"


def named(row: dict) -> list[tuple[str, int]]:
    """Exercises and the minutes that the table gives them."""
    cells = row["exercises"].split(", ") if row["exercises"] else []
    pairs = [re.fullmatch(r"(\d\d\.\d) \((\d+)\)", cell).groups() for cell in cells]
    return [(name, int(minutes)) for name, minutes in pairs]


def numbers(text: str) -> list[int]:
    """ "2-4, 7" with a long dash: 2, 3, 4, 7."""
    found = []
    for part in text.split(", "):
        low, _, high = part.partition("–")
        found += range(int(low), int(high or low) + 1)
    return found


def sections(lesson: str) -> dict[int, str]:
    """The numbered sections of a lesson, as Markdown."""
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = "\n".join(
        "".join(c["source"]) for c in cells if c["cell_type"] == "markdown"
    )
    parts = re.split(r"^## (\d+) · ", text, flags=re.M)
    return {int(n): body for n, body in zip(parts[1::2], parts[2::2], strict=True)}


def exercises(lesson: str) -> dict[str, dict]:
    path = ROOT / "dvfl_lib" / "exercises" / f"lesson_{lesson}.toml"
    return tomllib.loads(path.read_text("utf-8"))


def test_there_are_four_lengths():
    assert list(LENGTHS) == ["90 minutes", "One day", "One week", "Half a semester"]
    assert [len(tables(length)) for length in LENGTHS] == [1, 1, 5, 8]


@EVERY
def test_times_follow_each_other_and_breaks_come_in_time(length):
    for rows in tables(length):
        since = rows[0]["begin"]
        for row, after in zip(rows, [*rows[1:], None], strict=True):
            assert row["begin"] < row["end"], row["time"]
            assert after is None or after["begin"] == row["end"], row["time"]
            since = row["end"] if is_break(row) else since
            assert row["end"] - since <= 100, f"no break before {row['time']}"
        assert not is_break(rows[0]) and not is_break(rows[-1])


@EVERY
def test_exercises_exist_and_have_the_time_they_need(length):
    for row in (row for rows in tables(length) for row in rows):
        for name, minutes in named(row):
            assert exercises(name[:2])[name]["minutes"] == minutes, name
            assert name[:2] == row["lesson"][:2], name
            assert exercises(name[:2])[name]["section"] in numbers(row["lesson"][4:])
        needed = sum(minutes for _, minutes in named(row))
        assert row["end"] - row["begin"] >= needed, row["time"]
        for name in re.findall(r"\d\d\.\d", row["what"]):  # at home
            assert name in exercises(name[:2]), name


@EVERY
def test_sections_exist_and_votes_have_questions(length):
    for row in (row for rows in tables(length) for row in rows):
        if not row["lesson"]:
            assert not row["votes"] and not row["exercises"]
            continue
        lesson, _, shown = row["lesson"].partition(": ")
        there = sections(lesson)
        assert set(numbers(shown)) <= set(there), row
        for number in numbers(row["votes"]) if row["votes"] else ():
            assert number in numbers(shown), row
            assert "**Question.**" in there[number], row


@EVERY
def test_the_sums_below_the_tables_are_right(length):
    rows = [row for table in tables(length) for row in table]
    spent = {True: 0, False: 0}
    for row in rows:
        spent[is_break(row)] += row["end"] - row["begin"]
    asked = sum(minutes for row in rows for _, minutes in named(row))
    told = f"{spent[False]} minutes of teaching, of these {asked} for exercises; "
    assert f"Together: {told}{spent[True]} minutes of breaks." in LENGTHS[length]
    decks = sorted({row["lesson"][:2] for row in rows} - {""})
    slides = ", ".join(f"`build/slides/{number}.html`" for number in decks)
    assert f"Slides: {slides}." in LENGTHS[length]


@EVERY
def test_no_exercise_is_done_twice(length):
    done = [name for rows in tables(length) for row in rows for name, _ in named(row)]
    assert len(done) == len(set(done))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_of_the_pack_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.M)
            plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
            assert anchor in {title.replace(" ", "-") for title in plain}, target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_the_pack_names_is_there(page):
    text = page.read_text("utf-8")
    for tool in re.findall(r"-m (tools|benchmarks)\.(\w+)", text):
        assert (ROOT / tool[0] / f"{tool[1]}.py").exists(), tool
    for name in re.findall(r"\b(\d\d\.\d)\b(?! GB)", text):
        if name[:2] in NUMBERS:
            assert name in exercises(name[:2]), f"{page.name} names {name}"


def test_the_form_for_who_taught_it_is_one():
    """GitHub wants a name, a description, and parts with ids of their own."""
    path = ROOT / ".github" / "ISSUE_TEMPLATE" / "taught-it.yml"
    form = yaml.safe_load(path.read_text("utf-8"))
    assert form["name"] and form["description"]
    asked = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked) >= 10
    assert all(part["attributes"]["label"] for part in asked)
    first = (ROOT / "course" / "README.md").read_text("utf-8")
    assert f"template={path.name}" in first
