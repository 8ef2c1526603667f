"""Whether two answers are the same, and what an answer is, in words.

Public names: ``same``, ``numbers``, ``describe``.
"""

from __future__ import annotations

import math
from numbers import Number, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROUNDING = 1e-4  # of the largest number: float32 in another order of sums, or float16


def plain(value: Any) -> Any:
    """One number in a tensor or an array, as Python's; all else as it is."""
    if isinstance(value, Tensor | np.ndarray | np.generic) and not value.shape:
        return value.item()
    return value


def same(expected: Any, given: Any) -> bool:
    """Whether an answer is the expected one, up to rounding.

    Float64 for float32, a tuple for a list, a tensor without axes for a number are the
    same. An array for a tensor is not, nor is 1 for True. Functions and generators
    cannot be compared and count as the same.
    """
    expected, given = plain(expected), plain(given)
    if isinstance(expected, nn.Module):
        return (
            isinstance(given, nn.Module)
            and expected.training == given.training
            and same(expected.state_dict(), given.state_dict())
        )
    if callable(expected) or isinstance(expected, torch.Generator):
        return True
    if isinstance(expected, Tensor):
        return isinstance(given, Tensor) and _same_tensors(expected, given)
    if isinstance(expected, np.ndarray):
        kind = isinstance(given, np.ndarray)
        return kind and _same_tensors(torch.tensor(expected), torch.tensor(given))
    if isinstance(expected, bool) or isinstance(given, bool):
        return expected is given
    if isinstance(expected, str) and isinstance(given, str):
        return expected.strip().casefold() == given.strip().casefold()
    if isinstance(expected, Real):
        if isinstance(given, Tensor | np.ndarray) and tuple(given.shape) == (1,):
            given = given.item()
        if not isinstance(given, Real):
            return False
        if math.isnan(expected) or math.isnan(given):
            return math.isnan(expected) and math.isnan(given)
        return math.isclose(expected, given, rel_tol=ROUNDING, abs_tol=1e-7)
    if isinstance(expected, list | tuple):
        given = given.tolist() if isinstance(given, Tensor | np.ndarray) else given
        return (
            isinstance(given, list | tuple)
            and len(expected) == len(given)
            and all(map(same, expected, given))
        )
    if isinstance(expected, dict):
        return (
            isinstance(given, dict)
            and expected.keys() == given.keys()
            and all(same(expected[key], given[key]) for key in expected)
        )
    return type(expected) is type(given) and expected == given


def _same_tensors(expected: Tensor, given: Tensor) -> bool:
    if expected.shape != given.shape or kind_of(expected) != kind_of(given):
        return False
    expected, given = expected.detach().cpu(), given.detach().cpu()
    if not expected.is_floating_point():
        return torch.equal(expected, given.to(expected.dtype))
    expected, given = expected.double(), given.double()
    finite = expected[expected.isfinite()]
    largest = finite.abs().max().item() if finite.numel() else 0.0
    near = 0.1 * ROUNDING * largest + 1e-8
    return torch.allclose(expected, given, ROUNDING, near, equal_nan=True)


def kind_of(tensor: Tensor) -> str:
    """Numbers with a point, whole ones, or True and False."""
    if tensor.dtype == torch.bool:
        return "True or False"
    return "floats" if tensor.is_floating_point() else "whole numbers"


def numbers(value: Any) -> Tensor | None:
    """A tensor, or a flat list of numbers, as float64; None of anything else."""
    value = plain(value)
    if isinstance(value, Tensor):
        return value.detach().cpu().double()
    if isinstance(value, Real):
        return torch.tensor(float(value)).double()
    if isinstance(value, list | tuple) and value:
        if all(isinstance(plain(one), Real) for one in value):
            return torch.tensor([float(plain(one)) for one in value]).double()
    return None


def describe(value: Any) -> str:
    """What kind of thing an answer is, in a few words."""
    value = plain(value)
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return "a NumPy array"
    if value is None or isinstance(value, bool):
        return str(value) if value is None else "True or False"
    if isinstance(value, Number):
        return "a number"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    names = {str: "text", dict: "a dictionary"}
    return names.get(type(value), f"an object of type {type(value).__name__}")
