"""No network is scored on videos that it learned from."""

import json
from dataclasses import replace

import pytest

from dvfl_lib.datasets import create_dataset
from dvfl_lib.datasets.leakage import TrainingList, training_list, why_leaks
from dvfl_lib.errors import DatasetError
from small_standins import write_small

REAL = TrainingList("ucf101", "1")
DRAWN = TrainingList("ucf101", "1", drawing=0)


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    return write_small("ucf101", tmp_path_factory.mktemp("lineage") / "data", seed=7)


def test_a_list_knows_its_data_set_split_and_drawing(standin):
    wanted = TrainingList("ucf101", "2", drawing=7)
    assert training_list(create_dataset("ucf101", standin, "2")) == wanted
    assert TrainingList.from_dict(json.loads(json.dumps(wanted.to_dict()))) == wanted
    assert str(wanted) == "stand-in for ucf101, split 2"


def test_a_mark_without_a_seed_is_refused(standin):
    dataset = create_dataset("ucf101", standin, "2")
    mark = standin / "STANDIN.json"
    whole = mark.read_text()
    try:
        mark.write_text("{}")
        with pytest.raises(DatasetError, match="does not name a seed"):
            training_list(dataset)
    finally:
        mark.write_text(whole)


@pytest.mark.parametrize(
    "values", [{}, {"dataset": "ucf101"}, {"dataset": 1, "split": "1"}, {"odd": 1}]
)
def test_damaged_metadata_are_refused(values):
    with pytest.raises(DatasetError, match="does not name a training list"):
        TrainingList.from_dict(values)


@pytest.mark.parametrize("trained", [REAL, DRAWN])
def test_its_own_split_is_what_a_network_may_be_scored_on(trained):
    assert why_leaks(trained, trained) == ""
    told = why_leaks(trained, replace(trained, split="2"))
    assert told.startswith("it was trained on")


def test_another_split_of_real_data_holds_what_was_trained_on():
    for split in ("2", "3", "authors"):
        assert f"test videos of split {split}" in why_leaks(
            REAL, TrainingList("ucf101", split)
        )
    assert why_leaks(REAL, TrainingList("hmdb51", "2")) == ""


def test_drawings_of_one_seed_show_the_same_scenes_under_all_names():
    assert "another seed" in why_leaks(DRAWN, TrainingList("hmdb51", "1", drawing=0))
    assert why_leaks(DRAWN, TrainingList("hmdb51", "1", drawing=1)) == ""
    assert why_leaks(DRAWN, TrainingList("ucf101", "2", drawing=1)) == ""
    assert why_leaks(DRAWN, REAL) == "" and why_leaks(REAL, DRAWN) == ""


@pytest.mark.parametrize(
    "test, allowed",
    [
        (TrainingList("ucf101", "1"), False),
        (TrainingList("ucf101", "authors"), True),
        (TrainingList("ucf50", "fold1"), False),
        (TrainingList("ucf50", "authors"), True),
        (TrainingList("hmdb51", "1"), False),
        (TrainingList("kinetics400", "1"), True),
        (TrainingList("ssv2", "1"), True),
        (TrainingList("ucf101", "2", drawing=1), True),
    ],
)
def test_where_nobody_says_what_was_trained_on(test, allowed):
    told = why_leaks(None, test)
    assert (told == "") == allowed
    assert allowed or "must not be scored here" in told
