"""The forms of one network against each other: answering, training, distilling.

    python -m benchmarks.speed [--rounds 30] [--step-rounds 4] [--show]
    python -m benchmarks.speed --out network_speed_2     on another processor
    python -m benchmarks.speed --sizes                   every size of our network

The straightforward form is the reference in each group; contestants take turns in one
process, with all cores, or on the GPU where there is one. Clips are noise and weights
random: neither changes how long something takes, and nothing is said about accuracy.
Besides: clips per second of larger batches, where the time goes, and how fast the
machine multiplies, in two ways: a product of two large matrices, than which nothing is
faster, says what a count of MACs takes at least, and PyTorch hands the convolution of
kernel size 1, which computes the same, to another library.
Results: ``network_speed.json``, ``network_speed_2.json``, ``variants.json``.

Public names: ``measure``, ``table``, ``side_by_side``, ``measure_sizes``,
``sizes_table``, ``operator_shares``, ``kind_of``, ``KINDS``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

from dvfl_lib.cost import count_macs, count_parameters
from dvfl_lib.vfl_net import create_model

from .forms import (
    CLASSES,
    FAST,
    FILES,
    STRAIGHTFORWARD,
    TAKES_MORE,
    Call,
    Missing,
    Sizes,
    answering_forms,
    distillation_steps,
    export_executorch,
    export_onnx,
    plain_form,
    training_steps,
    with_precision,
)
from .stored import measure_or_show, options_of, place, read_result, table_lines
from .timing import Row, interleave, latency_rows, missing_row, speed_table, with_sync

NAME, SECOND, SIZES = "network_speed", "network_speed_2", "variants"
VARIANTS = (
    "vfl_net_nano",
    "video_focalnet_tiny",
    "video_focalnet_small",
    "video_focalnet_base",
)
NOTHING = "Noise and random weights: nothing here is about accuracy."
KINDS = ("matrix products", "convolutions", "norms", "element-wise", "copies", "rest")
_ROWS, _CHANNELS = 8192, 512  # of the matrices multiplied
_NAMED = {
    KINDS[0]: "mm addmm bmm baddbmm matmul linear mkldnn_linear dot mv addmv",
    KINDS[3]: "add sub mul div addcmul addcdiv gelu relu sigmoid tanh silu exp neg "
    "pow sqrt rsqrt where clamp",
    KINDS[4]: "copy clone contiguous cat stack fill zero _to_copy constant_pad_nd "
    "index_select index pad",
}
_KIND = {name: kind for kind, names in _NAMED.items() for name in names.split()}


def kind_of(operator: str) -> str:
    """One of ``KINDS``, by the operator's name; reductions and views are "rest"."""
    name = operator.rpartition("::")[2].removesuffix("_")
    if "conv" in name:
        return KINDS[1]
    return KINDS[2] if "norm" in name else _KIND.get(name, KINDS[5])


def operator_shares(
    function: Callable[[], object], passes: int = 3
) -> dict[str, dict[str, float]]:
    """Milliseconds of one call and shares in [0, 1], per kind, after a warm-up.

    Source: PyTorch's profiler. An operator's time is without that of the operators it
    calls, so that nothing counts twice.
    """
    # The profiler tells of its start and end on standard error otherwise.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    function()
    on_gpu = torch.cuda.is_available()
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]
    with profile(activities=activities) as profiler:
        for _ in range(passes):
            function()
    spent = dict.fromkeys(KINDS, 0.0)
    for event in profiler.key_averages():
        if not event.key.startswith(("aten::", "mkldnn::", "onednn::")):
            continue  # the profiler's own entries, and kernels counted at their caller
        micro = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        spent[kind_of(event.key)] += micro / 1000 / passes
    total = sum(spent.values())
    return {
        "milliseconds": {kind: round(value, 3) for kind, value in spent.items()},
        "shares": {kind: round(value / total, 4) for kind, value in spent.items()},
    }


def _rates(sizes: Sizes, rounds: int = 20) -> dict[str, Any]:
    """How fast the machine multiplies: ``rates`` in MACs per second by way of asking,
    and the milliseconds that the student takes at least at the better rate."""
    a = torch.randn(_ROWS, _CHANNELS, device=sizes.device)
    b = torch.randn(_CHANNELS, _CHANNELS, device=sizes.device)
    pixels = a.view(1, _ROWS, 1, _CHANNELS).permute(0, 3, 1, 2)  # (1, C, N, 1)
    kernel = b.T[..., None, None]  # (C, C, 1, 1)
    asked: dict[str, Callable[[], object]] = {
        "product": with_sync(lambda: a @ b),
        "convolution": with_sync(lambda: F.conv2d(pixels, kernel)),
    }
    with torch.no_grad():
        times = interleave(asked, rounds, warm_up=3)
    each = _ROWS * _CHANNELS**2
    rates = {name: each / statistics.median(took) for name, took in times.items()}
    macs = count_macs(create_model(sizes.student, CLASSES), sizes.frames, sizes.side)
    return {"rates": rates, "macs": macs, "least_ms": 1000 * macs / max(rates.values())}


def _rates_line(found: Mapping[str, Any]) -> str:
    if "multiplying" not in found:
        return ""
    found = found["multiplying"]
    told = " and ".join(
        f"{rate / 1e9:.0f} as a {name}" for name, rate in found["rates"].items()
    )
    return (
        f"GMACs per second of two large matrices: {told}. The network's "
        f"{found['macs'] / 1e9:.1f} GMACs take at least {found['least_ms']:.0f} ms."
    )


def _asks(call: Call, sizes: Sizes, batch: int = 1) -> Callable[[], object]:
    clip = sizes.clip(batch)  # (B, T, 3, H, W)
    return with_sync(lambda: call(clip))


def _answers(sizes: Sizes, batches: Sequence[int] = (1,)) -> dict[str, Any]:
    """A row for each form that answers, one clip at a time: its speed, how far its
    answer is from the straightforward one, and the bytes of its file. Where a form
    takes several of ``batches``, ``best`` is the one of most clips per second, and how
    many."""
    model, clip = sizes.network(sizes.student), sizes.clip(1)
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(model, clip, Path(folder))
        export_executorch(model, clip, Path(folder))
        ways = answering_forms(model, clip, Path(folder))
        forms = {name: make() for name, make in ways.items()}
        asked, counts = {}, {}
        for name, form in forms.items():
            if not isinstance(form, Missing):
                for batch in batches if name in TAKES_MORE else (1,):
                    title = name if batch == 1 else f"{name}, batch {batch}"
                    asked[title], counts[title] = _asks(form, sizes, batch), batch
        times = interleave(asked, sizes.rounds)
        rows = latency_rows(times, STRAIGHTFORWARD, counts)
        told = forms[STRAIGHTFORWARD](clip)  # (1, K)
        found = {}
        for name, form in forms.items():
            if isinstance(form, Missing):
                found[name] = missing_row(form.reason)
                continue
            difference = (form(clip).float() - told).abs().max().item()
            found[name] = rows[name] | {"logit_difference": float(f"{difference:.3g}")}
            if name in FILES:
                found[name]["file_bytes"] = (Path(folder) / FILES[name]).stat().st_size
            tried = {
                counts[title]: rows[title]["clips_per_second"]
                for title in rows
                if title == name or title.startswith(f"{name}, batch")
            }
            if len(tried) > 1:
                found[name]["best"] = max(tried.items(), key=lambda pair: pair[1])
    return {
        "rows": found,
        "largest_logit": round(told.abs().max().item(), 3),
        "batch": 1,
        "rounds": sizes.rounds,
        "seconds": times,
    }


def _group(
    calls: Mapping[str, Callable[[], object]],
    clips: int | Mapping[str, int],
    rounds: int,
    **told: Any,
) -> dict[str, Any]:
    """Calls against the first of them; ``clips`` as for ``latency_rows``."""
    times = interleave({name: with_sync(call) for name, call in calls.items()}, rounds)
    rows = latency_rows(times, next(iter(calls)), clips)
    return {"rows": rows, **told, "rounds": rounds, "seconds": times}


def measure(sizes: Sizes) -> dict[str, Any]:
    """All groups, as they are stored."""
    student, teacher = sizes.network(sizes.student), sizes.network(sizes.teacher)
    clip, few = sizes.clip(sizes.train_batch), sizes.clip(sizes.distil_batch)
    plain, fast = (
        with_precision(form, sizes.device) for form in (plain_form(student), student)
    )
    counts = {f"batch {batch}": batch for batch in sizes.batches}
    batches = {name: _asks(fast, sizes, batch) for name, batch in counts.items()}
    training = training_steps(student, clip)
    distilling = distillation_steps(student, teacher, few)
    rounds = sizes.step_rounds
    return {
        "clip": [sizes.frames, sizes.side, sizes.side],
        "student": sizes.student,
        "teacher": sizes.teacher,
        "threads": torch.get_num_threads(),
        "multiplying": _rates(sizes),
        "answers": _answers(sizes),
        "training": _group(training, len(clip), rounds, batch=len(clip)),
        "distillation": _group(distilling, len(few), rounds, batch=len(few)),
        "batches": _group(batches, counts, rounds),
        "shares": {
            STRAIGHTFORWARD: operator_shares(_asks(plain, sizes)),
            FAST: operator_shares(_asks(fast, sizes)),
        },
    }


def _difference(row: Row) -> str:
    return f"{row['logit_difference']:.1e}" if "logit_difference" in row else ""


def _with_files(
    rows: Mapping[str, Row], more: dict[str, Callable[[Row], str]]
) -> list[str]:
    """A table that says how large the forms' files are, where that was measured."""

    def size(row: Row) -> str:
        return f"{row['file_bytes'] / 1e6:.1f}" if "file_bytes" in row else ""

    known = any("file_bytes" in row for row in rows.values())
    return speed_table(rows, more | ({"file, MB": size} if known else {}))


def table(found: Mapping[str, Any]) -> str:
    """The measurement as Markdown, a table for each group."""
    answers, training, distil, batches, shares = (
        found[n] for n in ("answers", "training", "distillation", "batches", "shares")
    )
    parts = {
        kind: [
            f"{100 * form['shares'][kind]:.0f} %, {form['milliseconds'][kind]:.0f} ms"
            for form in shares.values()
        ]
        for kind in KINDS
    }
    groups = {
        f"An answer, batch 1 ({answers['rounds']} rounds; the largest logit is "
        f"{answers['largest_logit']:.2f}):": _with_files(
            answers["rows"], {"largest logit difference": _difference}
        ),
        f"A step of a training, {_counts(training)}:": speed_table(training["rows"]),
        f"A step of a distillation, teacher `{found['teacher']}`, "
        f"{_counts(distil)}:": speed_table(distil["rows"]),
        f"Larger batches, fast form ({batches['rounds']} rounds; times as "
        "fast per clip):": speed_table(batches["rows"]),
        "Where the time of an answer goes:": table_lines(list(shares), parts),
    }
    clip = " x ".join(map(str, found["clip"]))
    lines = [f"`{found['student']}`, {clip}, on {place(found)}. {NOTHING}", ""]
    lines += [line for rate in [_rates_line(found)] if rate for line in (rate, "")]
    for title, rows in groups.items():
        lines += [title, "", *rows, ""]
    return "\n".join(lines[:-1]) + "\n"


def _counts(group: Mapping[str, Any]) -> str:
    return f"batch {group['batch']} ({group['rounds']} rounds)"


def side_by_side(second: Mapping[str, Any]) -> str:
    """A second processor beside the first: times as fast, and the median time."""
    first = read_result(NAME)
    lines = []
    for name, found in (("First", first), ("Second", second)):
        when = f"{found['date']}, {found['answers']['rounds']} rounds of answers."
        lines += [f"{name}: {place(found)}, {when} {_rates_line(found)}".strip(), ""]
    lines += ["| | first | second |", "|---|---|---|"]
    for group, what in (
        ("answers", "an answer"),
        ("training", "a training step"),
        ("distillation", "a distillation step"),
    ):
        lines.append(f"| **{what}** | | |")
        here, there = (found[group]["rows"] for found in (first, second))
        lines += [
            f"| {form} | {_cell(here.get(form, {}))} | {_cell(there.get(form, {}))} |"
            for form in {**here, **there}
        ]
    return "\n".join(lines) + "\n"


def _cell(row: Row) -> str:
    if "median" not in row:
        return "not measured"
    size = f", {row['file_bytes'] / 1e6:.1f} MB" if "file_bytes" in row else ""
    return f"{row['median']:.2f}, {row['p50_ms']:.0f} ms{size}"


def measure_sizes(names: Sequence[str], sizes: Sizes) -> dict[str, Any]:
    """All networks, one after the other; ``sizes.student`` is replaced by each."""
    found = {}
    for name in names:
        # One class's code is compiled a limited number of times.
        torch.compiler.reset()
        model = create_model(name, CLASSES)
        answers = _answers(replace(sizes, student=name), sizes.batches)
        found[name] = {
            "parameters": count_parameters(model)["total"],
            "GMACs, dvfl_lib.cost": count_macs(model, sizes.frames, sizes.side),
            "rows": answers["rows"],
            "seconds": answers["seconds"],
        }
    return {
        "clip": [sizes.frames, sizes.side, sizes.side],
        "rounds": sizes.rounds,
        "batches": list(sizes.batches),
        "threads": torch.get_num_threads(),
        "variants": found,
    }


def sizes_table(found: Mapping[str, Any]) -> str:
    """The measurement of all sizes as Markdown, a table for each network."""
    clip = " x ".join(map(str, found["clip"]))
    lines = [
        f"Clips {clip}, on {place(found)}; {found['rounds']} rounds. Batches tried: "
        f"{', '.join(map(str, found['batches']))}. {NOTHING}"
    ]

    def best(row: Row) -> str:
        return f"{row['best'][1]:.2f} ({row['best'][0]})" if "best" in row else ""

    for name, one in found["variants"].items():
        macs = one["GMACs, dvfl_lib.cost"] / 1e9
        lines += [
            "",
            f"`{name}`: {one['parameters'] / 1e6:.1f} M parameters, {macs:.1f} GMACs",
            "",
            *_with_files(one["rows"], {"clips/s at the best batch": best}),
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    rounds = 6 if "--sizes" in sys.argv else 30
    parser = options_of(__doc__, rounds=rounds, step_rounds=4)
    parser.add_argument("--out", choices=(NAME, SECOND), default=NAME)
    parser.add_argument("--sizes", action="store_true", help="every size")
    options = parser.parse_args()
    name = SIZES if options.sizes else options.out
    tables = {NAME: table, SECOND: side_by_side, SIZES: sizes_table}

    def run(options: argparse.Namespace) -> dict[str, Any]:
        torch.set_num_threads(os.cpu_count() or 1)
        if not options.sizes:
            return measure(Sizes.here(options.rounds, options.step_rounds))
        batches = (1, 8, 32) if torch.cuda.is_available() else (1, 2, 4)
        sizes = Sizes(batches=batches, rounds=options.rounds)
        return measure_sizes(VARIANTS, sizes)

    measure_or_show(name, run, tables[name], parser)


if __name__ == "__main__":
    main()
