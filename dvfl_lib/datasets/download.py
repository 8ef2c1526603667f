"""Fetch one file so that it is whole and right, or say why it is not.

Public names: ``download``, ``Patience``.

The file grows as ``<name>.part`` and gets its name when it is whole: its size is the
one that is published or that the server states, and its SHA-256 the published one. A
call that was cut short goes on where it ended (RFC 9110, section 14.2, Range).
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from ..errors import DatasetError

_BLOCK = 1 << 16  # bytes read at a time
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # the same address may serve later
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html)\b", re.IGNORECASE)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _Refused(Exception):
    """This address will not serve the file; another may."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try again."""

    stall: float = 30.0  # seconds without a byte
    attempts: int = 6  # in a row that bring nothing new
    pause: float = 1.0  # seconds before the second attempt; doubles each time


def download(
    addresses: Sequence[str],
    path: Path,
    size: int | None = None,
    sha256: str = "",
    progress: bool = True,
    patience: Patience | None = None,
) -> Path:
    """Fetch a file from the first of its addresses that serves it.

    A file that is there already and is right is left alone. What arrives with a
    wrong size or hash is kept as ``<name>.bad`` and never gets the name. A server
    whose certificate cannot be verified is believed only where the hash is known.

    Args:
        addresses: of the same file, byte for byte, in the order to try them; https.
        path: where it goes.
        size: in bytes, if it is known.
        sha256: its published hash, if one is.
        progress: show a bar.
        patience: how long to wait and how often to try.

    Raises:
        DatasetError: no address serves the right file; there is no room; what is at
            ``path`` is another file.
    """
    if path.exists():
        if wrong := _trouble_with(path, size, sha256):
            raise DatasetError(
                f"{path}: it {wrong}. It may be cut short or of another version: move "
                "or delete it, and the same command fetches it"
            )
        return path
    reasons, patience = [], patience or Patience()
    part = path.with_name(f"{path.name}.part")
    for address in addresses:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not (sha256 or size):  # nothing would tell two versions' pieces apart
                part.unlink(missing_ok=True)
            _fetch_right(address, part, size, sha256, progress, patience)
            os.replace(part, path)
            return path
        except _Refused as reason:
            reasons.append(" ".join(f"{address} {reason}".split()))
        except OSError as error:  # of the disk; those of the net are _Refused
            raise DatasetError(
                f"{part}: cannot be written ({error.strerror}). Make room; the same "
                "command goes on from here"
            ) from error
    raise DatasetError(
        f"{path.name} could not be fetched: {'; '.join(reasons) or 'no address'}. "
        f"Or fetch it by hand and put it there: {path}"
    )


def _fetch_right(
    address: str, part: Path, size: int | None, sha256: str, *more: Any
) -> None:
    """``_fetch``, and look at what came; pieces of two files are fetched anew."""
    for resumed in (part.exists(), False):
        _fetch(address, part, size, sha256, *more)
        if not (wrong := _trouble_with(part, size, sha256)):
            return
        if not resumed:
            break
        part.unlink()
    bad = part.with_suffix(".bad")
    os.replace(part, bad)
    raise _Refused(f"sent a wrong file: it {wrong} (kept as {bad.name})")


def _trouble_with(path: Path, size: int | None, sha256: str) -> str:
    """What is wrong with a file, compared with what is known; "" if nothing."""
    found = path.stat().st_size
    if size is not None and found != size:
        return f"has {found:,} bytes and should have {size:,}"
    with path.open("rb") as file:
        if sha256:
            value = hashlib.file_digest(file, "sha256").hexdigest()
            return "" if value == sha256 else f"has the sha256 {value}, not {sha256}"
        # What servers send that want a login, or have no quota left.
        return "is a web page" if _PAGE.match(file.read(1024)) else ""


def _session(address: str) -> requests.Session:
    """A session that speaks https and nothing else, whatever a redirect says.

    Plain http is for this machine itself, without a proxy (tests).
    """
    session = requests.Session()
    session.headers.update({"User-Agent": "dvfl-lib", "Accept-Encoding": "identity"})
    retry = Retry(total=3, connect=1, backoff_factor=0.5, status_forcelist=_PASSING)
    session.adapters.clear()
    session.mount("https://", HTTPAdapter(max_retries=retry))
    local = f"http://127.0.0.1:{urlsplit(address).port}/"
    if address.startswith(local):
        session.trust_env = False
        session.mount(local, HTTPAdapter(max_retries=retry))
    return session


def _fetch(
    address: str,
    part: Path,
    size: int | None,
    sha256: str,
    progress: bool,
    patience: Patience,
) -> None:
    """Fill ``part`` from one address, going on where it is cut off."""
    failures, verify = 0, True
    with _session(address) as session:
        while True:
            have = part.stat().st_size if part.exists() else 0
            if size is not None and have >= size:
                if have > size:
                    part.unlink()
                    continue
                return
            try:
                told = (patience, verify, bool(sha256))
                _transfer(session, address, part, have, size, progress, *told)
                return
            except requests.exceptions.SSLError as error:
                if not (sha256 and verify):
                    raise _Refused(f"has no valid certificate ({error})") from None
                verify = False  # the hash vouches for the file
            except requests.exceptions.InvalidSchema:
                raise _Refused("is not https, and nothing else is taken") from None
            except (requests.RequestException, HTTPError) as error:
                got = part.stat().st_size - have if part.exists() else 0
                failures = 0 if got >= _BLOCK else failures + 1
                if failures >= patience.attempts:
                    raise _Refused(f"broke off ({error})") from None
                time.sleep(min(patience.pause * 2**failures, 60.0))


def _transfer(
    session: requests.Session,
    address: str,
    part: Path,
    have: int,
    size: int | None,
    progress: bool,
    patience: Patience,
    verify: bool,
    vouched: bool,
) -> None:
    """One request for what is missing of the file."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    answer = session.get(
        address, headers=headers, stream=True, timeout=patience.stall, verify=verify
    )
    with answer:
        if answer.status_code == 416:  # nothing beyond what is here: another file
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("has no more to send; begun anew")
        if not answer.ok:
            raise _Refused(f"answers {answer.status_code} {answer.reason}")
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise _Refused("sends a web page in the place of the file")
        length = int(answer.headers.get("Content-Length", 0))
        if answer.status_code != 206:
            have = 0
        else:
            piece = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if piece is None or int(piece[1]) != have:
                part.unlink()
                raise requests.ConnectionError("sent another piece than asked for")
        if (
            not (length or size or vouched)
            and "Transfer-Encoding" not in answer.headers
        ):
            raise _Refused("does not say how long the file is, and no hash is known")
        if length and size is not None and have + length != size:
            raise _Refused(f"offers {have + length:,} bytes; the file has {size:,}")
        bar = tqdm(
            desc=part.stem,
            total=have + length or size,
            initial=have,
            unit="B",
            unit_scale=True,
            disable=not progress,
        )
        with bar, part.open("ab" if have else "wb") as out:
            for block in answer.raw.stream(_BLOCK, decode_content=False):
                out.write(block)
                bar.update(len(block))
                if size is not None and out.tell() > size:
                    raise _Refused(f"sends more than the {size:,} bytes of the file")
