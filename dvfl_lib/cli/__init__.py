"""The console script ``dvfl``: one file per command or two, and ``main``.

Public names: ``main``.
"""

from .commands import main

__all__ = ["main"]
