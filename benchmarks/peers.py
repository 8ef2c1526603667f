"""Our networks beside torchvision's: size, work, memory, latency.

    python -m benchmarks.peers [--rounds 10]
    python -m benchmarks.peers --show

Every network on clips of the size it was published with, and all of them on clips of
one size. Contestants take turns in one process (``interleaving``), one clip at a time,
with all cores, or on the GPU where there is one. Weights are random: nothing is said
about accuracy. MACs are counted in three ways; ``thop`` is no part of the project (its
last release is of 2022), and its column is filled where it is installed.

Peak memory is what a fresh process needs for one answer beyond the weights, or the GPU
for the answer's tensors. The result is ``benchmarks/results/peers.json``; ``--show``
prints the stored one.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dvfl_lib.cost import count_macs, count_parameters, number_from_process

from .interleaving import interleave
from .latencies import HEAD, latency_rows, missing_row, speed_cells, with_sync
from .peer_networks import PEERS, Peer, build, build_countable
from .stored import read_result, write_result, write_table

NAME = "peers"
OWN = "own clips"
COMMON = ((8, 224), (16, 224))  # frames and side of the clips that all are given
COUNTS = ("GMACs, dvfl_lib.cost", "GFLOPs, torch", "GMACs, thop")


def size_name(frames: int, side: int) -> str:
    """The size of a clip in words."""
    return f"{frames} x {side} x {side}"


def count_work(name: str, frames: int, side: int) -> dict[str, Any]:
    """Operations of one answer: MACs by ``dvfl_lib.cost``, FLOPs by PyTorch's counter
    (two for a MAC), MACs by thop or why not. No one calculates anything."""
    network, of_layers = build_countable(name)
    clip = torch.empty(1, frames, 3, side, side, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(clip)
    counts = (
        count_macs(network, frames, side),
        counter.get_total_flops(),
        _thop_macs(of_layers, clip),
    )
    return dict(zip(COUNTS, counts, strict=True))


def _thop_macs(network: nn.Module, clip: torch.Tensor) -> int | str:
    """What thop counts, or why it does not."""
    try:
        from thop import profile
    except ImportError as error:
        # It also wants a module that Python has no longer had since 3.12.
        return "not installed" if error.name == "thop" else f"no module {error.name}"
    with torch.no_grad():
        macs, _ = profile(network, inputs=(clip,), verbose=False)
    return int(macs)


def _answers(peer: Peer, network: nn.Module, frames: int, side: int) -> Callable:
    """One answer as a call."""
    clip = peer.clip(frames, side).to(next(network.parameters()).device)

    def answer() -> object:
        with torch.no_grad():
            return network(clip)

    return with_sync(answer)


def _peak_memory(name: str, frames: int, side: int, answer: Callable) -> int:
    """Bytes that one answer needs at most."""
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        answer()
        return torch.cuda.max_memory_allocated() - before
    call = f"print_growth({name!r}, {frames}, {side}, {torch.get_num_threads()})"
    code = f"from benchmarks.peer_networks import print_growth; {call}"
    return number_from_process(code, f"measuring {name}")


def measure(
    peers: Sequence[Peer] = PEERS,
    common: Sequence[tuple[int, int]] = COMMON,
    rounds: int = 10,
) -> dict[str, Any]:
    """Every network at its own size and at the common ones; the first is 1.00.

    Returns:
        ``groups``: "own clips" and each common size -> network -> row;
        ``parameters`` of each network; ``seconds`` of every round.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks = {peer.name: build(peer.name).to(device) for peer in peers}
    groups = {OWN: {peer.name: (peer.frames, peer.side) for peer in peers}}
    for frames, side in common:
        groups[size_name(frames, side)] = {
            peer.name: (frames, side)
            for peer in peers
            if not peer.fixed_frames or peer.frames == frames
        }
    asked = {
        (peer.name, sizes[peer.name]): _answers(
            peer, networks[peer.name], *sizes[peer.name]
        )
        for sizes in groups.values()
        for peer in peers
        if peer.name in sizes
    }
    facts = {
        (name, size): {
            "clip": size_name(*size),
            **count_work(name, *size),
            "peak_bytes": _peak_memory(name, *size, answer),
        }
        for (name, size), answer in asked.items()
    }
    times = interleave({str(key): call for key, call in asked.items()}, rounds)
    return {
        "parameters": {
            name: count_parameters(network)["total"]
            for name, network in networks.items()
        },
        "groups": {
            group: _group(peers, sizes, facts, times) for group, sizes in groups.items()
        },
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "seconds": times,
    }


def _group(
    peers: Sequence[Peer],
    sizes: dict[str, tuple[int, int]],
    facts: dict[tuple[str, tuple[int, int]], dict[str, Any]],
    times: dict[str, list[float]],
) -> dict[str, Any]:
    """The rows of one group; a network that does not take its clips says so."""
    mine = {name: times[str((name, size))] for name, size in sizes.items()}
    rows = latency_rows(mine, peers[0].name)
    found = {}
    for peer in peers:
        if peer.name in sizes:
            found[peer.name] = rows[peer.name] | facts[peer.name, sizes[peer.name]]
        else:
            found[peer.name] = missing_row(f"it takes {peer.frames} frames alone")
    return found


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown: a table for each size of clips."""
    on = found["machine"]["gpu"] or (
        f"{found['machine']['processor']}, {found['threads']} threads"
    )
    lines = [
        f"One clip at a time on {on}; {found['rounds']} rounds. Random weights: "
        "nothing here is about accuracy.",
        "",
        "| | parameters, millions |",
        "|---|---|",
    ]
    lines += [
        f"| {name} | {count / 1e6:.1f} |" for name, count in found["parameters"].items()
    ]
    for group, rows in found["groups"].items():
        title = "Each on clips of its own size" if group == OWN else f"Clips {group}"
        head = [*HEAD, "clip", *COUNTS, "peak memory, MB"]
        lines += ["", f"{title}:", "", f"| | {' | '.join(head)} |"]
        lines += [f"|---|{'---|' * len(head)}"]
        lines += [
            f"| {name} | {' | '.join(_cells(row))} |" for name, row in rows.items()
        ]
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any]) -> list[str]:
    speed = speed_cells(row)
    if "missing" in row:
        return [*speed, *[""] * (2 + len(COUNTS))]
    counts = [row[kind] for kind in COUNTS]
    shown = [n if isinstance(n, str) else f"{n / 1e9:.1f}" for n in counts]
    return [*speed, row["clip"], *shown, f"{row['peak_bytes'] / 1e6:.0f}"]


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--show", action="store_true", help="the stored result")
    options = parser.parse_args()
    if not options.show:
        torch.set_num_threads(os.cpu_count() or 1)
        content = {
            "standin": True,
            "data": "Noise; random weights.",
            **measure(rounds=options.rounds),
        }
        write_result(NAME, f"python -m benchmarks.{NAME}", content)
        write_table(NAME, table(read_result(NAME)))
    print(table(read_result(NAME)))


if __name__ == "__main__":
    main()
