"""Archives for tests of fetching and unpacking, and looks at what came out of them.

Public names: ``zip_bytes``, ``tar_bytes``, ``write_zip``, ``write``, ``special``,
``quietly``, ``content_of``, ``everything``.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
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


def tar_bytes(
    members: Mapping[str, bytes], *special: tarfile.TarInfo, mode: str = "w"
) -> bytes:
    """A tar of files by name, and of members that are no files."""
    out = io.BytesIO()
    # Quick to pack: what is tested is what comes out.
    level = {"compresslevel": 1} if mode == "w:gz" else {}
    with tarfile.open(fileobj=out, mode=mode, **level) as packed:
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
