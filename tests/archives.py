"""Archives made in memory, for tests of fetching and unpacking.

Public names: ``zip_bytes``, ``tar_bytes``.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping


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
