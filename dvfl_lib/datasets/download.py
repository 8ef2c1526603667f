"""Fetch one file so that it is whole and right, or say why it is not.

Public names: ``download``.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from ..errors import DatasetError

_SCHEMES = ["https://"]  # nothing else is spoken, whatever a redirect says
_STALL = 30.0  # seconds without a byte
_ATTEMPTS = 6  # in a row that bring nothing new
_PAUSE = 1.0  # seconds before the second attempt; doubles each time
_BLOCK = 1 << 16  # bytes read at a time
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # the same address may serve later


class _Refused(Exception):
    """This address will not serve the file; another may."""


def download(
    addresses: Sequence[str],
    path: Path,
    size: int | None = None,
    sha256: str = "",
    progress: bool = True,
) -> Path:
    """Fetch a file from the first of its https addresses that serves it.

    It grows as ``<name>.part``; a call that was cut short goes on where it ended
    (RFC 9110, section 14.2, Range). It gets its name when its size is the one that is
    published or that the server states, and its SHA-256 the published one; what
    arrives wrong is kept as ``<name>.bad``. A server whose certificate cannot be
    verified is believed only where the hash is known. A file that is there already
    and is right is left alone.

    Args:
        addresses: of the same file, byte for byte, in the order to try them.
        size: in bytes, if it is known.

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
    reasons, part = [], path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for address in addresses:
            if not (sha256 or size):  # nothing would tell two versions' pieces apart
                part.unlink(missing_ok=True)
            try:
                _fetch(address, part, size, sha256, progress)
            except _Refused as reason:
                reasons.append(" ".join(f"{address} {reason}".split()))
            else:
                os.replace(part, path)
                return path
    except OSError as error:  # of the disk; those of the net are _Refused
        raise DatasetError(
            f"{part}: cannot be written ({error.strerror}). Make room; the same "
            "command goes on from here"
        ) from error
    raise DatasetError(
        f"{path.name} could not be fetched: {'; '.join(reasons) or 'no address'}. "
        f"Or fetch it by hand and put it there: {path}"
    )


def _trouble_with(path: Path, size: int | None, sha256: str) -> str:
    """What is wrong with a file, compared with what is known; "" if nothing."""
    found = _size(path)
    if size is not None and found != size:
        return f"has {found:,} bytes and should have {size:,}"
    if sha256:
        with path.open("rb") as file:
            value = hashlib.file_digest(file, "sha256").hexdigest()
        return "" if value == sha256 else f"has the sha256 {value}, not {sha256}"
    return ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _fetch(
    address: str, part: Path, size: int | None, sha256: str, progress: bool
) -> None:
    """Fill ``part`` from one address, going on where it is cut off."""
    failures, older = 0, part.exists()
    session = requests.Session()
    session.headers.update({"User-Agent": "dvfl-lib", "Accept-Encoding": "identity"})
    session.adapters.clear()
    for scheme in _SCHEMES:
        session.mount(scheme, HTTPAdapter())
    while True:
        have = _size(part)
        try:
            if size is None or have < size:
                _receive(session, address, part, size, bool(sha256), progress)
        except requests.exceptions.SSLError as error:
            if not (sha256 and session.verify):
                raise _Refused(f"has no valid certificate ({error})") from None
            session.verify = False  # the hash vouches for the file
            continue
        except (requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise _Refused("is not https, and nothing else is taken") from None
        except (requests.RequestException, HTTPError) as error:
            failures = 0 if _size(part) - have >= _BLOCK else failures + 1
            if failures >= _ATTEMPTS:
                raise _Refused(f"broke off ({error})") from None
            time.sleep(min(_PAUSE * 2**failures, 60.0))
            continue
        wrong = _trouble_with(part, size, sha256)
        if not wrong:
            return
        if not older:
            bad = part.with_suffix(".bad")
            os.replace(part, bad)
            raise _Refused(f"sent a wrong file: it {wrong} (kept as {bad.name})")
        part.unlink()  # pieces of two files, perhaps: once more from nothing
        older = False


def _receive(
    session: requests.Session,
    address: str,
    part: Path,
    size: int | None,
    vouched: bool,
    progress: bool,
) -> None:
    """One request for what is missing of the file."""
    have = _size(part)
    wanted = {"Range": f"bytes={have}-"} if have else {}
    # ``verify`` is told here, where no variable of the environment overrules it.
    how = dict(stream=True, timeout=_STALL, verify=session.verify)
    with session.get(address, headers=wanted, **how) as answer:
        told = answer.headers
        fits = told.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status_code == 416 or (answer.status_code == 206 and not fits):
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("has another file than what is here")
        if answer.status_code in _BUSY:
            raise requests.ConnectionError(f"answers {answer.status_code}")
        if answer.status_code not in (200, 206):
            raise _Refused(f"answers {answer.status_code} {answer.reason}")
        if answer.status_code == 200:
            have = 0
        if told.get("Content-Type", "").startswith("text/html"):
            raise _Refused("sends a web page in the place of the file")
        length = told.get("Content-Length", "")
        length = int(length) if length.isdecimal() else 0
        if not (length or size or vouched or "Transfer-Encoding" in told):
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
