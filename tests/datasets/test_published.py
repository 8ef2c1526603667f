"""What is published: addresses, hashes, and numbers that the official lists have."""

import csv

import pytest

from dvfl_lib.datasets import list_datasets
from dvfl_lib.datasets.addresses import check_address
from dvfl_lib.datasets.published import PUBLISHED, published
from dvfl_lib.errors import DatasetError


@pytest.mark.parametrize("known", PUBLISHED.values(), ids=list(PUBLISHED))
def test_what_is_published_is_well_formed(known):
    """Addresses are https; hashes have their length; numbers fit together."""
    assert published(known.name.upper()) is known
    check_address(known.page)
    for part in known.parts:
        assert bool(part.choices) != bool(part.list_address)
        if part.list_address:
            check_address(part.list_address)
        for choice in part.choices:
            for address in choice.addresses:
                assert not check_address(address)
                assert address.endswith("/" + choice.name)
            assert choice.addresses or known.by_hand
            if choice.digest:
                assert choice.digest.kind == "sha256"
                assert len(bytes.fromhex(choice.digest.value)) == 32
            assert choice.size is None or choice.size > 100_000
    for split in {count.split for count in known.counts}:
        sides = [known.count(split, subset) for subset in ("train", "test")]
        assert None not in sides and known.clips and sum(sides) <= known.clips
    assert known.count("no such split", "train") is None


def test_every_benchmark_with_a_loader_is_there():
    assert {*PUBLISHED, "folder"} == set(list_datasets())
    with pytest.raises(DatasetError, match="nothing is known here about 'ucf11'"):
        published("ucf11")


@pytest.mark.parametrize("split", ["1", "2", "3"])
def test_the_official_lists_have_the_published_numbers(real_data, split):
    lists = real_data / "annotations"
    for subset in ("train", "test"):
        file = lists / "ucf101" / "ucfTrainTestlist" / f"{subset}list0{split}.txt"
        lines = [line for line in file.read_text().splitlines() if line.strip()]
        assert len(lines) == PUBLISHED["ucf101"].count(split, subset)
        flag, total = {"train": "1", "test": "2"}[subset], 0
        for file in (lists / "hmdb51" / "test_train_splits").iterdir():
            if file.name.endswith(f"_test_split{split}.txt"):
                lines = file.read_text().splitlines()
                total += sum(line.split()[-1:] == [flag] for line in lines)
        assert total == PUBLISHED["hmdb51"].count(split, subset)


@pytest.mark.parametrize("name", ["ucf50", "ucf101"])
def test_the_authors_lists_have_the_published_numbers(real_data, name):
    folder = real_data / "annotations" / name / "dvflnet"
    for file, subset in (("train.csv", "train"), ("val.csv", "test")):
        with (folder / file).open(newline="") as rows:
            assert len(list(csv.reader(rows))) == PUBLISHED[name].count(
                "authors", subset
            )


def test_hmdb51_lists_as_many_clips_as_it_has(real_data):
    folder = real_data / "annotations" / "hmdb51" / "test_train_splits"
    files = [f for f in folder.iterdir() if f.name.endswith("_test_split1.txt")]
    lines = [line for f in files for line in f.read_text().splitlines() if line.strip()]
    assert (len(files), len(lines)) == (51, PUBLISHED["hmdb51"].clips)
