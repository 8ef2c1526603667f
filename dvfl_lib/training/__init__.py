"""Training: the loop, and the whole run from data to evaluation.

Public names: ``fit``, ``FitResult``, ``Pipeline``, ``RunData``, ``RunSettings``,
``ROLES``, ``processes``.
"""

from .devices import processes
from .fit import FitResult, fit
from .pipeline import ROLES, Pipeline
from .run_data import RunData, RunSettings

__all__ = [
    "fit",
    "FitResult",
    "Pipeline",
    "RunData",
    "RunSettings",
    "ROLES",
    "processes",
]
