"""RAR files and programs for them, made for tests.

Public names: ``write_rar``, ``fake_unrar``.

``write_rar`` writes the stored (uncompressed) form of RAR 5, enough for real programs
to read. ``fake_unrar`` writes a program that takes what unrar takes, so that what
calls it is tested where no real one is installed.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

_MAGIC = b"Rar!\x1a\x07\x01\x00"


def _number(value: int) -> bytes:
    """Seven bits in a byte, the low ones first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _block(fields: bytes, data: bytes = b"") -> bytes:
    sized = _number(len(fields)) + fields
    return zlib.crc32(sized).to_bytes(4, "little") + sized + data


def _entry(name: str, content: bytes | None, link: str = "") -> bytes:
    """A file; a folder where ``content`` is None; a symbolic link to ``link``."""
    folder, data, text = content is None, content or b"", name.encode()
    extra = b""
    if link:
        target = link.encode()
        record = _number(5) + _number(1) + _number(0) + _number(len(target)) + target
        extra = _number(len(record)) + record
    flags = 2 | (1 if extra else 0)
    fields = _number(2) + _number(flags)
    if extra:
        fields += _number(len(extra))
    fields += _number(len(data)) + _number(1 if folder else 4) + _number(len(data))
    mode = 0o120777 if link else 0o40755 if folder else 0o100644
    fields += _number(mode)
    if not folder:
        fields += zlib.crc32(data).to_bytes(4, "little")
    fields += _number(0) + _number(1) + _number(len(text)) + text
    return _block(fields + extra, data)


def write_rar(
    path: Path, members: dict[str, bytes | None], links: dict[str, str] | None = None
) -> Path:
    """Write a RAR 5 archive; ``None`` is a folder, ``links`` are symbolic ones."""
    parts = [_MAGIC, _block(_number(1) + _number(0) + _number(0))]
    parts += [_entry(name, content) for name, content in members.items()]
    parts += [_entry(name, b"", target) for name, target in (links or {}).items()]
    parts.append(_block(_number(5) + _number(0) + _number(0)))
    path.write_bytes(b"".join(parts))
    return path


_FAKE = """#!{python}
import os, shutil, sys
at = sys.argv.index("--") + 1
with open({log!r}, "a") as log:
    log.write(os.path.basename(sys.argv[at]) + "\\n")
shutil.copytree({folder!r} + "/" + os.path.basename(sys.argv[at]), sys.argv[at + 1],
                dirs_exist_ok=True, symlinks=True)
"""


class FakeUnrar:
    """A program called unrar, in a folder of its own, that knows some archives.

    Their lists are real (``rarfile`` reads them); their content lies in folders.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.log, self.known = folder, folder / "log", folder / "known"
        self.known.mkdir()
        program = folder / "unrar"
        told = dict(python=sys.executable, log=str(self.log), folder=str(self.known))
        program.write_text(_FAKE.format(**told))
        program.chmod(0o755)

    def archive(self, path: Path, members: dict[str, bytes]) -> bytes:
        """Write a real archive that this program also unpacks; returns its content."""
        write_rar(path, members)
        for name, content in members.items():
            file = self.known / path.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return path.read_bytes()

    @property
    def calls(self) -> list[str]:
        """The archives that it unpacked."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def fake_unrar(folder: Path) -> FakeUnrar:
    """Write the program; put its folder on PATH to use it."""
    return FakeUnrar(folder)
