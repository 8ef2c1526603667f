"""Recognition on a stream: frames in, probabilities out, each frame's features once.

Public names: ``StreamingRecogniser``, ``Recognition``, ``Latency``,
``FrameFeatures``, ``frame_features``, ``window_logits``.

A *window* is T frames, ``frame_stride`` apart; the newest is the frame that has just
come, so that no decision waits for the future. Every ``every`` frames the window's
probabilities are computed. What windows share is computed once for each frame that
some window needs, and kept in a ring until the last window has had it.

Kept is what comes before the first place where frames meet: the stem
(``patch_embed``); in the first block ``norm1`` and both projections ``f`` and
``f_temporal``, which act on each token by itself; and the spatial modulator, whose
convolutions and global mean stay within a frame. So q * m_space is known before any
other frame has come. The first temporal convolution mixes frames, and at both ends of a
window it reads zeros where a longer window has frames; the global temporal context is a
mean over the window. So the rest is computed anew for each window.

Smoothing is an exponential moving average of probabilities: with weight w,

    p_t = w * (softmax of the window) + (1 - w) * p_(t-1),   p_0 = the first window's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import ModelError, VideoError
from ..recipes import DataRecipe
from ..vfl_net import VFLNet
from ..video.transforms import check_sides, evaluation_crops


@dataclass(frozen=True)
class Latency:
    """How far a decision is behind what it speaks of, in frames of the stream.

    The time to compute comes on top; it depends on the machine.
    """

    first: int  # frames up to the first decision: the window's span
    between: int  # frames from one decision to the next
    middle: float  # from a window's middle to its newest frame
    smoothing: float  # mean age of what the moving average holds: (1 - w) / w decisions

    def __str__(self) -> str:
        return (
            f"first decision after {self.first} frames, then one every {self.between}; "
            f"the middle of a window is {self.middle:g} frames behind its newest, "
            f"smoothing adds {self.smoothing:g}"
        )


@dataclass(frozen=True)
class Recognition:
    """What is known when a frame has come.

    There is no decision while the first window is not full, or where no class
    reaches the threshold.
    """

    frame: int  # its number, from 0
    fresh: bool  # a window was computed at this frame; else all is the last one's
    waiting: int  # frames that are still to come before the first window is full
    window: Tensor | None = None  # its probabilities (K,), float64 on the CPU
    smoothed: Tensor | None = None  # the same after smoothing
    label: int | None = None  # the class decided on; None is no decision
    name: str = ""  # of that class; "" without a decision

    @property
    def decided(self) -> bool:
        """Whether there is a decision."""
        return self.label is not None


class FrameFeatures(NamedTuple):
    """Of one frame, with h x w tokens of C channels in stage 1 and L focal levels."""

    tokens: Tensor  # (h, w, C) of the stem: the first block adds to them
    query: Tensor  # (h, w, C) q * m_space
    context: Tensor  # (h, w, C) z_0 of the temporal branch
    gates: Tensor  # (h, w, L + 1) of the temporal branch


def frame_features(model: VFLNet, frame: Tensor) -> FrameFeatures:
    """All that a window needs of one normalised frame (3, H, W)."""
    clip = frame[None, None]  # (1, 1, 3, H, W)
    model.check_clip(clip)
    first = model.layers[0].blocks[0]
    layer = first.modulation
    levels = layer.focal_levels + 1
    tokens = model.patch_embed(clip.permute(0, 1, 3, 4, 2))  # (1, 1, h, w, C)
    x = first.norm1(tokens)
    q, context, gates = layer.f(x).split((layer.dim, layer.dim, levels), dim=-1)
    query = q * layer.spatial_modulator(context, gates)
    context_t, gates_t = layer.f_temporal(x).split((layer.dim, levels), dim=-1)
    return FrameFeatures(*(t[0, 0] for t in (tokens, query, context_t, gates_t)))


def window_logits(model: VFLNet, frames: Sequence[FrameFeatures]) -> Tensor:
    """The logits (K,) of a window of T frames of ``frame_features``, oldest first.

    The same sums as ``model(clip)[0]``, with the same rounding but for what a kernel
    does differently with one frame and with many.
    """
    stacked = (torch.stack(same)[None] for same in zip(*frames, strict=True))
    tokens, query, context, gates = stacked  # each (1, T, h, w, .)
    first = model.layers[0].blocks[0]
    m_time = first.modulation.temporal_modulator(context, gates)
    x = tokens + first.modulation.proj(query * m_time)
    x = x + first.mlp(first.norm2(x))  # the first block ends here
    for block in model.layers[0].blocks[1:]:
        x = block(x)
    if model.layers[0].downsample is not None:
        x = model.layers[0].downsample(x)
    for layer in model.layers[1:]:
        x = layer(x)
    return model.forward_head(model.norm(x))[0]


class StreamingRecogniser:
    """A video network on a stream of frames.

    The answer for a window is the one that ``model`` gives for the same frames as a
    clip, prepared as evaluation prepares them with one crop in the centre. A stream
    belongs to one thread: frames have an order.

    Args:
        model: in eval mode; its device and number format (float32, bfloat16) are used.
        classes: names of its outputs, in their order.
        data: ``frames`` and ``crop`` of a clip; nothing else of it is used.
        short_side: pixels of the short side before cropping, as in evaluation.
        frame_stride: frames from one frame of a window to the next.
        every: frames from one decision to the next; ``frame_stride`` if None.
        smoothing: weight w of the newest window in the moving average, in (0, 1];
            1 does not smooth.
        threshold: smoothed probability below which there is no decision, in [0, 1).

    Raises:
        ModelError: the model has another number of classes.
    """

    def __init__(
        self,
        model: VFLNet,
        classes: Sequence[str],
        data: DataRecipe,
        short_side: int,
        *,
        frame_stride: int,
        every: int | None = None,
        smoothing: float = 1.0,
        threshold: float = 0.0,
    ) -> None:
        if len(classes) != model.num_classes:
            raise ModelError(
                f"the model answers for {model.num_classes} classes, but "
                f"{len(classes)} names were given"
            )
        self.model, self.classes = model, tuple(classes)
        self.data, self.short_side = data, short_side
        self.frame_stride, self.every = frame_stride, every or frame_stride
        self.smoothing, self.threshold = smoothing, threshold
        self._weight = next(model.parameters())  # where, and how exactly, to compute
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next frame is number 0 of another."""
        self._ring: dict[int, FrameFeatures] = {}
        self._next = 0
        self._last = Recognition(-1, False, self.span)

    @property
    def span(self) -> int:
        """Frames from the oldest of a window to its newest, both counted."""
        return (self.data.frames - 1) * self.frame_stride + 1

    @property
    def latency(self) -> Latency:
        """What to expect."""
        lag = (1 - self.smoothing) / self.smoothing * self.every
        return Latency(self.span, self.every, (self.span - 1) / 2, lag)

    def window_at(self, frame: int) -> list[int]:
        """The numbers of the frames of the window that ends with ``frame``."""
        oldest = frame - self.span + 1
        return list(range(oldest, frame + 1, self.frame_stride))

    def push(self, frame: np.ndarray | Tensor) -> Recognition:
        """Take the next frame of the stream: uint8 RGB (H, W, 3). It is not kept.

        Raises:
            VideoError: another type or layout, or far longer than high. The stream
                stays as it was, and the right frame may follow.
            ModelError: the network's answer is not finite, or it is in training mode.
        """
        if self.model.training:
            raise ModelError("the model is in training mode; call model.eval() first")
        number = self._next
        with torch.inference_mode():
            if self._last_use(number) is not None:
                self._ring[number] = frame_features(self.model, self._prepared(frame))
            window = self._answer(number) if self._decides(number) else None
        self._next = number + 1
        self._last = self._recognition(number, window)
        for old in [n for n in self._ring if self._last_use(n) <= number]:
            del self._ring[old]
        return self._last

    def run(self, frames: Iterable[np.ndarray | Tensor]) -> Iterator[Recognition]:
        """One ``Recognition`` for each frame; call ``reset`` before another stream."""
        yield from map(self.push, frames)

    def _decides(self, number: int) -> bool:
        after_first = number - (self.span - 1)
        return after_first >= 0 and after_first % self.every == 0

    def _last_use(self, number: int) -> int | None:
        """The last frame whose window needs this one; None if no window does."""
        later = range(self.data.frames - 1, -1, -1)
        ends = (number + steps * self.frame_stride for steps in later)
        return next((end for end in ends if self._decides(end)), None)

    def _answer(self, number: int) -> Tensor:
        """Probabilities (K,) of the window that ends with this frame."""
        features = [self._ring[n] for n in self.window_at(number)]
        logits = window_logits(self.model, features)
        # float64 on the CPU, as evaluation does it.
        probabilities = logits.cpu().double().softmax(dim=-1)
        if not torch.isfinite(probabilities).all():
            raise ModelError(
                f"the network's answer at frame {number} is not finite; its training "
                "has probably diverged"
            )
        return probabilities

    def _recognition(self, number: int, window: Tensor | None) -> Recognition:
        if window is None:
            waiting, last = max(0, self.span - 1 - number), self._last
            known = (last.window, last.smoothed, last.label, last.name)
            return Recognition(number, False, waiting, *known)
        smoothed, before = window, self._last.smoothed
        if before is not None:
            smoothed = self.smoothing * window + (1 - self.smoothing) * before
        best = int(smoothed.argmax())
        if smoothed[best] < self.threshold:
            return Recognition(number, True, 0, window, smoothed)
        return Recognition(number, True, 0, window, smoothed, best, self.classes[best])

    def _prepared(self, frame: np.ndarray | Tensor) -> Tensor:
        """As evaluation prepares it: float (3, crop, crop), on the model's device."""
        where, kind = f"frame {self._next} of the stream", str(frame.dtype)
        if not kind.endswith("uint8") or frame.shape[2:] != (3,):
            raise VideoError(
                f"{where} must be uint8 (H, W, 3), not {kind} {tuple(frame.shape)}"
            )
        check_sides(where, *frame.shape[:2])
        if isinstance(frame, np.ndarray):
            # A copy where strides are negative (BGR turned round) or it is read-only.
            frame = torch.from_numpy(np.require(frame, requirements=["C", "W"]))
        pixels = frame.cpu().permute(2, 0, 1)[None].contiguous()  # (1, 3, H, W)
        # One crop of one frame: (1, 1, 3, crop, crop).
        views = evaluation_crops(pixels, self.short_side, self.data.crop)
        return views[0, 0].to(self._weight)
