"""Which views a network was trained with, as far as its file says.

Public names: ``stated_views``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..recipes import DataRecipe

_SIZES = ("frames", "sampling", "stride", "crop", "short_side")


def stated_views(
    metadata: dict[str, Any], size: dict[str, Any]
) -> tuple[DataRecipe, int, bool]:
    """As in the training of the file if it tells, else as in the papers.

    Args:
        metadata: of a file of weights, see ``weights.read_metadata``; may be empty.
        size: numbers of a view that replace those of the file.

    Returns the numbers, the short side before cropping, and whether they were told.

    Raises:
        RecipeError: a size that is impossible.
    """
    recipe = metadata.get("recipe") or {}
    told = metadata.get("views") or {
        **(recipe.get("data") or {}),
        **{
            k: v for k, v in (recipe.get("evaluate") or {}).items() if k == "short_side"
        },
    }
    known = {name: told[name] for name in _SIZES if name in told} | size
    data = replace(DataRecipe(), **({"short_side": 224} | known))
    return data, data.short_side, "crop" in known
