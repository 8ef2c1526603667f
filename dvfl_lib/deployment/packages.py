"""The packages of the extra ``deploy``: asked for where they are used, not before.

Public names: ``check_packages``, ``package``.
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from ..errors import RecipeError

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_packages() -> None:
    """Whether what exports and runs is there.

    Raises:
        RecipeError: it names what is missing, and how to install it.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise RecipeError(
            f"the export needs {', '.join(missing)}: install the extra 'deploy', "
            "pip install -e '.[deploy]' in a checkout"
        )


def package(name: str) -> ModuleType:
    """A module of one of them, such as "onnxruntime.quantization".

    Raises:
        RecipeError: as ``check_packages``.
    """
    check_packages()
    return importlib.import_module(name)
