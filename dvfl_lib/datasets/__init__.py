"""Benchmarks, each read from its original files.

Public names: ``create_dataset``, ``list_datasets``, ``VideoDataset``.
"""

from .base import VideoDataset
from .registry import create_dataset, list_datasets

__all__ = ["VideoDataset", "create_dataset", "list_datasets"]
