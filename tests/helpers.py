"""Small inputs that tests make for themselves.

Public names: ``write_video``, ``moving_frames``, ``load_script``,
``assert_words_are_clear``, ``export_unchanged``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from torch import nn


def moving_frames(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """uint8 (count, height, width, 3): a bright bar on a gradient, one step a frame.

    Every frame differs from every other, and neighbours are alike, so that an
    encoder finds motion to predict and a wrong frame number shows.
    """
    rows, columns = np.mgrid[:height, :width]
    frames = np.empty((count, height, width, 3), np.uint8)
    for number in range(count):
        frames[number, ..., 0] = 60 + columns
        frames[number, ..., 1] = 60 + rows
        frames[number, ..., 2] = (number * 255) // max(1, count - 1)
        left = (number * 3) % (width - 8)
        frames[number, 8 : height - 8, left : left + 8] = 230
    return frames


def write_video(
    path: Path,
    frames: np.ndarray,
    codec: str = "mpeg4",
    fps: int = 25,
    gop: int = 12,
    bframes: int = 0,
    options: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
) -> Path:
    """Encode uint8 (T, H, W, 3) frames; the container follows from the suffix."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.bit_rate = 2_000_000
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = bframes
        stream.codec_context.thread_count = 1
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def load_script(path: str) -> ModuleType:
    """A script of the checkout that belongs to no package, as a module."""
    file = Path(__file__).parents[1] / path
    spec = spec_from_file_location(path.replace("/", "_")[:-3], file)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_words_are_clear(figure) -> list[str]:
    """No word that is drawn leaves the page or covers another; returns the words."""
    canvas, drawn = FigureCanvasAgg(figure), []
    canvas.draw()  # settles the layout
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", lambda text, *_, **__: drawn.append(text))
        canvas.draw()
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in drawn]
    words = [(text, box) for text, box in boxes if text.strip()]
    for place, (text, box) in enumerate(words):
        inside = min(box.x0, box.y0) >= -1 and box.x1 <= figure.bbox.x1 + 1
        assert inside and box.y1 <= figure.bbox.y1 + 1, f"{text!r} leaves the page"
        for other, its in words[place + 1 :]:
            wide = min(box.x1, its.x1) - max(box.x0, its.x0)
            high = min(box.y1, its.y1) - max(box.y0, its.y0)
            assert min(wide, high) <= 1, f"{text!r} covers {other!r}"
    return [text for text, _ in words]


def export_unchanged(export: Callable, network: nn.Module, path: Path, **told) -> Path:
    """Write a file of a network in training, which stays as it is."""
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = export(network, path, **told)
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    assert made.path == path and made.size == path.stat().st_size
    assert made.difference < 1e-5
    return path
