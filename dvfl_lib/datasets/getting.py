"""Fetch a benchmark and unpack it where its loader finds it.

Public names: ``get_dataset``.

Archives are kept in ``root/archives``; what was unpacked from there is noted in
``unpacked.json`` beside them, so the same command does nothing twice. An archive that
the reader has fetched by hand and put there is used as it is.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from ..errors import DatasetError
from ..files import write_whole
from .archive_lists import read_archive_list
from .base import STANDIN_FILE, first_few
from .downloading import Patience, download
from .published import Archive, Benchmark, Part, published
from .rar_tools import HOW_TO_INSTALL, find_rar_tools
from .stage import BadArchive
from .unlisted import ARCHIVES
from .unpacking import unpack


def get_dataset(
    name: str,
    root: str | os.PathLike[str],
    only: Iterable[str] = (),
    prefer: str = "",
    discard: bool = False,
    patience: Patience | None = None,
    progress: bool = True,
    say: Callable[[str], None] = print,
    known: Benchmark | None = None,
) -> Path:
    """Fetch what is missing of a benchmark, check it, and unpack it.

    Args:
        name: see ``published``.
        root: the folder that becomes the data set; made if need be.
        only: names of its parts, such as "lists"; all that are not optional, if none.
        prefer: the name of an archive to take where there are several of a part.
        discard: delete each archive as soon as it is unpacked.
        patience: how long to wait for servers.
        progress: show bars.
        say: what to do with messages.
        known: what is published, if not what this library knows under ``name``.

    Returns:
        ``root``.

    Raises:
        DatasetError: an unknown name or part; a file that must be fetched by hand; no
            server, no room, no program for rar; damage; another such call at work.
    """
    benchmark = known or published(name)
    root = Path(root).expanduser()
    if os.path.exists(root / STANDIN_FILE):
        raise DatasetError(
            f"{root} holds a stand-in. Choose another folder for the benchmark itself"
        )
    parts = _choose_parts(benchmark, only)
    if prefer and prefer not in {c.name for part in parts for c in part.choices}:
        names = first_few((c.name for p in parts for c in p.choices), 9)
        raise DatasetError(f"there is no archive {prefer!r}; there are {names}")
    archives = _make(root / ARCHIVES)
    work = _Work(benchmark, root, archives, prefer, discard, patience, progress, say)
    try:
        with FileLock(archives / ".lock", timeout=0):
            absent = [archive for part in parts for archive in work.get_part(part)]
    except Timeout:
        raise DatasetError(
            f"{root}: another call is filling this folder; wait until it has ended"
        ) from None
    except OSError as error:
        told = f"cannot be read or written ({error.strerror})"
        raise DatasetError(f"{error.filename or root}: {told}") from error
    if absent:
        raise DatasetError(
            f"{' and '.join(absent)} must be fetched by hand. {benchmark.by_hand}. The "
            f"page: {benchmark.page}. Put all of it into {archives} and give the same "
            "command again"
        )
    return root


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written ({error.strerror})") from error
    return folder


def _choose_parts(benchmark: Benchmark, only: Iterable[str]) -> list[Part]:
    names = list(only)
    known = [part.name for part in benchmark.parts]
    strange = [name for name in names if name not in known]
    if strange:
        raise DatasetError(
            f"{benchmark.title} has no part {strange[0]!r}; its parts are "
            f"{', '.join(known)}"
        )
    return [
        part
        for part in benchmark.parts
        if (part.name in names if names else not part.optional)
    ]


@dataclass
class _Work:
    """One call's settings."""

    benchmark: Benchmark
    root: Path
    archives: Path
    prefer: str
    discard: bool
    patience: Patience | None
    progress: bool
    say: Callable[[str], None]

    def get_part(self, part: Part) -> list[str]:
        """Fetch and unpack a part; returns what the reader has to fetch for it."""
        if part.list_address:
            place = self.archives / part.name
            # A folder that is there before the first call was filled by hand.
            if not place.exists() and self._is_there(part, part.into):
                return []
            for archive in self._listed(part, place):
                self._get_one(archive, place)
            return []
        first = part.choices[0]
        done = [choice for choice in part.choices if choice.name in self._unpacked()]
        if done:
            self.say(f"{part.name}: {done[0].name} is unpacked already")
        elif first.packing == "file":
            self._download(first, self.root / first.into)
        elif not self._is_there(part, first.into):
            return self._get_any(part)
        return []

    def _is_there(self, part: Part, into: str) -> bool:
        target = self.root / into
        if target.is_file():
            raise DatasetError(
                f"{target} is a file, and {part.name} would go into a folder of this "
                "name. Move it away"
            )
        if target.exists():
            self.say(
                f"{part.name}: {target} is there already, and left as it is. "
                "'dvfl data check' tells whether it is whole"
            )
        return target.exists()

    # --- which archive -----------------------------------------------------------

    def _get_any(self, part: Part) -> list[str]:
        """One of several archives that hold the same, or what to fetch by hand."""
        wanted = [c for c in part.choices if c.name == self.prefer] or [*part.choices]
        for choice in wanted:
            files = self._files_of(choice)
            if files:
                if choice.addresses:  # it is there: this only checks it
                    self._download(choice, files[0].parent)
                self._unpack_choice(part, choice, files)
                return []
        if not any(choice.addresses for choice in wanted):
            return [choice.name for choice in wanted]
        has_tool = any(True for _ in find_rar_tools())
        usable = [c for c in wanted if has_tool or not c.name.endswith(".rar")]
        if not usable:
            raise DatasetError(
                f"{wanted[0].name} would be fetched, and there is no program here to "
                f"unpack it. {HOW_TO_INSTALL}"
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
        raise DatasetError(f"{' / '.join(reasons)}. Page: {self.benchmark.page}")

    def _unpack_choice(self, part: Part, choice: Archive, files: list[Path]) -> None:
        """Unpack it; where that fails, say which other archive would do as well."""
        try:
            self._unpack(choice, files, choice.name)
        except BadArchive:
            raise
        except DatasetError as error:
            others = [c.name for c in part.choices if c is not choice]
            hint = f". {others[0]} holds the same: --from {others[0]}" if others else ""
            raise DatasetError(f"{error}{hint}") from error

    def _files_of(self, archive: Archive) -> list[Path]:
        """What lies there of an archive, which may be many parts."""
        patterns = [archive.name]
        if archive.packing == "joined":
            patterns.append(f"{archive.name}.zip")
        for folder in (self.archives, self.root):
            found = [
                folder / name
                for name in sorted(os.listdir(folder))
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
            ]
            if found:
                return found
        return []

    # --- one archive -------------------------------------------------------------

    def _get_one(self, archive: Archive, folder: Path) -> None:
        """One of the archives of a list, unless it is unpacked already."""
        # Those of different sides have the same names.
        key = f"{folder.name}/{archive.name}"
        if key not in self._unpacked():
            self._unpack(archive, [self._download(archive, folder)], key)

    def _download(self, archive: Archive, folder: Path) -> Path:
        return download(
            archive.addresses,
            folder / archive.name,
            archive.size,
            archive.digest,
            self.patience,
            self.progress,
        )

    def _unpack(self, archive: Archive, files: list[Path], key: str) -> None:
        """Unpack it, and note that it is."""
        target = self.root / archive.into
        unpack(
            files if archive.packing == "joined" else files[0],
            target,
            archive.landmark,
            archive.packing,
            self.progress,
        )
        done = {**self._unpacked(), key: archive.into}
        write_whole(self._record, json.dumps(done, indent=1).encode())
        self.say(f"{archive.name} is unpacked: {target}")
        if self.discard:
            for file in files:
                file.unlink(missing_ok=True)

    # --- many archives, named in a list -------------------------------------------

    def _listed(self, part: Part, place: Path) -> list[Archive]:
        """The archives whose addresses a published text file gives."""
        self.say(f"{part.name}: {part.note}")
        file = download(
            [part.list_address],
            place / Path(urlsplit(part.list_address).path).name,
            patience=self.patience,
            progress=False,
        )
        return read_archive_list(file, part.list_address, part.into)

    # --- what is done --------------------------------------------------------------

    @property
    def _record(self) -> Path:
        return self.archives / "unpacked.json"

    def _unpacked(self) -> dict[str, str]:
        """{archive: folder} of what is unpacked, and still there."""
        try:
            told = json.loads(self._record.read_text("utf-8"))
            return {
                name: into for name, into in told.items() if (self.root / into).is_dir()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise DatasetError(
                f"{self._record}: cannot be understood ({error}). Delete it"
            ) from error
