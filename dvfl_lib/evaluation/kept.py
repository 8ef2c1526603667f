"""An evaluation that is made once and then read.

Public names: ``kept_evaluation``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..files import write_whole
from .results import Evaluation


def kept_evaluation(
    path: Path, key: str, score: Callable[[Path], Evaluation]
) -> Evaluation:
    """The result in ``path`` if it was made under this key, else a new one, kept there.

    Args:
        path: ``<name>.json``; the probabilities and a mark with the key lie beside it.
        key: changes whenever the result could be another.
        score: makes the result; it is given a folder for what is half done.

    Raises:
        RunDirectoryError: the folder cannot be written, or what is kept is damaged.
    """
    mark = path.with_name(f".{path.stem}.key")
    if path.exists() and mark.exists() and mark.read_text("utf-8") == key:
        return Evaluation.load(path)
    result = score(path.with_name(f".{path.stem}"))
    result.save(path)
    write_whole(mark, key.encode())
    return result
