"""What every measurement writes down beside its numbers, and where.

Public names: ``write_result``, ``read_result``, ``machine``.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from dvfl_lib.files import write_whole
from dvfl_lib.lessons.environment import commit, versions

RESULTS = Path(__file__).parent / "results"


def _processor() -> str:
    """The processor's name where the system tells it, else its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.machine()


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
