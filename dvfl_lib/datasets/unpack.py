"""Unpack an archive into a folder, all of it or nothing, and nothing outside it.

Public names: ``unpack``, ``find_rar_tools``, ``HOW_TO_UNPACK_RAR``.

Zip, tar (packed or not), rar, and many parts that are one tar. Before a member is
written its name is checked, and it may be a file or a folder, no link and no device.
All is written to a folder beside the target, which moves there when it is whole. RAR
has no free library: ``rarfile`` reads its list, and one of four programs unpacks it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_SPARE = 100_000_000  # bytes that stay free on the disk
# Program -> its arguments: overwrite, ask nothing, take A from and write to F.
_RAR_TOOLS = {
    "unrar": ("x", "-cfg-", "-p-", "-o+", "-y", "-idcd", "--", "A", "F/"),
    "unar": ("-quiet", "-force-overwrite", "-no-directory", "-no-recursion", "-o")
    + ("F", "A"),
    "7zz": ("x", "-y", "-bd", "-oF", "--", "A"),
    "7z": ("x", "-y", "-bd", "-oF", "--", "A"),
    "bsdtar": ("-xf", "A", "-C", "F"),
}


def unpack(
    archives: Sequence[Path],
    target: Path,
    landmark: str = "",
    packing: str = "archive",
    progress: bool = True,
) -> Path:
    """Unpack into ``target``, which is made, or merged into if it is there.

    Args:
        archives: one archive, or for "joined" the parts of one.
        target: the folder to fill.
        landmark: a name; the folder in the archive that holds it becomes ``target``.
            Empty: everything goes into ``target`` as it is.
        packing: "archive"; "archive of archives", whose inner ones are unpacked where
            they lie; "flat", whose videos are put into folders by their class;
            "joined", parts that make one tar when they are put together.
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
        with _damage_told(archive):
            _fill(archives, stage, packing, progress)
        _move(_base_of(stage, landmark, archive), target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return target


@contextmanager
def _damage_told(archive: Path) -> Iterator[None]:
    """What libraries raise about an archive, as one kind of error."""
    try:
        yield
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


def _fill(archives: Sequence[Path], stage: Path, packing: str, progress: bool) -> None:
    archive = archives[0]
    with archive.open("rb") as file:
        start = file.read(8)
    if packing == "joined":
        parts = io.BufferedReader(_Joined(archives))
        _unpack_tar(parts, archive, stage, progress)
    elif start.startswith(b"Rar!"):
        _unpack_rar(archive, stage)
    elif start.startswith(b"PK"):
        _unpack_zip(archive, stage, packing == "flat", progress)
    elif start.lstrip().startswith(b"<"):
        raise ValueError("it is a web page and no archive")
    else:
        with archive.open("rb") as file:
            _unpack_tar(file, archive, stage, progress)
    if packing == "archive of archives":
        for inner in sorted(stage.rglob("*")):
            if inner.suffix.lower() in (".rar", ".zip"):
                with _damage_told(inner):
                    unpack([inner], inner.parent, progress=False)
                inner.unlink()
    if not any(path.is_file() for path in stage.rglob("*")):
        raise ValueError("it holds no file")


def _safe(name: str, archive: Path, is_plain: bool) -> PurePosixPath:
    """A member's name as a path below the stage; links and devices are refused."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    strange = "\\" in name or any(ord(letter) < 32 for letter in name)
    leads_out = ".." in parts or name.startswith("/") or PureWindowsPath(name).drive
    if not parts or strange or leads_out or not is_plain:
        what = "a name that leads out of its folder" if is_plain else "a link or device"
        raise DatasetError(
            f"{archive}: holds {name!r}, {what}. It is refused whole: take the archive "
            "from its official address, and do not unpack this one by hand"
        )
    return PurePosixPath(*parts)


def _check_room(size: int, stage: Path, archive: Path) -> None:
    free = shutil.disk_usage(stage).free
    if size + _SPARE > free:
        raise DatasetError(
            f"{archive}: what it holds needs {size / 1e9:.1f} GB, and {free / 1e9:.1f} "
            f"GB are free in {stage.parent}. Make room, or choose another disk"
        )


def _write(content: IO[bytes], goal: Path) -> None:
    if goal.exists():
        raise ValueError(f"it holds two files of one name: {goal.name}")
    goal.parent.mkdir(parents=True, exist_ok=True)
    with goal.open("xb") as out:
        shutil.copyfileobj(content, out, 1 << 20)


def _unpack_zip(archive: Path, stage: Path, flat: bool, progress: bool) -> None:
    with zipfile.ZipFile(archive) as packed:
        goals = {}
        for info in packed.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)  # a Unix mode, if any
            plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            path = _safe(info.filename, archive, plain)
            if not info.is_dir():
                goals[info] = path
        _check_room(sum(info.file_size for info in goals), stage, archive)
        title = f"unpacking {archive.name}"
        for info in tqdm(goals, desc=title, unit="file", disable=not progress):
            path = goals[info]
            if flat and (match := _FLAT.fullmatch(path.name)):
                path = PurePosixPath(match[1], path.name)  # the folder of its class
            with packed.open(info) as content:
                _write(content, stage / path)


def _unpack_tar(
    file: io.BufferedReader, archive: Path, stage: Path, progress: bool
) -> None:
    start = file.peek(8)
    openers = (o for magic, o in _PACKED.items() if start.startswith(magic))
    stream = next(openers, lambda plain: plain)(file)
    title = f"unpacking {archive.name}"
    with tarfile.open(fileobj=stream, mode="r|") as packed:
        for member in tqdm(packed, desc=title, unit="file", disable=not progress):
            if member.isdir() and member.name.strip("/") in ("", "."):
                continue
            plain = member.isdir() or (member.isreg() and member.sparse is None)
            path = _safe(member.name, archive, plain)
            if member.isreg():
                _check_room(member.size, stage, archive)
                _write(packed.extractfile(member), stage / path)
    while stream.read(1 << 20):  # the packing keeps its checksum at the end
        pass


class _Joined(io.RawIOBase):
    """The parts of one archive, read one after the other; each as it is or in a zip."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._streams = (self._open(part) for part in parts)
        self._current: IO[bytes] | None = next(self._streams)

    @staticmethod
    def _open(part: Path) -> IO[bytes]:
        if not zipfile.is_zipfile(part):
            return part.open("rb")
        packed = zipfile.ZipFile(part)
        return packed.open(packed.infolist()[0])

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer) -> int:
        """The next bytes, of the next part where one ends."""
        while self._current is not None:
            if block := self._current.read(len(buffer)):
                buffer[: len(block)] = block
                return len(block)
            self._current.close()
            self._current = next(self._streams, None)
        return 0


def find_rar_tools() -> list[str]:
    """The programs on this machine that unpack RAR, the best first."""
    return [name for name in _RAR_TOOLS if shutil.which(name)]


def _unpack_rar(archive: Path, stage: Path) -> None:
    with rarfile.RarFile(archive) as packed:
        sizes = {}
        for info in packed.infolist():
            plain = not info.is_symlink() and not getattr(info, "file_redir", None)
            path = _safe(info.filename, archive, plain)
            if not info.is_dir():
                sizes[path] = info.file_size
    if not sizes:
        raise ValueError("it holds no file")
    _check_room(sum(sizes.values()), stage, archive)
    reasons = []
    for name in find_rar_tools():
        words = {"A": archive.absolute(), "F": stage, "F/": f"{stage}{os.sep}"}
        words["-oF"] = f"-o{stage}"
        line = [str(words.get(word, word)) for word in _RAR_TOOLS[name]]
        done = subprocess.run(
            [name, *line],
            stdin=subprocess.DEVNULL,  # a question for a password gets no answer
            capture_output=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            check=False,
        )
        there = {
            PurePosixPath(path.relative_to(stage).as_posix()): path.lstat().st_size
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


def _base_of(stage: Path, landmark: str, archive: Path) -> Path:
    """The folder in the stage that holds the landmark; the shallowest, if several."""
    if not landmark:
        return stage
    found = sorted(stage.rglob(landmark), key=lambda path: len(path.parts))
    if not found:
        raise DatasetError(
            f"{archive}: holds no {landmark}, so it is not the archive it should be. "
            "Delete it and fetch it again"
        )
    return found[0].parent


def _move(base: Path, target: Path) -> None:
    """Make a folder the target, or put its files into the one that is there."""
    if not target.exists():
        os.replace(base, target)
        return
    for path in sorted(base.rglob("*")):
        if path.is_file():
            goal = target / path.relative_to(base)
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, goal)
