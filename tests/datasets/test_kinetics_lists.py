"""The lists of Kinetics-400: the official numbers, and every way to mangle a list."""

import csv
from pathlib import Path

import pytest

from dvfl_lib.datasets.kinetics400 import class_key, read_csv
from dvfl_lib.datasets.listing import official_classes
from dvfl_lib.errors import DatasetError

SKI = ("skiing (not slalom or crosscountry)", "skiing crosscountry")
HEADER = "label,youtube_id,time_start,time_end,split"
LINES = f"""{HEADER}
"{SKI[0]}",-aBcDeFgHi0,44,54,train
"{SKI[1]}",_-cDeFgHi01,1.0,11.0,train
"massaging person's head",--DeFgHi012,120,130,train

abseiling,ordinaryId1,0,10,train
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(LINES, "utf-8")
    return path


def test_a_short_list_has_the_numbers_of_the_whole(file):
    clips = read_csv(file, official_classes("kinetics400"), "train")
    assert [clip[1] for clip in clips] == [308, 309, 196, 0]
    assert [clip[0] for clip in clips] == [
        "-aBcDeFgHi0_000044_000054",
        "_-cDeFgHi01_000001_000011",
        "--DeFgHi012_000120_000130",
        "ordinaryId1_000000_000010",
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("abseiling", "acting in play", "line 6: 'acting in play' .* 600 or 700"),
        ('"massaging', 'x"massaging', "line 4: .*is not one of the 400"),
        (",train", ",val", "line 2: is of the split 'val'"),
        ("-aBcDeFgHi0", "#NAME?", "line 2: no YouTube id.*spreadsheet"),
        ("-aBcDeFgHi0", "../../aaaaa", "line 2: no YouTube id"),
        ("44,54", "54,44", "line 2: .* two times in seconds"),
        ("44,54", "0:44,0:54", "line 2: .* two times in seconds"),
        ("44,54", "nan,inf", "line 2: .* two times in seconds"),
        (",44,54,train", ",44", "line 2: has not as many columns"),
        (",44,54,train", ",44,54,train,0", "line 2: has not as many columns"),
        ('"skiing crosscountry"', '"skiing crosscountry', "unexpected end|expected"),
        ("label,", "class,", "has no column label"),
        (HEADER + "\n", "", "has no column label, time_end, time_start, youtube_id"),
    ],
)
def test_a_list_of_another_kind_or_mangled_is_refused(file, old, new, says):
    assert old in LINES
    file.write_text(LINES.replace(old, new, 1), "utf-8")
    with pytest.raises(DatasetError, match=says) as caught:
        read_csv(file, official_classes("kinetics400"), "train")
    assert str(file) in str(caught.value)


def test_the_order_keeps_the_parentheses_and_every_spelling_is_unique():
    names = official_classes("kinetics400")
    assert len(names) == 400 and names[308:310] == SKI
    by_spelling = sorted(range(400), key=lambda label: class_key(names[label]))
    moved = [label for place, label in enumerate(by_spelling) if place != label]
    assert {308, 309} <= set(moved)  # what sorting stripped names would do
    assert len({class_key(name) for name in names}) == 400


# The official lists, where this machine has them.


def test_the_class_list_is_that_of_the_known_label_maps(real_data):
    folder = real_data / "annotations/kinetics400"
    names = official_classes("kinetics400")
    order = (folder / "mmaction2_label_map_k400.txt").read_text("utf-8").splitlines()
    assert list(names) == order == sorted(order)
    with open(folder / "kinetics_400_labels.csv", newline="") as rows:
        pairs = [(int(row["id"]), row["name"]) for row in csv.DictReader(rows)]
    assert pairs == list(enumerate(names))


@pytest.mark.parametrize(("side", "subset"), [("train", "train"), ("val", "test")])
def test_official_rows_get_official_labels(real_data, side, subset):
    """One row of each class, as it stands in the official list."""
    file = real_data / f"annotations/kinetics400/tiny_{side}.csv"
    clips = read_csv(file, official_classes("kinetics400"), subset)
    assert [clip[1] for clip in clips] == list(range(400))
    assert any(clip[0].startswith("-") for clip in clips)
    other = {"train": "test", "test": "train"}[subset]
    with pytest.raises(DatasetError, match="is of the split"):
        read_csv(file, official_classes("kinetics400"), other)
