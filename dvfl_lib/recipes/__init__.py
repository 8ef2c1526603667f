"""Every number of a run, in one frozen dataclass; three profiles.

Public names: ``Recipe`` and its parts (``DataRecipe``, ``AugmentRecipe``,
``OptimRecipe``, ``NetworkRecipe``, ``DistilRecipe``, ``EvaluateRecipe``),
``PROFILES``, ``recipe_for``.

* ``paper``: the recipe of the authors' repository, number for number.
* ``colab``: the same recipe cut down to one T4-class GPU.
* ``demo``:  small networks on the stand-in, for two CPU cores.
"""

from .parts import (
    AugmentRecipe,
    DataRecipe,
    DistilRecipe,
    EvaluateRecipe,
    NetworkRecipe,
    OptimRecipe,
)
from .profiles import PROFILES, recipe_for
from .recipe import Recipe

__all__ = [
    "PROFILES",
    "AugmentRecipe",
    "DataRecipe",
    "DistilRecipe",
    "EvaluateRecipe",
    "NetworkRecipe",
    "OptimRecipe",
    "Recipe",
    "recipe_for",
]
