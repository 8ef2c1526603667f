"""What every measurement writes down beside its numbers, and where.

Public names: ``write_result``, ``read_result``, ``write_table``, ``machine``,
``place``, ``measure_or_show``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from dvfl_lib.environment import commit, versions
from dvfl_lib.files import write_whole

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"
_NUMBERS = {"cpu family": "family", "model": "model"}


def _processor() -> str:
    """The processor's name where the system tells it, else its kind.

    One name is given to processors of several makes, which the family tells apart.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    told: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        told.setdefault(key.strip(), value.strip())
    if "model name" not in told:
        return platform.machine()
    numbers = [f"{k} {told[n]}" for n, k in _NUMBERS.items() if n in told]
    return ", ".join([told["model name"], *numbers])


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    on_gpu = torch.cuda.is_available()
    return {
        "processor": _processor(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if on_gpu else None,
    }


def write_result(name: str, command: str, content: dict[str, Any]) -> Path:
    """Write ``results/NAME.json`` whole: command, date, commit, machine, content.

    Args:
        content: expressible in JSON; among it ``standin``, whether the data were
            generated.
    """
    stored = {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "versions": versions(),
        "machine": machine(),
        **content,
    }
    path = RESULTS / f"{name}.json"
    write_whole(path, (json.dumps(stored, indent=1) + "\n").encode("utf-8"))
    return path


def read_result(name: str) -> dict[str, Any]:
    """What ``write_result`` wrote."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def write_table(name: str, table: str) -> None:
    """Put a stored result's table into README, between the marks of that name.

    Raises:
        ValueError: README has no such marks, or has them twice.
    """
    text = README.read_text("utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"{README.name} needs {begin} and {end}, once each")
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    whole = f"{before}{begin}\n\n{table.strip()}\n\n{end}{after}"
    write_whole(README, whole.encode("utf-8"))


def place(found: dict[str, Any]) -> str:
    """The device of a stored result in words."""
    machine = found["machine"]
    return machine["gpu"] or f"{machine['processor']}, {found['threads']} threads"


def measure_or_show(
    name: str,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    table: Callable[[dict[str, Any]], str],
    parser: argparse.ArgumentParser,
    data: str = "Noise; random weights.",
) -> None:
    """The command line of a measurement: measure, store, table into README, print.

    ``--show`` prints the stored result and measures nothing.
    """
    parser.add_argument("--show", action="store_true", help="the stored result")
    options = parser.parse_args()
    if not options.show:
        content = {"standin": True, "data": data, **measure(options)}
        command = " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])
        write_result(name, f"python -m benchmarks.{command}", content)
        write_table(name, table(read_result(name)))
    print(table(read_result(name)))
