"""What the loaders rely on in the official names, counted on the names themselves."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from dvfl_lib.datasets.base import official_classes
from dvfl_lib.datasets.hmdb51 import read_list as read_hmdb51
from dvfl_lib.datasets.ucf import (
    fold_group,
    group_number,
    group_of,
    read_classes,
    read_list,
)

ODD = set("!#&()+;@[]~")  # in names of HMDB51


@pytest.fixture(scope="module")
def annotations(real_data) -> Path:
    return real_data / "annotations"


@pytest.fixture(scope="module")
def ucf50(annotations) -> list[str]:
    """<Class>/<file> of the 6,681 clips that the DVFL-Net repository lists."""
    names = []
    for side in ("train", "val"):
        with open(annotations / f"ucf50/dvflnet/{side}.csv", newline="") as rows:
            names += [row[0].partition("/")[2] for row in csv.reader(rows)]
    return names


def test_six_classes_of_ucf50_have_more_than_25_groups(ucf50):
    highest = Counter()
    for name in ucf50:
        label = name.partition("/")[0]
        highest[label] = max(highest[label], group_number(name))
    assert {name: n for name, n in highest.items() if n != 25} == {
        "JumpRope": 26,
        "PushUps": 26,
        "RockClimbingIndoor": 26,
        "Nunchucks": 28,
        "PlayingTabla": 28,
        "PullUps": 30,
    }
    assert len(highest) == 50 and len(set(map(group_of, ucf50))) == 1264
    # Left out, as others seem to do, they leave the other number that is met.
    assert sum(group_number(name) <= 25 for name in ucf50) == 6618
    tested = Counter((n.partition("/")[0], fold_group(group_number(n))) for n in ucf50)
    assert len(tested) == 50 * 25  # and so each class is in each of the 25 tests


def test_two_folders_of_ucf50_hold_names_of_another_prefix(ucf50):
    odd = {
        (folder, file.removeprefix("v_").partition("_g")[0])
        for folder, _, file in (name.partition("/") for name in ucf50)
        if not file.startswith(f"v_{folder}_g")
    }
    assert odd == {("Billiards", "Billards"), ("PullUps", "Pullup")}


def test_one_folder_of_ucf101_differs_from_its_files_in_case(annotations):
    folder = annotations / "ucf101/ucfTrainTestlist"
    classes = read_classes(folder / "classInd.txt")
    clips = [
        clip
        for side in ("train", "test")
        for clip in read_list(folder / f"{side}list01.txt", classes)
    ]
    odd = {
        folder
        for folder, _, file in (name.partition("/") for name in clips)
        if not file.startswith(f"v_{folder}_g")
    }
    assert odd == {"HandstandPushups"}
    sizes = Counter(map(group_of, clips))
    assert len(clips) == 13320 and len(sizes) == 101 * 25
    assert set(sizes.values()) == {4, 5, 6, 7}


def test_odd_characters_in_names_of_hmdb51(annotations):
    lists = annotations / "hmdb51/test_train_splits"
    lists = next(path.parent for path in lists.rglob("wave_test_split1.txt"))
    classes = official_classes("hmdb51")
    assert len(list(lists.glob("*_test_split[123].txt"))) == 3 * len(classes) == 153
    found = {
        character
        for name in classes
        for side in read_hmdb51(lists / f"{name}_test_split1.txt", name).values()
        for clip in side
        for character in clip
        if not (character.isascii() and character.isalnum()) and character not in "_-."
    }
    assert found == ODD
    begin_alike = {
        (a, b) for a in classes for b in classes if a != b and b[: len(a)] == a
    }
    assert begin_alike >= {
        ("kick", "kick_ball"),
        ("climb", "climb_stairs"),
        ("sword", "sword_exercise"),
        ("push", "pushup"),
    }
