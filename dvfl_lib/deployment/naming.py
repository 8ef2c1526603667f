"""Names of a network's outputs, checked where somebody gives them.

Public names: ``check_names``.
"""

from __future__ import annotations

from typing import Any

from ..errors import ModelError
from ..vfl_net import VFLNet


def check_names(model: VFLNet, names: Any) -> tuple[str, ...]:
    """The names, one for each output.

    Raises:
        ModelError: another number of them, or something else than texts.
    """
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        raise ModelError(f"classes must be a list of names, not {names!r}")
    names = tuple(names)
    odd = next((name for name in names if not isinstance(name, str)), None)
    if odd is not None:
        raise ModelError(f"classes must be a list of names; {odd!r} is none")
    if len(names) != model.num_classes:
        raise ModelError(
            f"the model answers for {model.num_classes} classes, but {len(names)} "
            "names were given"
        )
    return names
