"""What every measurement writes down beside its numbers, where, and how it is shown.

Public names: ``options_of``, ``measure_or_show``, ``write_result``, ``read_result``,
``write_table``, ``table_lines``, ``page``, ``machine``, ``place``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from dvfl_lib.environment import commit, versions
from dvfl_lib.files import write_whole

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"


def _processor() -> str:
    """Its name; with the family, which tells processors of one name apart."""
    file = Path("/proc/cpuinfo")
    text = file.read_text("utf-8") if file.exists() else ""
    told = dict(re.findall(r"^(.+?)\s*:[ ]*(.*)$", text, re.M))
    if "model name" not in told:
        return platform.processor() or platform.machine()
    numbers = [f"{key} {told[key]}" for key in ("cpu family", "model") if key in told]
    return ", ".join([told["model name"], *numbers]).replace("cpu family", "family")


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "gpu": gpu,
    }


def place(found: Mapping[str, Any]) -> str:
    """The device of a stored result in words."""
    machine = found["machine"]
    return machine["gpu"] or f"{machine['processor']}, {found['threads']} threads"


def write_result(name: str, command: str, content: Mapping[str, Any]) -> None:
    """Write ``results/NAME.json`` whole: command, date, commit, machine, content;
    among this ``standin``, whether the data were generated."""
    stored = {
        "command": f"python -m benchmarks.{command}",
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "versions": versions(),
        "machine": machine(),
        **content,
    }
    text = json.dumps(stored, indent=1) + "\n"
    write_whole(RESULTS / f"{name}.json", text.encode("utf-8"))


def read_result(name: str) -> dict[str, Any]:
    """What ``write_result`` wrote."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def write_table(name: str, table: str) -> None:
    """Put a stored result's table into README, between the marks of that name."""
    marks = rf"(<!-- {name}:begin -->\n).*?(\n<!-- {name}:end -->)"
    text, count = re.subn(
        marks,
        lambda found: f"{found[1]}\n{table.strip()}\n{found[2]}",
        README.read_text("utf-8"),
        flags=re.S,
    )
    if count != 1:
        raise ValueError(f"{README.name} has {count} places for {name}, not one")
    write_whole(README, text.encode("utf-8"))


def table_lines(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    """A Markdown table, line by line; the names of the rows stand in front."""
    head = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    return head + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]


def page(intro: str, groups: Mapping[str, Sequence[str]]) -> str:
    """Tables as Markdown: what holds for all, then each table under its title."""
    lines = [intro]
    for title, rows in groups.items():
        lines += ["", title, "", *rows]
    return "\n".join(lines).strip() + "\n"


def options_of(documentation: str, **numbers: int) -> argparse.ArgumentParser:
    """``--show``, and an option for each number, with its default."""
    parser = argparse.ArgumentParser(description=documentation.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="the stored result")
    for name, value in numbers.items():
        option, told = f"--{name.replace('_', '-')}", f"default: {value}"
        parser.add_argument(option, type=int, default=value, help=told)
    return parser


def measure_or_show(
    name: str,
    measure: Callable[[argparse.Namespace], Mapping[str, Any]],
    table: Callable[[dict[str, Any]], str],
    parser: argparse.ArgumentParser,
    data: str = "Noise; random weights.",
) -> None:
    """The command line of a measurement, on all cores: measure, store, table into
    README, print. ``--show`` prints the stored result and measures nothing."""
    options = parser.parse_args()
    if not options.show:
        torch.set_num_threads(os.cpu_count() or 1)
        content = {"standin": True, "data": data, **measure(options)}
        write_result(name, " ".join([Path(sys.argv[0]).stem, *sys.argv[1:]]), content)
        write_table(name, table(read_result(name)))
    print(table(read_result(name)))
