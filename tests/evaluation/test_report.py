"""The report of a run: complete, self-contained, honest about what it shows."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from dvfl_lib.cost import ViewCost
from dvfl_lib.errors import DVFLError, RunDirectoryError
from dvfl_lib.evaluation import (
    Evaluation,
    Measured,
    NetworkResult,
    ReportFigure,
    RunSummary,
    Views,
    write_report,
)
from dvfl_lib.evaluation.report import write_final_report
from dvfl_lib.figures import accuracy_bars, save_figure
from small_results import on_split

FULL = Views(4, 3, 8, "segments", 224, 224)


def evaluation(name: str, right: int, **changes) -> Evaluation:
    """A result of 40 videos in 6 classes, the first ``right`` of them correct."""
    views = Views(2, 3, 8, "segments", 64, 56)
    return on_split("1", right, n=40, name=name, views=views, **changes)


def summary(**changes) -> RunSummary:
    values = {
        "name": "demo-0",
        "profile": "demo",
        "dataset": "UCF101",
        "split": "1",
        "standin": True,
        "seed": 0,
        "device": "cpu",
        "versions": {"torch": "2.14.0"},
        "commit": None,
        "teacher": NetworkResult("teacher", evaluation("teacher", 38), 600_000, 0.31),
        "baseline": NetworkResult(
            "student, baseline", evaluation("baseline", 20), 75_000, 0.042
        ),
        "student": NetworkResult(
            "student, distilled", evaluation("distilled", 30), 75_000, 0.042
        ),
        "seconds": {"teacher": 100.0, "students": 60.5},
        "recipe": {"distil": {"alpha": 0.2, "temperature": 10.0}},
    }
    return RunSummary(**(values | changes))


class Reader(HTMLParser):
    """Collects tags, their attributes, tables and text; fails on unclosed tags."""

    VOID = {"meta", "img", "br"}

    def __init__(self, page: str):
        super().__init__()
        self.open, self.attributes, self.tables, self.text = [], [], [], ""
        self.feed(page)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, key, value) for key, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        data = data.replace("\u00a0", " ")
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


@pytest.fixture
def read(tmp_path):
    """Writes a report and gives (Markdown text, parsed HTML)."""

    def write(told: RunSummary):
        text, page = write_report(tmp_path, told)
        return text.read_text("utf-8"), Reader(page.read_text("utf-8"))

    return write


def test_title_and_tables_say_stand_in(read):
    text, page = read(summary())
    title = "# Distilling VFL-Net on stand-in data in the form of UCF101"
    assert text.splitlines()[0] == title
    assert "Nothing here is a result on UCF101" in page.text
    assert page.text.count("Stand-in data.") == 2


def test_a_real_run_does_not_speak_of_stand_ins(read):
    changes = {
        role: NetworkResult(role, evaluation(role, right, standin=False), 1000)
        for role, right in (("teacher", 38), ("baseline", 20), ("student", 30))
    }
    text, page = read(summary(standin=False, **changes))
    assert text.splitlines()[0] == "# Distilling VFL-Net on UCF101"
    assert "stand-in" not in text.lower() and "stand-in" not in page.text.lower()
    assert "not measured" in page.text  # GMACs were not given


def test_the_three_networks_with_their_numbers(read):
    _, page = read(summary())
    table = page.tables[1]
    titles = ["role", "model", "parameters", "GMACs per view", "top-1", "top-5"]
    assert table[0][:6] == titles
    roles = ["teacher", "student, baseline", "student, distilled"]
    assert [row[0] for row in table[1:]] == roles
    assert table[1][2:5] == ["600,000", "0.31", "95.0 % [83.5, 98.6]"]
    assert table[3][4].startswith("75.0 %") and table[3][-2:] == ["40", "6"]


def test_gain_is_a_paired_comparison_with_its_verdict(read):
    _, page = read(summary())
    table = dict(page.tables[2])
    assert table["difference in top-1"] == "+25.0 points"
    assert table["McNemar's exact test"] == "p = 0.002"
    assert "10 the distilled student, 0 the baseline" in page.text
    assert "distilled is 25.0 points better than baseline: more than noise." in (
        page.text
    )
    assert "one seed" in page.text
    near = NetworkResult("student, distilled", evaluation("distilled", 22), 75_000)
    text, _ = read(summary(student=near))
    assert "not distinguishable from noise at this size (40 videos)" in text


def test_pairs_and_families_add_columns_with_their_chance(read):
    told = summary(pairs=[(0, 1), (2, 3), (4, 5)], families=[(0, 1, 2), (3, 4, 5)])
    _, page = read(told)
    assert page.tables[1][0][6:8] == ["within pairs", "right family"]
    assert "chance 50 %. Right family: chance 50 %." in page.text


def test_published_numbers_share_no_table_with_measured_ones(read):
    _, page = read(summary())
    published = [t for t in page.tables if "published top-1" in t[0]]
    assert len(published) == 1
    assert [row[2] for row in published[0][1:]] == ["91.9 %", "82.5 %", "88.4 %"]
    for table in page.tables:
        cells = "".join("".join(row) for row in table)
        assert ("88.4 %" in cells) == (table is published[0])
    assert "not comparable" in page.text and "80/20" in page.text


def test_unreadable_videos_are_listed_with_their_share(read):
    gone = evaluation("teacher", 38, unreadable=("v_x.avi: empty", "v_y.avi: empty"))
    told = summary(
        teacher=NetworkResult("teacher", gone, 1),
        unreadable={"training": ["v_t.avi holds no frame"], "nothing": []},
    )
    _, page = read(told)
    assert "v_x.avi: empty; v_y.avi: empty" in page.text
    assert "2 (4.76 %)" in page.text and "v_t.avi holds no frame" in page.text
    _, page = read(summary())
    assert "None: every video was read." in page.text


def test_recipe_seconds_versions_and_notes_are_told(read):
    text, page = read(summary(notes=["Chosen on held-out groups."], commit="abc123"))
    for told in ('"temperature": 10.0', "160.5 s", "torch 2.14.0", "abc123"):
        assert told in page.text
    assert "Chosen on held-out groups." in text


def test_html_holds_its_pictures_and_asks_nothing_of_a_network(read, tmp_path):
    figure = accuracy_bars({"teacher": (0.6, 0.5, 0.7)})
    save_figure(figure, tmp_path / "figures" / "bars.png")
    shown = ReportFigure("figures/bars.png", "Accuracy.", "one bar at 60 %")
    text, page = read(summary(figures=[shown]))
    assert "![one bar at 60 %](figures/bars.png)" in text
    sources = [value for _, key, value in page.attributes if key in ("src", "href")]
    assert len(sources) == 1 and sources[0].startswith("data:image/png;base64,iVBOR")
    assert ("img", "alt", "one bar at 60 %") in page.attributes
    whole = (tmp_path / "report.html").read_text("utf-8")
    assert not re.search(r"<script|https?://|@import|url\(", whole)


def test_names_are_text_never_markup(read):
    evil = "<img src=x onerror=alert(1)> | `rm` **bold**"
    told = summary(
        name=evil,
        dataset=evil,
        teacher=NetworkResult(evil, evaluation(evil, 38, model=evil), 1),
        notes=[evil],
        recipe={evil: "</pre><script>alert(1)</script> ```"},
    )
    text, page = read(told)
    assert not any(key == "onerror" for _, key, _ in page.attributes)
    assert evil in page.text
    outside = text[: text.index("````")]  # the recipe's fence outgrows its content
    assert "<img" not in outside and "**bold**" not in outside
    table = [line for line in outside.splitlines() if line.startswith("| role")][0]
    row = [line for line in outside.splitlines() if "alert" in line and "95.0" in line]
    assert len(re.findall(r"(?<!\\)\|", row[0])) == table.count("|")


def test_what_is_missing_is_named_and_no_half_report_is_left(read, tmp_path):
    with pytest.raises(RunDirectoryError, match=r"curves.png cannot be read"):
        read(summary(figures=[ReportFigure("curves.png", "Curves.")]))
    (tmp_path / "curves.png").write_bytes(b"GIF89a")
    with pytest.raises(RunDirectoryError, match="no PNG"):
        read(summary(figures=[ReportFigure("curves.png", "Curves.")]))
    assert not list(tmp_path.glob("report.*"))


def test_stand_in_and_real_results_are_never_mixed(read):
    real = evaluation("teacher", 38, standin=False)
    with pytest.raises(DVFLError, match="never mixes"):
        read(summary(teacher=NetworkResult("teacher", real, 1)))
    told = replace(summary(), standin=False)
    with pytest.raises(DVFLError, match="never mixes"):
        read(told)


@pytest.fixture
def written(tmp_path):
    """A report with all its parts."""
    measured = [
        Measured(on_split(split, right))
        for split, right in zip("123", (8, 9, 7), strict=True)
    ]
    gone = on_split("1", 8, unreadable=("v: gone",))
    measured[0] = Measured(gone, ("The order is assumed.",), missing=2)
    measured[1] = Measured(measured[1].result, missing=None)
    save_figure(accuracy_bars({"a": (0.5, 0.4, 0.6)}), tmp_path / "figures/a.png")
    return write_final_report(
        tmp_path,
        measured,
        costs=[ViewCost("student", FULL, 1000, 2_000_000, 0.004, 5, "cpu")],
        figures=[ReportFigure("figures/a.png", "Stand-in data. Bars.", "bars")],
        about={"device": "cpu"},
    )


def test_all_files_say_stand_in(written):
    text, page, values = (path.read_text("utf-8") for path in written)
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
    splits = [line.split(" | ") for line in rows[1:4]]
    assert [cells[1] for cells in splits] == ["1", "2", "3"]
    assert [cells[-2:] for cells in splits] == [
        ["2", "1 |"],
        ["unknown", "0 |"],
        ["0", "0 |"],
    ]


def test_the_page_holds_every_part(written):
    text, page, _ = (path.read_text("utf-8") for path in written)
    for title in ("Measured and published", "Split by split", "Cost", "Calibration"):
        assert f"## {title}" in text and f"<h2>{title}</h2>" in page
    assert "The order is assumed." in text
    assert "figures/a.png" in text and "data:image/png" in page
    assert "0.002 | 0.024 | 4 | 48" in text  # GMACs and milliseconds


def test_nothing_evaluated_is_refused(tmp_path):
    with pytest.raises(RunDirectoryError, match="nothing was evaluated"):
        write_final_report(tmp_path, [])
