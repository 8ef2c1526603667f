"""How much a cheaper form of a network still says the same.

Public names: ``compare``, ``Agreement``, ``agreement_markdown``, ``in_bfloat16``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import ModelError

Predictor = Callable[[Tensor], Tensor]  # clips (B, T, 3, H, W) -> logits (B, K)


@dataclass(frozen=True)
class Agreement:
    """A form of a network beside the first one.

    Attributes:
        top1: share of clips whose likeliest class is their label.
        agreement: share of clips whose likeliest class is the first form's.
        difference: the largest difference of a logit.
        kl: mean of KL(first || this) over the clips, in nats.
        clips: how many.
    """

    top1: float
    agreement: float
    difference: float
    kl: float
    clips: int


def compare(
    predictors: Mapping[str, Predictor],
    clips: Tensor,
    labels: Sequence[int] | Tensor,
    *,
    batch_size: int = 16,
) -> dict[str, Agreement]:
    """Ask every form about the same clips; the first is what the others should say.

    Args:
        predictors: name -> call; at least one.
        clips: (N, T, 3, H, W).
        labels: N class numbers.

    Raises:
        ModelError: no predictor, no clip, other numbers of labels, or logits that are
            not finite or of another shape than the first form's.
    """
    truth = torch.as_tensor(labels)
    if not predictors or not len(clips) or truth.shape != (len(clips),):
        raise ModelError(
            f"compare needs predictors, and a label for each of {len(clips)} clips"
        )
    logits = {}
    with torch.no_grad():
        for name, predictor in predictors.items():
            parts = [predictor(part) for part in clips.split(batch_size)]
            logits[name] = torch.cat(parts).double().cpu()  # (N, K)
            if not torch.isfinite(logits[name]).all():
                raise ModelError(f"{name}: its logits are not finite")
    first = next(iter(logits.values()))
    if other := [n for n, values in logits.items() if values.shape != first.shape]:
        raise ModelError(f"{other[0]}: other logits than those of the first form")
    return {name: _beside(values, first, truth) for name, values in logits.items()}


def _beside(values: Tensor, first: Tensor, truth: Tensor) -> Agreement:
    logs, own = first.log_softmax(-1), values.log_softmax(-1)
    answer = values.argmax(-1)
    return Agreement(
        top1=(answer == truth).double().mean().item(),
        agreement=(answer == first.argmax(-1)).double().mean().item(),
        difference=(values - first).abs().max().item(),
        kl=(logs.exp() * (logs - own)).sum(-1).mean().item(),
        clips=len(truth),
    )


def agreement_markdown(found: Mapping[str, Agreement], *, standin: bool = False) -> str:
    """A row per form."""
    first = next(iter(found))
    head = ["form", "top-1", f"agreement with {first}", "largest difference", "KL"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, row in found.items():
        cells = [
            name,
            f"{100 * row.top1:.1f} %",
            f"{100 * row.agreement:.1f} %",
            f"{row.difference:.3f}",
            f"{row.kl:.5f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    clips = found[first].clips
    data = "; stand-in data: generated videos of made-up actions" if standin else ""
    return "\n".join([*lines, "", f"{clips} clips{data}."]) + "\n"


def in_bfloat16(model: nn.Module) -> Predictor:
    """A copy of a network with weights and activations in bfloat16; float32 logits."""
    half = copy.deepcopy(model).eval().bfloat16()

    def call(clips: Tensor) -> Tensor:
        with torch.no_grad():
            return half(clips.bfloat16()).float()

    return call
