"""Every size of our network, in every form that it can be deployed in.

    python -m benchmarks.variants [--rounds 6]
    python -m benchmarks.variants --show

For each network: one clip at a time in all forms (``network_forms``), which take turns
in one process, with all cores, or on the GPU where there is one; and, of the forms
that take several clips at once, the batch with the most clips per second. Clips are
noise and weights random: nothing is said about accuracy. The result is
``benchmarks/results/variants.json``; ``--show`` prints the stored one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from dvfl_lib.cost import count_parameters

from .interleaving import interleave
from .latencies import HEAD, latency_rows, missing_row, speed_cells, with_sync
from .network_forms import (
    FAST,
    ONNX_FLOAT,
    ONNX_INT8,
    STRAIGHTFORWARD,
    Call,
    Missing,
    answering_forms,
)
from .network_speed import Sizes
from .openvino_forms import openvino_forms
from .peers import COUNTS, count_work
from .stored import read_result, write_result, write_table

NAME = "variants"
VARIANTS = (
    "vfl_net_nano",
    "video_focalnet_tiny",
    "video_focalnet_small",
    "video_focalnet_base",
)
# Compiled forms and OpenVINO's are made for clips of one size.
TAKES_MORE = (FAST, "fast, bf16", ONNX_FLOAT, ONNX_INT8)


def measure_variant(sizes: Sizes, folder: Path) -> dict[str, Any]:
    """One network's facts and rows.

    Args:
        sizes: ``student`` is the network; ``batches`` begins with 1.
        folder: takes the exported files.

    Returns:
        ``parameters``; the counts of ``peers.count_work``; ``rows``: form -> row of
        one clip at a time, with ``best``, the batch of most clips per second and how
        many, where a form takes several; ``seconds`` of every round.
    """
    model, clip = sizes.network(sizes.student), sizes.clip(1)
    forms = answering_forms(model, clip, folder) | openvino_forms(folder, clip)
    asked, counts = {}, {}
    for name, form in forms.items():
        if isinstance(form, Missing):
            continue
        for batch in sizes.batches if name in TAKES_MORE else (1,):
            asked[_title(name, batch)] = _asks(form, sizes, batch)
            counts[_title(name, batch)] = batch
    times = interleave(asked, sizes.rounds)
    measured = latency_rows(times, STRAIGHTFORWARD, counts)
    rows = {
        name: missing_row(form.reason) if isinstance(form, Missing) else measured[name]
        for name, form in forms.items()
    }
    for name in TAKES_MORE:
        if "missing" not in rows[name]:
            per_second = {
                batch: measured[_title(name, batch)]["clips_per_second"]
                for batch in sizes.batches
            }
            best = max(per_second, key=per_second.__getitem__)
            rows[name]["best"] = [best, per_second[best]]
    return {
        "parameters": count_parameters(model)["total"],
        **count_work(sizes.student, sizes.frames, sizes.side),
        "rows": rows,
        "seconds": times,
    }


def _title(form: str, batch: int) -> str:
    return form if batch == 1 else f"{form}, batch {batch}"


def _asks(call: Call, sizes: Sizes, batch: int) -> Callable[[], object]:
    clips = sizes.clip(batch)  # (batch, T, 3, H, W)
    return with_sync(lambda: call(clips))


def measure(names: Sequence[str], sizes: Sizes) -> dict[str, Any]:
    """All networks, one after the other; ``sizes.student`` is replaced by each."""
    found = {}
    for name in names:
        # One class's code is compiled a limited number of times.
        torch.compiler.reset()
        with tempfile.TemporaryDirectory() as folder:
            one = Sizes(**{**vars(sizes), "student": name})
            found[name] = measure_variant(one, Path(folder))
    return {
        "clip": [sizes.frames, sizes.side, sizes.side],
        "rounds": sizes.rounds,
        "batches": list(sizes.batches),
        "threads": torch.get_num_threads(),
        "variants": found,
    }


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown, a table for each network."""
    on = found["machine"]["gpu"] or (
        f"{found['machine']['processor']}, {found['threads']} threads"
    )
    clip = " x ".join(map(str, found["clip"]))
    lines = [
        f"Clips {clip}, on {on}; {found['rounds']} rounds. Batches tried: "
        f"{', '.join(map(str, found['batches']))}. Noise and random weights: nothing "
        "here is about accuracy.",
    ]
    for name, one in found["variants"].items():
        head = (*HEAD, "clips/s at the best batch")
        lines += [
            "",
            f"`{name}`: {one['parameters'] / 1e6:.1f} M parameters; "
            + "; ".join(f"{_giga(one[count])} {count}" for count in COUNTS),
            "",
            f"| | {' | '.join(head)} |",
            f"|---|{'---|' * len(head)}",
        ]
        for form, row in one["rows"].items():
            best = f"{row['best'][1]:.2f} ({row['best'][0]})" if "best" in row else ""
            lines.append(f"| {form} | {' | '.join([*speed_cells(row), best])} |")
    return "\n".join(lines) + "\n"


def _giga(count: int | str) -> str:
    return count if isinstance(count, str) else f"{count / 1e9:.1f}"


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--show", action="store_true", help="the stored result")
    options = parser.parse_args()
    if not options.show:
        torch.set_num_threads(os.cpu_count() or 1)
        batches = (1, 8, 32) if torch.cuda.is_available() else (1, 2, 4)
        sizes = Sizes(batches=batches, rounds=options.rounds)
        content = {
            "standin": True,
            "data": "Noise; random weights.",
            **measure(VARIANTS, sizes),
        }
        write_result(NAME, f"python -m benchmarks.{NAME}", content)
        write_table(NAME, table(read_result(NAME)))
    print(table(read_result(NAME)))


if __name__ == "__main__":
    main()
