"""Fetch a data set and unpack it where its loader finds it.

Public names: ``get_dataset``, ``ARCHIVES``.

Archives are kept in ``root/archives``; what was unpacked from there is noted in
``unpacked.json`` beside them, so the same command does nothing twice. An archive that
the reader has fetched by hand and put there is used as it is.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from ..errors import DatasetError
from ..files import write_whole
from .base import STANDIN_FILE
from .download import Patience, download
from .sources import Archive, DataSource, Part, source_of
from .unpack import HOW_TO_UNPACK_RAR, find_rar_tools, unpack

ARCHIVES = "archives"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def get_dataset(
    name: str,
    root: str | os.PathLike[str],
    only: Iterable[str] = (),
    prefer: str = "",
    discard: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = print,
    source: DataSource | None = None,
    patience: Patience | None = None,
) -> Path:
    """Fetch what is missing of a data set, check it, and unpack it.

    Args:
        name: see ``sources``.
        root: the folder that becomes the data set; made if need be.
        only: names of its parts, such as "lists"; all that are not optional, if none.
        prefer: the name of an archive to take where there are several of a part.
        discard: delete each archive as soon as it is unpacked.
        progress: show bars.
        say: what to do with messages.
        source: what is published, if not what this library knows under ``name``.
        patience: how long to wait for servers.

    Returns:
        ``root``.

    Raises:
        DatasetError: an unknown name or part; a file that must be fetched by hand; no
            server, no room, no program for rar; damage; another such call at work.
    """
    source, root = source or source_of(name), Path(root).expanduser()
    if (root / STANDIN_FILE).exists():
        raise DatasetError(
            f"{root} holds a stand-in. Choose another folder for the data set itself"
        )
    parts, archives = _choose_parts(source, list(only), prefer), root / ARCHIVES
    try:
        archives.mkdir(parents=True, exist_ok=True)
        work = _Work(source, root, archives, prefer, discard, progress, say, patience)
        with FileLock(archives / ".lock", timeout=0):
            absent = [archive for part in parts for archive in work.get_part(part)]
    except Timeout:
        raise DatasetError(
            f"{root}: another call is filling this folder; wait until it has ended"
        ) from None
    except OSError as error:
        raise DatasetError(
            f"{error.filename or root}: cannot be read or written ({error.strerror})"
        ) from error
    if absent:
        raise DatasetError(
            f"{' and '.join(absent)} must be fetched by hand. {source.by_hand}. The "
            f"page: {source.page}. Put all of it into {archives} and give the same "
            "command again"
        )
    return root


def _choose_parts(source: DataSource, only: list[str], prefer: str) -> list[Part]:
    known = [part.name for part in source.parts]
    if strange := [name for name in only if name not in known]:
        raise DatasetError(
            f"{source.title} has no part {strange[0]!r}; its parts are "
            f"{', '.join(known)}"
        )
    parts = [p for p in source.parts if p.name in (only or [p.name] * (not p.optional))]
    names = [choice.name for part in parts for choice in part.choices]
    if prefer and prefer not in names:
        raise DatasetError(
            f"there is no archive {prefer!r}; there are {', '.join(names)}"
        )
    return parts


@dataclass
class _Work:
    """One call's settings."""

    source: DataSource
    root: Path
    archives: Path
    prefer: str
    discard: bool
    progress: bool
    say: Callable[[str], None]
    patience: Patience | None

    def get_part(self, part: Part) -> list[str]:
        """Fetch and unpack a part; returns what the reader has to fetch for it."""
        if part.list_address:
            place = self.archives / part.name
            # A folder that is there before the first call was filled by hand.
            if not place.exists() and self._is_there(part, part.into):
                return []
            for archive in self._listed(part, place):
                key = f"{place.name}/{archive.name}"  # both sides have the same names
                if key not in self._unpacked():
                    self._unpack(archive, [self._download(archive, place)], key)
            return []
        first = part.choices[0]
        if done := [c.name for c in part.choices if c.name in self._unpacked()]:
            self.say(f"{part.name}: {done[0]} is unpacked already")
        elif first.packing == "file":
            self._download(first, self.root / first.into)
        elif not self._is_there(part, first.into):
            return self._get_any(part)
        return []

    def _is_there(self, part: Part, into: str) -> bool:
        there = (self.root / into).exists()
        if there:
            self.say(
                f"{part.name}: {self.root / into} is there already, and left as it is. "
                "'dvfl data check' tells whether it is whole"
            )
        return there

    def _get_any(self, part: Part) -> list[str]:
        """One of several archives that hold the same, or what to fetch by hand."""
        wanted = [c for c in part.choices if c.name == self.prefer] or [*part.choices]
        for choice in wanted:
            if files := self._files_of(choice):
                if choice.addresses:  # it is there: this only checks it
                    self._download(choice, files[0].parent)
                self._unpack_choice(part, choice, files)
                return []
        if not any(choice.addresses for choice in wanted):
            return [choice.name for choice in wanted]
        has_tool = bool(find_rar_tools())
        usable = [c for c in wanted if has_tool or not c.name.endswith(".rar")]
        if not usable:
            raise DatasetError(
                f"{wanted[0].name} would be fetched, and there is no program here to "
                f"unpack it. {HOW_TO_UNPACK_RAR}"
            )
        if part.note:
            self.say(f"{part.name}: {part.note}")
        reasons = []
        for choice in usable:
            try:
                file = self._download(choice, self.archives)
            except DatasetError as error:
                self.say(str(error))
                reasons.append(str(error))
                continue
            self._unpack_choice(part, choice, [file])
            return []
        raise DatasetError(f"{' / '.join(reasons)}. Page: {self.source.page}")

    def _unpack_choice(self, part: Part, choice: Archive, files: list[Path]) -> None:
        """Unpack it; where that fails, say which other archive would do as well."""
        try:
            self._unpack(choice, files, choice.name)
        except DatasetError as error:
            others = [c.name for c in part.choices if c is not choice]
            hint = f". {others[0]} holds the same: --from {others[0]}" if others else ""
            raise DatasetError(f"{error}{hint}") from error

    def _files_of(self, archive: Archive) -> list[Path]:
        """What lies there of an archive, which may be many parts."""
        patterns = (archive.name, f"{archive.name}.zip")  # a part may be in a zip
        for folder in (self.archives, self.root):
            found = [
                folder / name
                for name in sorted(os.listdir(folder))
                if fnmatch.fnmatchcase(name, patterns[0])
                or (archive.packing == "joined" and fnmatch.fnmatch(name, patterns[1]))
            ]
            if found:
                return found
        return []

    def _download(self, archive: Archive, folder: Path) -> Path:
        return download(
            archive.addresses,
            folder / archive.name,
            archive.size,
            archive.sha256,
            self.progress,
            self.patience,
        )

    def _unpack(self, archive: Archive, files: list[Path], key: str) -> None:
        """Unpack it, and note that it is."""
        target = self.root / archive.into
        unpack(files, target, archive.landmark, archive.packing, self.progress)
        done = {**self._unpacked(), key: archive.into}
        write_whole(self._record, json.dumps(done, indent=1).encode())
        self.say(f"{archive.name} is unpacked: {target}")
        if self.discard:
            for file in files:
                file.unlink(missing_ok=True)

    def _listed(self, part: Part, place: Path) -> list[Archive]:
        """The archives whose addresses a published text file gives, line by line.

        The file is fetched like the archives, so a line is believed only if it leads
        to a file on the list's own server.
        """
        self.say(f"{part.name}: {part.note}")
        server = urlsplit(part.list_address)
        file = place / Path(server.path).name
        download([part.list_address], file, progress=False, patience=self.patience)
        found = {}
        for line in file.read_text("utf-8", "replace").split():
            there = urlsplit(line)
            name = there.path.rpartition("/")[2]
            same = (there.scheme, there.netloc) == (server.scheme, server.netloc)
            if not same or not _NAME.fullmatch(name) or name in found:
                raise DatasetError(
                    f"{file}: {line!r} is not the one address of an archive on "
                    f"{server.netloc}. Delete it, and try again"
                )
            found[name] = Archive(name, (line,), part.into)
        if not found:
            raise DatasetError(f"{file}: names no archive. Delete it, and try again")
        return list(found.values())

    @property
    def _record(self) -> Path:
        return self.archives / "unpacked.json"

    def _unpacked(self) -> dict[str, str]:
        """{archive: folder} of what is unpacked, and still there."""
        if not self._record.exists():
            return {}
        try:
            told = json.loads(self._record.read_text("utf-8"))
        except ValueError as error:
            raise DatasetError(
                f"{self._record}: cannot be understood ({error}). Delete it"
            ) from None
        return {
            name: into for name, into in told.items() if (self.root / into).is_dir()
        }
