"""Executing a lesson again, in place, so that it can be committed.

Public names: ``execute_notebook``.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from ..errors import LessonError
from .display import tidy_notebook
from .lint import lint_notebook
from .notebook_file import read_notebook, write_notebook
from .stamping import stamp_notebook


def execute_notebook(path: str | Path, *, record_minutes: bool = True) -> float:
    """Stamp, execute and tidy a lesson; note how long it took; look for errors.

    The file is replaced only if every cell ran.

    Args:
        path: the notebook.
        record_minutes: write the time into ``metadata.dvfl``, as the minutes on a GPU
            where there is one, else on a CPU.

    Returns the seconds it took.

    Raises:
        LessonError: a cell failed (which, and how), or the executed notebook does
            not pass ``lint_notebook``.
    """
    path = Path(path).absolute()
    stamp_notebook(path)
    notebook = read_notebook(path)
    client = NotebookClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )
    start = time.monotonic()
    try:
        client.execute()
    except CellExecutionError as error:
        raise LessonError(
            f"{path.name}: a cell failed with {error.ename}: {error.evalue}. The file "
            f"is unchanged.\n{error.traceback}"
        ) from error
    seconds = time.monotonic() - start
    if record_minutes:
        kind = "minutes_gpu" if torch.cuda.is_available() else "minutes_cpu"
        notebook.metadata["dvfl"][kind] = rounded_minutes(seconds)
    write_notebook(path, notebook)
    tidy_notebook(path, clean_metadata=True)
    if wrong := lint_notebook(path):
        raise LessonError("\n".join(f"{path.name}: {line}" for line in wrong))
    return seconds


def rounded_minutes(seconds: float) -> float:
    """Half minutes below three, whole ones above; never less than half a minute."""
    half = round(seconds / 30) / 2
    return max(0.5, half) if half < 3 else float(round(seconds / 60))
