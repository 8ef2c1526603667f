"""``network_speed`` on another processor, beside the first.

    python -m benchmarks.network_speed_2 [--rounds 30] [--step-rounds 4]
    python -m benchmarks.network_speed_2 --show

How many times as fast a form is belongs to the processor as well as to the form. The
result of a second one is ``benchmarks/results/network_speed_2.json``; ``--show`` prints
both stored results side by side, and measures nothing.
"""

from __future__ import annotations

from typing import Any

from . import network_speed
from .multiplying import rates_line
from .stored import read_result

NAME = "network_speed_2"
_GROUPS = {
    "answers": "an answer",
    "training": "a training step",
    "distillation": "a distillation step",
}


def table(second: dict[str, Any]) -> str:
    """Both stored results, form by form: times as fast, and the median time."""
    first = read_result(network_speed.NAME)
    lines = []
    for name, found in (("First", first), ("Second", second)):
        machine = found["machine"]
        lines += [
            f"{name}: {machine['processor']}, {found['threads']} threads, "
            f"{found['date']}, {found['answers']['rounds']} rounds of answers. "
            + (rates_line(found["multiplying"]) if "multiplying" in found else ""),
            "",
        ]
    lines += ["| | first | second |", "|---|---|---|"]
    for group, what in _GROUPS.items():
        lines += [f"| **{what}** | | |"]
        for form, row in first[group]["rows"].items():
            other = second[group]["rows"].get(form, {})
            lines += [f"| {form} | {_cell(row)} | {_cell(other)} |"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _cell(row: dict[str, Any]) -> str:
    if "median" not in row:
        return "not measured"
    return f"{row['median']:.2f}, {row['p50_ms']:.0f} ms"


def main() -> None:
    """Measure, store, and put the comparison into README; or show what is stored."""
    network_speed.measure_and_store(NAME, table)


if __name__ == "__main__":
    main()
