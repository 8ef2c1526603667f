"""The networks that are measured side by side, ours and torchvision's.

Public names: ``Peer``, ``PEERS``, ``build``, ``build_countable``, ``print_growth``.

Sources: torchvision's weights of each network name its clips (``clip_len`` and
``crop_size``); ours work on 8 frames of 224 x 224 (arXiv 2307.06947, arXiv 2507.12426).
"""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import torch
import torchvision.models.video
from torch import Tensor, nn

from dvfl_lib.cost import most_resident_bytes
from dvfl_lib.vfl_net import create_model, list_models

from .resident import give_back_what_is_free
from .straightforward import straightforward

CLASSES = 101


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


def build_countable(name: str) -> tuple[nn.Module, nn.Module]:
    """The network for two kinds of counters, both for clips (B, T, 3, H, W), on "meta".

    Returns:
        for a counter of operations; and for one that sees layers alone, ours in the
        straightforward form, where all of the work is done by PyTorch's own layers.
    """
    with torch.device("meta"):
        network = build(name)
        if name in list_models():
            return network, straightforward(network)
    network = _FramesFirst(network)
    return network, network


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
