"""What has to be so before a network is looked into; refused in words if it is not.

Public names: ``check_ready``, ``check_gradients``, ``one_answer``, ``whole``,
``check_branch``.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DVFLError, ModelError

_BRANCHES = ("space", "time")


def check_ready(model: nn.Module, clip: Tensor) -> None:
    """A network in eval mode, all of it, and one clip of its number type and device.

    Raises:
        ModelError: something else; the message says what to do.
    """
    if not isinstance(model, nn.Module):
        raise ModelError(f"a network is a torch module, not {_kind(model)}")
    if not isinstance(clip, Tensor) or clip.ndim != 5 or len(clip) != 1:
        got = tuple(clip.shape) if isinstance(clip, Tensor) else _kind(clip)
        raise ModelError(
            f"a clip is (1, T, 3, H, W), one clip at a time, as a tensor; got {got}"
        )
    training = [name for name, part in model.named_modules() if part.training]
    if training:
        part = f" (its part {training[0]!r})" if training[0] else ""
        raise ModelError(
            f"the network is in training mode{part}; call its eval() first, on the "
            "whole network"
        )
    for name, weight in model.named_parameters():
        if weight.is_floating_point() and weight.dtype != clip.dtype:
            raise ModelError(
                f"the clip holds {_short(clip.dtype)} and the network computes in "
                f"{_short(weight.dtype)} ({name}); turn one into the other, such as by "
                "the network's float()"
            )
        if weight.device != clip.device:
            raise ModelError(
                f"the clip is on {clip.device} and the network on {weight.device} "
                f"({name}); move one to the other"
            )


def check_gradients(model: nn.Module) -> None:
    """Whether derivatives can be taken here at all.

    Raises:
        ModelError: inside ``torch.inference_mode``, or weights that were made there.
    """
    if torch.is_inference_mode_enabled():
        raise ModelError(
            "inside torch.inference_mode() no derivative can be taken; call this "
            "outside of it (torch.no_grad() does no harm)"
        )
    if any(weight.is_inference() for weight in model.parameters()):
        raise ModelError(
            "the network's weights were made inside torch.inference_mode(), so that "
            "no derivative can be taken; make or load the network outside of it"
        )


def one_answer(result: Any) -> Tensor:
    """What a network returned for one clip, if that is logits (1, K).

    Raises:
        ModelError: it is something else.
    """
    if isinstance(result, Tensor) and result.ndim == 2 and len(result) == 1:
        return result
    got = tuple(result.shape) if isinstance(result, Tensor) else _kind(result)
    raise ModelError(
        f"the network should return logits (1, K) for one clip, but returned {got}"
    )


def whole(
    name: str, value: Any, least: int = 0, error: type[DVFLError] = ModelError
) -> int:
    """A whole number of at least ``least``; NumPy's are taken, fractions are not.

    Raises:
        ModelError, or ``error``: it is something else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise error(f"{name} is a whole number from {least} on, not {value!r}")
    return number


def check_branch(branch: str) -> None:
    """Only "space" and "time" are branches.

    Raises:
        ModelError: another name.
    """
    if branch not in _BRANCHES:
        raise ModelError(f"a branch is 'space' or 'time', not {branch!r}")


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
