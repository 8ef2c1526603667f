"""A download arrives whole, goes on after an interruption, and believes no liar."""

import hashlib
from pathlib import Path

import pytest

from bad_server import BadServer, serve
from dvfl_lib.datasets import download as module
from dvfl_lib.datasets.download import download
from dvfl_lib.errors import DatasetError

CONTENT = hashlib.sha512(b"seed").digest() * 8000  # 512,000 bytes
SIZE = len(CONTENT)
RIGHT = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def served(server):
    server.content = CONTENT


def fetch(server: BadServer, folder: Path, *mirrors: BadServer, **known) -> Path:
    """Fetch the file to ``folder/file.bin``."""
    places = [one.path() for one in (server, *mirrors)]
    path = folder / "file.bin"
    return download(places, path, progress=False, **known)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_fetched(folder: Path) -> None:
    assert (folder / "file.bin").read_bytes() == CONTENT
    assert left(folder) == {"file.bin"}


def test_a_file_arrives_and_is_not_fetched_twice(server, tmp_path):
    folder = tmp_path / "new"
    assert fetch(server, folder, size=SIZE, sha256=RIGHT) == folder / "file.bin"
    assert_fetched(folder)
    fetch(server, folder, size=SIZE, sha256=RIGHT)
    assert len(server.asked) == 1
    assert server.asked[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_of_unknown_size_and_hash_arrives(server, tmp_path, chunked):
    server.chunked = chunked
    fetch(server, tmp_path)
    assert_fetched(tmp_path)


def test_a_gzipped_tar_stays_packed(server, tmp_path):
    """Some stores call a .tar.gz a packed tar; the bytes they send are the file's."""
    server.coding = "gzip"
    fetch(server, tmp_path, size=SIZE, sha256=RIGHT)
    assert_fetched(tmp_path)


def test_what_lies_there_and_is_another_file_is_left_alone(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="has 4 bytes and should have 512,000"):
        fetch(server, tmp_path, size=SIZE)
    with pytest.raises(DatasetError, match="has the sha256"):
        fetch(server, tmp_path, sha256=RIGHT)
    assert (tmp_path / "file.bin").read_bytes() == b"mine" and not server.asked


def test_a_cut_answer_is_gone_on_with(server, tmp_path):
    server.cuts = [100_000, 150_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    asked = [one.get("Range") for one in server.asked]
    assert asked == [None, "bytes=100000-", "bytes=250000-"]


def test_a_stalled_answer_is_given_up_and_gone_on_with(server, tmp_path):
    server.stalls = [100_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert server.asked[1]["Range"] == "bytes=65536-"  # whole blocks


def test_a_killed_call_is_gone_on_with_by_the_next(server, tmp_path, monkeypatch):
    server.cuts = [100_000]

    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.time, "sleep", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(server, tmp_path, size=SIZE)
    assert left(tmp_path) == {"file.bin.part"}
    fetch(server, tmp_path, size=SIZE)
    assert_fetched(tmp_path)
    assert server.asked[1]["Range"] == "bytes=100000-"


BOTH = dict(size=SIZE, sha256=RIGHT)


@pytest.mark.parametrize(
    ("piece", "known", "asked"),
    [
        (b"x" * 1000, {}, [None]),  # nothing would tell that it is another file's
        (b"x" * 1000, BOTH, ["bytes=1000-", None]),  # only the hash tells
        (b"x" * (SIZE + 9), dict(sha256=RIGHT), [f"bytes={SIZE + 9}-", None]),
        (CONTENT, BOTH, []),  # killed between the last byte and the name
    ],
    ids=["unknown", "foreign", "long", "whole"],
)
def test_a_piece_of_an_older_call(server, tmp_path, piece, known, asked):
    (tmp_path / "file.bin.part").write_bytes(piece)
    fetch(server, tmp_path, **known)
    assert_fetched(tmp_path)
    assert [one.get("Range") for one in server.asked] == asked


def test_a_server_that_ignores_ranges_corrupts_nothing(server, tmp_path):
    server.ranges, server.cuts = False, [400_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    server.cuts = [400_000] * 9
    with pytest.raises(DatasetError, match="broke off"):
        fetch(server, tmp_path / "again")
    assert not (tmp_path / "again" / "file.bin").exists()


def test_a_range_that_begins_elsewhere_is_not_appended(server, tmp_path):
    server.wrong_range, server.cuts = 7, [100_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)


def test_a_wrong_file_never_gets_the_name(server, tmp_path):
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(DatasetError, match="sent a wrong file: it has the sha256"):
        fetch(server, tmp_path, size=SIZE, sha256=RIGHT)
    assert left(tmp_path) == {"file.bin.bad"}


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (dict(content=CONTENT[:-9]), "offers 511,991 bytes; the file has 512,000"),
        (dict(content=CONTENT + b"more"), "offers 512,004 bytes"),
        (dict(content=CONTENT + b"more", chunked=True), "sends more than"),
        (dict(stated=9), "offers 512,009 bytes"),
        (dict(content_type="text/html; charset=utf-8"), "sends a web page"),
        (dict(redirect="file:///etc/passwd"), "is not https"),
        (dict(redirect="http://example.org/f"), "is not https"),
    ],
)
def test_a_lie_is_told_in_one_line_and_the_mirror_is_taken(server, tmp_path, lie, says):
    vars(server).update(lie)
    with pytest.raises(DatasetError, match=says) as no:
        fetch(server, tmp_path, size=SIZE)
    assert "\n" not in str(no.value) and "file.bin" not in left(tmp_path)
    vars(server).update(lie)
    with serve(CONTENT) as mirror:
        fetch(server, tmp_path, mirror, size=SIZE)
        assert (tmp_path / "file.bin").read_bytes() == CONTENT
        assert mirror.asked


@pytest.mark.parametrize("status", [416, 206])
def test_a_range_that_nobody_asked_for_is_no_trouble_of_the_disk(
    server, tmp_path, status, monkeypatch
):
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    server.statuses = [status] * 9
    with serve(CONTENT) as mirror:
        fetch(server, tmp_path, mirror, size=SIZE)
    assert_fetched(tmp_path)


def test_an_answer_that_says_no_is_told(server, tmp_path):
    server.statuses = [403]
    with pytest.raises(DatasetError, match="answers 403"):
        fetch(server, tmp_path)
    assert len(server.asked) == 1


def test_an_answer_without_an_end_is_not_taken_for_whole(server, tmp_path):
    server.states_length = False
    with pytest.raises(DatasetError, match="does not say how long"):
        fetch(server, tmp_path)
    fetch(server, tmp_path, sha256=RIGHT)
    assert_fetched(tmp_path)


def test_a_server_that_is_busy_is_asked_again(server, tmp_path):
    server.statuses = [503]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)


@pytest.mark.parametrize("address", ["http://example.org/f", "file:///etc/passwd", "x"])
def test_nothing_but_https_is_taken(tmp_path, address):
    with pytest.raises(DatasetError, match="is not https"):
        download([address], tmp_path / "f", progress=False)
    assert not left(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_plain_message(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetError, match="cannot be written"):
        download([server.path()], tmp_path / "file" / "f", progress=False)
