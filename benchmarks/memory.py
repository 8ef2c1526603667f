"""How much memory the forms of one network need: answering, training, distilling.

    python -m benchmarks.memory [--show]

Each form works in a fresh process, which tells by how much it grew at most; on a GPU,
what its tensors took at most. Weights do not count, nor Python and PyTorch; gradients
and what the optimiser remembers do. Compiling is left out: the compiler would be
measured, not the network. The result is ``benchmarks/results/network_memory.json``.

Public names: ``measure``, ``table``, ``print_growth``, ``give_back_what_is_free``.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from dvfl_lib.cost import most_resident_bytes, number_from_process
from dvfl_lib.errors import DVFLError
from dvfl_lib.fast import set_form

from .forms import (
    FAST,
    LIVE,
    ONNX,
    READABLE,
    STRAIGHTFORWARD,
    Missing,
    Sizes,
    distillation_steps,
    onnx_forms,
    plain_form,
    training_steps,
    with_precision,
)
from .stored import measure_or_show, place

NAME = "network_memory"
GROUPS = {
    "answers": (STRAIGHTFORWARD, READABLE, FAST, "fast, bf16", *ONNX),
    "training": (STRAIGHTFORWARD, READABLE, FAST, "fast, bf16"),
    "distillation": (
        LIVE,
        "fast, teacher asked",
        "fast, logits given",
        "fast, bf16, logits given",
    ),
}


def give_back_what_is_free() -> None:
    """What building needed for a while must neither hide nor raise what follows.

    On Linux, the one system where the kernel forgets a process's peak when it is told.
    """
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # see proc(5)


def contestant(sizes: Sizes, group: str, form: str, folder: str) -> Callable:
    """What is called, with everything built that it needs.

    Args:
        group, form: of ``GROUPS``.
        folder: of the exported files.
    """
    student = sizes.network(sizes.student)
    if group == "training":
        return training_steps(student, sizes.clip(sizes.train_batch))[form]
    if group == "distillation":
        clip = sizes.clip(sizes.distil_batch)
        return distillation_steps(student, sizes.network(sizes.teacher), clip)[form]
    clip = sizes.clip(1)
    call = _answering(student, form, folder, clip.device)
    return lambda: call(clip)


def _answering(
    student: nn.Module, form: str, folder: str, device: torch.device
) -> Callable[[Tensor], Tensor]:
    if form in ONNX:
        from dvfl_lib.deployment.onnx import open_onnx

        return open_onnx(Path(folder) / ONNX[form])
    if form == STRAIGHTFORWARD:
        student = plain_form(student)
    elif form == READABLE:
        student = set_form(student, "readable")
    return with_precision(student, device, "bf16" in form)


def print_growth(
    group: str, form: str, folder: str, threads: int, sizes: Sizes | None = None
) -> None:
    """Print what two calls need at most, in bytes; for a fresh process.

    Two, because the second step finds what the optimiser remembers of the first. What
    PyTorch loads at its first convolution and product comes before, with small ones.
    """
    torch.set_num_threads(threads)
    sizes = sizes or Sizes.here()
    nn.Conv2d(3, 8, 3)(torch.randn(1, 3, 16, 16)).sum().backward()
    nn.Linear(8, 8)(torch.randn(4, 8)).sum().backward()
    call = contestant(sizes, group, form, folder)
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        give_back_what_is_free()
        before = psutil.Process().memory_info().rss
    call()
    call()
    if torch.cuda.is_available():
        print(torch.cuda.max_memory_allocated() - before)
    else:
        print(most_resident_bytes() - before)


def measure(sizes: Sizes, groups: dict[str, Sequence[str]] = GROUPS) -> dict[str, Any]:
    """Bytes of every form, or why there are none."""
    threads = torch.get_num_threads()
    found: dict[str, dict[str, int | str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        exported = onnx_forms(sizes.network(sizes.student), sizes.clip(1), Path(folder))
        missing = {n: f.reason for n, f in exported.items() if isinstance(f, Missing)}
        for group, forms in groups.items():
            found[group] = {
                form: missing.get(form) or _bytes(group, form, folder, threads, sizes)
                for form in forms
            }
    return {
        "clip": [sizes.frames, sizes.side, sizes.side],
        "student": sizes.student,
        "teacher": sizes.teacher,
        "threads": threads,
        "batches": {
            "answers": 1,
            "training": sizes.train_batch,
            "distillation": sizes.distil_batch,
        },
        "bytes": found,
    }


def _bytes(group: str, form: str, folder: str, threads: int, sizes: Sizes) -> int | str:
    arguments = f"{group!r}, {form!r}, {folder!r}, {threads}, {sizes!r}"
    code = "from benchmarks.memory import Sizes, print_growth\n"
    try:
        return number_from_process(
            f"{code}print_growth({arguments})", f"{group}: {form}"
        )
    except DVFLError as error:
        return str(error)


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown, a table for each group; the first form is 1.00."""
    clip = " x ".join(map(str, found["clip"]))
    titles = {
        "answers": "An answer",
        "training": "A step of a training",
        "distillation": f"A step of a distillation, teacher `{found['teacher']}`",
    }
    lines = [f"`{found['student']}`, {clip}, on {place(found)}."]
    for group, forms in found["bytes"].items():
        batch = found["batches"][group]
        lines += ["", f"{titles[group]}, batch {batch}:", ""]
        lines += ["| | memory, first form = 1 | MB |", "|---|---|---|"]
        first = next(iter(forms.values()))
        for form, count in forms.items():
            if isinstance(count, str):
                lines.append(f"| {form} | not measured: {count} | |")
                continue
            ratio = f"{count / first:.2f}" if isinstance(first, int) else ""
            lines.append(f"| {form} | {ratio} | {count / 1e6:.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])

    def run(options: argparse.Namespace) -> dict[str, Any]:
        torch.set_num_threads(os.cpu_count() or 1)
        return measure(Sizes.here())

    measure_or_show(NAME, run, table, parser)


if __name__ == "__main__":
    main()
