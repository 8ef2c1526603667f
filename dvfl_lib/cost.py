"""What a network costs: parameters, multiply-accumulates, memory, time.

Public names: ``count_parameters``, ``count_macs``, ``macs_of``,
``peak_tensor_memory``, ``peak_process_memory``, ``number_from_process``,
``most_resident_bytes``, ``median_seconds``, ``turns_of``; ``ViewCost``,
``view_costs``.

A *MAC* is one multiplication with its addition; papers often print MACs under the name
of FLOPs. Counted are the linear layers and the convolutions, as most counters do. Time
and the memory of a process are measured, and belong to the machine; all else is
counted, and the same everywhere.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakIdKeyDictionary

from .errors import ModelError


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Number of values a training can change: ``total``, and ``temporal`` of these.

    ``temporal``: those with "temporal" in their names, which no image network has.
    """
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    temporal = sum(size for name, size in sizes.items() if "temporal" in name)
    return {"total": sum(sizes.values()), "temporal": temporal}


def macs_of(function: Callable[..., Any], *inputs: Any) -> int:
    """Multiply-accumulates of ``function(*inputs)``: matrix products, convolutions.

    Source: PyTorch's own counter, which takes a MAC for two operations. Tensors on
    "meta" are counted without work.
    """
    with FlopCounterMode(display=False) as counter:
        function(*inputs)
    return counter.get_total_flops() // 2


def count_macs(
    model: nn.Module, frames: int = 8, size: int | tuple[int, int] = 224
) -> int:
    """Multiply-accumulates of one forward pass of one clip (1, frames, 3, size, size).

    ``size``: pixels per side, or (height, width). Nothing is calculated: the pass runs
    on shapes alone (PyTorch's "meta" device), and ``model`` is not touched.
    """
    height, width = (size, size) if isinstance(size, int) else size
    state = {
        name: torch.empty_like(value, device="meta")
        for name, value in model.state_dict(keep_vars=True).items()
    }
    clip = torch.empty(1, frames, 3, height, width, device="meta")
    clip = clip.to(next(iter(state.values())).dtype)
    with torch.no_grad():
        return macs_of(lambda clip: functional_call(model, state, (clip,)), clip)


class _AliveBytes(TorchDispatchMode):
    """Watches every operation of PyTorch, and the memory its tensors share.

    A tensor is a view on a *storage*; Python tells when the last of one is gone.
    """

    def __init__(self, given: Any) -> None:
        super().__init__()
        self._known = WeakIdKeyDictionary()  # the storages met, as long as they live
        self._ends: list[weakref.finalize] = []
        self._alive = self.peak = 0
        self._meet(given, counted=True)

    def _meet(self, values: Any, counted: bool) -> None:
        for value in tree_iter(values):
            if not isinstance(value, Tensor):
                continue
            storage = value.untyped_storage()
            if storage not in self._known:
                self._known[storage] = None
                if counted:
                    size = storage.nbytes()
                    self._change(size)
                    self._ends.append(weakref.finalize(storage, self._change, -size))
        self.peak = max(self.peak, self._alive)

    def _change(self, size: int) -> None:
        self._alive += size

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001
        kwargs = kwargs or {}
        # Read but never made here: weights, which were there before.
        self._meet((args, kwargs), counted=False)
        made = func(*args, **kwargs)
        self._meet(made, counted=True)
        return made

    def __exit__(self, *error: Any) -> None:
        for end in self._ends:
            end.detach()
        super().__exit__(*error)


def peak_tensor_memory(function: Callable[..., Any], *inputs: Any) -> int:
    """Bytes of the tensors alive at the worst moment of ``function(*inputs)``.

    Counted are the tensors in ``inputs``, also inside lists and dictionaries, and
    those made during the call, until they are freed; views count once. Not counted are
    weights and whatever else was there before, the scratch memory inside one operation
    and what an allocator keeps in reserve. Under ``torch.no_grad()`` it is the need of
    inference, otherwise with all that is kept for a backward pass; on every device the
    same, "meta" included, where nothing is calculated.
    """
    with _AliveBytes(inputs) as alive:
        function(*inputs)
    return alive.peak


def peak_process_memory(
    name: str, frames: int = 8, size: int = 224, *, training: bool = False
) -> int:
    """Bytes by which a process grows at most while a network works on one clip.

    Measured by the operating system, on the CPU, in a fresh process of one thread
    that has built the network ``name`` and run it once on a tiny clip: neither that nor
    Python and PyTorch count. Includes the clip (1, frames, 3, size, size).
    ``training``: with a backward pass. Raises as ``number_from_process``.
    """
    call = f"_print_growth({name!r}, {frames!r}, {size!r}, {training!r})"
    code = f"from dvfl_lib.cost import _print_growth; {call}"
    return number_from_process(code, f"measuring {name}")


def number_from_process(code: str, what: str) -> int:
    """The whole number that a fresh process of Python prints when it runs ``code``.

    ``ModelError`` where it fails, for instance for want of memory.
    """
    root = str(Path(__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    child = [sys.executable, "-c", code]
    done = subprocess.run(child, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(
            f"{what} failed in its process (status {done.returncode}): "
            f"{reason}. Is there enough memory?"
        )
    return int(done.stdout)


def _print_growth(name: str, frames: int, size: int, training: bool) -> None:
    """What the fresh process of ``peak_process_memory`` does."""
    from .vfl_net import create_model

    torch.set_num_threads(1)
    model = create_model(name, 101)

    def work(*shape: int) -> None:
        with torch.set_grad_enabled(training):
            answer = model(torch.randn(shape)).sum()
            if training:
                answer.backward()
        model.zero_grad(set_to_none=True)

    least = model.config.smallest_side
    work(1, 1, 3, least, least)  # what is loaded at the first call only
    before = psutil.Process().memory_info().rss
    work(1, frames, 3, size, size)
    print(most_resident_bytes() - before)


def most_resident_bytes() -> int:
    """The largest resident size this process ever had."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    if sys.platform == "linux":
        # getrusage also knows the size of the process that started this one.
        status = Path("/proc/self/status").read_text("utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def turns_of(repeats: int, warm_up: int = 1) -> range:
    """Numbers of the turns that a timing takes; those below 0 do not count.

    With ``DVFL_TEST=1`` in the environment, as under ``make test``, one turn must do.
    """
    if os.environ.get("DVFL_TEST") == "1":
        return range(1)
    return range(-warm_up, repeats)


def median_seconds(
    functions: Mapping[str, Callable[[], Any]], repeats: int = 5
) -> dict[str, float]:
    """Median seconds of one call (the *latency*) of each function.

    All are called once to warm up. Then they take turns, so that a machine that is
    slow for a while is slow for all. What an accelerator still does is waited for.
    """
    queued = torch.accelerator.is_available()
    finish = torch.accelerator.synchronize if queued else lambda: None
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in turns_of(repeats):
        for name, function in functions.items():
            finish()
            start = time.perf_counter()
            function()
            finish()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


@dataclass(frozen=True)
class ViewCost:
    """One network's cost."""

    name: str
    views: Any  # evaluation.Views: clips x crops of a video
    parameters: int
    macs: int  # of one view
    seconds: float  # median of ``repeats``: one view by itself, without decoding
    repeats: int
    device: str

    @property
    def views_per_video(self) -> int:
        """How many views are averaged."""
        return self.views.clips * self.views.crops

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary with units in its keys, for JSON."""
        count = self.views_per_video
        return {
            "name": self.name,
            "views": asdict(self.views),
            "views_per_video": count,
            "parameters": self.parameters,
            "macs_per_view": self.macs,
            "macs_per_video": self.macs * count,
            "measured": {
                "seconds_per_view_median": self.seconds,
                "seconds_per_video": self.seconds * count,
                "repeats": self.repeats,
                "device": self.device,
                "decoding_included": False,
            },
        }


def view_costs(
    networks: Mapping[str, tuple[nn.Module, Any]],
    device: torch.device | str = "cpu",
    repeats: int = 5,
) -> list[ViewCost]:
    """Count and measure each network; they take turns, see ``median_seconds``.

    ``networks``: name -> (network in eval mode, its ``evaluation.Views``).
    """
    counted = {
        name: (count_parameters(model)["total"], count_macs(model, v.frames, v.crop))
        for name, (model, v) in networks.items()
    }
    with torch.inference_mode():
        calls = {}
        for name, (model, v) in networks.items():
            clip = torch.zeros(1, v.frames, 3, v.crop, v.crop, device=device)
            calls[name] = partial(model.to(device), clip)
        seconds = median_seconds(calls, repeats)
    return [
        ViewCost(name, v, *counted[name], seconds[name], repeats, str(device))
        for name, (_, v) in networks.items()
    ]
