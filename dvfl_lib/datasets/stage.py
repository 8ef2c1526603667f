"""Where an archive is unpacked: a folder beside its target, and rules for names.

Public names: ``Stage``, ``BadArchive``, ``safe_path``, ``damaged``, ``refuse_kind``.

Nothing that an archive says is believed before it is checked: a name may not lead
out of the folder, a member may be a file or a folder and nothing else, and it may
hold no more bytes than it states. What is unpacked moves to its target only when all
of it is there, so a target never holds half an archive that looks whole.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from ..errors import DatasetError
from ..files import write_whole

_BLOCK = 1 << 20
_SPARE = 100_000_000  # bytes that stay free on the disk
# Names that Windows gives to devices, and endings that it drops: "a." is "a" there.
_WINDOWS = os.name == "nt"
_NOT_THERE = re.compile(r"(con|prn|aux|nul|(com|lpt)\d)(\..*)?|.*[. ]", re.IGNORECASE)
_REFUSED = (
    "It is refused whole. Take the archive from its official address; if this one is "
    "from there, do not unpack it by hand either"
)


class BadArchive(DatasetError):
    """An archive of which nothing may be used."""


def damaged(archive: Path, reason: object) -> BadArchive:
    """The error for an archive that is not what it says it is."""
    told = str(reason) or type(reason).__name__
    return BadArchive(
        f"{archive}: is damaged or cut short ({told}). Delete it and fetch it again"
    )


def safe_path(name: str, archive: Path) -> PurePosixPath:
    """A member's name as a path below the folder it is unpacked to.

    Raises:
        BadArchive: it is absolute, leads upwards, or could mean another place on
            another system.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    strange = any(ord(letter) < 32 for letter in name) or "\\" in name
    if _WINDOWS:  # with ":", a second stream of a file
        strange |= ":" in name or any(map(_NOT_THERE.fullmatch, parts))
    if (
        not parts
        or strange
        or ".." in parts
        or name.startswith("/")
        or PureWindowsPath(name).drive
    ):
        raise BadArchive(
            f"{archive}: holds {name!r}, a name that leads out of its folder or means "
            f"different places on different systems. {_REFUSED}"
        )
    return PurePosixPath(*parts)


def refuse_kind(name: str, what: str, archive: Path) -> BadArchive:
    """The error for a member that is neither a file nor a folder."""
    return BadArchive(
        f"{archive}: holds {name!r}, which is {what}. The archives of these data sets "
        f"hold files and folders only. {_REFUSED}"
    )


class Stage:
    """A folder beside ``target`` that becomes it, or is merged into it.

    A note beside it says of which archive it is, and how far an earlier call came:
    "begun", "filled" (all members are there), or "whole" (and in which of its folders
    the content is). What is there of another archive is thrown away.
    """

    def __init__(self, target: Path, archive: Path) -> None:
        self.target, self.archive = target, archive
        self.folder = target.with_name(f".{target.name}.{archive.name}.unpacking")
        self._note = self.folder.with_name(f"{self.folder.name}.json")
        self._growing = self.folder.with_name(f"{self.folder.name}.tmp")
        try:
            told = archive.stat()
        except OSError as error:
            raise DatasetError(f"{archive}: cannot be found ({error})") from error
        self._of = [told.st_size, told.st_mtime_ns]
        self._put: set[str] = set()  # what this call has put there, in lower case
        if self._recall().get("of") != self._of:
            self.clear()
            self.mark("begun")

    # --- how far it is -----------------------------------------------------------

    @property
    def state(self) -> str:
        """One of "begun", "filled" and "whole"."""
        return self._recall().get("state", "begun")

    def _recall(self) -> dict:
        try:
            note = json.loads(self._note.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        # A note about a folder that is gone is about nothing.
        usable = isinstance(note, dict) and self.folder.is_dir()
        return note if usable else {}

    def mark(self, state: str, base: Path | None = None) -> None:
        """Note how far it is; ``base`` is the folder that will be the target."""
        within = (base or self.folder).relative_to(self.folder).as_posix()
        note = {"of": self._of, "state": state, "base": within}
        write_whole(self._note, json.dumps(note).encode())

    # --- filling it --------------------------------------------------------------

    def make(self) -> None:
        """Make the folder, if it is not there; an error if it cannot be made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot_write(error) from error

    def has(self, path: PurePosixPath, size: int) -> bool:
        """Whether a member is there, with its size: it was written whole, or not."""
        goal = self.folder / path
        return goal.is_file() and goal.stat().st_size == size

    def clear(self) -> None:
        """Empty it; an error if that cannot be done."""
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            raise self._cannot_write(error) from error
        self.make()

    def remove(self) -> None:
        """Leave nothing of it; the note goes first, so that half is never all."""
        for file in (self._note, self._growing):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def check_room(self, size: int) -> None:
        """Refuse what the disk cannot hold.

        Raises:
            DatasetError: fewer than ``size`` bytes are free, with some to spare.
        """
        there = self.folder.parent
        free = shutil.disk_usage(there).free
        if size + _SPARE > free:
            raise DatasetError(
                f"{self.archive}: what it holds needs {size / 1e9:.1f} GB, and "
                f"{free / 1e9:.1f} GB are free in {there}. Make room, or choose a "
                "folder on another disk"
            )

    def put(self, path: PurePosixPath, size: int, content: IO[bytes]) -> None:
        """Write one member; one that is there already, with its size, is left alone.

        Raises:
            DatasetError: no room; more or fewer bytes than it states; a name that was
                there before, or that differs from one in its case alone.
        """
        name = str(path).casefold()
        if name in self._put:
            raise damaged(self.archive, f"it holds two files of one name: {path}")
        self._put.add(name)
        if self.has(path, size):
            return
        self.check_room(size)
        goal = self.folder / path
        try:
            goal.parent.mkdir(parents=True, exist_ok=True)
            with self._growing.open("wb") as out:
                for block in self._blocks(path, size, content):
                    out.write(block)
            os.replace(self._growing, goal)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            told = f"{path}: one name for a file and for a folder"
            raise damaged(self.archive, told) from error
        except OSError as error:
            raise self._cannot_write(error) from error

    def _blocks(
        self, path: PurePosixPath, size: int, content: IO[bytes]
    ) -> Iterator[bytes]:
        """What a member holds; the errors of reading it become ours."""
        left = size
        while True:
            try:
                block = content.read(min(_BLOCK, left + 1))
            except Exception as error:  # zlib.error, BadZipFile, EOFError, OSError ...
                raise damaged(self.archive, f"{path}: {error}") from error
            if len(block) > left:
                raise damaged(self.archive, f"{path}: longer than the {size} it states")
            if not block:
                break
            left -= len(block)
            yield block
        if left:
            raise damaged(self.archive, f"{path}: {left} of {size} bytes are missing")

    def _cannot_write(self, error: OSError) -> DatasetError:
        return DatasetError(
            f"{self.folder}: cannot be written ({error.strerror or error}). Free some "
            "space, or choose another folder; the same command goes on from here"
        )

    # --- looking at it, and moving it ----------------------------------------------

    def files(self) -> dict[PurePosixPath, int]:
        """{path: bytes} of the files in it, which their owner may then read and move.

        Raises:
            DatasetError: a link, a device or a pipe is among them.
        """
        found = {}
        for folder, names, file_names in os.walk(self.folder):
            for name in [*names, *file_names]:
                path = Path(folder, name)
                told = path.lstat()
                below = path.relative_to(self.folder).as_posix()
                if stat.S_ISREG(told.st_mode) and told.st_nlink == 1:
                    # What programs unpack may be a program of another's rights.
                    mode = stat.S_IMODE(told.st_mode) & 0o777 | 0o600
                    if mode != stat.S_IMODE(told.st_mode):
                        path.chmod(mode)
                    found[PurePosixPath(below)] = told.st_size
                elif stat.S_ISDIR(told.st_mode):
                    path.chmod(stat.S_IMODE(told.st_mode) | stat.S_IRWXU)
                else:
                    raise refuse_kind(below, "a link or a device", self.archive)
        return found

    def base_of(self, landmark: str) -> Path:
        """The folder that holds ``landmark``, or all of it where none is asked for.

        Raises:
            DatasetError: no folder holds it, or two do.
        """
        if not landmark:
            return self.folder
        level = [self.folder]
        while level:
            found = [folder for folder in level if (folder / landmark).exists()]
            if len(found) == 1:
                return found[0]
            if found:
                raise damaged(self.archive, f"{landmark} lies in {len(found)} places")
            level = [
                Path(entry.path)
                for folder in level
                for entry in os.scandir(folder)
                # What macOS adds when it packs mirrors the folders beside it.
                if entry.is_dir() and entry.name != "__MACOSX"
            ]
        tops = sorted(path.name for path in self.folder.iterdir())[:5]
        raise BadArchive(
            f"{self.archive}: {landmark} is not in it, but {', '.join(tops)}. It is "
            "another archive than its name says: delete it and fetch it again"
        )

    def move(self) -> None:
        """Make the target of it, file by file where there is a target already.

        Raises:
            DatasetError: the target cannot be written.
        """
        base = self.folder / self._recall().get("base", ".")
        try:
            if self.target.exists():
                for folder, _, names in os.walk(base):
                    goal = self.target / Path(folder).relative_to(base)
                    goal.mkdir(parents=True, exist_ok=True)
                    for name in names:
                        os.replace(Path(folder, name), goal / name)
            elif base.exists():
                os.replace(base, self.target)
            self.remove()
        except OSError as error:
            raise DatasetError(
                f"{self.target}: cannot be filled ({error.strerror or error}). What "
                f"was unpacked is kept in {self.folder}; the same command goes on"
            ) from error
