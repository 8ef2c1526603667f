"""Fetch a data set and unpack it where its loader finds it.

Public names: ``get_dataset``, ``ARCHIVES``.

Archives are kept in ``root/archives``; what was unpacked from there is noted in
``unpacked.json`` beside them, so the same command does nothing twice. An archive that
the reader has fetched by hand and put there is used as it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from ..errors import DatasetError
from ..files import write_whole
from .base import STANDIN_FILE
from .download import download
from .sources import Archive, DataSource, Part, source_of
from .unpack import HOW_TO_UNPACK_RAR, find_rar_tools, unpack

ARCHIVES = "archives"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def get_dataset(
    name: str,
    root: str | os.PathLike[str],
    only: Sequence[str] = (),
    prefer: str = "",
    discard: bool = False,
    progress: bool = True,
) -> Path:
    """Fetch what is missing of a data set, check it, and unpack it; returns ``root``.

    Args:
        name: see ``sources``.
        root: the folder that becomes the data set; made if need be.
        only: names of its parts, such as "lists"; all that are not optional, if none.
        prefer: the name of an archive to take where there are several of a part.
        discard: delete each archive as soon as it is unpacked.
        progress: show bars.

    Raises:
        DatasetError: an unknown name or part; a file that must be fetched by hand; no
            server, no room, no program for rar; damage; another such call at work.
    """
    source, root = source_of(name), Path(root).expanduser()
    if (root / STANDIN_FILE).exists():
        raise DatasetError(
            f"{root} holds a stand-in. Choose another folder for the data set itself"
        )
    parts, archives = _choose_parts(source, only, prefer), root / ARCHIVES
    try:
        archives.mkdir(parents=True, exist_ok=True)
        with FileLock(archives / ".lock", timeout=0):
            done = _read_record(archives / "unpacked.json", root)
            work = _Work(source, root, archives, prefer, discard, progress, done)
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


def _choose_parts(source: DataSource, only: Sequence[str], prefer: str) -> list[Part]:
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


def _read_record(file: Path, root: Path) -> dict[str, str]:
    """{archive: folder} of what is unpacked, and still there."""
    try:
        told = json.loads(file.read_text("utf-8")) if file.exists() else {}
        return {name: into for name, into in told.items() if (root / into).is_dir()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DatasetError(
            f"{file}: cannot be understood ({error}). Delete it"
        ) from None


@dataclass
class _Work:
    """One call's settings, and what is unpacked: {archive: folder}."""

    source: DataSource
    root: Path
    archives: Path
    prefer: str
    discard: bool
    progress: bool
    done: dict[str, str]

    def get_part(self, part: Part) -> list[str]:
        """Fetch and unpack a part; returns what the reader has to fetch for it."""
        place = self.archives / part.name  # of the archives of a list
        into = self.root / part.into
        if there := [c.name for c in part.choices if c.name in self.done]:
            print(f"{part.name}: {there[0]} is unpacked already")
        elif part.choices and part.choices[0].packing == "file":
            self._download(part.choices[0], into)
        elif into.exists() and not (part.list_address and place.exists()):
            # Filled by hand: there before the first call.
            print(
                f"{part.name}: {into} is there already, and left as it is. "
                "'dvfl data check' tells whether it is whole"
            )
        elif part.choices:
            return self._get_any(part)
        else:
            print(f"{part.name}: {part.note}")
            for archive in self._listed(part, place):
                key = f"{place.name}/{archive.name}"  # both sides have the same names
                if key not in self.done:
                    self._unpack(part, archive, [self._download(archive, place)], key)
        return []

    def _get_any(self, part: Part) -> list[str]:
        """One of several archives that hold the same, or what to fetch by hand."""
        wanted = [c for c in part.choices if c.name == self.prefer] or [*part.choices]
        lying = {choice.name: self._lying_there(choice) for choice in wanted}
        wanted.sort(key=lambda choice: not lying[choice.name])
        if not (lying[wanted[0].name] or wanted[0].addresses):
            return [choice.name for choice in wanted]
        if part.note:
            print(f"{part.name}: {part.note}")
        reasons = []
        for choice in wanted:
            files = lying[choice.name]
            if choice.name.endswith(".rar") and not (files or find_rar_tools()):
                reasons.append(
                    f"{choice.name} would be fetched, and there is no program here to "
                    f"unpack it. {HOW_TO_UNPACK_RAR}"
                )
                continue
            if choice.addresses:  # what lies there is only checked
                folder = files[0].parent if files else self.archives
                try:
                    files = [self._download(choice, folder)]
                except DatasetError as error:
                    if files:  # the reader put it there
                        raise
                    print(error)
                    reasons.append(str(error))
                    continue
            try:
                self._unpack(part, choice, files, choice.name)
            except DatasetError as error:
                others = [c.name for c in part.choices if c is not choice]
                also = [f". {name} holds the same: --from {name}" for name in others]
                raise DatasetError(f"{error}{''.join(also[:1])}") from error
            return []
        raise DatasetError(f"{' / '.join(reasons)}. Page: {self.source.page}")

    def _lying_there(self, archive: Archive) -> list[Path]:
        """The files of an archive that were fetched before; it may be many parts."""
        for folder in (self.archives, self.root):
            found = [*folder.glob(archive.name)]
            if archive.packing == "joined":  # each as it is or in a zip
                found += folder.glob(f"{archive.name}.zip")
            if found:
                return sorted(found)
        return []

    def _download(self, archive: Archive, folder: Path) -> Path:
        path = folder / archive.name
        known = (archive.size, archive.sha256)
        return download(archive.addresses, path, *known, progress=self.progress)

    def _unpack(
        self, part: Part, archive: Archive, files: list[Path], key: str
    ) -> None:
        """Unpack it, and note that it is."""
        target = self.root / part.into
        unpack(files, target, archive.landmark, archive.packing, self.progress)
        self.done[key] = part.into
        record = json.dumps(self.done, indent=1)
        write_whole(self.archives / "unpacked.json", record.encode())
        print(f"{archive.name} is unpacked: {target}")
        if self.discard:
            for file in files:
                file.unlink(missing_ok=True)

    def _listed(self, part: Part, place: Path) -> list[Archive]:
        """The archives whose addresses a published text file gives, line by line.

        The file is fetched like the archives, so a line is believed only if it leads
        to a file on the list's own server.
        """
        server = urlsplit(part.list_address)
        file = place / Path(server.path).name
        download([part.list_address], file, progress=False)
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
            found[name] = Archive(name, (line,))
        if not found:
            raise DatasetError(f"{file}: names no archive. Delete it, and try again")
        return list(found.values())
