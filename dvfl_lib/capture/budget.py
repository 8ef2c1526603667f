"""A bound for what a forward pass keeps for the backward pass.

Public names: ``Kept``, ``counted``, ``GIB``.

A pass of 8 frames of 224 x 224 pixels through the nano network keeps about 0.6 GiB
for its derivatives. That is counted while it is being kept, so that a pass which
would need too much stops before the memory is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from ..errors import ModelError

GIB = 2**30
# What a pass holds at its highest, in parts of what it keeps: results that are not
# kept, and the derivatives on the way back. Measured: 1.3 to 1.8.
_PEAK = 2.0


class Kept:
    """Bytes that autograd kept of what ran in ``counted``."""

    def __init__(self) -> None:
        self.storages: dict[int, int] = {}  # bytes by address; each is alive, so unique
        self.bytes = 0

    @property
    def peak(self) -> float:
        """An estimate of the most bytes held at once, forwards and backwards."""
        return _PEAK * self.bytes


@contextmanager
def counted(model: nn.Module, memory: float) -> Iterator[Kept]:
    """Count what autograd keeps, weights left out; stop above ``memory`` GiB.

    Raises:
        ModelError: the pass would need more, or ``memory`` is no positive number.
    """
    if isinstance(memory, bool) or not isinstance(memory, (int, float)):
        raise ModelError(f"memory is a number of GiB, not {memory!r}")
    if not memory > 0:
        raise ModelError(f"memory is a number of GiB above 0, not {memory!r}")
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = Kept()

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        if address not in weights and address not in kept.storages:
            kept.storages[address] = storage.nbytes()
            kept.bytes += storage.nbytes()
            if kept.peak > memory * GIB:
                raise ModelError(
                    f"one pass through this network, forwards and back, takes more "
                    f"than memory={memory:g} GiB; give smaller or fewer frames, or "
                    "more memory if the machine has it"
                )
        return tensor.detach()  # the tensor itself would hold its own graph alive

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield kept
