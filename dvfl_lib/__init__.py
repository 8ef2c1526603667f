"""DVFL-Net, step by step: the small library behind the notebooks.

Public names: ``create_model``, ``list_models``, ``__version__``.
"""

from importlib.metadata import PackageNotFoundError, version

from .vfl_net import create_model, list_models

try:
    __version__ = version("dvfl-lib")
except PackageNotFoundError:  # imported from a checkout that was never installed
    __version__ = "0+checkout"

__all__ = ["create_model", "list_models", "__version__"]
