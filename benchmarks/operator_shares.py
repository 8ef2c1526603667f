"""Where the time of a network goes, by kind of operator.

Public names: ``operator_shares``, ``kind_of``, ``KINDS``.

Source: PyTorch's profiler. An operator's time is without that of the operators it
calls, so that nothing counts twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

MATRICES, CONVOLUTIONS, NORMS = "matrix products", "convolutions", "norms"
ELEMENTS, COPIES, REST = "element-wise", "copies", "rest"
KINDS = (MATRICES, CONVOLUTIONS, NORMS, ELEMENTS, COPIES, REST)

_NAMED = {
    MATRICES: "mm addmm bmm baddbmm matmul linear mkldnn_linear dot mv addmv",
    ELEMENTS: "add sub mul div addcmul addcdiv gelu relu sigmoid tanh silu exp neg "
    "pow sqrt rsqrt where clamp",
    COPIES: "copy clone contiguous cat stack fill zero _to_copy constant_pad_nd "
    "index_select index pad",
}
_KIND = {name: kind for kind, names in _NAMED.items() for name in names.split()}


def kind_of(operator: str) -> str:
    """One of ``KINDS``, by the operator's name; reductions and views are "rest"."""
    name = operator.rpartition("::")[2].removesuffix("_")
    if "conv" in name:
        return CONVOLUTIONS
    if "norm" in name:
        return NORMS
    return _KIND.get(name, REST)


def operator_shares(
    function: Callable[[], object], passes: int = 3
) -> dict[str, dict[str, float]]:
    """Milliseconds of one call and shares in [0, 1], per kind, after a warm-up."""
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
