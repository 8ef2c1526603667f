"""What all loaders have in common: names, default splits, files from other editors."""

import argparse
import os
from pathlib import Path

import pytest

from dvfl_lib.cli import runs
from dvfl_lib.datasets import create_dataset, list_datasets
from dvfl_lib.errors import DatasetError
from small_standins import write_small

DEFAULTS = {
    "folder": "1",
    "hmdb51": "1",
    "kinetics400": "1",
    "ssv2": "1",
    "ucf101": "1",
    "ucf50": "group01",
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_split_that_is_meant_where_none_is_named(name):
    assert list_datasets() == sorted(DEFAULTS)
    parser = argparse.ArgumentParser()
    runs.add_run_options(parser)
    told = runs._parameters(parser.parse_args(["--dataset", name]))
    assert told["split"] == DEFAULTS[name]
    with pytest.raises(DatasetError, match=f"{name} has no split 'group99'"):
        create_dataset(name, "/", "group99")


@pytest.mark.filterwarnings("ignore:.*are missing, such as")
@pytest.mark.parametrize("name", ["hmdb51", "kinetics400", "ssv2", "ucf101"])
def test_marks_and_line_ends_of_other_editors_change_nothing(name, tmp_path):
    root = write_small(name, tmp_path / "s")
    plain = [create_dataset(name, root, subset=s).samples for s in ("train", "test")]
    lists = [p for p in root.rglob("*") if p.suffix in (".txt", ".csv", ".json")]
    for file in lists:
        if file.name != "STANDIN.json":
            lines = file.read_bytes().splitlines()
            file.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join([*lines, b""]))
    again = [create_dataset(name, root, subset=s) for s in ("train", "test")]
    assert [data.samples for data in again] == plain
    assert again[0].split == DEFAULTS[name]


@pytest.mark.parametrize("suffix", [".MOV", ".mts", ".M2TS", ".3gp", ".AVI", ".mpg"])
def test_suffixes_of_cameras_are_videos(suffix, tmp_path):
    for number, place in enumerate(("train/a", "train/b", "test/a", "test/b")):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / f"MVI_1{suffix}").write_bytes(bytes([number]))
    assert len(create_dataset("folder", tmp_path)) == 2


def test_links_in_folders_of_classes_are_followed_once(tmp_path):
    root, elsewhere = tmp_path / "data", tmp_path / "disk"
    for number, name in enumerate(("a", "b")):
        for place in (root / "train" / name, root / "test" / name):
            place.mkdir(parents=True)
            (place / "1.mp4").write_bytes(os.urandom(9))
        (elsewhere / name).mkdir(parents=True)
        (elsewhere / name / "2.mp4").write_bytes(bytes([number]))
        (root / "train" / name / "more").symlink_to(elsewhere / name)
        (root / "train" / name / "round").symlink_to(root / "train" / name)
    (root / "train/a/gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    with pytest.warns(UserWarning, match="1 files are left out.*dead links: gone.mp4"):
        train = create_dataset("folder", root)
    names = [Path(sample.name).as_posix() for sample in train.samples]
    assert names == [f"train/{n}/{f}" for n in "ab" for f in ("1.mp4", "more/2.mp4")]
    assert {s.group for s in train.samples} >= {"a/more", "b/more"}
