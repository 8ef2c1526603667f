"""Servers that lie or are busy: the right file arrives, or none and a reason."""

import pytest

from bad_server import serve
from downloads import CONTENT, QUICK, RIGHT, SIZE, assert_fetched, fetch, left
from dvfl_lib.datasets import downloading
from dvfl_lib.datasets.downloading import Patience, download
from dvfl_lib.errors import DatasetError


@pytest.fixture
def server():
    with serve(CONTENT) as told:
        yield told


@pytest.fixture
def mirror():
    """A second server with the same file, and another ETag."""
    with serve(CONTENT) as told:
        told.etag = '"mirror"'
        yield told


# --- lies ----------------------------------------------------------------------


@pytest.mark.parametrize("stated", [-5, 5])
def test_a_wrong_length_is_refused_before_a_byte_is_written(server, tmp_path, stated):
    server.stated = stated
    with pytest.raises(DatasetError, match="offers .* bytes, and the file has 512,000"):
        fetch(server, tmp_path, size=SIZE)
    assert left(tmp_path) == set()


def test_a_length_that_is_never_reached_is_given_up(server, tmp_path):
    server.stated, server.ranges = 5, False
    with pytest.raises(DatasetError, match="broke off after 512,000 of 512,005"):
        fetch(server, tmp_path)
    assert "file.bin" not in left(tmp_path)


def test_a_length_too_small_is_caught_by_the_hash(server, tmp_path):
    server.stated = -5
    with pytest.raises(DatasetError, match="has the sha256"):
        fetch(server, tmp_path, digest=RIGHT)
    assert left(tmp_path) == {"file.bin.bad"}


def test_without_a_length_and_a_hash_nothing_is_taken(server, tmp_path):
    server.states_length = False
    with pytest.raises(DatasetError, match="does not say how long"):
        fetch(server, tmp_path)
    fetch(server, tmp_path, digest=RIGHT)
    assert_fetched(tmp_path)


def test_an_endless_answer_is_stopped_at_the_known_size(server, tmp_path):
    server.chunked, server.content = True, CONTENT + b"more"
    with pytest.raises(DatasetError, match="more than the 512,000 bytes"):
        fetch(server, tmp_path, size=SIZE)
    assert not (tmp_path / "file.bin").exists()
    assert (tmp_path / "file.bin.part").stat().st_size <= SIZE


def test_wrong_bytes_are_set_aside_and_the_mirror_is_asked(server, mirror, tmp_path):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(DatasetError, match="sent a wrong file") as no:
        fetch(server, tmp_path, digest=RIGHT)
    assert "file.bin.bad" in str(no.value)
    assert left(tmp_path) == {"file.bin.bad"}
    fetch(server, tmp_path, mirror, digest=RIGHT)
    assert_fetched(tmp_path)


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (dict(content_type="text/html; charset=utf-8"), "sends a web page"),
        (dict(coding="gzip"), "packed as gzip"),
        (dict(statuses=[404, 404]), "answers 404"),
        (dict(statuses=[403, 403]), "answers 403"),
    ],
)
def test_an_answer_that_is_no_file_leads_on_at_once(
    server, mirror, tmp_path, lie, says
):
    for name, value in lie.items():
        setattr(server, name, value)
    with pytest.raises(DatasetError, match=says):
        fetch(server, tmp_path)
    assert left(tmp_path) == set()
    fetch(server, tmp_path, mirror)
    assert_fetched(tmp_path)
    assert len(server.asked) == 2


def test_a_store_that_calls_a_tar_gz_packed_is_understood(server, tmp_path):
    server.coding = "gzip"
    path = download([server.path()], tmp_path / "a.tar.gz", progress=False)
    assert path.read_bytes() == CONTENT


def test_an_empty_answer_is_no_file(server, tmp_path):
    server.content = b""
    with pytest.raises(DatasetError, match="sent a wrong file: it is empty"):
        fetch(server, tmp_path)


def test_a_web_page_is_known_whatever_it_is_called(server, tmp_path):
    """A login or a full quota, sent as if it were the file."""
    server.content = b"\n<!DOCTYPE html><html>Too many users have viewed this file"
    with pytest.raises(DatasetError, match="sent a wrong file: it is a web page"):
        fetch(server, tmp_path)
    (tmp_path / "file.bin").write_bytes(server.content)
    with pytest.raises(DatasetError, match=r"file\.bin: is a web page"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("one", "two", "other"),
    [
        ('"one"', '"two"', bytes(SIZE)),
        ('W/"one"', 'W/"two"', bytes(SIZE)),
        ('"one"', '"one"', bytes(SIZE + 9)),
    ],
)
def test_pieces_of_two_versions_are_never_joined(
    server, tmp_path, monkeypatch, one, two, other
):
    """The file changes between two pieces, and the server heeds no If-Range."""
    server.etag, server.cuts, server.heeds_if_range = one, [100_000], False

    def change(_):
        server.etag, server.content = two, other

    monkeypatch.setattr(downloading.time, "sleep", change)
    fetch(server, tmp_path)
    assert (tmp_path / "file.bin").read_bytes() == other


def test_what_a_server_says_is_shown_without_its_control_characters(server, tmp_path):
    server.coding = "\x1b[31mgzip"
    with pytest.raises(DatasetError, match="packed as .*gzip") as no:
        fetch(server, tmp_path)
    assert str(no.value).isprintable()


# --- mirrors and patience ------------------------------------------------------


def test_a_piece_is_finished_by_a_mirror_where_the_hash_vouches_for_it(
    server, mirror, tmp_path
):
    server.ranges, server.cuts = False, [100_000] * 3
    fetch(server, tmp_path, mirror, digest=RIGHT)
    assert_fetched(tmp_path)
    assert mirror.asked[0]["Range"] == "bytes=100000-"
    assert "If-Range" not in mirror.asked[0]


def test_without_a_hash_a_mirror_begins_from_nothing(server, mirror, tmp_path):
    server.ranges, server.cuts = False, [100_000] * 3
    fetch(server, tmp_path, mirror)
    assert_fetched(tmp_path)
    assert "Range" not in mirror.asked[0]


def test_a_server_that_is_busy_is_asked_again(server, tmp_path, monkeypatch, caplog):
    waited = []
    monkeypatch.setattr(downloading.time, "sleep", waited.append)
    server.statuses, server.retry_after = [503, 429], "7"
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert waited == [7.0, 7.0]
    assert "answers 429 Too Many Requests; again in 7 seconds" in caplog.text


@pytest.mark.parametrize("after", ["\xb2", "-1", "soon", "9" * 400])
def test_a_pause_that_is_no_number_is_not_kept(server, tmp_path, monkeypatch, after):
    waited = []
    monkeypatch.setattr(downloading.time, "sleep", waited.append)
    server.statuses, server.retry_after = [503], after
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert waited == [600.0 if after.startswith("9") else QUICK.pause]


def test_a_trickle_is_a_stall(server, tmp_path):
    server.drips = True
    with pytest.raises(DatasetError, match=r"sent \d bytes in .*tried 3 times"):
        fetch(server, tmp_path)


def test_crumbs_are_no_progress(server, tmp_path):
    """Forty bytes and a hang-up, again and again, would go on for years."""
    server.cuts = [40] * 99
    with pytest.raises(DatasetError, match="tried 3 times"):
        fetch(server, tmp_path)
    assert len(server.asked) == 3


def test_pauses_grow_and_end(server, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(downloading.time, "sleep", waited.append)
    server.statuses = [500] * 99
    patience = Patience(stall=1, attempts=9, pause=1)
    with pytest.raises(DatasetError, match="answers 500 .*tried 9 times"):
        download([server.path()], tmp_path / "f", patience=patience, progress=False)
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60]


def test_nobody_there_is_a_plain_message(tmp_path):
    with serve(b"") as gone:
        address = gone.path()
    with pytest.raises(DatasetError, match="no connection") as no:
        download([address], tmp_path / "f", patience=QUICK, progress=False)
    assert "\n" not in str(no.value) and "fetch it by hand" in str(no.value)
