"""RAR files and programs for them, made for tests.

Public names: ``write_rar``, ``fake_unrar``.

``write_rar`` writes the stored (uncompressed) form of RAR 5, enough for real programs
to read. ``fake_unrar`` writes a program that takes and prints what unrar does, so
that what calls it is tested where no real one is installed.
"""

from __future__ import annotations

import json
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
import json, os, sys
told = json.load(open({told!r}))
if len(sys.argv) < 2:
    print("UNRAR 7.21 freeware      Copyright (c) 1993-2026 Alexander Roshal")
    sys.exit(0)
if told["fails"]:
    print("told to fail", file=sys.stderr)
    sys.exit(3)
at = sys.argv.index("--") + 1
name = os.path.basename(sys.argv[at])
with open(told["log"], "a") as log:
    log.write(sys.argv[1] + " " + name + "\\n")
members = told["archives"][name]
if sys.argv[1] == "lt":
    for member in members:
        print()
        print("        Name: " + member["name"])
        print("        Type: " + member["type"])
        if member["type"] != "Directory":
            print("        Size: " + str(member["size"]))
            print(" Packed size: 9")
        print("  Attributes: -rw-r--r--")
    sys.exit(0)
assert sys.argv[1] == "x" and sys.argv[at + 1].endswith(os.sep)
for member in members:
    path = os.path.join(sys.argv[at + 1], member["name"])
    if member["type"] == "Directory":
        os.makedirs(path, exist_ok=True)
        continue
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if member.get("becomes_link"):
        os.symlink(member["becomes_link"], path)
    else:
        with open(path, "wb") as file:
            file.write(bytes.fromhex(member["content"]))
"""


class FakeUnrar:
    """A program called unrar, in a folder of its own, that knows some archives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.log = folder, folder / "log.txt"
        self.log.write_text("")
        self._told = folder / "told.json"
        self._archives: dict[str, list[dict]] = {}
        program = folder / "unrar"
        program.write_text(_FAKE.format(python=sys.executable, told=str(self._told)))
        program.chmod(0o755)
        self.fails = False
        self.save()

    def save(self) -> None:
        """Tell the program what it knows."""
        told = {"archives": self._archives, "log": str(self.log), "fails": self.fails}
        self._told.write_text(json.dumps(told))

    def archive(self, path: Path, *members: dict) -> bytes:
        """Make a file that only this program can read; returns its content.

        A member is ``{"name", "type", "content", "size", "becomes_link"}``, of which
        all but the name may be left out.
        """
        full = []
        for member in members:
            content = member.get("content", b"")
            whole = {"type": "File", "size": len(content), **member}
            full.append({**whole, "content": content.hex()})
        self._archives[path.name] = full
        self.save()
        path.write_bytes(b"Rar!" + path.name.encode())
        return path.read_bytes()

    @property
    def calls(self) -> list[str]:
        """What it was asked to do: "lt NAME" and "x NAME"."""
        return self.log.read_text().splitlines()


def fake_unrar(folder: Path) -> FakeUnrar:
    """Write the program; put its folder on PATH to use it."""
    return FakeUnrar(folder)
