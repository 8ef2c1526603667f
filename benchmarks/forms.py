"""The ways in which one network can answer and train, as calls; all of one weights.

Public names: ``Call``, ``Missing``, ``Sizes``, ``answering_forms``, ``FILES``,
``export_onnx``, ``export_executorch``, ``openvino_call``, ``with_precision``,
``compiled``, ``plain_form``, ``training_steps``, ``distillation_steps``.

What cannot run here is a ``Missing`` that says why. ``openvino`` is no part of the
project: it takes a quarter of a gigabyte and nothing but this measurement wants it
(``pip install openvino``, Apache-2.0). A step is forward, loss, backward and the
optimiser; every contestant has a student and an optimiser of its own.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from dvfl_lib.distillation import distillation_loss, soft_cross_entropy
from dvfl_lib.errors import DVFLError
from dvfl_lib.fast import set_form
from dvfl_lib.recipes import recipe_for
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.training.optim import build_optimizer
from dvfl_lib.vfl_net import VFLNet, create_model

from .straightforward import straightforward

Call = Callable[[Tensor], Tensor]  # clip (B, T, 3, H, W) -> logits (B, K)
Steps = dict[str, Callable[[], object]]
CLASSES = 101
STRAIGHTFORWARD, READABLE, FAST = "straightforward", "readable", "fast"
FROZEN = "fast, compiled and frozen, bf16"
ONNX = ("ONNX Runtime, float32", "ONNX Runtime, int8")
FILES = {  # form -> its file
    f"{program}, {numbers}": f"{numbers}.{ending}"
    for program, ending in (
        ("ONNX Runtime", "onnx"),
        ("OpenVINO", "onnx"),
        ("ExecuTorch", "pte"),
    )
    for numbers in ("float32", "int8")
}
# Compiled forms and OpenVINO's are made for clips of one size.
TAKES_MORE = (FAST, "fast, bf16", *ONNX)
LIVE = "straightforward, teacher asked"
_NO_COMPILER = ("InvalidCxxCompiler", "TritonMissing")  # in torch._inductor.exc
_CALIBRATION_CLIPS = 4  # of noise: they set ranges, nobody reads the answers


@dataclass(frozen=True)
class Missing:
    """A way that cannot run on this machine."""

    reason: str


@dataclass(frozen=True)
class Sizes:
    """What is measured, and how often."""

    student: str = "vfl_net_nano"
    teacher: str = "video_focalnet_base"
    frames: int = 8
    side: int = 224
    train_batch: int = 2
    distil_batch: int = 1
    batches: tuple[int, ...] = (1, 2, 4, 8)
    rounds: int = 30
    step_rounds: int = 4

    @classmethod
    def here(cls, rounds: int = 30, step_rounds: int = 4) -> Sizes:
        """Larger batches where there is a GPU."""
        if not torch.cuda.is_available():
            return cls(rounds=rounds, step_rounds=step_rounds)
        large = dict(train_batch=16, distil_batch=16, batches=(1, 4, 16, 64))
        return cls(rounds=rounds, step_rounds=step_rounds, **large)

    @property
    def device(self) -> torch.device:
        """The GPU where there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def clip(self, batch: int) -> Tensor:
        """Noise (batch, T, 3, H, W) on the device."""
        with fixed_rng("clip"):
            clip = torch.randn(batch, self.frames, 3, self.side, self.side)
        return clip.to(self.device)

    def network(self, name: str) -> VFLNet:
        """Random weights with which every layer has a say in the logits."""
        with fixed_rng("network"):
            model = create_model(name, CLASSES, init="fan_in")
        return model.to(self.device).eval()


def with_precision(model: Call, device: torch.device, half: bool = False) -> Call:
    """The call, under autocast to bfloat16 if ``half``; without derivatives."""

    def call(clip: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, half):
            return model(clip)

    return call


def compiled(
    model: nn.Module, clip: Tensor, half: bool = False, frozen: bool = False
) -> Call | Missing:
    """The network through ``torch.compile``, compiled for clips of this shape.

    ``frozen``: its weights are constants, which the compiler lays out as the products
    want them; nothing can be trained afterwards.
    """
    # Asked for as an option too: without, a network compiled before and not frozen
    # passes the same guards, and its code would answer for this one.
    # Whole, so that no part of it is left to run uncompiled unseen.
    options = {"freezing": True} if frozen else None
    network = torch.compile(copy.deepcopy(model), fullgraph=True, options=options)
    call = with_precision(network, clip.device, half)
    try:
        # The setting itself counts while the first call compiles.
        with inductor.patch(freezing=frozen):
            call(clip)
    except Exception as error:
        if not _lacks_compiler(error):
            raise
        return Missing("torch.compile finds no compiler (C++; Triton for a GPU)")
    return call


def _lacks_compiler(error: BaseException | None) -> bool:
    """Whether an error comes from a compiler that is not there; torch wraps it."""
    while error is not None:
        if type(error).__name__ in _NO_COMPILER:
            return True
        inner = getattr(error, "inner_exception", None)
        error = inner or error.__cause__ or error.__context__
    return False


def plain_form(model: VFLNet) -> nn.Module:
    """The straightforward form, on the network's device."""
    return straightforward(model).to(next(model.parameters()).device)


def _readable(model: VFLNet) -> VFLNet:
    """What the lessons show; the library's own form is the fast one."""
    return set_form(copy.deepcopy(model), "readable")


def answering_forms(
    model: VFLNet, clip: Tensor, folder: Path
) -> dict[str, Callable[[], Call | Missing]]:
    """What makes each way to answer, the straightforward one first.

    Args:
        model: in the fast form, on the clip's device, in evaluation mode.
        clip: (B, T, 3, H, W), as it will be asked.
        folder: of the files of ``export_onnx`` and ``export_executorch``.
    """
    plain = partial(with_precision, device=clip.device)
    quick = partial(compiled, model, clip)
    return {
        STRAIGHTFORWARD: lambda: plain(plain_form(model)),
        READABLE: lambda: plain(_readable(model)),
        FAST: lambda: plain(model),
        "fast, compiled": quick,
        "fast, bf16": lambda: plain(model, half=True),
        "fast, compiled, bf16": partial(quick, half=True),
        FROZEN: partial(quick, half=True, frozen=True),
    } | {
        name: partial(_OPENED[name.partition(",")[0]], folder / file, clip)
        for name, file in FILES.items()
    }


def export_onnx(model: VFLNet, clip: Tensor, folder: Path) -> None:
    """``float32.onnx`` and ``int8.onnx``; on a GPU and without the extra, nothing."""
    if clip.device.type != "cpu":
        return  # the export is measured on CPUs
    try:
        from dvfl_lib.deployment.int8 import quantise
        from dvfl_lib.deployment.onnx import export

        _, frames, _, side, _ = clip.shape
        export(model, folder / "float32.onnx", frames=frames, side=side)
        clips = torch.randn(_CALIBRATION_CLIPS, *clip.shape[1:])  # (N, T, 3, H, W)
        quantise(folder / "float32.onnx", folder / "int8.onnx", clips)
    except DVFLError as error:
        print(f"no export: {error}")


def export_executorch(model: VFLNet, clip: Tensor, folder: Path) -> None:
    """``float32.pte`` and ``int8.pte``; on a GPU and without the extra, nothing."""
    if clip.device.type != "cpu":
        return
    try:
        from dvfl_lib.deployment.executorch import export

        size = dict(frames=clip.shape[1], side=clip.shape[3])
        export(model, folder / "float32.pte", **size)
        clips = torch.randn(_CALIBRATION_CLIPS, *clip.shape[1:])  # (N, T, 3, H, W)
        export(model, folder / "int8.pte", calibration=clips, **size)
    except DVFLError as error:
        print(f"no export: {error}")


def _executorch_call(path: Path, clip: Tensor) -> Call | Missing:
    if not path.exists():
        return Missing("there is no export here (the extra 'mobile')")
    from dvfl_lib.deployment.executorch import open_executorch

    return open_executorch(path)


def _onnx_call(path: Path, clip: Tensor) -> Call | Missing:
    if not path.exists():
        return Missing("there is no export here")
    from dvfl_lib.deployment.onnx import open_onnx

    return open_onnx(path)


def openvino_call(path: Path, clip: Tensor) -> Call | Missing:
    """One exported file in OpenVINO, for clips of this shape; or why it cannot be."""
    try:
        import openvino
    except ImportError:
        return Missing("no OpenVINO (pip install openvino)")
    if not path.exists():
        return Missing("there is no export here")
    core = openvino.Core()
    graph = core.read_model(path)
    graph.reshape(list(clip.shape))
    # The first says that float32 stays float32, and is not rounded to bf16 unasked.
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": os.cpu_count() or 1,
    }
    network = core.compile_model(graph, "CPU", hints)
    logits = network.output(0)
    return lambda clip: torch.from_numpy(network({0: clip.numpy()})[logits].copy())


_OPENED = {
    "ONNX Runtime": _onnx_call,
    "OpenVINO": openvino_call,
    "ExecuTorch": _executorch_call,
}


def training_steps(student: VFLNet, clip: Tensor) -> Steps:
    """The student trained on labels alone; ``clip``: (B, T, 3, H, W)."""
    return {
        STRAIGHTFORWARD: _step(plain_form(student), clip),
        READABLE: _step(_readable(student), clip),
        FAST: _step(copy.deepcopy(student), clip),
        "fast, bf16": _step(copy.deepcopy(student), clip, half=True),
    }


def distillation_steps(student: VFLNet, teacher: VFLNet, clip: Tensor) -> Steps:
    """The student trained on labels and a teacher; ``clip``: (B, T, 3, H, W).

    "Logits given" stands for stored logits of the teacher: reading them takes next to
    no time beside a step (``benchmarks.teacher_logits`` reads real ones).
    """
    asked, plain, readable = (
        with_precision(form, clip.device)
        for form in (teacher, plain_form(teacher), _readable(teacher))
    )
    logits, fast = asked(clip), copy.deepcopy  # (B, K)
    steps = {
        LIVE: _step(plain_form(student), clip, plain),
        "readable, teacher asked": _step(_readable(student), clip, readable),
        "fast, teacher asked": _step(fast(student), clip, asked),
        "fast, logits given": _step(fast(student), clip, lambda _: logits),
    }
    half = _step(fast(student), clip, lambda _: logits, half=True)
    return steps | {"fast, bf16, logits given": half}


def _step(
    student: nn.Module, clip: Tensor, teacher: Call | None = None, half: bool = False
) -> Callable[[], object]:
    """One step as a call; with ``half`` the student's forward pass is in bfloat16."""
    recipe = recipe_for("paper")
    student.train()
    optimizer = build_optimizer(student, recipe.optim)
    targets = torch.zeros(len(clip), student.head.out_features, device=clip.device)
    targets[:, 0] = 1  # (B, K)
    weights = {"alpha": recipe.distil.alpha, "temperature": recipe.distil.temperature}

    def step() -> None:
        with torch.autocast(clip.device.type, torch.bfloat16, half):
            logits = student(clip)  # (B, K)
        if teacher is None:
            loss = soft_cross_entropy(logits, targets)
        else:
            answers = (logits, teacher(clip))
            loss, _, _ = distillation_loss(*answers, targets, **weights)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
