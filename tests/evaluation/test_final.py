"""The final table: measured and published apart, stand-ins marked everywhere."""

import json

import pytest
from dvfl_lib.evaluation.calibration import calibration_of
from dvfl_lib.evaluation.confusions import confused_pairs
from dvfl_lib.evaluation.final_report import write_final_report
from dvfl_lib.evaluation.final_table import (
    Measured,
    final_rows,
    final_table,
    source_table,
    split_table,
)

from dvfl_lib.errors import RunDirectoryError
from dvfl_lib.evaluation import ReportFigure, Views
from dvfl_lib.evaluation.view_cost import ViewCost
from dvfl_lib.figures import accuracy_bars, save_figure
from evaluation.test_split_means import on_split

FULL = Views(4, 3, 8, "segments", 224, 224)


def ucf101(role="student", name="student", rights=(8, 9, 7), **changes):
    return [
        Measured(role, on_split(split, right, name=name, **changes))
        for split, right in zip("123", rights, strict=True)
    ]


def k400(**changes):
    """The Base teacher on real data, as the authors evaluate it."""
    values = {"dataset": "kinetics400", "model": "video_focalnet_base"}
    values |= {"standin": False, "views": FULL, "name": "teacher"}
    return Measured("teacher", on_split("1", 8, **(values | changes)))


def cells(table, row=0):
    return dict(zip(table.columns, table.rows[row], strict=True))


def test_three_splits_are_one_row_with_mean_and_spread():
    (row,) = final_rows(ucf101())
    shown = cells(final_table([row]))
    assert shown["data"] == "stand-in for UCF101"
    assert shown["network"] == "student"
    assert shown["measured top-1 / top-5"] == "80.0 % ± 10.0 / 96.7 %"
    assert shown["measured on"].startswith("mean of splits 1, 2, 3; 30 videos")
    assert shown["published top-1 / top-5"] == "DVFL-Net: 88.4 % / 96.1 %"
    assert shown["published on"] == "authors' own 80/20 lists; views not stated"
    assert shown["comparable"].startswith("no: stand-in data, another network")


def test_measured_and_published_never_share_a_column():
    rows = final_rows([*ucf101(), k400()])
    table = final_table(rows)
    for name, cell in zip(table.columns, table.rows[0], strict=True):
        if "measured" in name:
            assert "88.4" not in cell
        if "published" in name:
            assert "80.0" not in cell


def test_the_same_thing_on_the_same_list_is_comparable():
    (row,) = final_rows([k400()])
    shown = cells(final_table([row]))
    assert shown["comparable"] == "yes"
    assert shown["published top-1 / top-5"] == "Video-FocalNet-B: 83.6 %"
    assert shown["data"] == "Kinetics-400"
    assert "Stand-in" not in final_table([row]).caption
    assert row.to_dict()["comparable"] is True


def test_a_number_that_is_not_known_stays_blank():
    entry = k400(name="student", model="vfl_net_nano")
    (row,) = final_rows([Measured("student", entry.result)])
    shown = cells(final_table([row]))
    assert shown["published top-1 / top-5"] == shown["published on"] == ""
    assert shown["comparable"] == "no: no published number is known"
    assert row.to_dict()["published"]["top1_percent"] is None


def test_one_split_shows_its_interval_and_a_part_says_so():
    one, two = ucf101()[:1], ucf101()[:2]
    assert (
        "[49.0, 94.3]" in cells(final_table(final_rows(one)))["measured top-1 / top-5"]
    )
    told = cells(final_table(final_rows(two)))["measured on"]
    assert told.startswith("mean of splits 1, 2, not all of them; 20 videos")


def test_videos_that_were_left_out_are_counted():
    entry = k400(unreadable=("v: gone",))
    (row,) = final_rows([Measured("teacher", entry.result, (), missing=2)])
    shown = cells(final_table([row]))
    assert shown["measured on"].startswith("split 1; 10 of 13 listed videos; 4 x 3")
    told = "no: 23.1 % of the listed videos missing or unreadable"
    assert shown["comparable"] == told
    split = cells(split_table([row]))
    assert (split["videos"], split["missing"], split["unreadable"]) == ("10", "2", "1")
    (row,) = final_rows([Measured("teacher", entry.result, (), missing=None)])
    assert "10 videos, of an unknown number" in cells(final_table([row]))["measured on"]
    assert cells(split_table([row]))["missing"] == "unknown"


def test_another_protocol_is_another_row():
    rows = final_rows([*ucf101(), Measured("student", on_split("authors", 9))])
    assert [row.mean.splits for row in rows] == [("1", "2", "3"), ("authors",)]


def test_every_split_is_shown_by_itself():
    table = split_table(final_rows(ucf101()))
    assert [row[1] for row in table.rows] == ["1", "2", "3"]
    assert all(row[0] == "stand-in for UCF101" for row in table.rows)
    assert table.caption.startswith("Stand-in data.")


def test_a_mixture_says_which_rows_are_stand_ins():
    rows = final_rows([*ucf101(), k400()])
    assert final_table(rows).caption.startswith("Rows of stand-in data say so.")


def test_every_published_number_has_its_address():
    rows = final_rows([*ucf101(), *ucf101("baseline", "baseline"), k400()])
    table = source_table(rows)
    assert [row[:2] for row in table.rows] == [
        ["UCF101", "DVFL-Net, VFL-Net"],
        ["Kinetics-400", "Video-FocalNet-B"],
    ]
    assert all(row[3].startswith("https://") for row in table.rows)


@pytest.fixture
def written(tmp_path):
    """A report with all its parts."""
    measured = ucf101()
    measured[0] = Measured("student", measured[0].result, ("The order is assumed.",))
    first = measured[0].result
    place = ("ucf101", "1", "student")
    save_figure(accuracy_bars({"a": (0.5, 0.4, 0.6)}), tmp_path / "figures/a.png")
    return write_final_report(
        tmp_path,
        final_rows(measured),
        costs=[ViewCost("student", FULL, 1000, 2_000_000, 0.004, 5, "cpu")],
        calibrations={place: calibration_of(first.probabilities, first.labels)},
        confusions={place: confused_pairs(first)},
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
    assert len(rows) == 1 + 3 + 1 + len(told["confused_pairs"][0]["pairs"])


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
