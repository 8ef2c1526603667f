"""The report of a run: complete, self-contained, honest about what it shows."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

from dvfl_lib.cost import ViewCost
from dvfl_lib.evaluation import (
    Evaluation,
    Views,
)
from dvfl_lib.evaluation.report import write_final_report, write_report
from dvfl_lib.figures import accuracy_bars, alt_text
from small_results import on_split

FULL = Views(4, 3, 8, "segments", 224, 224)


def evaluation(name: str, right: int, **changes) -> Evaluation:
    """A result of 40 videos in 6 classes, the first ``right`` of them correct."""
    views = Views(2, 3, 8, "segments", 64, 56)
    return on_split("1", right, n=40, name=name, views=views, **changes)


RIGHT = {"teacher": 38, "baseline": 20, "student": 30}


RECIPE = {"profile": "demo", "distil": {"alpha": 0.2, "temperature": 10.0}}
ABOUT = {
    "parameters": {"teacher": 600_000, "baseline": 75_000, "student": 75_000},
    "gmacs": {"teacher": 0.31, "baseline": 0.042, "student": 0.042},
    "seconds": {"teacher": 100.0, "students": 60.5},
    "unreadable": {},
    "pairs": [],
    "families": [],
    "notes": [],
}


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a Markdown page, row by row, each with its head."""
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    rows = [[line[2:-2].split(" | ") for line in t.splitlines()] for t in found]
    return [[table[0], *table[2:]] for table in rows]


class Tags(HTMLParser):
    """Every attribute of a page; fails on tags that stay open."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.attributes = [], []
        self.feed(page)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, key, value) for key, value in attrs]
        self.open += [tag] if tag not in ("meta", "img") else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def read(tmp_path):
    """Writes a report and gives the text of its Markdown and of its HTML page."""

    def write(figures=None, standin=True, dataset="UCF101", recipe=RECIPE, **changes):
        told = SimpleNamespace(profile=recipe["profile"], to_dict=lambda: recipe)
        run = SimpleNamespace(run_dir=tmp_path, dataset=dataset, split="1", seed=0)
        run.recipe = told
        results = [
            changes.pop(role, evaluation(role, right, standin=standin))
            for role, right in RIGHT.items()
        ]
        paths = write_report(run, results, figures or {}, **{**ABOUT, **changes})
        return [path.read_text("utf-8") for path in paths]

    return write


def test_title_and_tables_say_stand_in(read):
    text, page = read()
    title = "# Distilling VFL-Net on stand-in data in the form of UCF101"
    assert text.splitlines()[0] == title
    for words in (text, page):
        assert "Nothing here is a result on UCF101" in words
        assert words.count("Stand-in data.") == 2


def test_a_real_run_does_not_speak_of_stand_ins(read):
    text, page = read(standin=False)
    assert text.splitlines()[0] == "# Distilling VFL-Net on UCF101"
    assert "stand-in" not in (text + page).lower()


def test_networks_gain_and_the_rest_of_a_run(read):
    text, _ = read(notes=["Chosen on held-out groups."])
    about, networks, gain, *_ = tables(text)
    names = ["run", "profile", "data", "views per test video", "seed"]
    names += ["device", "versions", "commit"]
    assert [row[0] for row in about[1:]] == names
    assert ["data", "UCF101, split 1, 6 classes"] in about
    titles = ["role", "model", "parameters", "GMACs per view", "top-1"]
    assert networks[0][:5] == titles
    roles = ["teacher", "student, not distilled", "student, distilled"]
    assert [row[0] for row in networks[1:]] == roles
    assert networks[1][2:5] == ["600,000", "0.31", "95.0 % [83.5, 98.6]"]
    assert networks[3][4].startswith("75.0 %") and networks[3][-2:] == ["40", "6"]
    assert ["difference in top-1", "+25.0 points"] in gain
    assert ["McNemar's exact test", "p = 0.002"] in gain
    assert "10 the distilled student, 0 the baseline" in text and "one seed" in text
    assert "is 25.0 points better than baseline: more than noise between" in text
    for told in ('"temperature": 10.0', "160.5 s", "Chosen on held-out groups."):
        assert told in text
    assert "None: every video was read." in text
    text, _ = read(student=evaluation("student", 22))
    assert "noise between videos (of 40 videos 2 right by student alone" in text


def test_pairs_and_families_add_columns_with_their_chance(read):
    pairs, families = [(0, 1), (2, 3), (4, 5)], [(0, 1, 2), (3, 4, 5)]
    text, _ = read(pairs=pairs, families=families)
    assert {"within pairs", "right family"} <= set(tables(text)[1][0])
    assert "chance 50 %. Right family: chance 50 %." in text


def test_published_numbers_share_no_table_with_measured_ones(read):
    text, _ = read()
    (published,) = [t for t in tables(text) if "published top-1" in t[0]]
    assert [row[2] for row in published[1:]] == ["91.9 %", "82.5 %", "88.4 %"]
    for table in tables(text):
        cells = "".join("".join(row) for row in table)
        assert ("88.4 %" in cells) == (table == published)
    assert "not comparable" in text and "80/20" in text


def test_unreadable_videos_are_listed_with_their_share(read):
    gone = evaluation("teacher", 38, unreadable=("v_x.avi: empty", "v_y.avi: empty"))
    unreadable = {"training": ["v_t.avi holds no frame"], "nothing": []}
    rows = tables(read(unreadable=unreadable, teacher=gone)[0])[3][1:]
    assert rows == [
        ["training", "1", "v_t.avi holds no frame"],
        ["test, teacher", "2 (4.76 %)", "v_x.avi: empty; v_y.avi: empty"],
    ]


def test_html_holds_its_pictures_and_asks_nothing_of_a_network(read):
    figure = accuracy_bars({"teacher": (0.6, 0.5, 0.7)})
    text, page = read({"top1": figure})
    words = alt_text(figure)
    assert f"![{words}](figures/top1.png)\n\n*Top-1 on the test list.*" in text
    attributes = Tags(page).attributes
    sources = [value for _, key, value in attributes if key in ("src", "href")]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,iVBOR")
    assert ("img", "alt", words) in attributes
    assert not re.search(r"<script|https?://|@import|url\(", page)


def test_names_are_text_never_markup(read):
    evil = "<img src=x onerror=alert(1)> | `rm` **bold**"
    text, page = read(
        dataset=evil,
        teacher=evaluation("teacher", 38, model=evil),
        notes=[evil],
        recipe={"profile": "", evil: "</pre><script>alert(1)</script> ```"},
    )
    assert not any(key == "onerror" for _, key, _ in Tags(page).attributes)
    assert "&lt;img src=x onerror=alert(1)&gt; | `rm` **bold**" in page
    outside = text[: text.index("````")]  # the recipe's fence outgrows its content
    assert "<img" not in outside and "**bold**" not in outside
    table = [line for line in outside.splitlines() if line.startswith("| role")][0]
    row = [line for line in outside.splitlines() if "alert" in line and "95.0" in line]
    assert len(re.findall(r"(?<!\\)\|", row[0])) == table.count("|")


@pytest.fixture
def written(tmp_path):
    """A report with all its parts."""
    told = {"notes": ("The order is assumed.",), "missing": 2}
    results = [
        on_split("1", 8, unreadable=("v: gone",), **told),
        on_split("2", 9, missing=None),
        on_split("3", 7),
    ]
    paths = write_final_report(
        tmp_path,
        results,
        costs=[ViewCost("student", FULL, 1000, 2_000_000, 0.004, 5, "cpu")],
        figures={"a": accuracy_bars({"a": (0.5, 0.4, 0.6)})},
        about={"student": "x.safetensors"},
    )
    return [path.read_text("utf-8") for path in paths]


def test_all_files_say_stand_in(written):
    text, page, values = written
    assert text.startswith("# Benchmarks, on stand-in data")
    assert "<title>Benchmarks, on stand-in data</title>" in page
    told = json.loads(values)
    assert told["standin"] == {"ucf101": True} and "stand-in" in told["title"]
    for part in (*told["rows"], *told["calibration"], *told["confused_pairs"]):
        assert part["standin"] is True
    # Every row of results names the data, and the data is called a stand-in.
    rows = [line for line in text.splitlines() if line.startswith("| stand-in for UCF")]
    pairs = sum(len(entry["pairs"]) for entry in told["confused_pairs"])
    assert len(rows) == 1 + 3 + 3 + pairs


def test_the_page_holds_every_part(written):
    text, page, _ = written
    for title in ("Measured and published", "Split by split", "Cost", "Calibration"):
        assert f"## {title}" in text and f"<h2>{title}</h2>" in page
    assert "The order is assumed." in text
    assert (
        "(figures/a.png)\n\n*Stand-in data. Top-1" in text and "data:image/png" in page
    )
    assert "0.002 | 0.024 | 4 | 48" in text  # GMACs and milliseconds
    sources, splits = tables(text)[2][1:], tables(text)[3][1:]
    assert sources[0][:2] == ["UCF101", "DVFL-Net"]
    assert sources[0][3].startswith("https://github.com/")
    assert [row[1] for row in splits] == ["1", "2", "3"]
    assert [row[-2:] for row in splits] == [["2", "1"], ["unknown", "0"], ["0", "0"]]
