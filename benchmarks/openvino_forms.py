"""The exported files in another runtime than ONNX Runtime: OpenVINO, where installed.

Public names: ``openvino_forms``, ``openvino_call``.

``openvino`` is no part of the project: it takes a quarter of a gigabyte, and nothing
but this measurement wants it (``pip install openvino``, Apache-2.0).
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from .network_forms import Call, Missing

_FILES = {"OpenVINO, float32": "float32.onnx", "OpenVINO, int8": "int8.onnx"}


def openvino_forms(folder: Path, clip: Tensor) -> dict[str, Call | Missing]:
    """What ``network_forms.onnx_forms`` left in ``folder``, for clips of this shape.

    ``clip``: (B, T, 3, H, W). What is not there, or no OpenVINO, is ``Missing``.
    """
    return {name: openvino_call(folder / file, clip) for name, file in _FILES.items()}


def openvino_call(path: Path, clip: Tensor) -> Call | Missing:
    """One exported file, for clips of this shape; or why it cannot be asked."""
    try:
        import openvino
    except ImportError:
        return Missing("no OpenVINO (pip install openvino)")
    if not path.exists():
        return Missing("it reads the export, which is not there")
    core = openvino.Core()
    graph = core.read_model(path)
    graph.reshape(list(clip.shape))
    # The first says that float32 stays float32, and is not rounded to bf16 unasked.
    network = core.compile_model(
        graph,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": os.cpu_count() or 1,
        },
    )
    logits = network.output(0)
    return lambda clip: torch.from_numpy(network({0: clip.numpy()})[logits].copy())
