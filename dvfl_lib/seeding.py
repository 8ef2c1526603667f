"""Randomness that depends on what is drawn, not on when or where.

Public names: ``derive_seed``, ``fixed_rng``.

Everything random in this library is a function of (seed, epoch, sample index,
view). A sample's augmentation then does not depend on loader workers, on the
number of processes, or on whether the run was interrupted and taken up again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(*parts: int | str) -> int:
    """A seed in [0, 2**63) that is a fixed function of ``parts``.

    The parts are hashed with SHA-256, so neighbouring epochs or indices give
    unrelated seeds. ``1`` and ``"1"`` are different parts.
    """
    exact = [part if isinstance(part, str) else int(part) for part in parts]
    digest = hashlib.sha256(json.dumps(exact).encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@contextmanager
def fixed_rng(*parts: int | str) -> Iterator[None]:
    """Inside the block, torch's CPU generator is seeded by ``derive_seed(*parts)``.

    Afterwards it goes on where it was: nothing outside notices the draws inside.
    Only the CPU generator is touched; clips are made on the CPU.
    """
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also seed the accelerators, which fork_rng
        # was told to leave alone.
        torch.default_generator.manual_seed(derive_seed(*parts))
        yield
