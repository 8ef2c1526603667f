"""What lies in a folder: videos, archives left packed, text.

Public names: ``read_text``, ``list_folder``, ``is_video``,
``is_folder``, ``packed_in``, ``need_folder``, ``marked_standin``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import DatasetError
from ..video.reading import VIDEO_SUFFIXES
from .base import STANDIN_FILE, first_few

_ARCHIVES = (".zip", ".rar", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".zst", ".7z")


def need_folder(root: str | os.PathLike[str], holds: str) -> Path:
    """The folder that the user named, with ``~`` replaced, by its own name.

    Args:
        holds: what should be in it, for the message.

    Raises:
        DatasetError: no path, or there is no such folder.
    """
    if not isinstance(root, (str, os.PathLike)):
        raise DatasetError(f"{root!r} names no folder. Give the one that holds {holds}")
    path = Path(os.path.expanduser(root))
    if path.name in ("", ".."):  # "." has no name, and loaders go by names
        path = path.resolve()
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
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise DatasetError(
                f"{file}: cannot be read, because it is no plain file. {advice}"
            )
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"{file}: is missing. {advice}") from None
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read ({error}). {advice}") from error
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # as in UTF-16 that does not say so
        raise DatasetError(
            f"{file}: cannot be read, because it is no UTF-8 text. If a program saved "
            f"it in another encoding, save it as UTF-8. {advice}"
        )
    return text


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


def is_folder(entry: os.DirEntry) -> bool:
    """Whether an entry is a folder, or a link to one.

    Raises:
        DatasetError: a link that leads to itself.
    """
    try:
        return entry.is_dir()
    except OSError as error:
        raise DatasetError(
            f"{entry.path}: cannot be looked into ({error.strerror}). Take it away"
        ) from error


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
