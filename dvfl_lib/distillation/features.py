"""The student's inner signals towards the teacher's, through small projections.

Public names: ``MatchedStudent``, ``MatchingKind``, ``matching_loss``,
``teacher_signals``.

The last block of each stage is listened to, in both networks. ``"features"`` are what
it puts out, as the hints of FitNets (Romero et al., arXiv 1412.6550). ``"modulators"``
are its spatial and its temporal modulator, h(sum_l g_l z_l) and
h_t(sum_l g'_l z'_l): matching these is ours.

A signal is (B, N, C): N = T * H * W tokens in the order frame, row, column.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ModelError
from ..recipes import MatchingKind
from ..vfl_net import Stage, VFLNet
from .common import at_least_float32


class MatchedStudent(nn.Module):
    """A student, and a projection of each of its signals to the teacher's channels.

    A projection is one linear layer, applied to every token by itself (a 1 x 1
    convolution): (B, N, C_student) -> (B, N, C_teacher). It is trained with the
    student and thrown away afterwards: save ``.student`` alone. Its weights are drawn
    from torch's CPU generator; build inside ``seeding.fixed_rng``. The teacher gives
    its channels only and is not kept.

    Args:
        student, teacher: networks of this library with the same number of stages and
            the same patch size; their widths and depths may differ.

    Raises:
        ModelError: stages of other sizes.
    """

    def __init__(
        self, student: VFLNet, teacher: VFLNet, kind: MatchingKind = "features"
    ) -> None:
        super().__init__()
        ours, theirs = (
            f"{len(network.layers)} stages from patches of {network.config.patch_size}"
            for network in (student, teacher)
        )
        if ours != theirs:
            raise ModelError(
                f"the student has {ours} pixels, the teacher {theirs}: their maps are "
                "not of the same sizes; choose two variants that agree in both"
            )
        self.student = student
        self.kind = kind
        self.projections = nn.ModuleList()
        for stages in zip(student.layers, teacher.layers, strict=True):
            a, b = (stage.blocks[-1].modulation.dim for stage in stages)
            for _ in _parts(stages[0], kind):
                self.projections.append(nn.Linear(a, b, device="cpu"))
        self.projections.to(student.head.weight)

    def forward(self, clip: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, T, 3, H, W) -> logits (B, K), and the projected signals (B, N, C).

        In the order of the stages, of each the spatial modulator before the temporal.
        """
        logits, signals = _listen(self.student, clip, self.kind)
        pairs = zip(self.projections, signals, strict=True)
        return logits, [projection(signal) for projection, signal in pairs]


@torch.no_grad()
def teacher_signals(
    teacher: VFLNet, clip: Tensor, kind: MatchingKind = "features"
) -> tuple[Tensor, list[Tensor]]:
    """What the teacher says about a clip, and the signals to be matched.

    From the student's clip (B, T, 3, H, W) to logits (B, K) and signals (B, N, C) in
    the order of the student's, without gradients. Call ``teacher.eval()`` before.
    """
    return _listen(teacher, clip, kind)


def matching_loss(projected: list[Tensor], signals: list[Tensor]) -> Tensor:
    """The squared error of each signal in parts of the teacher's energy; their mean.

    With r_i the student's i-th projected signal and u_i the teacher's, per clip

        (1 / S) sum_i mean((r_i - u_i)^2) / (mean(u_i^2) + 1e-6)

    where a mean runs over the N tokens and C channels of the clip. It is zero, with a
    zero gradient, where all are equal, and 1 for projections that are zero. Each
    signal counts alike, however large its values. The gradient with respect to r_i is
    2 (r_i - u_i) / (S N C (mean(u_i^2) + 1e-6)).

    Source: FitNets (arXiv 1412.6550) for the error, there half the squared norm, for
    one pair of layers. The rest is ours.

    From S tensors (B, N, C) each of ``MatchedStudent`` and ``teacher_signals`` to
    (B,), at least float32. No gradient is stopped here.
    """
    parts = []
    for ours, theirs in zip(projected, signals, strict=True):
        r = at_least_float32(ours).flatten(1)  # (B, N * C)
        u = at_least_float32(theirs).flatten(1)  # (B, N * C)
        energy = u.square().mean(dim=1) + 1e-6  # finite for zeros
        parts.append((r - u).square().mean(dim=1) / energy)
    return torch.stack(parts).mean(dim=0)  # (B,)


def _parts(stage: Stage, kind: MatchingKind) -> list[tuple[nn.Module, int]]:
    """The modules whose outputs are the signals, and the dimension of the channels."""
    block = stage.blocks[-1]
    return {
        "features": [(block, -1)],  # (B, T, H, W, C)
        "modulators": [
            (block.modulation.h, 1),  # (B*T, C, H, W)
            (block.modulation.h_temporal, 1),  # (B, C, T, H*W)
        ],
    }[kind]


def _listen(network: VFLNet, clip: Tensor, kind: str) -> tuple[Tensor, list[Tensor]]:
    """Run a network and take its signals out, laid out as tokens."""
    parts = [part for stage in network.layers for part in _parts(stage, kind)]
    heard: dict[nn.Module, Tensor] = {}

    def hear(module: nn.Module, inputs: Any, output: Tensor) -> None:
        heard[module] = output

    with ExitStack() as hooks:  # removed on the way out, even if the network raises
        for module, _ in parts:
            hooks.enter_context(module.register_forward_hook(hear))
        logits = network(clip)
    signals = []
    for module, channels in parts:
        signal = heard[module].movedim(channels, -1)  # (..., C)
        # frame, row, column in all three layouts: (B, T*H*W, C)
        signals.append(signal.reshape(len(clip), -1, signal.shape[-1]))
    return logits, signals
