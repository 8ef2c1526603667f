"""Our networks beside torchvision's and those made for phones: size, work, time.

    python -m benchmarks.peers [--rounds 10] [--show]

Peak memory is what a fresh process needs for an answer beyond the weights, or the GPU
for the answer's tensors.

Sources: torchvision's weights of each network name its clips (``clip_len`` and
``crop_size``); ours work on 8 frames of 224 x 224 (arXiv 2307.06947, arXiv 2507.12426);
the others' stand beside what their authors state (``STATED``).

Public names: ``Peer``, ``PEERS``, ``STATED``, ``answer``, ``build``, ``count_work``,
``measure``, ``stated``, ``table``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torchvision.models.video
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dvfl_lib.cost import count_macs, count_parameters
from dvfl_lib.vfl_net import create_model, list_models

from .forms import CLASSES
from .memory import growth_of
from .phone_networks import PHONE_NETWORKS
from .stored import measure_or_show, options_of, page, place, table_lines
from .straightforward import straightforward
from .timing import Row, interleave, latency_rows, missing_row, speed_table, with_sync

NAME = "peers"
OWN = "own clips"
COMMON = ((8, 224), (16, 224))  # frames and side of the clips that all are given
COUNTS = ("GMACs, dvfl_lib.cost", "GFLOPs, torch", "GMACs, thop")
Size = tuple[int, int]


@dataclass(frozen=True)
class Peer:
    """A network of ours, of ``PHONE_NETWORKS`` or torchvision's, and its clips."""

    name: str
    frames: int  # of the clips it was published with
    side: int
    fixed_frames: bool = False  # it takes no other number of frames


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
    Peer("x3d_s", 13, 160),
    Peer("x3d_m", 16, 224),
    Peer("movinet_a0", 50, 172),
    Peer("movinet_a2", 50, 224),
)
_HUB = "[model zoo](https://github.com/"
DVFLNET = f"{_HUB}hayatkhan8660-maker/DVFL-Net#model-zoo)"
FOCALNETS = f"{_HUB}TalalWasim/Video-FocalNets#model-zoo)"
SLOWFAST = f"{_HUB}facebookresearch/SlowFast/blob/main/MODEL_ZOO.md)"
MOVINETS = (
    "[paper](https://arxiv.org/abs/2103.11511), "
    f"{_HUB}tensorflow/models/tree/master/official/projects/movinet#kinetics-400)"
)
COUNTED_COLUMNS = ("counted: parameters, M", "GMACs, own clip", "code")
STATED_COLUMNS = (
    *("stated: parameters, M", "GMACs of a view", "top-1 on Kinetics-400, %"),
    *("clips x crops", "where"),
)
# As the authors state it; nobody has reproduced it here. "": no readable source.
STATED = {
    "vfl_net_nano": ("22", "", "", "", DVFLNET),
    "video_focalnet_tiny": ("49", "63", "79.8", "4 x 3", FOCALNETS),
    "video_focalnet_small": ("88", "124", "81.4", "4 x 3", FOCALNETS),
    "video_focalnet_base": ("157", "149", "83.6", "4 x 3", FOCALNETS),
    "x3d_s": ("3.8", "1.96", "73.5", "10 x 3", SLOWFAST),
    "x3d_m": ("3.8", "4.73", "76.2", "10 x 3", SLOWFAST),
    "movinet_a0": ("3.1", "2.7", "69.4", "1 x 1", MOVINETS),
    "movinet_a2": ("4.8", "10", "75.9", "1 x 1", MOVINETS),
}


class _FramesFirst(nn.Module):
    """A network of others that takes clips as ours do."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clip: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, K)."""
        return self.network(clip.transpose(1, 2))


def build(name: str) -> nn.Module:
    """The network with random weights, in evaluation mode; ours in the fast form."""
    if name in list_models():
        return create_model(name, CLASSES).eval()
    if name in PHONE_NETWORKS:
        network = PHONE_NETWORKS[name](CLASSES)
    else:
        network = getattr(torchvision.models.video, name)(num_classes=CLASSES)
    return _FramesFirst(network).eval()


def stated(name: str) -> list[str]:
    """A cell for each of ``STATED_COLUMNS``."""
    if name in STATED:
        return [cell or "unknown" for cell in STATED[name]]
    about = torchvision.models.get_model_weights(name)["KINETICS400_V1"].meta
    (clips,) = re.findall(r"clips_per_video=(\d+)", about["_docs"])
    top1 = about["_metrics"]["Kinetics-400"]["acc@1"]
    counts = f"{about['num_params'] / 1e6:.1f}", f"{about['_ops']:.1f}"
    return [*counts, f"{top1:.1f}", f"{clips} x 1", "torchvision"]


def _code(name: str) -> str:
    if name in PHONE_NETWORKS:
        return "written here from its table"
    return "ours" if name in list_models() else "torchvision's"


def answer(
    name: str, frames: int, side: int, network: nn.Module | None = None
) -> Callable[[], object]:
    """One answer as a call, with everything built that it needs."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = build(name).to(device) if network is None else network
    # Frames first for ours; others get them as they lie best for them.
    shape = (frames, 3) if name in list_models() else (3, frames)
    clip = torch.randn(1, *shape, side, side, device=device)
    clip = clip if name in list_models() else clip.transpose(1, 2)

    def call() -> object:
        with torch.no_grad():
            return network(clip)

    return with_sync(call)


def count_work(name: str, frames: int, side: int) -> dict[str, int | str]:
    """Operations of one answer: MACs by ``dvfl_lib.cost``, FLOPs by PyTorch's counter
    (two for a MAC), MACs by thop or why not. On "meta": nothing is calculated.

    thop sees layers alone, so it gets ours in the straightforward form, where all of
    the work is done by PyTorch's own layers.
    """
    with torch.device("meta"):
        network = build(name)
        layers = straightforward(network) if name in list_models() else network
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


def measure(
    peers: Sequence[Peer] = PEERS, common: Sequence[Size] = COMMON, rounds: int = 10
) -> dict[str, Any]:
    """Every network at its own size and at the common ones; the first is 1.00.

    Returns:
        ``groups``: "own clips" and each common size -> network -> row;
        ``parameters`` of each network; ``seconds`` of every round.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks = {peer.name: build(peer.name).to(device) for peer in peers}
    groups = {OWN: {peer.name: (peer.frames, peer.side) for peer in peers}}
    for size in common:
        takes = [p.name for p in peers if not p.fixed_frames or p.frames == size[0]]
        groups[_words(size)] = dict.fromkeys(takes, size)
    asked = {
        (name, size): answer(name, *size, networks[name])
        for sizes in groups.values()
        for name, size in sizes.items()
    }
    facts = {
        (name, size): {
            "clip": _words(size),
            **count_work(name, *size),
            "peak_bytes": growth_of(f"peers.answer({name!r}, *{size})", name),
        }
        for name, size in asked
    }
    times = interleave({str(key): call for key, call in asked.items()}, rounds)
    rows: dict[str, dict[str, Row]] = {}
    for group, sizes in groups.items():
        mine = {key[0]: times[str(key)] for key in sizes.items()}
        timed = latency_rows(mine, peers[0].name)
        rows[group] = {
            p.name: timed[p.name] | facts[p.name, sizes[p.name]]
            if p.name in sizes
            else missing_row(f"it takes {p.frames} frames alone")
            for p in peers
        }
    return {
        "parameters": {n: count_parameters(m)["total"] for n, m in networks.items()},
        "groups": rows,
        "threads": torch.get_num_threads(),
        "rounds": rounds,
        "seconds": times,
    }


def _words(size: Size) -> str:
    return f"{size[0]} x {size[1]} x {size[1]}"


def _giga(kind: str, row: Row) -> str:
    count = row[kind]
    return count if isinstance(count, str) else f"{count / 1e9:.1f}"


def table(found: Mapping[str, Any]) -> str:
    """The measurement as Markdown: a table for each size of clips."""
    own = found["groups"][OWN]
    sizes = {
        name: [f"{n / 1e6:.1f}", _giga(COUNTS[0], own[name]), _code(name)]
        + stated(name)
        for name, n in found["parameters"].items()
    }
    groups = {
        "Counted here with 101 classes; stated by the authors with 400 or "
        "more:": table_lines([*COUNTED_COLUMNS, *STATED_COLUMNS], sizes)
    }
    more: dict[str, Callable[[Row], str]] = {
        "clip": lambda row: row["clip"],
        **{kind: partial(_giga, kind) for kind in COUNTS},
        "peak memory, MB": lambda row: f"{row['peak_bytes'] / 1e6:.0f}",
    }
    for group, rows in found["groups"].items():
        title = "Each on clips of its own size" if group == OWN else f"Clips {group}"
        groups[f"{title}:"] = speed_table(rows, more)
    intro = f"One clip at a time on {place(found)}; {found['rounds']} rounds. Random "
    return page(f"{intro}weights: no accuracy is measured.", groups)


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    parser = options_of(__doc__, rounds=10)
    measure_or_show(NAME, lambda options: measure(rounds=options.rounds), table, parser)


if __name__ == "__main__":
    main()
