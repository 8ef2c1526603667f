"""DVFL-Net, step by step: the small library behind the notebooks.

Public names: ``create_model``, ``list_models``, ``__version__``.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .vfl_net import create_model, list_models

try:
    __version__ = version("dvfl-lib")
except PackageNotFoundError:  # imported from a checkout that was never installed
    __version__ = "0+checkout"

__all__ = ["create_model", "list_models", "__version__"]


def __getattr__(name: str) -> object:
    # Torch comes with the first network: ``dvfl doctor`` must start without it.
    if name in ("create_model", "list_models"):
        from . import vfl_net

        return getattr(vfl_net, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
