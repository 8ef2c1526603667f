"""What every measurement writes down beside its numbers, and where.

Public names: ``write_result``, ``read_result``, ``write_table``, ``machine``.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from dvfl_lib.environment import commit, versions
from dvfl_lib.files import write_whole

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"
_NUMBERS = {"cpu family": "family", "model": "model"}
_NOT_STORED = "; no result stored yet"


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
    before, _, rest = text.partition(begin)
    lines = before.splitlines(keepends=True)
    row = f"| `{name}` |"
    before = "".join(
        line.replace(_NOT_STORED, "") if line.startswith(row) else line
        for line in lines
    )
    after = rest.partition(end)[2]
    whole = f"{before}{begin}\n\n{table.strip()}\n\n{end}{after}"
    write_whole(README, whole.encode("utf-8"))
