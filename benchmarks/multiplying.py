"""How fast a machine multiplies and adds, asked in two ways.

Public names: ``measure_rates``, ``rates_line``.

Nothing that a processor does is faster than the product of two large matrices, so its
rate says what a count of MACs takes at least. PyTorch hands a product and the
convolution of kernel size 1, which computes the same, to different libraries; which is
faster, and by how much, is the processor's affair.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from .interleaving import interleave
from .latencies import with_sync

ROWS, CHANNELS = 8192, 512


def measure_rates(device: torch.device, macs: int, rounds: int = 20) -> dict[str, Any]:
    """Median rates in MACs per second.

    Args:
        macs: of the network that these rates are for; what it takes at least is noted.
        rounds: how often each way is timed.

    Returns:
        ``rates`` by way of asking, ``macs``, and ``least_ms`` at the better rate.
    """
    a = torch.randn(ROWS, CHANNELS, device=device)
    b = torch.randn(CHANNELS, CHANNELS, device=device)
    pixels = a.view(1, ROWS, 1, CHANNELS).permute(0, 3, 1, 2)  # (1, C, N, 1)
    kernel = b.T[..., None, None]  # (C, C, 1, 1)
    asked: dict[str, Callable[[], object]] = {
        "product": with_sync(lambda: a @ b),
        "convolution": with_sync(lambda: F.conv2d(pixels, kernel)),
    }
    with torch.no_grad():
        times = interleave(asked, rounds, warm_up=3)
    each = ROWS * CHANNELS**2
    rates = {name: each / statistics.median(took) for name, took in times.items()}
    least = 1000 * macs / max(rates.values())
    return {"rates": rates, "macs": macs, "least_ms": least}


def rates_line(found: dict[str, Any]) -> str:
    """``measure_rates`` as a sentence."""
    told = " and ".join(
        f"{rate / 1e9:.0f} as a {name}" for name, rate in found["rates"].items()
    )
    return (
        f"GMACs per second of two large matrices: {told}. The network's "
        f"{found['macs'] / 1e9:.1f} GMACs take at least {found['least_ms']:.0f} ms."
    )
