"""Training: the loop, and the whole run from data to evaluation.

Public names: ``open_run``, ``Pipeline``, ``ROLES``, ``fit``,
``TrainConfig``, ``FitResult``.

A step is read in this order: ``pipeline``, ``loop``, ``batches``, ``objective``,
``teacher_logits`` where answers are stored, ``checkpointing``.
"""

from .config import FitResult, TrainConfig
from .loop import fit
from .pipeline import ROLES, Pipeline, open_run

__all__ = [
    "ROLES",
    "FitResult",
    "Pipeline",
    "TrainConfig",
    "fit",
    "open_run",
]
