"""Parts that make one tar when they are put together, as of Something-Something V2."""

import gzip
import os
from pathlib import Path

import pytest

from archives import content_of, quietly, tar_bytes, write, write_zip, zip_bytes
from dvfl_lib.errors import DatasetError


def cut(content: bytes, pieces: int) -> list[bytes]:
    size = -(-len(content) // pieces)
    return [content[at : at + size] for at in range(0, len(content), size)]


@pytest.fixture
def parts(tmp_path) -> list[Path]:
    """Three parts of a tar.gz of twenty videos."""
    videos = {f"v2/{n}.webm": os.urandom(3000) for n in range(1, 21)}
    pieces = cut(gzip.compress(tar_bytes(videos)), 3)
    folder = tmp_path / "archives"
    folder.mkdir()
    return [write(folder / f"v2-{n:02d}", piece) for n, piece in enumerate(pieces)]


def test_parts_are_joined(parts, tmp_path):
    quietly(parts[::-1], tmp_path / "v2", landmark="1.webm", packing="joined")
    assert len(content_of(tmp_path / "v2")) == 20
    assert content_of(tmp_path / "v2").keys() >= {"1.webm", "20.webm"}


def test_parts_may_come_in_zips(parts, tmp_path):
    """As they are given out now: two zips, the second of which holds the rest."""
    first = write_zip(tmp_path / "v2-00", {parts[0].name: parts[0].read_bytes()})
    rest = {f"in/{part.name}": part.read_bytes() for part in parts[1:]}
    second = write_zip(tmp_path / "v2-01", rest)
    quietly([first, second], tmp_path / "v2", landmark="1.webm", packing="joined")
    assert len(content_of(tmp_path / "v2")) == 20


def test_a_part_that_is_missing_is_noticed(parts, tmp_path):
    with pytest.raises(DatasetError, match="without a gap"):
        quietly([parts[0], parts[2]], tmp_path / "v2", packing="joined")
    with pytest.raises(DatasetError, match="later parts are missing"):
        quietly(parts[:2], tmp_path / "v2", packing="joined")
    assert not (tmp_path / "v2").exists()
    copy = write_zip(tmp_path / "v2-09", {parts[0].name: b""})
    with pytest.raises(DatasetError, match="v2-00 is there twice"):
        quietly([*parts, copy], tmp_path / "v2", packing="joined")


@pytest.mark.parametrize("harm", ["locked", "named otherwise", "nothing in it"])
def test_a_zip_of_parts_that_is_harmed_is_a_plain_message(parts, tmp_path, harm):
    first = zip_bytes({"v2-00": parts[0].read_bytes()})
    if harm == "locked":
        for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            place = first.index(mark) + at
            first = first[:place] + b"\1" + first[place + 1 :]
    if harm == "named otherwise":
        first = first.replace(b"v2-00", b"v2-99", 1)
    if harm == "nothing in it":
        first, parts = zip_bytes({}), parts[:1]
    parts[0].write_bytes(first)
    with pytest.raises(DatasetError, match="damaged or cut short"):
        quietly(parts, tmp_path / "v2", packing="joined")
    assert not (tmp_path / "v2").exists()
