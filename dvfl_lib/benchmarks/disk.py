"""What lies in a folder: videos, archives left packed, text.

Public names: ``VIDEO_SUFFIXES``, ``read_text``, ``list_folder``, ``is_video``,
``packed_in``, ``need_folder``, ``marked_standin``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import DatasetError
from .base import STANDIN_FILE, first_few

VIDEO_SUFFIXES = frozenset(
    ".avi .mp4 .mkv .webm .mov .m4v .mpg .mpeg .wmv .flv .3gp .ogv .ts".split()
)
_ARCHIVES = (".zip", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".7z")


def need_folder(root: str | os.PathLike[str], holds: str) -> Path:
    """The folder that the user named, with ``~`` replaced.

    Args:
        holds: what should be in it, for the message.

    Raises:
        DatasetError: there is no such folder.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        is_file = " It is a file: unpack it." if path.is_file() else ""
        raise DatasetError(
            f"{path}: there is no such folder.{is_file} Give the folder that holds "
            f"{holds}"
        )
    return path


def read_text(file: Path, advice: str = "") -> str:
    """The text of an annotation file, without the mark that some editors put first.

    Raises:
        DatasetError: missing, unreadable, or not UTF-8.
    """
    try:
        return file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"{file}: is missing. {advice}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: cannot be read ({error}). {advice}") from error


def list_folder(folder: Path) -> list[os.DirEntry]:
    """Its entries by name, without those that begin with a dot.

    Such names are leftovers of copying and of writing.

    Raises:
        DatasetError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror})") from error
    return sorted(found, key=lambda entry: entry.name)


def is_video(name: str) -> bool:
    """Whether a file's name has a video's suffix."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def packed_in(folders: Iterable[Path], prefixes: tuple[str, ...] = ()) -> str:
    """ " X is still packed: unpack it." where archives lie in the folders, or "".

    Args:
        prefixes: beginnings of names of archives without a suffix of their own.
    """
    names = [
        entry.name
        for folder in folders
        if folder.is_dir()
        for entry in list_folder(folder)
        if entry.name.lower().endswith(_ARCHIVES)
        or (entry.is_file() and entry.name.startswith(prefixes or ("\0",)))
    ]
    return f" Still packed there: {first_few(names)}; unpack it." if names else ""


def marked_standin(*folders: Path) -> bool:
    """Whether one of the folders carries the mark of generated data."""
    return any((folder / STANDIN_FILE).is_file() for folder in folders)
