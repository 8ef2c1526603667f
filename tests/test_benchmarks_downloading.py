"""A download ends with the right file, or with no file and a reason."""

import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from bad_server import BadServer, serve
from dvfl_lib.benchmarks import addresses, downloading
from dvfl_lib.benchmarks.addresses import Refused, check_address
from dvfl_lib.benchmarks.downloading import Patience, download
from dvfl_lib.benchmarks.published import Digest
from dvfl_lib.errors import DatasetError

CONTENT = hashlib.sha512(b"seed").digest() * 8000  # 512,000 bytes
SIZE = len(CONTENT)
RIGHT = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())
QUICK = Patience(stall=0.2, attempts=3, pause=0.01)


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


def fetch(server: BadServer, folder: Path, *mirrors: BadServer, **known) -> Path:
    places = [one.path() for one in (server, *mirrors)]
    path = folder / "file.bin"
    return download(places, path, patience=QUICK, progress=False, **known)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_fetched(folder: Path) -> None:
    """The file is there, whole, and nothing else."""
    assert (folder / "file.bin").read_bytes() == CONTENT
    assert left(folder) == {"file.bin"}


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
    (tmp_path / "file.bin.part.json").write_text(
        f'{{"address": "{server.path()}", "validator": "\\"old\\"", "total": {SIZE}}}'
    )
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert server.asked[0]["If-Range"] == '"old"'


@pytest.mark.parametrize("note", ["", "no json", "[1]"])
def test_a_piece_of_unknown_origin_is_not_built_upon(server, tmp_path, note):
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    (tmp_path / "file.bin.part.json").write_text(note)
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


def test_a_server_that_is_busy_is_asked_again(server, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(downloading.time, "sleep", waited.append)
    server.statuses, server.retry_after = [503, 429], "7"
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert waited == [7.0, 7.0]


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


# --- the disk ------------------------------------------------------------------


def test_a_full_disk_is_noticed_before_the_download(server, tmp_path, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(DatasetError, match="GB are free there"):
        fetch(server, tmp_path, size=SIZE)
    assert left(tmp_path) == set()


def test_a_folder_that_cannot_be_written_is_a_plain_message(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetError, match="cannot be written"):
        download([server.path()], tmp_path / "file" / "f", progress=False)


# --- which addresses are taken -------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/f",
        "ftp://example.org/f",
        "file:///etc/hostname",
        "data:text/plain,x",
        "https:///f",
        "//example.org/f",
        "https://[oops/f",
    ],
)
def test_only_https_is_taken(address, tmp_path):
    with pytest.raises(Refused):
        check_address(address, local=True)
    with pytest.raises(DatasetError):
        download([address], tmp_path / "f", progress=False)
    assert left(tmp_path) == set()


def test_plain_http_to_this_machine_must_be_allowed():
    assert check_address("http://127.0.0.1:8000/f", local=True)
    with pytest.raises(Refused):
        check_address("http://127.0.0.1:8000/f")
    assert not check_address("https://example.org/f")


def test_a_redirect_is_followed(server, tmp_path):
    server.redirect = server.path("there")
    fetch(server, tmp_path)
    assert_fetched(tmp_path)
    assert [one["path"] for one in server.asked] == ["/file.bin", "/there"]


@pytest.mark.parametrize(
    "target", ["file:///etc/hostname", "ftp://127.0.0.1/f", "http://example.org/f"]
)
def test_a_redirect_out_of_the_web_is_not_followed(server, tmp_path, target):
    server.redirect = target
    with pytest.raises(DatasetError, match="not https|answers 302"):
        fetch(server, tmp_path)
    assert left(tmp_path) == set()


def test_a_redirect_in_circles_ends(server, tmp_path):
    server.redirect = server.path("round")
    with pytest.raises(DatasetError, match="answers 302"):
        fetch(server, tmp_path)


def test_an_unknown_certificate_is_overlooked_only_where_a_hash_vouches(
    server, tmp_path, monkeypatch
):
    """What the server of UCF101 needs: its chain of certificates lacks a link."""
    verified = []
    real = addresses.open_address

    def unknown(address, headers, timeout, verify=True):
        verified.append(verify)
        if verify:
            raise addresses.Untrusted("its certificate cannot be verified (no issuer)")
        return real(address, headers, timeout, verify)

    monkeypatch.setattr(downloading, "open_address", unknown)
    for known in (dict(), dict(size=SIZE), dict(digest=Digest("md5", "0" * 32))):
        with pytest.raises(DatasetError, match="certificate cannot be verified"):
            fetch(server, tmp_path, **known)
    assert verified == [True, True, True]
    fetch(server, tmp_path, digest=RIGHT)
    assert_fetched(tmp_path)
    assert verified[3:] == [True, False]


def test_a_server_that_vouches_for_itself_is_not_trusted(tmp_path):
    """A real certificate, signed by nobody."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    (tmp_path / "to").mkdir()
    with serve(CONTENT, context) as server:
        with pytest.raises(DatasetError, match="certificate cannot be verified"):
            fetch(server, tmp_path / "to", size=SIZE)
        fetch(server, tmp_path / "to", digest=RIGHT)
    assert_fetched(tmp_path / "to")
