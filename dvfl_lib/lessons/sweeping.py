"""Many runs of one small notebook with papermill, each with parameters of its own.

Public names: ``sweep``, ``run_notebook``, ``call_and_store``.

Every point of a sweep becomes ``NAME.ipynb``, the executed notebook, which is the
run's log, and ``NAME.json``, what it found. A JSON is written whole and last, so a
point that has one is finished. A sweep that was interrupted goes on: finished points
are read, and a run that had begun goes on as ``training.fit`` does.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
from filelock import FileLock, Timeout
from tqdm import tqdm

from ..environment import commit, project_root
from ..errors import LessonError, RunDirectoryError
from ..files import write_whole
from .sweep_points import NOTEBOOK, SweepPoint, finished, read_points

# What a point's notebook does: it calls a function of the library and stores what
# comes back. Papermill puts the parameters behind the first cell.
_CELLS = """\
function = ""
arguments = "{{}}"
result_file = ""
---
import json
import sys

sys.path.insert(0, {root!r})
from dvfl_lib.lessons.sweeping import call_and_store

call_and_store(function, json.loads(arguments), result_file)
"""
_LIBRARY = __name__.split(".", maxsplit=1)[0]


def call_and_store(function: str, arguments: dict[str, Any], result_file: str) -> None:
    """Call a function of this library and write its result as JSON.

    Raises:
        LessonError: there is no such function, or JSON cannot express its result.
    """
    module, _, name = function.partition(":")
    try:
        call = getattr(import_module(f"{_LIBRARY}.{module}"), name)
    except (ImportError, AttributeError) as error:
        raise LessonError(
            f"a sweep calls functions of {_LIBRARY}, such as "
            f"'lessons.ablation_run:run_point'; there is no {function!r}"
        ) from error
    stored = {
        "function": function,
        "arguments": arguments,
        "commit": commit(),
        "result": call(**arguments),
    }
    try:
        text = json.dumps(stored, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        said = f"JSON cannot express what {function} returned ({error})"
        raise LessonError(said) from None
    write_whole(Path(result_file), (text + "\n").encode())


def run_notebook() -> nbformat.NotebookNode:
    """The notebook that papermill executes for every point."""
    sources = _CELLS.format(root=str(project_root())).split("---\n")
    parameters, work = (nbformat.v4.new_code_cell(text.strip()) for text in sources)
    parameters.metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=[parameters, work])
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return notebook


def sweep(
    points: Sequence[SweepPoint],
    folder: str | os.PathLike[str],
    jobs: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Run what is not finished, several at a time; results by the points' names.

    Args:
        folder: takes ``NAME.ipynb`` and ``NAME.json`` of every point.
        jobs: runs at the same time, one thread each; 0 for one per core.
        progress: show a bar.

    Raises:
        LessonError: two points of one name; or points failed: which, with the last
            line of their error, after all others have run.
        RunDirectoryError: a result in the folder is of another point or damaged,
            another sweep works there, or the folder cannot be written.
    """
    folder = Path(folder)
    names = [point.name for point in points]
    if twice := {name for name in names if names.count(name) > 1}:
        raise LessonError(f"two points of a sweep are called {min(twice)!r}")
    found = {p.name: finished(p, folder) for p in points}
    todo = [point for point in points if found[point.name] is None]
    if todo:
        notebook = nbformat.writes(run_notebook()).encode()
        write_whole(folder / f"{NOTEBOOK}.ipynb", notebook)
        with _alone(folder):
            failed = _run_all(todo, folder, jobs or os.cpu_count() or 1, progress)
        if failed:
            lines = "\n".join(f"  {name}: {why}" for name, why in failed.items())
            raise LessonError(
                f"{len(failed)} of {len(points)} points failed; the others are kept. "
                f"Their notebooks in {folder} show where:\n{lines}"
            )
    return read_points(points, folder)


def _alone(folder: Path) -> FileLock:
    """Two sweeps in one folder would run every point twice."""
    lock = FileLock(folder / ".sweep.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunDirectoryError(
            f"another sweep works in {folder}; wait for it, or choose another folder"
        ) from None
    except OSError as error:
        raise RunDirectoryError(
            f"{folder} cannot be written ({error.strerror})"
        ) from None
    return lock


def _run_all(
    points: Sequence[SweepPoint], folder: Path, jobs: int, progress: bool
) -> dict[str, str]:
    """Point -> why it failed."""
    failed: dict[str, str] = {}
    runs = _Runs(folder)
    pool = ThreadPoolExecutor(max_workers=min(jobs, len(points)))
    with tqdm(total=len(points), desc="sweep", unit="run", disable=not progress) as bar:
        try:
            waiting: dict[Future[str], str] = {
                pool.submit(runs.run, point): point.name for point in points
            }
            while waiting:
                done, _ = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in done:
                    name = waiting.pop(future)
                    if why := future.result():
                        failed[name] = why
                    bar.update()
        finally:  # Ctrl-C: no run stays behind
            runs.stop()
            pool.shutdown(wait=True, cancel_futures=True)
    return failed


class _Runs:
    """The processes of a sweep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, point: SweepPoint) -> str:
        """Execute a point's notebook; why it failed, or ""."""
        parameters = {
            "function": point.function,
            # Papermill reads YAML, to which 1e-05 and escaped signs are other things.
            "arguments": json.dumps(point.arguments),
            "result_file": str(self.folder / f"{point.name}.json"),
        }
        file = self.folder / f".{point.name}.parameters.json"
        write_whole(file, json.dumps(parameters, ensure_ascii=False).encode())
        command = [
            *(sys.executable, "-m", "papermill"),
            *(self._told(NOTEBOOK), self._told(point.name)),
            *("--parameters_file", str(file)),
            *("--no-progress-bar", "--log-level", "ERROR"),
        ]
        # One thread each: runs share the cores between them.
        surroundings = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self._lock:
            if self._stopped:
                return "stopped"
            process = subprocess.Popen(
                command,
                env=surroundings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            self._running.add(process)
        _, said = process.communicate()
        with self._lock:
            self._running.discard(process)
        with suppress(OSError):
            file.unlink()
        if process.returncode == 0:
            return "" if finished(point, self.folder) else "ended without a result"
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return lines[-1] if lines else f"ended with status {process.returncode}"

    def _told(self, name: str) -> str:
        """A notebook's path for papermill, which fills in what is in braces."""
        return re.sub("[{}]", r"\g<0>\g<0>", str(self.folder / f"{name}.ipynb"))

    def stop(self) -> None:
        """End what is running; nothing new begins."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                # Papermill's kernel ends with it.
                process.terminate()
