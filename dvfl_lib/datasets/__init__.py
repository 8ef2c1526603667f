"""Data sets, each read from its original files.

Public names: ``create_dataset``, ``list_datasets``, ``VideoDataset``.
"""

from . import folder, hmdb51, kinetics400, ssv2, ucf  # noqa: F401  (they register)
from .base import VideoDataset, create_dataset, list_datasets

__all__ = ["VideoDataset", "create_dataset", "list_datasets"]
