"""Which addresses are taken, where redirects may lead, and who vouches for a server."""

import shutil
import ssl
import subprocess

import pytest

from bad_server import serve
from downloads import CONTENT, RIGHT, SIZE, assert_fetched, fetch, left
from dvfl_lib.datasets import addresses, downloading
from dvfl_lib.datasets.addresses import Refused, check_address
from dvfl_lib.datasets.downloading import download
from dvfl_lib.datasets.published import Digest
from dvfl_lib.errors import DatasetError


@pytest.fixture
def server():
    with serve(CONTENT) as told:
        yield told


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


@pytest.mark.parametrize("target", ["http://[", f"https://{'a' * 70}.org/f"])
def test_a_redirect_to_no_address_is_a_plain_message(server, tmp_path, target):
    server.redirect = target
    with pytest.raises(DatasetError, match="leads to no address of a file"):
        fetch(server, tmp_path)


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
