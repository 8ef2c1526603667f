"""Programs that unpack RAR, a format for which there is no free library.

Public names: ``find_rar_tools``, ``RarTool``, ``Unrar``, ``SevenZip``, ``Unar``,
``Bsdtar``, ``Member``, ``ToolFailed``, ``HOW_TO_INSTALL``.

Each program is asked for a list first; only when every name in it is safe is it told
to unpack. They differ in what they can do: bsdtar reads no solid archives of RAR 3,
and a 7-Zip may come without its RAR part. So the next one is tried where one fails.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOW_TO_INSTALL = (
    "RAR needs one of these programs: unrar, unar, 7zz (7-Zip with RAR) or bsdtar. "
    "Debian, Ubuntu: sudo apt install unar (or unrar, from non-free). macOS: brew "
    "install unar. conda: conda install -c conda-forge unrar. Windows: 7-Zip, with its "
    "folder on PATH"
)
_FIELD = re.compile(r"\s*(Name|Type|Size): (.*)")  # of unrar
_TROUBLE = re.compile("error|unsupported|unavailable|cannot|fail", re.IGNORECASE)


@dataclass(frozen=True)
class Member:
    """One entry of an archive."""

    name: str
    size: int
    kind: str  # "file", "folder", or what else it is


class ToolFailed(Exception):
    """A program cannot read this archive; another may."""


class RarTool:
    """One program that can list and unpack."""

    name = ""

    def __init__(self, program: str) -> None:
        self.program = program

    def usable(self) -> bool:
        """Whether the program is what its name says."""
        return True

    def members(self, archive: Path) -> list[Member]:
        """What is in an archive.

        Raises:
            ToolFailed: the program cannot read it.
        """
        raise NotImplementedError

    def unpack(self, archive: Path, folder: Path) -> None:
        """Write everything to a folder.

        Raises:
            ToolFailed: the program cannot read it, or stopped on the way.
        """
        raise NotImplementedError


def _environment() -> dict[str, str]:
    """Programs write names as UTF-8, whatever the user's language."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [str(argument) for argument in arguments],
        stdin=subprocess.DEVNULL,  # a question for a password gets no answer
        capture_output=True,
        env=_environment(),
        check=False,
    )
    if done.returncode != 0:
        raise ToolFailed(_complaint(done.stderr + b"\n" + done.stdout))
    return done.stdout.decode("utf-8", "surrogateescape")


def _complaint(output: bytes) -> str:
    """The first line that speaks of trouble, in what a program said."""
    lines = [" ".join(x.split()) for x in output.decode("utf-8", "replace").split("\n")]
    lines = [line for line in lines if line]
    telling = [line for line in lines if _TROUBLE.search(line)]
    return (telling or lines or ["it says nothing"])[0][:200]


class Unrar(RarTool):
    """The program of RAR's author; it reads everything."""

    name = "unrar"

    def usable(self) -> bool:
        """Another program of this name, unrar-free, takes other arguments."""
        banner = subprocess.run(
            [self.program], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        return b"Roshal" in banner.stdout

    def members(self, archive: Path) -> list[Member]:
        """From its technical list: blocks of fields that begin with a name."""
        found: list[dict[str, str]] = []
        text = _run(self.program, "lt", "-cfg-", "-p-", "--", archive)
        for line in text.split("\n"):
            field = _FIELD.fullmatch(line.rstrip("\r"))
            if field and field[1] == "Name":
                found.append({})
            if field and found:
                found[-1].setdefault(field[1], field[2])
        kinds = {"File": "file", "Directory": "folder"}
        try:
            return [
                Member(
                    m["Name"], int(m.get("Size", 0)), kinds.get(m["Type"], m["Type"])
                )
                for m in found
            ]
        except (KeyError, ValueError) as error:
            raise ToolFailed(f"its list cannot be read ({error!r})") from error

    def unpack(self, archive: Path, folder: Path) -> None:
        """With paths, overwriting, asking nothing."""
        options = ("-cfg-", "-p-", "-o+", "-y", "-idcd", "--")
        _run(self.program, "x", *options, archive, f"{folder}{os.sep}")


class SevenZip(RarTool):
    """7-Zip. Some systems leave its RAR part out."""

    name = "7-Zip"

    def members(self, archive: Path) -> list[Member]:
        """From its technical list: blocks of ``Field = value``."""
        text = _run(self.program, "l", "-slt", "-sccUTF-8", "--", archive)
        found = []
        blocks = text.partition("----------")[2].replace("\r", "").split("\n\n")
        for block in blocks:
            lines = [line.partition(" =") for line in block.strip().split("\n")]
            fields = {name: value.removeprefix(" ") for name, _, value in lines}
            if "Path" not in fields:
                continue
            linked = any(fields.get(f"{k} Link") for k in ("Symbolic", "Hard", "Copy"))
            mode = fields.get("Attributes", "").split(" ")[-1]  # "D drwxr-xr-x"
            if linked or mode[:1] in set("lbcps"):
                kind = "a link or a device"
            else:
                kind = "folder" if fields.get("Folder") == "+" else "file"
            name = fields["Path"].replace(os.sep, "/")  # it writes the system's own
            size = fields.get("Size") or "0"
            if not size.isdecimal():
                raise ToolFailed(f"its list gives {name!r} the size {size!r}")
            found.append(Member(name, int(size), kind))
        return found

    def unpack(self, archive: Path, folder: Path) -> None:
        """With paths, asking nothing."""
        _run(self.program, "x", "-y", "-bd", f"-o{folder}", "--", archive)


class Unar(RarTool):
    """The Unarchiver; free, and it reads solid archives too."""

    name = "unar"

    def usable(self) -> bool:
        """Its list comes from a second program."""
        return shutil.which("lsar") is not None

    def members(self, archive: Path) -> list[Member]:
        """From ``lsar -json``."""
        try:
            told = json.loads(_run(shutil.which("lsar") or "lsar", "-json", archive))
            found = [
                Member(e["XADFileName"], int(e.get("XADFileSize", 0)), self._kind(e))
                for e in told["lsarContents"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise ToolFailed(f"its list cannot be read ({error!r})") from error
        if told.get("lsarError"):
            raise ToolFailed(f"error {told['lsarError']} while listing")
        return found

    @staticmethod
    def _kind(entry: dict) -> str:
        if entry.get("XADIsLink") or entry.get("XADIsHardLink"):
            return "a link"
        return "folder" if entry.get("XADIsDirectory") else "file"

    def unpack(self, archive: Path, folder: Path) -> None:
        """With paths, overwriting; archives in it stay packed."""
        options = ("-quiet", "-force-overwrite", "-no-directory", "-no-recursion")
        _run(self.program, *options, "-output-directory", folder, archive)


class Bsdtar(RarTool):
    """The tar of libarchive. It reads no solid archives of RAR 3."""

    name = "bsdtar"

    def usable(self) -> bool:
        """On macOS and Windows it is called tar; elsewhere that is another program."""
        told = subprocess.run([self.program, "--version"], capture_output=True)
        return b"bsdtar" in told.stdout

    def members(self, archive: Path) -> list[Member]:
        """Its list is for people; so it writes a tar, and that is listed."""
        command = [self.program, "-cf", "-", "--format=pax", f"@{archive}"]
        with (
            tempfile.TemporaryFile() as complaints,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=_environment(),
            ) as running,
        ):
            try:
                with tarfile.open(fileobj=running.stdout, mode="r|") as stream:
                    found = [Member(m.name, m.size, self._kind(m)) for m in stream]
                while running.stdout.read(1 << 20):
                    pass
            except tarfile.TarError:
                found = []  # what went wrong, it says itself
            running.stdout.close()
            failed = running.wait() != 0
            complaints.seek(0)
            if failed or not found:
                raise ToolFailed(_complaint(complaints.read()))
        return found

    @staticmethod
    def _kind(member: tarfile.TarInfo) -> str:
        if member.isdir():
            return "folder"
        return "file" if member.isreg() else "a link or a device"

    def unpack(self, archive: Path, folder: Path) -> None:
        """With paths; it refuses by itself what leads out of the folder."""
        _run(self.program, "-xf", archive, "-C", folder)


_TOOLS: tuple[tuple[str, type[RarTool]], ...] = (
    ("unrar", Unrar),
    ("unar", Unar),
    ("7zz", SevenZip),
    ("7z", SevenZip),
    ("bsdtar", Bsdtar),
    ("tar", Bsdtar),
)


def find_rar_tools() -> Iterator[RarTool]:
    """The programs on this machine that can unpack RAR, the best first."""
    for name, kind in _TOOLS:
        program = shutil.which(name)
        if program is None:
            continue
        tool = kind(program)
        try:
            usable = tool.usable()
        except OSError:  # it is there and cannot be started
            usable = False
        if usable:
            yield tool
