"""The student's inner signals towards the teacher's, through small projections.

Public names: ``MatchedStudent``, ``MatchingKind``, ``matching_loss``,
``teacher_signals``.

The last block of each stage is listened to, in both networks. ``"features"`` are what
it puts out, as the hints of FitNets (Romero et al., arXiv 1412.6550). ``"modulators"``
are its spatial and its temporal modulator, h(sum_l g_l z_l) and
h_t(sum_l g'_l z'_l): matching these is ours.

A signal is (B, N, C): N = T * H * W tokens in the order frame, row, column, and C
channels. Hooks listen while a network computes; each call has a store of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ..errors import ModelError, RecipeError
from ..vfl_net import VFLNet
from .common import at_least_float32

MatchingKind = Literal["features", "modulators"]

# Keeps the loss finite where a teacher's signal is zero throughout.
_EPSILON = 1e-6


class MatchedStudent(nn.Module):
    """A student, and a projection of each of its signals to the teacher's channels.

    A projection is one linear layer, applied to every token by itself (a 1 x 1
    convolution): (B, N, C_student) -> (B, N, C_teacher). It is trained with the
    student and thrown away afterwards: save ``.student`` alone. Its weights are drawn
    from torch's CPU generator, wherever the student is; build inside
    ``seeding.fixed_rng``.

    The teacher gives its channels only and is not kept: its weights are neither
    trained nor saved with this module.

    Args:
        student, teacher: networks of this library with the same number of stages and
            the same patch size, so that the maps of each stage are of one size. Their
            widths and depths may differ.
        kind: ``"features"`` or ``"modulators"``.

    Raises:
        ModelError: no such networks, or stages of other sizes.
        RecipeError: an unknown kind.
    """

    def __init__(
        self, student: VFLNet, teacher: VFLNet, kind: MatchingKind = "features"
    ) -> None:
        super().__init__()
        _check(student, teacher, kind)
        self.student = student
        self.kind = kind
        pairs = zip(_channels(student, kind), _channels(teacher, kind), strict=True)
        with torch.device("cpu"):
            self.projections = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.projections.to(student.head.weight)

    def forward(self, clip: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, T, 3, H, W) -> logits (B, K), and the projected signals (B, N, C).

        The signals are in the order of the stages, of each the spatial modulator
        before the temporal one. Raises as the student.
        """
        logits, signals = _listen(self.student, clip, self.kind)
        pairs = zip(self.projections, signals, strict=True)
        return logits, [projection(signal) for projection, signal in pairs]


@torch.no_grad()
def teacher_signals(
    teacher: VFLNet, clip: Tensor, kind: MatchingKind = "features"
) -> tuple[Tensor, list[Tensor]]:
    """What the teacher says about a clip, and the signals to be matched.

    No gradient is recorded. The training mode is left as it is: call
    ``teacher.eval()`` before.

    Args:
        clip: (B, T, 3, H, W), the one that the student sees.
        kind: that of the student.

    Returns:
        logits (B, K), and the signals (B, N, C) in the order of the student's.

    Raises:
        ModelError: a clip that does not fit.
        RecipeError: an unknown kind.
    """
    _check(teacher, teacher, kind)
    return _listen(teacher, clip, kind)


def matching_loss(projected: list[Tensor], signals: list[Tensor]) -> Tensor:
    """The squared error of each signal in parts of the teacher's energy; their mean.

    With r_i the student's i-th projected signal and u_i the teacher's, per clip

        (1 / S) sum_i mean((r_i - u_i)^2) / (mean(u_i^2) + 1e-6)

    where a mean runs over the N tokens and C channels of the clip. It is zero, with a
    zero gradient, where all are equal, and 1 for projections that are zero. Each
    signal counts alike, however large its values, and differences of size between
    the places of one map are kept: they are what a modulator map shows. The gradient
    with respect to r_i is 2 (r_i - u_i) / (S N C (mean(u_i^2) + 1e-6)).

    Source: the squared error is that of FitNets (arXiv 1412.6550), there half the
    squared norm, for one pair of layers. Dividing by the teacher's energy and the
    mean over several signals are ours, and so is matching modulators.

    Computed in float32, under autocast too. No gradient is stopped here.

    Args:
        projected: S tensors (B, N, C), of ``MatchedStudent``.
        signals: S tensors of the same shapes, of ``teacher_signals``.

    Returns:
        (B,) float32; float64 for float64 signals.

    Raises:
        ModelError: other numbers of signals, or other shapes.
    """
    shapes = [tuple(x.shape) for x in projected], [tuple(x.shape) for x in signals]
    if not projected or shapes[0] != shapes[1]:
        raise ModelError(
            f"the student's signals {shapes[0]} and the teacher's {shapes[1]} do not "
            "match: both need the same kind and the same clips"
        )
    parts = []
    for ours, theirs in zip(projected, signals, strict=True):
        r = at_least_float32(ours).flatten(1)  # (B, N * C)
        u = at_least_float32(theirs).flatten(1)  # (B, N * C)
        energy = u.square().mean(dim=1) + _EPSILON
        parts.append((r - u).square().mean(dim=1) / energy)
    return torch.stack(parts).mean(dim=0)  # (B,)


def _check(student: VFLNet, teacher: VFLNet, kind: str) -> None:
    if kind not in get_args(MatchingKind):
        known = " or ".join(map(repr, get_args(MatchingKind)))
        raise RecipeError(f"what is matched must be {known}, not {kind!r}")
    for network in (student, teacher):
        if not isinstance(network, VFLNet):
            raise ModelError(
                f"{type(network).__name__} is no network of dvfl_lib.create_model; "
                "inner signals are matched between these only"
            )
    ours, theirs = student.config, teacher.config
    sizes = [(len(c.depths), c.patch_size) for c in (ours, theirs)]
    if sizes[0] != sizes[1]:
        raise ModelError(
            f"the student has {sizes[0][0]} stages from patches of {sizes[0][1]} "
            f"pixels, the teacher {sizes[1][0]} from {sizes[1][1]}: their maps are not "
            "of the same sizes; choose two variants that agree in both"
        )


def _channels(network: VFLNet, kind: str) -> list[int]:
    """Channels of each signal."""
    repeat = 2 if kind == "modulators" else 1
    dims = [stage.blocks[-1].modulation.dim for stage in network.layers]
    return [dim for dim in dims for _ in range(repeat)]


def _places(network: VFLNet, kind: str) -> list[tuple[nn.Module, int]]:
    """The modules whose outputs are the signals, and the dimension of the channels."""
    places: list[tuple[nn.Module, int]] = []
    for stage in network.layers:
        block = stage.blocks[-1]
        if kind == "features":
            places.append((block, -1))  # (B, T, H, W, C)
        else:
            places.append((block.modulation.h, 1))  # (B*T, C, H, W)
            places.append((block.modulation.h_temporal, 1))  # (B, C, T, H*W)
    return places


def _listen(network: VFLNet, clip: Tensor, kind: str) -> tuple[Tensor, list[Tensor]]:
    """Run a network and take its signals out, laid out as tokens."""
    places = _places(network, kind)
    heard: dict[int, Tensor] = {}

    def hook(number: int) -> Callable[[nn.Module, Any, Tensor], None]:
        def note(module: nn.Module, inputs: Any, output: Tensor) -> None:
            heard[number] = output

        return note

    with ExitStack() as hooks:
        for number, (module, _) in enumerate(places):
            # removed on the way out, even if the network raises
            hooks.enter_context(module.register_forward_hook(hook(number)))
        logits = network(clip)
    signals = []
    for number, (_, channels) in enumerate(places):
        signal = heard[number].movedim(channels, -1)  # (..., C)
        # frame, row, column in all three layouts: (B, T*H*W, C)
        signals.append(signal.reshape(len(clip), -1, signal.shape[-1]))
    return logits, signals
