"""A record of untrained networks on noise: quick to make, with all its parts.

Public names: ``small_record``, ``small_networks``, ``noise``, ``other_record``,
``NETWORKS``.
"""

from __future__ import annotations

from typing import Any

import torch

from dvfl_lib.explorer import Record, record_clip
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig, create_model

NETWORKS = {"student": "vfl_net_lab_student", "teacher": "vfl_net_lab_teacher"}


def small_networks() -> dict[str, torch.nn.Module]:
    """Untrained student and teacher, the same in every call."""
    torch.manual_seed(0)
    return {
        role: create_model(name, 3, init="fan_in").eval()
        for role, name in NETWORKS.items()
    }


def noise(frames: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    """uint8 (T, 3, H, W), the same in every call."""
    random = torch.Generator().manual_seed(1)
    size = (frames, 3, height, width)
    return torch.randint(0, 256, size, generator=random).to(torch.uint8)


def small_record(size: tuple[int, int, int] = (3, 32, 32), **more: Any) -> Record:
    """Student and teacher on frames of noise (T, H, W), the first of them dark.

    ``more`` goes to ``record_clip``.
    """
    frames = noise(*size)
    frames[0] //= 4
    told = {"title": "noise", "standin": True, "grid": 2} | more
    classes = told.pop("classes", ("jump", "run", "sit"))
    return record_clip(frames, small_networks(), classes, **told)


def other_record(side: int = 36, frames: int = 2) -> Record:
    """Networks unlike each other: "coarse", "fine" (other patches), "short".

    Stages have 2, 1, 1 blocks in the first, 1, 1, 2 in the second; the last one has
    two stages.
    """
    torch.manual_seed(2)
    kinds = {
        "coarse": VFLNetConfig(depths=(2, 1, 1), embed_dim=8),
        "fine": VFLNetConfig(depths=(1, 1, 2), embed_dim=8, patch_size=3),
        "short": VFLNetConfig(depths=(1, 1), embed_dim=8),
    }
    networks = {n: VFLNet(c, 3, init="fan_in").eval() for n, c in kinds.items()}
    noise = torch.randint(0, 256, (frames, 3, side, side), dtype=torch.uint8)
    told = {"title": "others", "standin": True, "grid": 0}
    return record_clip(noise, networks, ("jump", "run", "sit"), **told)
