"""Unpack an archive into a folder, all of it or nothing, and nothing outside it.

Public names: ``unpack``, ``find_rar_tools``, ``HOW_TO_UNPACK_RAR``.

Before a member is written its name is checked, and it may be a file or a folder, no
link and no device. All is written to a folder beside the target, which moves there
when it is whole.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

import rarfile
from tqdm import tqdm

from ..errors import DatasetError

HOW_TO_UNPACK_RAR = (
    "RAR needs one of these programs: unrar, unar, 7zz (7-Zip with RAR) or bsdtar. "
    "Debian, Ubuntu: sudo apt install unar (or unrar, from non-free). macOS: brew "
    "install unar. conda: conda install -c conda-forge unrar. Windows: 7-Zip, with its "
    "folder on PATH"
)
_FLAT = re.compile(r"v_(\w+)_g\d+_c\d+\.avi", re.IGNORECASE)
_SPARE = 100_000_000  # bytes that stay free on the disk
# Program -> its arguments: overwrite, ask nothing, take A from and write to F.
_RAR_TOOLS = {
    "unrar": "x -cfg- -p- -o+ -y -idcd -- A F/",
    "unar": "-quiet -force-overwrite -no-directory -no-recursion -o F A",
    "7zz": "x -y -bd -oF -- A",
    "7z": "x -y -bd -oF -- A",
    "bsdtar": "-xf A -C F",
}


def unpack(
    archives: Sequence[Path],
    target: Path,
    landmark: str = "",
    packing: str = "archive",
    progress: bool = True,
) -> Path:
    """Unpack a zip, tar.gz or rar into ``target``; what is there is added to.

    Args:
        archives: one archive, or for "joined" the parts of one tar.gz.
        landmark: a name; the folder in the archive that holds it becomes ``target``.
            Empty: everything goes into ``target`` as it is.
        packing: "archive"; "archive of archives", whose inner ones are unpacked where
            they lie; "flat", whose videos are put into folders by their class;
            "joined".
        progress: show a bar.

    Raises:
        DatasetError: an unsafe name, a link or a device in it; damage; no room; no
            program for rar.
    """
    archive = archives[0]
    stage = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(stage, ignore_errors=True)  # of a call that was cut short
    try:
        stage.mkdir(parents=True)
        _fill(archives, stage, packing, progress)
        base = _folder_of(landmark, stage, archive)
        if not target.exists():
            os.replace(base, target)
            return target
        for path in sorted(base.rglob("*")):
            if path.is_file():
                goal = target / path.relative_to(base)
                goal.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, goal)
    except DatasetError:
        raise
    except Exception as error:  # BadZipFile, TarError, EOFError, zlib.error, OSError
        if isinstance(error, OSError) and error.errno:  # of the disk, gzip's have none
            told = f"cannot be unpacked ({error.strerror}). Is there room on the disk?"
            raise DatasetError(f"{archive}: {told}") from error
        raise DatasetError(
            f"{archive}: is damaged or cut short ({error or type(error).__name__}). "
            "Delete it and fetch it again"
        ) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return target


def _fill(archives: Sequence[Path], stage: Path, packing: str, progress: bool) -> None:
    archive = archives[0]
    with archive.open("rb") as file:
        start = file.read(8)
    if packing == "joined":
        _unpack_tar(archives, stage, progress)
    elif start.startswith(b"Rar!"):
        _unpack_rar(archive, stage)
    elif start.startswith(b"PK"):
        _unpack_zip(archive, stage, packing == "flat", progress)
    elif start.lstrip().startswith(b"<"):
        raise ValueError("it is a web page and no archive")
    else:
        _unpack_tar(archives, stage, progress)
    if packing == "archive of archives":
        for inner in sorted(stage.rglob("*")):
            if inner.suffix.lower() in (".rar", ".zip"):
                unpack([inner], inner.parent, progress=False)
                inner.unlink()
    if not any(path.is_file() for path in stage.rglob("*")):
        raise ValueError("it holds no file")


def _check_member(name: str, archive: Path, is_plain: bool) -> None:
    """Refuse a name that leads out of its folder, a link and a device."""
    strange = "\\" in name or any(ord(letter) < 32 for letter in name)
    rooted = name.startswith("/") or PureWindowsPath(name).drive
    if strange or rooted or ".." in name.split("/") or not is_plain:
        what = "a name that leads out of its folder" if is_plain else "a link or device"
        raise DatasetError(
            f"{archive}: holds {name!r}, {what}. It is refused whole: take the archive "
            "from its official address, and do not unpack this one by hand"
        )


def _check_new(path: Path) -> None:
    if path.is_file():
        raise ValueError(f"it holds two files of one name: {path.name}")


def _check_room(size: int, stage: Path, archive: Path) -> None:
    free = shutil.disk_usage(stage).free
    if size + _SPARE > free:
        raise DatasetError(
            f"{archive}: what it holds needs {size / 1e9:.1f} GB, and {free / 1e9:.1f} "
            f"GB are free in {stage.parent}. Make room, or choose another disk"
        )


def _unpack_zip(archive: Path, stage: Path, flat: bool, progress: bool) -> None:
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        for info in members:
            kind = stat.S_IFMT(info.external_attr >> 16)  # a Unix mode, if any
            plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            _check_member(info.filename, archive, plain)
        _check_room(sum(info.file_size for info in members), stage, archive)
        title = f"unpacking {archive.name}"
        for info in tqdm(members, desc=title, unit="file", disable=not progress):
            name = PurePosixPath(info.filename).name
            if flat and (match := _FLAT.fullmatch(name)):
                info.filename = f"{match[1]}/{name}"  # the folder of its class
            _check_new(stage / info.filename)
            packed.extract(info, stage)


def _unpack_tar(parts: Sequence[Path], stage: Path, progress: bool) -> None:
    title = f"unpacking {parts[0].name}"
    with gzip.open(_Joined(parts)) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as packed:
            # Python 3.11.4 knows filters; the check below is stricter than any.
            packed.extraction_filter = getattr(tarfile, "data_filter", None)
            for member in tqdm(packed, desc=title, unit="file", disable=not progress):
                plain = member.isreg() or member.isdir()
                _check_member(member.name, parts[0], plain)
                _check_new(stage / member.name)
                _check_room(member.size, stage, parts[0])
                packed.extract(member, stage, set_attrs=False)
        while stream.read(1 << 20):  # its checksum stands at the end
            pass


class _Joined:
    """The parts of one file, read one after the other; each as it is or in a zip."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._parts = list(parts)
        self._current: IO[bytes] = io.BytesIO()

    @staticmethod
    def _open(part: Path) -> IO[bytes]:
        if not zipfile.is_zipfile(part):
            return part.open("rb")
        packed = zipfile.ZipFile(part)
        return packed.open(packed.infolist()[0])

    def read(self, size: int) -> bytes:
        """At most so many of the next bytes; none at the end."""
        while not (block := self._current.read(size)) and self._parts:
            self._current.close()
            self._current = self._open(self._parts.pop(0))
        return block


def find_rar_tools() -> list[str]:
    """The programs on this machine that unpack RAR, the best first."""
    return [name for name in _RAR_TOOLS if shutil.which(name)]


def _unpack_rar(archive: Path, stage: Path) -> None:
    """``rarfile`` reads the list, and one call of a program unpacks all of it."""
    sizes = {}
    with rarfile.RarFile(archive) as packed:
        for info in packed.infolist():
            plain = not info.is_symlink() and not getattr(info, "file_redir", None)
            _check_member(info.filename, archive, plain)
            if not info.is_dir():
                sizes[PurePosixPath(info.filename)] = info.file_size
    if not sizes:
        raise ValueError("it holds no file")
    _check_room(sum(sizes.values()), stage, archive)
    reasons = []
    for name in find_rar_tools():
        words = {"A": archive.absolute(), "F": stage, "F/": f"{stage}{os.sep}"}
        words["-oF"] = f"-o{stage}"
        done = subprocess.run(
            [name, *(str(words.get(w, w)) for w in _RAR_TOOLS[name].split())],
            stdin=subprocess.DEVNULL,  # a question for a password gets no answer
            capture_output=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        there = {
            PurePosixPath(path.relative_to(stage).as_posix()): (
                -1 if path.is_symlink() else path.lstat().st_size
            )
            for path in stage.rglob("*")
            if not path.is_dir() or path.is_symlink()
        }
        if done.returncode == 0 and there == sizes:
            return
        said = (done.stderr or done.stdout).decode("utf-8", "replace").split("\n")
        reasons.append(f"{name}: {said[0][:200] or 'not what the archive lists'}")
        shutil.rmtree(stage)
        stage.mkdir()
    if not reasons:
        raise DatasetError(
            f"{archive}: there is no program here to unpack it. {HOW_TO_UNPACK_RAR}"
        )
    raise ValueError(f"{'; '.join(reasons)}. {HOW_TO_UNPACK_RAR}")


def _folder_of(landmark: str, stage: Path, archive: Path) -> Path:
    """The folder that holds the landmark; the shallowest, if several."""
    if not landmark:
        return stage
    found = min(stage.rglob(landmark), key=lambda path: len(path.parts), default=None)
    if found is None:
        raise DatasetError(
            f"{archive}: holds no {landmark}, so it is not the archive it should be. "
            "Delete it and fetch it again"
        )
    return found.parent
