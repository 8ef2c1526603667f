"""Many runs, several at a time, each a process of its own; goes on where it was.

Public names: ``sweep``.

Every point of a sweep becomes ``NAME.log``, what its process printed, and
``NAME.json``, what it found. A JSON is written whole and last, so a point that has one
is finished and is only read; a run that had begun goes on as ``training.fit`` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from .environment import commit
from .errors import DVFLError, RunDirectoryError
from .files import write_whole

Arguments = dict[str, Any]  # of a point; expressible in JSON


def _finished(function: str, arguments: Arguments, path: Path) -> Any:
    """What a point found, or None if it has not run."""
    if not path.exists():
        return None
    here = (function, json.loads(json.dumps(arguments)))
    try:
        stored = json.loads(path.read_bytes())
        there, result = (stored["function"], stored["arguments"]), stored["result"]
    except (ValueError, KeyError, TypeError):
        there = "something damaged"
    if there != here:
        raise RunDirectoryError(
            f"{path} holds the result of {there}, not of {here}. Delete the file to "
            "run that point again, or choose another folder"
        )
    return result


def sweep(
    function: str, points: Mapping[str, Arguments], folder: Path, jobs: int
) -> dict[str, Any]:
    """Call a function for each point that is not finished; results by their names.

    ``function`` is one of this library, as "lessons.ablation:run_point"; what it
    returns is expressible in JSON. ``jobs`` run at the same time, one thread each.

    Raises:
        DVFLError: points failed: which, with the last line of their error, after all
            others have run.
        RunDirectoryError: a result in the folder is of another point or damaged, or
            another sweep works there.
    """

    def found() -> dict[str, Any]:
        paths = {name: folder / f"{name}.json" for name in points}
        return {n: _finished(function, points[n], path) for n, path in paths.items()}

    if todo := [name for name, result in found().items() if result is None]:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".sweep.lock", timeout=0):
                failed = _run_all(function, {n: points[n] for n in todo}, folder, jobs)
        except Timeout:  # both would run every point
            raise RunDirectoryError(f"another sweep works in {folder}") from None
        if failed:
            raise DVFLError(
                f"{len(failed)} of {len(points)} points failed; the others are kept. "
                f"Their logs in {folder} show where:\n" + "\n".join(failed)
            )
    return found()


def _run_all(
    function: str, points: Mapping[str, Arguments], folder: Path, jobs: int
) -> list[str]:
    """A line for each point that failed."""
    failed, todo = [], [*points]
    running: dict[str, subprocess.Popen[bytes]] = {}
    with tqdm(total=len(todo), desc="sweep", unit="run") as bar:
        try:
            while todo or running:
                while todo and len(running) < jobs:
                    name = todo.pop(0)
                    running[name] = _start(function, points[name], folder / name)
                time.sleep(0.1)
                for name in [n for n, p in running.items() if p.poll() is not None]:
                    status = running.pop(name).returncode
                    if status:
                        log = (folder / f"{name}.log").read_text("utf-8", "replace")
                        ended = log.strip() or f"ended with status {status}"
                        failed.append(f"  {name}: {ended.splitlines()[-1]}")
                    bar.update()
        finally:  # Ctrl-C: no run stays behind
            for process in running.values():
                process.terminate()
                process.wait()
    return failed


def _start(function: str, arguments: Arguments, file: Path) -> subprocess.Popen[bytes]:
    """Call the function in a new process, one thread: runs share the cores."""
    given = [function, arguments, f"{file}.json"]
    here = str(Path(__file__).parents[1])
    path = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    with open(f"{file}.log", "wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(given)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _call_and_store(function: str, arguments: Arguments, path: str) -> None:
    """What the process of a point does."""
    module, _, name = function.partition(":")
    result = getattr(import_module(f"{__package__}.{module}"), name)(**arguments)
    stored = {"function": function, "arguments": arguments, "commit": commit()}
    text = json.dumps({**stored, "result": result}, indent=1, allow_nan=False)
    write_whole(Path(path), (text + "\n").encode())


if __name__ == "__main__":
    _call_and_store(*json.loads(sys.argv[1]))
