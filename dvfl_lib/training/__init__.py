"""Training: the loop, and the whole run from data to evaluation.

Public names: ``open_run``, ``Pipeline``, ``ROLES``, ``fit``,
``TrainConfig``, ``FitResult``.

A step is read in this order: ``opening``, ``pipeline``, ``loop``, ``batches``,
``objective``, ``teacher_logits`` where answers are stored, ``checkpointing``.
"""

from .loop import FitResult, TrainConfig, fit
from .opening import open_run
from .pipeline import ROLES, Pipeline
