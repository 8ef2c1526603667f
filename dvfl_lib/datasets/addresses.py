"""Open an address over HTTPS, and nothing else.

Public names: ``open_address``, ``check_address``, ``Refused``, ``Untrusted``,
``Broken``.

Only the handlers for HTTP and HTTPS are there, so neither an address nor a redirect
can lead to a file of this machine. Plain http is for the machine itself (tests).
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request

_LOCAL = ("127.0.0.1", "::1", "localhost")
# Answers after which the same address may serve a moment later.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 600.0  # seconds; a server may ask for more, and is not obeyed
WANTED = (200, 206, 416)  # what the caller must be ready for


class Refused(Exception):
    """This address will not serve the file; another may."""


class Untrusted(Refused):
    """Nobody vouches for the server: its certificate cannot be verified."""


class Broken(Exception):
    """It did not work out this time; the same address may serve a moment later.

    ``wait`` is for how many seconds the server asked to be left alone, if it did.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def check_address(address: str, local: bool = False) -> bool:
    """Whether the address is one of this machine, after refusing what is not HTTPS.

    Args:
        local: whether this machine itself may be spoken to over plain http.

    Raises:
        Refused: another scheme than https, or no host.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        host = parts.hostname
    except ValueError as error:
        raise Refused(f"{address!r} is no address ({error})") from None
    if not host:
        raise Refused(f"{address!r} is no address of a file on a server")
    is_local = host in _LOCAL
    if parts.scheme == "http" and is_local and local:
        return True
    if parts.scheme != "https":
        raise Refused(f"{address!r} is not https, and nothing else is taken")
    return is_local


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only; the headers of the request come along."""

    def __init__(self, local: bool) -> None:
        self.local = local

    def redirect_request(self, request, fp, code, message, headers, address):
        check_address(address, self.local)
        return super().redirect_request(request, fp, code, message, headers, address)


def _opener(local: bool, verify: bool) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.OpenerDirector()
    for handler in (
        # No proxy stands between this machine and itself.
        urllib.request.ProxyHandler({} if local else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=context),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _CheckedRedirects(local),
    ):
        opener.add_handler(handler)
    return opener


def open_address(
    address: str, headers: dict[str, str], timeout: float, verify: bool = True
) -> http.client.HTTPResponse:
    """The server's answer, with status 200, 206 or 416; close it after use.

    Args:
        headers: of the request.
        timeout: seconds without a byte after which the server counts as stalled.
        verify: check the server's certificate. Without, only content whose hash is
            known may be believed.

    Raises:
        Refused: not https, or an answer that says no.
        Untrusted: a certificate that cannot be verified.
        Broken: no connection, a stall, or an answer that says not now.
    """
    local = check_address(address, local=True)
    headers = {"User-Agent": "dvfl-lib", "Accept-Encoding": "identity", **headers}
    request = urllib.request.Request(address, headers=headers)
    try:
        answer = _opener(local, verify).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code in WANTED:
            return error
        error.close()
        raise _of_status(error) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            reason = error.reason.verify_message
            raise Untrusted(f"its certificate cannot be verified ({reason})") from None
        raise Broken(f"no connection ({error.reason})") from None
    except TimeoutError:
        raise Broken(f"no answer for {timeout:g} seconds") from None
    except (OSError, http.client.HTTPException) as error:
        raise Broken(f"no answer ({error or type(error).__name__})") from None
    except ValueError as error:  # a redirect to what is no address at all
        raise Refused(f"leads to no address of a file ({error})") from None
    if answer.status not in WANTED:
        answer.close()
        raise Refused(f"answers {answer.status} {answer.reason}")
    return answer


def _of_status(error: urllib.error.HTTPError) -> Exception:
    # For a redirect that is not followed, the reason names where it leads.
    reason = f"answers {error.code} {' '.join(str(error.msg).split())}"
    if error.code not in _PASSING:
        return Refused(reason)
    asked = error.headers.get("Retry-After", "")
    # isdecimal alone takes digits of other scripts, isdigit even a raised 2.
    seconds = asked.isascii() and asked.isdecimal()
    return Broken(reason, min(float(asked), _LONGEST_WAIT) if seconds else None)
