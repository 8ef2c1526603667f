"""The forms of one network against each other: answering, training, distilling.

    python -m benchmarks.network_speed [--rounds 30] [--step-rounds 4]
    python -m benchmarks.network_speed --show

The straightforward form (``benchmarks.straightforward``) is the reference in each
group; contestants take turns in one process (``interleaving``), with all cores, or on
the GPU where there is one. Clips are noise and weights random: neither changes how
long something takes, and nothing is said about accuracy. Besides: clips per second of
larger batches, and where the time goes. The result is
``benchmarks/results/network_speed.json``; ``--show`` prints the stored one.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dvfl_lib.cost import count_macs
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.vfl_net import VFLNet, create_model

from .interleaving import interleave
from .latencies import HEAD, latency_rows, missing_row, speed_cells, with_sync
from .multiplying import measure_rates, rates_line
from .network_forms import (
    FAST,
    STRAIGHTFORWARD,
    Call,
    Missing,
    answering_forms,
    with_precision,
)
from .network_steps import LIVE, distillation_steps, training_steps
from .openvino_forms import openvino_forms
from .operator_shares import KINDS, operator_shares
from .stored import read_result, write_result, write_table

NAME = "network_speed"
CLASSES = 101


@dataclass(frozen=True)
class Sizes:
    """What is measured, and how often."""

    student: str = "vfl_net_nano"
    teacher: str = "video_focalnet_base"
    frames: int = 8
    side: int = 224
    train_batch: int = 2
    distil_batch: int = 1
    batches: tuple[int, ...] = (1, 2, 4, 8)
    rounds: int = 30
    step_rounds: int = 4

    def clip(self, batch: int) -> Tensor:
        """Noise (batch, T, 3, H, W), on the GPU where there is one."""
        with fixed_rng("clip"):
            clip = torch.randn(batch, self.frames, 3, self.side, self.side)
        return clip.to(_device())

    def network(self, name: str) -> VFLNet:
        """Random weights with which every layer has a say in the logits."""
        with fixed_rng("network"):
            model = create_model(name, CLASSES, init="fan_in")
        return model.to(_device()).eval()


def sizes_here(rounds: int, step_rounds: int) -> Sizes:
    """Larger batches where there is a GPU."""
    if not torch.cuda.is_available():
        return Sizes(rounds=rounds, step_rounds=step_rounds)
    large = dict(train_batch=16, distil_batch=16, batches=(1, 4, 16, 64))
    return Sizes(rounds=rounds, step_rounds=step_rounds, **large)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _timed(
    contestants: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    return interleave({k: with_sync(call) for k, call in contestants.items()}, rounds)


def measure_answers(sizes: Sizes, folder: Path) -> dict[str, Any]:
    """One clip, one answer; and how far each answer is from the straightforward."""
    model, clip = sizes.network(sizes.student), sizes.clip(1)
    forms = answering_forms(model, clip, folder)
    forms |= openvino_forms(folder, clip)
    calls = {name: f for name, f in forms.items() if not isinstance(f, Missing)}
    told = calls[STRAIGHTFORWARD](clip)  # (1, K)
    asked = {name: _asks(call, clip) for name, call in calls.items()}
    times = _timed(asked, sizes.rounds)
    rows = latency_rows(times, STRAIGHTFORWARD)
    for name, call in calls.items():
        difference = (call(clip).float() - told).abs().max().item()
        rows[name]["logit_difference"] = float(f"{difference:.3g}")
    for name, form in forms.items():
        if isinstance(form, Missing):
            rows[name] = missing_row(form.reason)
    return {
        "rows": {name: rows[name] for name in forms},
        "largest_logit": round(told.abs().max().item(), 3),
        "batch": 1,
        "rounds": sizes.rounds,
        "seconds": times,
    }


def _asks(call: Call, clip: Tensor) -> Callable[[], object]:
    return lambda: call(clip)


def measure_steps(sizes: Sizes) -> dict[str, Any]:
    """Optimiser steps: ``training`` on labels alone, ``distillation``."""
    student, teacher = sizes.network(sizes.student), sizes.network(sizes.teacher)
    clip, few = sizes.clip(sizes.train_batch), sizes.clip(sizes.distil_batch)
    groups = {}
    for name, steps, batch, reference in (
        ("training", training_steps(student, clip), len(clip), STRAIGHTFORWARD),
        ("distillation", distillation_steps(student, teacher, few), len(few), LIVE),
    ):
        times = _timed(steps, sizes.step_rounds)
        rows = latency_rows(times, reference, batch)
        counts = {"batch": batch, "rounds": sizes.step_rounds}
        groups[name] = {"rows": rows, **counts, "seconds": times}
    return groups


def measure_batches(sizes: Sizes) -> dict[str, Any]:
    """Clips per second of the fast form, by batch; ratios are per clip."""
    model = sizes.network(sizes.student)
    call = with_precision(model, _device(), False)
    counts = {f"batch {batch}": batch for batch in sizes.batches}
    asked = {n: _asks(call, sizes.clip(batch)) for n, batch in counts.items()}
    times = _timed(asked, sizes.step_rounds)
    rows = latency_rows(times, f"batch {sizes.batches[0]}", counts)
    return {"rows": rows, "rounds": sizes.step_rounds, "seconds": times}


def measure_shares(sizes: Sizes) -> dict[str, Any]:
    """Where the time of an answer goes, in the straightforward and the fast form."""
    from .straightforward import straightforward

    model, clip = sizes.network(sizes.student), sizes.clip(1)
    plain = straightforward(model).to(clip.device)
    forms = {STRAIGHTFORWARD: plain, FAST: model}
    return {
        name: operator_shares(_asks(with_precision(net, clip.device, False), clip))
        for name, net in forms.items()
    }


def measure(sizes: Sizes) -> dict[str, Any]:
    """All groups, as they are stored."""
    macs = count_macs(create_model(sizes.student, CLASSES), sizes.frames, sizes.side)
    multiplying = measure_rates(_device(), macs)
    with tempfile.TemporaryDirectory() as folder:
        answers = measure_answers(sizes, Path(folder))
    return {
        "clip": [sizes.frames, sizes.side, sizes.side],
        "student": sizes.student,
        "teacher": sizes.teacher,
        "threads": torch.get_num_threads(),
        "multiplying": multiplying,
        "answers": answers,
        **measure_steps(sizes),
        "batches": measure_batches(sizes),
        "shares": measure_shares(sizes),
    }


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown, a table for each group."""
    answers, training, distil = (
        found[group] for group in ("answers", "training", "distillation")
    )
    clip = " x ".join(map(str, found["clip"]))
    on = found["machine"]["gpu"] or (
        f"{found['machine']['processor']}, {found['threads']} threads"
    )
    student, teacher = found["student"], found["teacher"]
    lines = [
        f"`{student}`, {clip}, on {on}. Noise and random weights: nothing here is "
        "about accuracy.",
        "",
        *([rates_line(found["multiplying"]), ""] if "multiplying" in found else []),
        f"An answer, batch 1 ({answers['rounds']} rounds; the largest logit is "
        f"{answers['largest_logit']:.2f}):",
        "",
        *_rows(answers["rows"], ("largest logit difference", "logit_difference")),
        "",
        _title("A step of a training", training),
        "",
        *_rows(training["rows"]),
        "",
        _title(f"A step of a distillation, teacher `{teacher}`", distil),
        "",
        *_rows(distil["rows"]),
        "",
        f"Larger batches, fast form ({found['batches']['rounds']} rounds; times as "
        "fast per clip):",
        "",
        *_rows(found["batches"]["rows"]),
        "",
        "Where the time of an answer goes:",
        "",
        *_share_rows(found["shares"]),
    ]
    return "\n".join(lines) + "\n"


def _title(what: str, group: dict[str, Any]) -> str:
    return f"{what}, batch {group['batch']} ({group['rounds']} rounds):"


def _rows(rows: dict[str, Any], more: tuple[str, str] | None = None) -> list[str]:
    """A table of speed; ``more``: title and key of one column besides."""
    head = [*HEAD, *([more[0]] if more else [])]
    lines = [f"| | {' | '.join(head)} |", f"|---|{'---|' * len(head)}"]
    for name, row in rows.items():
        cells = speed_cells(row)
        if more:
            cells.append(f"{row[more[1]]:.1e}" if more[1] in row else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _share_rows(shares: dict[str, Any]) -> list[str]:
    lines = [f"| | {' | '.join(shares)} |", f"|---|{'---|' * len(shares)}"]
    for kind in KINDS:
        cells = [
            f"{100 * form['shares'][kind]:.0f} %, {form['milliseconds'][kind]:.0f} ms"
            for form in shares.values()
        ]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    measure_and_store(NAME, table)


def measure_and_store(name: str, as_table: Callable[[dict[str, Any]], str]) -> None:
    """The command line; the result is stored as ``name``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--step-rounds", type=int, default=4)
    parser.add_argument("--show", action="store_true", help="the stored result")
    options = parser.parse_args()
    if not options.show:
        torch.set_num_threads(os.cpu_count() or 1)
        content = {
            "standin": True,
            "data": "Noise; random weights.",
            **measure(sizes_here(options.rounds, options.step_rounds)),
        }
        write_result(name, f"python -m benchmarks.{name}", content)
        write_table(name, as_table(read_result(name)))
    print(as_table(read_result(name)))


if __name__ == "__main__":
    main()
