"""A whole run's numbers, and single ones replaced by name.

Public names: ``Recipe``.
"""

from __future__ import annotations

import sys
import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any

from ..errors import RecipeError
from .parts import (
    AugmentRecipe,
    DataRecipe,
    DistilRecipe,
    EvaluateRecipe,
    NetworkRecipe,
    OptimRecipe,
    naming,
    require,
)


@dataclass(frozen=True)
class Recipe:
    """A whole run: teacher, baseline and distilled student."""

    profile: str = "paper"
    data: DataRecipe = field(default_factory=DataRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)
    teacher: NetworkRecipe = field(
        default_factory=lambda: NetworkRecipe(
            "video_focalnet_base", drop_path=0.5, image_weights="focalnet_base_srf"
        )
    )
    # Drop-path 0.1 for both students. The authors' configurations use 0.2 without
    # and 0.1 with distillation, so that two things differ between them.
    student: NetworkRecipe = field(
        default_factory=lambda: NetworkRecipe(image_weights="focalnet_tiny_srf")
    )
    optim: OptimRecipe = field(default_factory=OptimRecipe)
    teacher_optim: OptimRecipe = field(default_factory=OptimRecipe)
    distil: DistilRecipe = field(default_factory=DistilRecipe)
    evaluate: EvaluateRecipe = field(default_factory=EvaluateRecipe)

    def __post_init__(self) -> None:
        mixes = self.augment.mixup > 0 or self.augment.cutmix > 0
        for part in ("optim", "teacher_optim"):
            require(
                not mixes or getattr(self, part).micro_batch > 1,
                f"{part}.micro_batch 1 leaves nothing to mix with: make it 2 or more, "
                "or set augment.mixup=0 and augment.cutmix=0",
            )
        require(
            not (mixes and self.distil.label_share < 1),
            "distil.label_share below 1 needs augment.mixup=0 and augment.cutmix=0: "
            "a mixture of a labelled and an unlabelled clip has no label",
        )
        self._check_distil(mixes)
        require(
            self.evaluate.short_side >= self.data.crop,
            f"evaluate.short_side ({self.evaluate.short_side}) is smaller than "
            f"data.crop ({self.data.crop})",
        )

    def _check_distil(self, mixes: bool) -> None:
        """What the distillation asks of the other parts."""
        distil = self.distil
        require(
            not (mixes and distil.stores_logits),
            "distil.stored_views needs augment.mixup=0 and augment.cutmix=0: the "
            "teacher must be asked about the mixture that the student sees, and a "
            "stored answer is about the unmixed clip",
        )
        require(
            distil.stored_views <= self.optim.epochs,
            f"distil.stored_views ({distil.stored_views}) is more than optim.epochs "
            f"({self.optim.epochs}): no student would see the last ones",
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, for JSON and for checkpoint metadata."""
        return asdict(self)

    def with_overrides(self, overrides: dict[str, Any]) -> Recipe:
        """A copy with dotted names replaced, as in ``{"optim.epochs": 2}``.

        Raises:
            RecipeError: unknown name, wrong type or impossible value.
        """
        recipe = self
        parts: dict[str, dict[str, Any]] = {}
        for name, value in overrides.items():
            part, _, key = str(name).partition(".")
            known = [
                f"{p.name}.{k.name}"
                for p in fields(Recipe)
                if is_dataclass(getattr(recipe, p.name))
                for k in fields(getattr(recipe, p.name))
            ]
            if name not in known:
                near = get_close_matches(str(name), known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise RecipeError(f"there is no recipe parameter {name!r}.{hint}")
            section = getattr(recipe, part)
            kind = typing.get_type_hints(type(section))[key]
            parts.setdefault(part, {})[key] = _coerce(str(name), value, kind)
        # All changes at once: two values may only be right together.
        changed = {}
        for part, values in parts.items():
            with naming(part):
                changed[part] = replace(getattr(recipe, part), **values)
        return replace(recipe, **changed)


def _coerce(name: str, value: Any, kind: Any) -> Any:
    """Accept what means the same (1 for 1.0, a list for a tuple), refuse the rest."""
    if isinstance(kind, types.GenericAlias) or typing.get_origin(kind) is tuple:
        good = isinstance(value, (list, tuple)) and all(
            isinstance(v, (int, float)) and not isinstance(v, bool) for v in value
        )
        require(
            good and len(value) == len(typing.get_args(kind)),
            f"{name} takes {len(typing.get_args(kind))} numbers, not {value!r}",
        )
        return tuple(_coerce(name, v, float) for v in value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    require(
        not is_number or abs(value) <= sys.float_info.max,  # NaN is not, either
        f"{name} takes a finite number, not {value!r}",
    )
    if kind is float and is_number:
        return float(value)
    if kind is int and is_number and float(value).is_integer():
        return int(value)
    require(
        type(value) is kind, f"{name} takes a value of type {kind.__name__}: {value!r}"
    )
    return value
