"""What a lesson shows of its surroundings and of a data set."""

import pytest

from dvfl_lib.datasets import create_dataset
from dvfl_lib.environment import environment_report, project_root, shown_path
from dvfl_lib.errors import DatasetError
from dvfl_lib.lessons import first_clip_of
from small_standins import write_small


def test_paths_are_shown_as_a_reader_would_type_them(tmp_path):
    assert shown_path(project_root() / "runs" / "x") == "runs/x"
    assert shown_path(tmp_path) == str(tmp_path)


def test_the_report_of_the_environment_names_what_matters():
    report = environment_report()
    for word in ("python", "torch", "torchvision", "av", "device"):
        assert word in report


def test_the_first_clip_of_a_class(tmp_path):
    root = write_small("ucf101", tmp_path)
    dataset = create_dataset("ucf101", root, split="1", subset="train")
    assert first_clip_of(dataset, "Rising").shape == (8, 3, 48, 64)
    with pytest.raises(DatasetError, match="Flying"):
        first_clip_of(dataset, "Flying")
