"""How much memory the forms of one network need: answering, training, distilling.

    python -m benchmarks.memory [--show]

Each form works in a fresh process, which tells by how much it grew at most; on a GPU,
what its tensors took at most.

Public names: ``measure``, ``table``, ``contestant``, ``print_growth``, ``growth_of``.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import nn

from dvfl_lib.cost import most_resident_bytes, number_from_process
from dvfl_lib.errors import DVFLError

from .forms import (
    FAST,
    LIVE,
    ONNX,
    READABLE,
    STRAIGHTFORWARD,
    Sizes,
    answering_forms,
    distillation_steps,
    export_onnx,
    training_steps,
)
from .stored import measure_or_show, options_of, page, place, table_lines

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


def contestant(sizes: Sizes, group: str, form: str, folder: str) -> Callable:
    """What is called, with all that it needs built; ``folder`` has exported files."""
    student = sizes.network(sizes.student)
    if group == "training":
        return training_steps(student, sizes.clip(sizes.train_batch))[form]
    if group == "distillation":
        clip = sizes.clip(sizes.distil_batch)
        return distillation_steps(student, sizes.network(sizes.teacher), clip)[form]
    clip = sizes.clip(1)
    call = answering_forms(student, clip, Path(folder))[form]()
    return lambda: call(clip)


def growth_of(build: str, what: str) -> int:
    """Bytes that a call needs at most beyond what is there before it.

    ``build`` is an expression, with the modules of this folder, whose value is called
    in a fresh process. Raises as ``number_from_process``.
    """
    modules = "from benchmarks import memory, peers; from benchmarks.forms import Sizes"
    call = f"memory.print_growth(lambda: {build}, {torch.get_num_threads()})"
    return number_from_process(f"{modules}; {call}", what)


def print_growth(build: Callable[[], Callable], threads: int) -> None:
    """Print what two calls need at most, in bytes; for a fresh process.

    Two, because the second step finds what the optimiser remembers of the first. What
    PyTorch loads at its first convolutions and product comes before, with small ones.
    """
    torch.set_num_threads(threads)
    nn.Conv2d(3, 8, 3)(torch.randn(1, 3, 16, 16)).sum().backward()
    nn.Conv3d(3, 8, 3)(torch.randn(1, 3, 4, 16, 16))
    nn.Linear(8, 8)(torch.randn(4, 8)).sum().backward()
    call = build()
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        # What building needed for a while must neither hide nor raise what follows.
        gc.collect()
        if sys.platform == "linux":  # where the kernel can forget a process's peak
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5", "ascii")  # see proc(5)
        before = psutil.Process().memory_info().rss
    call()
    call()
    most = torch.cuda.max_memory_allocated if on_gpu else most_resident_bytes
    print(most() - before)


def measure(
    sizes: Sizes, groups: Mapping[str, Sequence[str]] = GROUPS
) -> dict[str, Any]:
    """Bytes of every form, or why there are none."""
    found: dict[str, dict[str, int | str]] = {group: {} for group in groups}
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(sizes.network(sizes.student), sizes.clip(1), Path(folder))
        exported = any(Path(folder).glob("*.onnx"))
        for group, form in ((g, form) for g, forms in groups.items() for form in forms):
            build = f"memory.contestant({sizes!r}, {group!r}, {form!r}, {folder!r})"
            try:
                found[group][form] = (
                    growth_of(build, f"{group}: {form}")
                    if exported or form not in ONNX
                    else "there is no export here"
                )
            except DVFLError as error:
                found[group][form] = str(error)
    batches = 1, sizes.train_batch, sizes.distil_batch
    return {
        "clip": [sizes.frames, sizes.side, sizes.side],
        "student": sizes.student,
        "teacher": sizes.teacher,
        "threads": torch.get_num_threads(),
        "batches": dict(zip(GROUPS, batches, strict=True)),
        "bytes": found,
    }


def table(found: Mapping[str, Any]) -> str:
    """The measurement as Markdown, a table for each group; the first form is 1.00."""
    titles = {
        "answers": "An answer",
        "training": "A step of a training",
        "distillation": f"A step of a distillation, teacher `{found['teacher']}`",
    }
    groups = {}
    for group, forms in found["bytes"].items():
        first, rows = next(iter(forms.values())), {}
        for form, count in forms.items():
            if isinstance(count, str):
                rows[form] = [f"not measured: {count}", ""]
            else:
                ratio = f"{count / first:.2f}" if isinstance(first, int) else ""
                rows[form] = [ratio, f"{count / 1e6:.0f}"]
        title = f"{titles[group]}, batch {found['batches'][group]}:"
        groups[title] = table_lines(["memory, first form = 1", "MB"], rows)
    clip = " x ".join(map(str, found["clip"]))
    return page(f"`{found['student']}`, {clip}, on {place(found)}.", groups)


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    parser = options_of(__doc__)
    measure_or_show(NAME, lambda _: measure(Sizes.here()), table, parser)


if __name__ == "__main__":
    main()
