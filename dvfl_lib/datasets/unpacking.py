"""Unpack the archives of benchmarks: zip, tar in any packing, rar, and many in one.

Public names: ``unpack``, ``PACKINGS``.

An archive is unpacked to a folder beside its target and moved when it is whole (see
``stage``). What a call that was cut short has finished is not done again: members of
a zip or tar, the inner archives of HMDB51.

Names are checked before anything is written: those of a zip from its directory, those
of a rar from a list, those of a tar, which has none, one by one.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from ..errors import DatasetError
from .rar_tools import HOW_TO_INSTALL, Member, RarTool, ToolFailed, find_rar_tools
from .stage import BadArchive, Stage, damaged, refuse_kind, safe_path
from .tar_streams import unpack_joined, unpack_tar

PACKINGS = ("archive", "archive of archives", "flat", "joined")
_FLAT = re.compile(r"v_(\w+)_g\d+_c\d+\.avi", re.IGNORECASE)


def unpack(
    archives: Path | Sequence[Path],
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

    Returns:
        ``target``.

    Raises:
        DatasetError: an unsafe name, a link or a device in it; damage; no room; no
            program for rar.
    """
    assert packing in PACKINGS, packing
    parts = [archives] if isinstance(archives, Path) else list(archives)
    stage = Stage(target, parts[0])
    try:
        if stage.state == "begun":
            _fill(parts, stage, packing, progress)
            stage.mark("filled")
        if stage.state == "filled":
            if packing == "archive of archives":
                _unpack_inner(stage, progress)
            stage.mark("whole", stage.base_of(landmark))
    except BadArchive:
        stage.remove()  # nothing of it may be taken for part of a good one
        raise
    stage.move()
    return target


def _fill(parts: Sequence[Path], stage: Stage, packing: str, progress: bool) -> None:
    archive = parts[0]
    try:
        with archive.open("rb") as file:
            start = file.read(8)
            file.seek(0)
            if packing == "joined":
                unpack_joined(parts, stage, progress)
            elif start.startswith(b"Rar!"):
                _unpack_rar(archive, stage, progress)
            elif start.startswith(b"PK"):
                place = _by_class if packing == "flat" else _as_it_is
                _unpack_zip(archive, stage, place, progress)
            elif start.lstrip().startswith(b"<"):
                raise damaged(archive, "it is a web page and no archive")
            else:
                unpack_tar(file, archive, stage, progress)
    except OSError as error:
        raise DatasetError(f"{archive}: cannot be read ({error.strerror})") from error
    if not stage.files():
        raise damaged(archive, "it holds no file")


def _as_it_is(path: PurePosixPath) -> PurePosixPath:
    return path


def _by_class(path: PurePosixPath) -> PurePosixPath:
    """Where a video of UCF101 belongs: into the folder of its class."""
    match = _FLAT.fullmatch(path.name)
    return PurePosixPath(match[1], path.name) if match else path


# --- zip ---------------------------------------------------------------------------


def _unpack_zip(
    archive: Path,
    stage: Stage,
    place: Callable[[PurePosixPath], PurePosixPath],
    progress: bool,
) -> None:
    try:
        packed = zipfile.ZipFile(archive)
    except Exception as error:  # BadZipFile, UnicodeDecodeError, struct.error, ...
        raise damaged(archive, error) from error
    with packed:
        # Not is_dir(), which fails on an empty name.
        files = [i for i in packed.infolist() if not i.filename.endswith("/")]
        goals = [place(safe_path(info.filename, archive)) for info in files]
        for info in files:
            # The system that wrote it keeps a Unix mode in the upper half.
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise refuse_kind(info.filename, "a link or a device", archive)
            if info.flag_bits & 1:
                raise refuse_kind(info.filename, "locked with a password", archive)
        if len({str(goal).casefold() for goal in goals}) < len(goals):
            raise damaged(archive, "it holds two files of one name")
        pairs = list(zip(files, goals, strict=True))
        stage.check_room(
            sum(
                info.file_size
                for info, goal in pairs
                if not stage.has(goal, info.file_size)
            )
        )
        bar = tqdm(
            pairs,
            desc=f"unpacking {archive.name}",
            unit="file",
            disable=not progress,
        )
        for info, goal in bar:
            try:
                content = packed.open(info)
            except Exception as error:  # the same ones
                raise damaged(archive, error) from error
            with content:
                stage.put(goal, info.file_size, content)


# --- rar ---------------------------------------------------------------------------


def _unpack_rar(archive: Path, stage: Stage, progress: bool) -> None:
    reasons, tools = [], 0
    for tool in find_rar_tools():
        tools += 1
        try:
            _unpack_with(tool, archive, stage, progress)
            return
        except ToolFailed as reason:
            reasons.append(f"{tool.name}: {reason}")
    stage.remove()  # a rar is unpacked in one go or not at all
    if not tools:
        raise DatasetError(
            f"{archive}: there is no program here to unpack it. {HOW_TO_INSTALL}"
        )
    raise DatasetError(
        f"{archive}: could not be unpacked ({'; '.join(reasons)}). It is damaged, or "
        f"of a kind that these programs cannot read. {HOW_TO_INSTALL}"
    )


def _unpack_with(tool: RarTool, archive: Path, stage: Stage, progress: bool) -> None:
    archive = archive.absolute()  # a name must not look like an option
    expected: dict[PurePosixPath, int] = {}
    for member in tool.members(archive):
        expected |= _checked(member, archive)
    size = sum(expected.values())
    stage.check_room(size)
    stage.clear()
    if progress:
        print(
            f"unpacking {archive.name} with {tool.name}: {len(expected):,} files, "
            f"{size / 1e9:.1f} GB",
            file=sys.stderr,
        )
    tool.unpack(archive, stage.folder)
    if stage.files() != expected:
        raise ToolFailed("what it unpacked is not what it listed")


def _checked(member: Member, archive: Path) -> dict[PurePosixPath, int]:
    """{path: bytes} of a file; nothing for a folder, whose name must be safe too."""
    path = safe_path(member.name, archive)
    if member.kind not in ("file", "folder"):
        raise refuse_kind(member.name, member.kind, archive)
    return {path: member.size} if member.kind == "file" else {}


def _unpack_inner(stage: Stage, progress: bool) -> None:
    """The archives in an archive, each where it lies; each goes when it is done."""
    for path in sorted(stage.files()):
        if path.suffix.lower() in (".rar", ".zip"):
            inner = stage.folder / path
            try:
                unpack(inner, inner.parent, progress=progress)
            except BadArchive as error:
                raise damaged(stage.archive, f"in it, {error}") from error
            os.unlink(inner)
