"""Data sets, each read from its original files.

Public names: ``create_dataset``, ``list_datasets``, ``VideoDataset``.
"""

from importlib import import_module

from .base import VideoDataset, create_dataset, list_datasets
from .sources import SOURCES

for _loader in ("folder", *(source.loader for source in SOURCES.values())):
    import_module(f"{__name__}.{_loader}")  # it registers what it reads
