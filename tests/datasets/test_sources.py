"""What is published: addresses, hashes, and numbers that the official lists have."""

import csv

import pytest

from dvfl_lib.datasets import list_datasets
from dvfl_lib.datasets.sources import SOURCES, source_of
from dvfl_lib.errors import DatasetError


@pytest.mark.parametrize("known", SOURCES.values(), ids=list(SOURCES))
def test_what_is_published_is_well_formed(known):
    """Addresses are https; hashes have their length; numbers fit together."""
    assert source_of(known.name.upper()) is known
    choices = [choice for part in known.parts for choice in part.choices]
    lists = [part.list_address for part in known.parts if part.list_address]
    addresses = [address for choice in choices for address in choice.addresses]
    assert all(a.startswith("https://") for a in [known.page, *addresses, *lists])
    for choice in choices:
        assert all(address.endswith("/" + choice.name) for address in choice.addresses)
        assert choice.addresses or known.by_hand
        assert not choice.sha256 or len(bytes.fromhex(choice.sha256)) == 32
        assert choice.size is None or choice.size > 100_000
    for split, sides in known.counts.items():
        assert sides == (known.count(split, "train"), known.count(split, "test"))
        assert known.clips and sum(sides) <= known.clips
    assert known.count("no such split", "train") is None
    assert all(bool(part.choices) != bool(part.list_address) for part in known.parts)


def test_every_data_set_with_a_loader_is_there():
    assert {*SOURCES, "folder"} == set(list_datasets())
    with pytest.raises(DatasetError, match="nothing is known here about 'ucf11'"):
        source_of("ucf11")


@pytest.mark.parametrize("split", ["1", "2", "3"])
def test_the_official_lists_have_the_published_numbers(real_data, split):
    lists = real_data / "annotations"
    for subset in ("train", "test"):
        file = lists / "ucf101" / "ucfTrainTestlist" / f"{subset}list0{split}.txt"
        lines = [line for line in file.read_text().splitlines() if line.strip()]
        assert len(lines) == SOURCES["ucf101"].count(split, subset)
        flag, total = {"train": "1", "test": "2"}[subset], 0
        for file in (lists / "hmdb51" / "test_train_splits").iterdir():
            if file.name.endswith(f"_test_split{split}.txt"):
                lines = file.read_text().splitlines()
                total += sum(line.split()[-1:] == [flag] for line in lines)
        assert total == SOURCES["hmdb51"].count(split, subset)


@pytest.mark.parametrize("name", ["ucf50", "ucf101"])
def test_the_authors_lists_have_the_published_numbers(real_data, name):
    folder = real_data / "annotations" / name / "dvflnet"
    for file, subset in (("train.csv", "train"), ("val.csv", "test")):
        with (folder / file).open(newline="") as rows:
            assert len(list(csv.reader(rows))) == SOURCES[name].count("authors", subset)
