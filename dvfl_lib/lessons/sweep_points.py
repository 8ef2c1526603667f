"""The points of a sweep, and the files that hold what they found.

Public names: ``SweepPoint``, ``read_points``, ``finished``, ``NOTEBOOK``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import LessonError, RunDirectoryError
from ..files import read_bytes

NOTEBOOK = "point"  # every point begins as a copy of it
_LONGEST = 180  # bytes; a file system takes 255, and the sweep's files add to a name


@dataclass(frozen=True)
class SweepPoint:
    """One run.

    Attributes:
        name: its files' name, unique in a sweep.
        function: of this library, as "lessons.ablation_run:run_point"; what it
            returns must be expressible in JSON.
        arguments: by name; expressible in JSON.

    Raises:
        LessonError: a name whose files would lie elsewhere, or be the sweep's own, or
            could not be; arguments that JSON cannot express, NaN among them.
    """

    name: str
    function: str
    arguments: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _is_file_name(self.name):
            raise LessonError(
                f"a point of a sweep cannot be called {self.name!r}, for its files "
                f"bear that name: take letters, digits, - and _, at most {_LONGEST} "
                f"bytes, and not {NOTEBOOK!r}"
            )
        try:  # before hours of runs, not after
            json.dumps(self.arguments, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise LessonError(
                f"JSON cannot express the arguments of {self.name!r} ({error}): take "
                "texts, finite numbers, lists and dictionaries"
            ) from None


def _is_file_name(name: Any) -> bool:
    # Printable: YAML, which papermill reads, and UTF-8 have no place for the rest.
    if not (isinstance(name, str) and name.isprintable()):
        return False
    strange = set(name) & set('/\\:*?"<>|') or name[:1] in ("", ".")
    return not strange and name != NOTEBOOK and len(name.encode()) <= _LONGEST


def read_points(
    points: Sequence[SweepPoint], folder: str | os.PathLike[str]
) -> dict[str, Any]:
    """Results of the points that are finished, by name; runs nothing.

    Raises:
        RunDirectoryError: a result is damaged or of another point.
    """
    found = {point.name: finished(point, Path(folder)) for point in points}
    return {name: stored["result"] for name, stored in found.items() if stored}


def finished(point: SweepPoint, folder: Path) -> dict[str, Any] | None:
    """What ``NAME.json`` in the folder holds, or None if the point has not run.

    Raises:
        RunDirectoryError: it is damaged or of another point.
    """
    path = folder / f"{point.name}.json"
    if not path.exists():
        return None
    try:
        stored = json.loads(read_bytes(path))
        there = (stored["function"], stored["arguments"])
        stored["result"]  # noqa: B018  it must be there
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunDirectoryError(
            f"{path} is damaged ({type(error).__name__}); delete it, and the sweep "
            "runs that point again"
        ) from error
    here = (point.function, json.loads(json.dumps(point.arguments)))
    if there != here:
        other = there[0] != here[0]
        what = "another function" if other else "other arguments"
        was, now = (there[0], here[0]) if other else (there[1], here[1])
        raise RunDirectoryError(
            f"{path} holds the result of {what}: {was}, not {now}. Choose another "
            "folder, or delete the file"
        )
    return stored
