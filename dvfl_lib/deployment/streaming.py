"""Recognition on a stream: frames in, probabilities out, each frame's features once.

Public names: ``StreamingRecogniser``.

A *window* is T frames, ``frame_stride`` apart; the newest is the frame that has just
come, so that no decision waits for the future. Every ``every`` frames the window's
probabilities are computed. What each window can share with others is told in
``reuse.py``; it is computed once for each frame that some window needs, and for no
other frame, and kept in a ring until the last window has had it. With ``every`` a
multiple of ``frame_stride`` one frame in ``frame_stride`` is needed at most.

Smoothing is an exponential moving average of probabilities: with weight w,

    p_t = w * (softmax of the window) + (1 - w) * p_(t-1),   p_0 = the first window's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ModelError, RecipeError, VideoError, check_int
from ..recipes import DataRecipe
from ..vfl_net import VFLNet
from ..video.transforms import check_sides, evaluation_crops
from .naming import check_names
from .recognition import Latency, Recognition
from .reuse import FrameFeatures, frame_features, window_logits


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
        ModelError: the model is in training mode or of another kind, or has another
            number of classes.
        RecipeError: a number out of its range.
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
        every = frame_stride if every is None else every
        names = _check_model(model, classes)
        _check_numbers(data, short_side, frame_stride, every, smoothing, threshold)
        self.model, self.classes = model, names
        self.data, self.short_side = data, short_side
        self.frame_stride, self.every = frame_stride, every
        self.smoothing, self.threshold = smoothing, threshold
        self._weight = next(model.parameters())  # where, and how exactly, to compute
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next frame is number 0 of another."""
        self._ring: dict[int, FrameFeatures] = {}
        self._shape: tuple[int, ...] | None = None
        self._next = 0
        self._last = Recognition(-1, False, self.span)

    @property
    def span(self) -> int:
        """Frames from the oldest of a window to its newest, both counted."""
        return (self.data.frames - 1) * self.frame_stride + 1

    @property
    def latency(self) -> Latency:
        """What to expect, see ``Latency``."""
        lag = (1 - self.smoothing) / self.smoothing * self.every
        return Latency(self.span, self.every, (self.span - 1) / 2, lag)

    @property
    def ring_size(self) -> int:
        """Frames whose features are kept at the moment; never more than ``span``."""
        return len(self._ring)

    def window_at(self, frame: int) -> list[int]:
        """The numbers of the frames of the window that ends with ``frame``."""
        oldest = frame - self.span + 1
        return list(range(oldest, frame + 1, self.frame_stride))

    def push(self, frame: np.ndarray | Tensor) -> Recognition:
        """Take the next frame of the stream.

        Args:
            frame: uint8 RGB (H, W, 3), of the size of the first frame. It is not kept.

        Raises:
            VideoError: another type, layout or size. The stream stays as it was, and
                the right frame may follow.
            ModelError: the network's answer is not finite, or it was put into
                training mode meanwhile.
        """
        _check_mode(self.model)
        number = self._next
        pixels = self._checked(frame)  # (1, 3, H, W)
        with torch.inference_mode():
            if self._last_use(number) is not None:
                # (1, 1, 3, crop, crop): one crop, one frame
                ready = evaluation_crops(pixels, self.short_side, self.data.crop)
                ready = ready[0, 0].to(self._weight)  # (3, crop, crop)
                self._ring[number] = frame_features(self.model, ready)
            window = self._answer(number) if self._decides(number) else None
        self._shape, self._next = pixels.shape, number + 1
        self._last = self._recognition(number, window)
        for old in [n for n in self._ring if self._last_use(n) <= number]:
            del self._ring[old]
        return self._last

    def run(self, frames: Iterable[np.ndarray | Tensor]) -> Iterator[Recognition]:
        """One ``Recognition`` for each frame; ends when the frames end.

        Goes on with the stream as it is; call ``reset`` before another one.

        Raises: as ``push``; VideoError where ``frames`` cannot be gone through.
        """
        if not isinstance(frames, Iterable):
            raise VideoError(
                f"frames must be an iterable of images, not {type(frames).__name__}"
            )
        for frame in frames:
            yield self.push(frame)

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
            del self._ring[number]
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

    def _checked(self, frame: Any) -> Tensor:
        """The frame as uint8 (1, 3, H, W)."""
        where = f"frame {self._next} of the stream"
        if not isinstance(frame, (np.ndarray, Tensor)):
            raise VideoError(
                f"{where} is a {type(frame).__name__}; a frame is a numpy array or a "
                "tensor, uint8 (H, W, 3) in RGB"
            )
        shape, kind = tuple(frame.shape), str(frame.dtype).removeprefix("torch.")
        if kind != "uint8" or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            hint = ""
            if kind == "uint8" and len(shape) == 3 and shape[0] == 3:
                hint = "; move the colours to the end"
            elif kind.startswith("float"):
                hint = "; give the pixels as they were decoded, 0 to 255"
            raise VideoError(
                f"{where} is {kind} {shape}; a frame is uint8 (H, W, 3) in RGB{hint}"
            )
        check_sides(where, *shape[:2])
        if isinstance(frame, np.ndarray):
            # A copy where strides are negative (BGR turned round) or it is read-only.
            frame = torch.from_numpy(np.require(frame, requirements=["C", "W"]))
        pixels = frame.cpu().permute(2, 0, 1)[None].contiguous()  # (1, 3, H, W)
        if self._shape is not None and pixels.shape != self._shape:
            height, width = self._shape[2:]
            raise VideoError(
                f"{where} has {shape[0]} x {shape[1]} pixels (height x width), those "
                f"before {height} x {width}: scale it to their size, or call reset() "
                "if another stream begins"
            )
        return pixels


def _check_model(model: Any, classes: Sequence[str]) -> tuple[str, ...]:
    """The names of its outputs."""
    if not isinstance(model, VFLNet):
        raise ModelError(
            f"a stream needs a VFLNet, not {type(model).__name__}: its first block is "
            "taken apart to keep what can be kept of a frame"
        )
    _check_mode(model)
    return check_names(model, classes)


def _check_mode(model: VFLNet) -> None:
    if model.training:
        raise ModelError("the model is in training mode; call model.eval() first")


def _check_numbers(
    data: DataRecipe,
    short_side: int,
    frame_stride: int,
    every: int,
    smoothing: float,
    threshold: float,
) -> None:
    if not isinstance(data, DataRecipe):
        raise RecipeError(f"data must be a DataRecipe, not {type(data).__name__}")
    counts = {"short_side": short_side, "frame_stride": frame_stride, "every": every}
    for name, value in counts.items():
        check_int(name, value, 1, RecipeError)
    for name, value in (("smoothing", smoothing), ("threshold", threshold)):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise RecipeError(f"{name} must be a number: {value!r}")
    if data.crop > short_side:
        raise RecipeError(
            f"a crop of {data.crop} does not fit a short side of {short_side}"
        )
    if not 0 < smoothing <= 1:
        raise RecipeError(f"smoothing must be in (0, 1], not {smoothing!r}")
    if not 0 <= threshold < 1:
        raise RecipeError(f"threshold must be in [0, 1), not {threshold!r}")
