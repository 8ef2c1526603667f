"""Archives for tests of fetching and unpacking, and looks at what came out of them.

Public names: ``zip_bytes``, ``tar_bytes``, ``write_zip``, ``write``, ``special``,
``write_rar``, ``FakeUnrar``, ``quietly``, ``content_of``, ``everything``.

``write_rar`` writes the stored (uncompressed) form of RAR 5, enough for real programs
to read. ``FakeUnrar`` takes what unrar takes, so that what calls it is tested where no
real program is installed.
"""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from dvfl_lib.datasets.unpack import unpack


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """A zip of files by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return out.getvalue()


def tar_bytes(members: Mapping[str, bytes], *special: tarfile.TarInfo) -> bytes:
    """A tar.gz of files by name, and of members that are no files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
        for info in special:
            packed.addfile(info)
    return out.getvalue()


def write_zip(path: Path, members: dict[str, bytes], **modes: int) -> Path:
    """A packed zip of files by name, some with a Unix mode of their own."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = modes.get(name, 0o100644) << 16
            packed.writestr(info, content)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A member of a tar that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def write(path: Path, content: bytes) -> Path:
    """Write a file; returns its path."""
    path.write_bytes(content)
    return path


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
    parts = [b"Rar!\x1a\x07\x01\x00", _block(_number(1) + _number(0) + _number(0))]
    parts += [_entry(name, content) for name, content in members.items()]
    parts += [_entry(name, b"", target) for name, target in (links or {}).items()]
    parts.append(_block(_number(5) + _number(0) + _number(0)))
    path.write_bytes(b"".join(parts))
    return path


_FAKE = """#!{python}
import os, shutil, sys
at = sys.argv.index("--") + 1
shutil.copytree({folder!r} + "/" + os.path.basename(sys.argv[at]), sys.argv[at + 1],
                dirs_exist_ok=True, symlinks=True)
"""


class FakeUnrar:
    """A program called unrar, in a folder of its own, that knows some archives.

    Their lists are real (``rarfile`` reads them); their content lies in folders.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.known = folder, folder / "known"
        self.known.mkdir(parents=True)
        program = folder / "unrar"
        told = dict(python=sys.executable, folder=str(self.known))
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


def quietly(archive, target: Path, **options) -> Path:
    """Unpack without a bar."""
    archives = [archive] if isinstance(archive, Path) else archive
    return unpack(archives, target, progress=False, **options)


def content_of(folder: Path) -> dict[str, bytes]:
    """{path: content} of the files below a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}


def everything(folder: Path) -> set[str]:
    """Paths of all that lies below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
