"""Training: the loop, and the whole run from data to evaluation.

Public names: ``open_run``, ``Pipeline``, ``RunSettings``, ``ROLES``, ``fit``,
``TrainConfig``, ``FitResult``.

A step is read in this order: ``opening``, ``pipeline``, ``loop``, ``batches``,
``objective``, ``teacher_logits`` where answers are stored, ``checkpointing``.
"""

from .config import FitResult, TrainConfig
from .loop import fit
from .opening import open_run
from .pipeline import ROLES, Pipeline, RunSettings

__all__ = [
    "ROLES",
    "FitResult",
    "Pipeline",
    "RunSettings",
    "TrainConfig",
    "fit",
    "open_run",
]
