"""Our networks beside torchvision's: size, work, memory, latency.

    python -m benchmarks.peers [--rounds 10] [--show]

Every network on clips of the size it was published with, and all of them on clips of
one size. Contestants take turns in one process, one clip at a time, with all cores, or
on the GPU where there is one. Weights are random: nothing is said about accuracy. Work
is counted in three ways; ``thop`` is no part of the project (its last release is of
2022), and its column is filled where it is installed. Peak memory is what a fresh
process needs for one answer beyond the weights, or the GPU for the answer's tensors.
The result is ``benchmarks/results/peers.json``.

Sources: torchvision's weights of each network name its clips (``clip_len`` and
``crop_size``); ours work on 8 frames of 224 x 224 (arXiv 2307.06947, arXiv 2507.12426).

Public names: ``Peer``, ``PEERS``, ``build``, ``count_work``, ``print_growth``,
``measure``, ``table``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil
import torch
import torchvision.models.video
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dvfl_lib.cost import (
    count_macs,
    count_parameters,
    most_resident_bytes,
    number_from_process,
)
from dvfl_lib.vfl_net import create_model, list_models

from .forms import CLASSES
from .memory import give_back_what_is_free
from .stored import measure_or_show, place
from .straightforward import straightforward
from .timing import Row, interleave, latency_rows, missing_row, speed_table, with_sync

NAME = "peers"
OWN = "own clips"
COMMON = ((8, 224), (16, 224))  # frames and side of the clips that all are given
COUNTS = ("GMACs, dvfl_lib.cost", "GFLOPs, torch", "GMACs, thop")


@dataclass(frozen=True)
class Peer:
    """A network and its clips.

    Attributes:
        name: of ``create_model``, or of ``torchvision.models.video``.
        frames, side: of the clips it was published with.
        fixed_frames: it takes no other number of frames than ``frames``.
    """

    name: str
    frames: int
    side: int
    fixed_frames: bool = False

    @property
    def ours(self) -> bool:
        """Whether it is built by this library."""
        return self.name in list_models()

    def clip(self, frames: int, side: int) -> Tensor:
        """Noise as the network takes it: frames before channels if it is ours."""
        shape = (frames, 3) if self.ours else (3, frames)
        return torch.randn(1, *shape, side, side)


PEERS = (
    Peer("vfl_net_nano", 8, 224),
    Peer("video_focalnet_tiny", 8, 224),
    Peer("video_focalnet_small", 8, 224),
    Peer("video_focalnet_base", 8, 224),
    # Its position embeddings are of 16 frames.
    Peer("mvit_v2_s", 16, 224, fixed_frames=True),
    Peer("swin3d_t", 32, 224),
    Peer("r3d_18", 16, 112),
    Peer("mc3_18", 16, 112),
    Peer("r2plus1d_18", 16, 112),
)


def build(name: str) -> nn.Module:
    """The network with random weights, in evaluation mode; ours in the fast form."""
    if name in list_models():
        return create_model(name, CLASSES).eval()
    return getattr(torchvision.models.video, name)(num_classes=CLASSES).eval()


class _FramesFirst(nn.Module):
    """A network of torchvision's that takes clips as ours do."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, K)."""
        return self.network(clip.transpose(1, 2))


def print_growth(name: str, frames: int, side: int, threads: int) -> None:
    """Print by how many bytes this process grows at most while ``name`` answers.

    For a fresh process: what it needs for its weights, the clip, Python and PyTorch
    does not count. What is loaded at a first convolution or matrix product does not,
    either, for small ones come before.
    """
    torch.set_num_threads(threads)
    peer = Peer(name, frames, side)
    with torch.no_grad():
        nn.Conv3d(3, 8, 3)(torch.randn(1, 3, 4, 16, 16))
        build("vfl_net_lab_student")(torch.randn(1, 1, 3, 32, 32))
        network, clip = build(name), peer.clip(frames, side)
        give_back_what_is_free()
        before = psutil.Process().memory_info().rss
        network(clip)
    print(most_resident_bytes() - before)


def size_name(frames: int, side: int) -> str:
    """The size of a clip in words."""
    return f"{frames} x {side} x {side}"


def count_work(name: str, frames: int, side: int) -> dict[str, int | str]:
    """Operations of one answer: MACs by ``dvfl_lib.cost``, FLOPs by PyTorch's counter
    (two for a MAC), MACs by thop or why not. On "meta": nothing is calculated.

    thop sees layers alone, so it gets ours in the straightforward form, where all of
    the work is done by PyTorch's own layers.
    """
    with torch.device("meta"):
        network = layers = build(name)
        if name in list_models():
            layers = straightforward(network)
        else:
            network = layers = _FramesFirst(network)
        clip = torch.empty(1, frames, 3, side, side)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(clip)
    macs = count_macs(network, frames, side)
    counts = (macs, counter.get_total_flops(), _thop_macs(layers, clip))
    return dict(zip(COUNTS, counts, strict=True))


def _thop_macs(network: nn.Module, clip: Tensor) -> int | str:
    try:
        from thop import profile
    except ImportError as error:
        # It also wants a module that Python has no longer had since 3.12.
        return "not installed" if error.name == "thop" else f"no module {error.name}"
    with torch.no_grad():
        return int(profile(network, inputs=(clip,), verbose=False)[0])


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
    code = f"from benchmarks.peers import print_growth; {call}"
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


def _giga(kind: str, row: Row) -> str:
    count = row[kind]
    return count if isinstance(count, str) else f"{count / 1e9:.1f}"


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown: a table for each size of clips."""
    lines = [
        f"One clip at a time on {place(found)}; {found['rounds']} rounds. Random "
        "weights: nothing here is about accuracy.",
        "",
        "| | parameters, millions |",
        "|---|---|",
    ]
    lines += [
        f"| {name} | {count / 1e6:.1f} |" for name, count in found["parameters"].items()
    ]
    more: dict[str, Callable[[Row], str]] = {
        "clip": lambda row: row["clip"],
        **{kind: partial(_giga, kind) for kind in COUNTS},
        "peak memory, MB": lambda row: f"{row['peak_bytes'] / 1e6:.0f}",
    }
    for group, rows in found["groups"].items():
        title = "Each on clips of its own size" if group == OWN else f"Clips {group}"
        lines += ["", f"{title}:", "", *speed_table(rows, more)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)

    def run(options: argparse.Namespace) -> dict[str, Any]:
        torch.set_num_threads(os.cpu_count() or 1)
        return measure(rounds=options.rounds)

    measure_or_show(NAME, run, table, parser)


if __name__ == "__main__":
    main()
