"""A download arrives whole, goes on after an interruption, and knows the disk."""

import json
import shutil

import pytest

from bad_server import serve
from downloads import CONTENT, RIGHT, SIZE, assert_fetched, fetch, left
from dvfl_lib.datasets import downloading
from dvfl_lib.datasets.downloading import download
from dvfl_lib.errors import DatasetError


@pytest.fixture
def server():
    with serve(CONTENT) as told:
        yield told


# --- the plain cases -----------------------------------------------------------


def test_a_file_arrives_and_is_not_fetched_twice(server, tmp_path):
    folder = tmp_path / "new"
    assert fetch(server, folder, size=SIZE, digest=RIGHT) == folder / "file.bin"
    assert_fetched(folder)
    fetch(server, folder, size=SIZE, digest=RIGHT)
    assert len(server.asked) == 1
    assert server.asked[0]["Accept-Encoding"] == "identity"


def test_a_file_of_unknown_size_and_hash_arrives(server, tmp_path):
    fetch(server, tmp_path)
    assert_fetched(tmp_path)


def test_an_answer_in_chunks_arrives(server, tmp_path):
    server.chunked = True
    fetch(server, tmp_path)
    assert_fetched(tmp_path)


def test_what_lies_there_and_is_another_file_is_left_alone(server, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="has 4 bytes and should have 512,000"):
        fetch(server, tmp_path, size=SIZE)
    with pytest.raises(DatasetError, match="has the sha256"):
        fetch(server, tmp_path, digest=RIGHT)
    assert (tmp_path / "file.bin").read_bytes() == b"mine"
    assert not server.asked


def test_a_folder_in_the_place_of_the_file_is_not_taken_for_it(server, tmp_path):
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(DatasetError, match=r"file\.bin: is no file"):
        fetch(server, tmp_path)


# --- interruptions -------------------------------------------------------------


def test_a_cut_answer_is_gone_on_with(server, tmp_path):
    server.cuts = [100_000, 150_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert [one.get("Range") for one in server.asked] == [
        None,
        "bytes=100000-",
        "bytes=250000-",
    ]
    assert server.asked[1]["If-Range"] == '"one"'


def test_a_stalled_answer_is_given_up_and_gone_on_with(server, tmp_path):
    server.stalls = [100_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert server.asked[1]["Range"] == "bytes=100000-"


def test_a_chunked_answer_that_breaks_off_is_not_taken_for_whole(server, tmp_path):
    server.chunked, server.cuts = True, [100_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert len(server.asked) == 2


def test_a_killed_call_is_gone_on_with_by_the_next(server, tmp_path, monkeypatch):
    server.cuts = [100_000]

    def killed(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(downloading.time, "sleep", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(server, tmp_path)
    assert left(tmp_path) == {"file.bin.part", "file.bin.part.json"}
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert server.asked[1]["Range"] == "bytes=100000-"


def test_killed_between_the_last_byte_and_the_name(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT)
    fetch(server, tmp_path, size=SIZE, digest=RIGHT)
    assert_fetched(tmp_path)
    assert not server.asked


def test_a_server_that_ignores_ranges_corrupts_nothing(server, tmp_path):
    server.ranges, server.cuts = False, [400_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert "Range" in server.asked[1]


def test_a_server_that_always_cuts_and_ignores_ranges_is_given_up(server, tmp_path):
    server.ranges, server.cuts = False, [400_000] * 9
    with pytest.raises(DatasetError, match="broke off after 400,000 of 512,000") as no:
        fetch(server, tmp_path)
    assert "tried 3 times" in str(no.value) and "file.bin.part is kept" in str(no.value)
    assert not (tmp_path / "file.bin").exists()


def test_a_file_that_changed_in_between_is_begun_anew(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    note = {"address": server.path(), "version": {"ETag": '"old"'}, "total": SIZE}
    (tmp_path / "file.bin.part.json").write_text(json.dumps(note))
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert server.asked[0]["If-Range"] == '"old"'


@pytest.mark.parametrize(
    "note",
    [
        *("", "no json", "[1]", '{"address": "HERE"}'),
        '{"address": "HERE", "version": ["ETag"], "total": 1000}',
        '{"address": "HERE", "version": {"ETag": [5]}, "total": 1000}',
        '{"address": "HERE", "version": {}, "total": "1000"}',
    ],
)
def test_a_piece_of_unknown_origin_is_not_built_upon(server, tmp_path, note):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "file.bin.part.json").write_text(note.replace("HERE", server.path()))
    fetch(server, tmp_path)
    assert_fetched(tmp_path)


def test_a_server_without_etags_is_trusted_by_the_size(server, tmp_path):
    server.etag, server.cuts = "", [100_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert server.asked[1]["Range"] == "bytes=100000-"
    assert "If-Range" not in server.asked[1]


def test_pieces_that_do_not_belong_together_are_fetched_again(server, tmp_path):
    """Nothing but the hash can tell; the second try is whole and from nothing."""
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    fetch(server, tmp_path, size=SIZE, digest=RIGHT)
    assert_fetched(tmp_path)
    assert [one.get("Range") for one in server.asked] == ["bytes=1000-", None]


def test_a_range_that_begins_elsewhere_is_not_appended(server, tmp_path):
    server.wrong_range, server.cuts = 7, [100_000]
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert len(server.asked) == 3


def test_more_than_the_file_has_is_begun_anew(server, tmp_path):
    """The part is as long as the server's file and more: answer 416."""
    (tmp_path / "file.bin.part").write_bytes(b"x" * (SIZE + 9))
    fetch(server, tmp_path, digest=RIGHT)
    assert_fetched(tmp_path)


# --- the disk ------------------------------------------------------------------


def test_a_full_disk_is_noticed_before_the_download(server, tmp_path, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(DatasetError, match="GB are free there"):
        fetch(server, tmp_path, size=SIZE)
    assert left(tmp_path) == set()


def test_an_answer_without_an_end_leaves_room_on_the_disk(
    server, tmp_path, monkeypatch
):
    """Nobody says how long it is, so it is looked at on the way."""
    nearly = shutil.disk_usage(tmp_path)._replace(free=50_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: nearly)
    server.chunked = True
    with pytest.raises(DatasetError, match="Make room"):
        fetch(server, tmp_path, digest=RIGHT)
    assert "file.bin" not in left(tmp_path)


def test_a_name_that_is_too_long_is_a_plain_message(server, tmp_path):
    with pytest.raises(DatasetError, match="too long"):
        download([server.path()], tmp_path / ("x" * 300) / "f", progress=False)


def test_a_folder_that_cannot_be_written_is_a_plain_message(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetError, match="cannot be written"):
        download([server.path()], tmp_path / "file" / "f", progress=False)
