"""Every number of a run, in one frozen dataclass; three profiles.

Public names: ``Recipe`` and its parts (``DataRecipe``, ``AugmentRecipe``,
``OptimRecipe``, ``NetworkRecipe``, ``DistilRecipe``, ``EvaluateRecipe``),
``PROFILES``, ``recipe_for``.

* ``paper``: the recipe of the authors' repository, number for number.
* ``colab``: the same recipe cut down to one T4-class GPU.
* ``demo``:  small networks on the stand-in, for two CPU cores.
"""

from __future__ import annotations

import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import Any

from .errors import RecipeError


def _require(truth: bool, message: str) -> None:
    if not truth:
        raise RecipeError(message)


@dataclass(frozen=True)
class DataRecipe:
    """Which frames of a video become a clip."""

    frames: int = 8  # T
    sampling: str = "segments"  # "segments" (TSN) or "dense"
    stride: int = 4  # frames between two frames of a dense clip
    short_side: int = 256  # pixels of the short side before cropping, training
    crop: int = 224  # pixels per side of what the network sees
    holdout_share: float = 0.1  # share of the training *groups* kept to choose by
    max_unreadable: float = 0.01  # share of videos that may be skipped, reported
    workers: int = 4  # loader processes; never changes a result
    cache_frames: bool = False  # keep decoded, resized frames on disk

    def __post_init__(self) -> None:
        _require(self.frames >= 1, "data.frames must be at least 1")
        _require(
            self.sampling in ("segments", "dense"),
            f"data.sampling must be 'segments' or 'dense', not {self.sampling!r}",
        )
        _require(self.stride >= 1, "data.stride must be at least 1")
        _require(self.crop >= 16, "data.crop must be at least 16 pixels")
        _require(
            self.short_side >= self.crop,
            f"data.short_side ({self.short_side}) is smaller than "
            f"data.crop ({self.crop})",
        )
        _require(0 < self.holdout_share < 1, "data.holdout_share must be in (0, 1)")
        _require(0 <= self.max_unreadable < 1, "data.max_unreadable must be in [0, 1)")
        _require(self.workers >= 0, "data.workers must be 0 or more")


@dataclass(frozen=True)
class AugmentRecipe:
    """What training does to a clip; the same for all its frames."""

    crop_area: tuple[float, float] = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8  # probability of colour jitter
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grayscale: float = 0.2
    mixup: float = 0.8  # Beta parameter; 0 switches MixUp off
    cutmix: float = 1.0  # Beta parameter; 0 switches CutMix off
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "grayscale", "label_smoothing"):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"augment.{name} must be in [0, 1], not {value}")
        for name in ("mixup", "cutmix", "brightness", "contrast", "saturation"):
            value = getattr(self, name)
            _require(value >= 0, f"augment.{name} must not be negative, but is {value}")
        _require(0 <= self.hue <= 0.5, "augment.hue must be in [0, 0.5]")
        low, high = self.crop_area
        _require(0 < low <= high <= 1, "augment.crop_area must be 0 < low <= high <= 1")
        low, high = self.crop_ratio
        _require(0 < low <= high, "augment.crop_ratio must be 0 < low <= high")


@dataclass(frozen=True)
class OptimRecipe:
    """SGD with Nesterov momentum, cosine schedule per iteration with warm-up."""

    epochs: int = 120
    warmup_epochs: float = 20
    batch_size: int = 24  # clips per optimiser step, over all processes
    micro_batch: int = 8  # clips per forward pass; the unit that draws mixing
    base_lr: float = 0.1  # for a batch of lr_batch clips; scaled linearly
    warmup_lr: float = 0.001
    min_lr: float = 0.001
    lr_batch: int = 512
    momentum: float = 0.9
    weight_decay: float = 1e-4  # not on biases and norms (1-d parameters)
    clip_grad_norm: float = 5.0
    precision: str = "no"  # "no" (fp32), "bf16" or "fp16"

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "optim.epochs must be at least 1")
        _require(
            0 <= self.warmup_epochs <= self.epochs,
            f"optim.warmup_epochs ({self.warmup_epochs}) must lie between 0 and "
            f"optim.epochs ({self.epochs})",
        )
        _require(self.micro_batch >= 1, "optim.micro_batch must be at least 1")
        _require(
            self.batch_size >= 1 and self.batch_size % self.micro_batch == 0,
            f"optim.batch_size ({self.batch_size}) must be a multiple of "
            f"optim.micro_batch ({self.micro_batch})",
        )
        for name in ("base_lr", "warmup_lr", "min_lr", "clip_grad_norm", "lr_batch"):
            _require(getattr(self, name) > 0, f"optim.{name} must be positive")
        _require(0 <= self.momentum < 1, "optim.momentum must be in [0, 1)")
        _require(self.weight_decay >= 0, "optim.weight_decay must not be negative")
        _require(
            self.precision in ("no", "bf16", "fp16"),
            f"optim.precision must be 'no', 'bf16' or 'fp16', not {self.precision!r}",
        )

    @property
    def lr_scale(self) -> float:
        """The linear rule: learning rates are given for ``lr_batch`` clips."""
        return self.batch_size / self.lr_batch


@dataclass(frozen=True)
class NetworkRecipe:
    """A network and how it is begun."""

    model: str = "vfl_net_nano"
    drop_path: float = 0.1
    init: str = "released"  # "released" or "fan_in", see vfl_net.VFLNet

    def __post_init__(self) -> None:
        _require(0 <= self.drop_path < 1, "drop_path must be in [0, 1)")
        _require(
            self.init in ("released", "fan_in"),
            f"init must be 'released' or 'fan_in', not {self.init!r}",
        )


@dataclass(frozen=True)
class DistilRecipe:
    """L = alpha T^2 KL(teacher || student) + (1 - alpha) CE."""

    alpha: float = 0.2
    temperature: float = 10.0
    label_share: float = 1.0  # share of training clips whose label students may see

    def __post_init__(self) -> None:
        _require(0 <= self.alpha <= 1, f"distil.alpha must be in [0, 1]: {self.alpha}")
        _require(self.temperature > 0, "distil.temperature must be positive")
        _require(0 < self.label_share <= 1, "distil.label_share must be in (0, 1]")


@dataclass(frozen=True)
class EvaluateRecipe:
    """Views of a test video: ``clips`` in time times ``crops`` in space."""

    clips: int = 4
    crops: int = 3
    short_side: int = 224
    batch_size: int = 8  # views per forward pass; never changes a result

    def __post_init__(self) -> None:
        _require(self.clips >= 1, "evaluate.clips must be at least 1")
        _require(self.crops in (1, 3), "evaluate.crops must be 1 or 3")
        _require(self.batch_size >= 1, "evaluate.batch_size must be at least 1")


@dataclass(frozen=True)
class Recipe:
    """A whole run: teacher, baseline and distilled student."""

    profile: str = "paper"
    data: DataRecipe = field(default_factory=DataRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)
    teacher: NetworkRecipe = field(
        default_factory=lambda: NetworkRecipe("video_focalnet_base", drop_path=0.5)
    )
    student: NetworkRecipe = field(default_factory=NetworkRecipe)
    optim: OptimRecipe = field(default_factory=OptimRecipe)
    teacher_optim: OptimRecipe = field(default_factory=OptimRecipe)
    distil: DistilRecipe = field(default_factory=DistilRecipe)
    evaluate: EvaluateRecipe = field(default_factory=EvaluateRecipe)

    def __post_init__(self) -> None:
        mixes = self.augment.mixup > 0 or self.augment.cutmix > 0
        _require(
            not (mixes and self.distil.label_share < 1),
            "distil.label_share below 1 needs augment.mixup=0 and augment.cutmix=0: "
            "a mixture of a labelled and an unlabelled clip has no label",
        )
        _require(
            self.evaluate.short_side >= self.data.crop,
            f"evaluate.short_side ({self.evaluate.short_side}) is smaller than "
            f"data.crop ({self.data.crop})",
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
        changed = {p: replace(getattr(recipe, p), **kv) for p, kv in parts.items()}
        return replace(recipe, **changed)


def _coerce(name: str, value: Any, kind: Any) -> Any:
    """Accept what means the same (1 for 1.0, a list for a tuple), refuse the rest."""
    if isinstance(kind, types.GenericAlias) or typing.get_origin(kind) is tuple:
        good = isinstance(value, (list, tuple)) and all(
            isinstance(v, (int, float)) and not isinstance(v, bool) for v in value
        )
        _require(
            good and len(value) == len(typing.get_args(kind)),
            f"{name} takes {len(typing.get_args(kind))} numbers, not {value!r}",
        )
        return tuple(float(v) for v in value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is float and is_number:
        return float(value)
    if kind is int and is_number and float(value).is_integer():
        return int(value)
    _require(
        type(value) is kind, f"{name} takes a value of type {kind.__name__}: {value!r}"
    )
    return value


_PAPER = Recipe()
PROFILES: dict[str, Recipe] = {"paper": _PAPER}


def recipe_for(profile: str, overrides: dict[str, Any] | None = None) -> Recipe:
    """The recipe of a profile, with dotted overrides.

    Raises:
        RecipeError: unknown profile or parameter.
    """
    if profile not in PROFILES:
        near = get_close_matches(str(profile), PROFILES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise RecipeError(
            f"there is no profile {profile!r}.{hint} Known: {', '.join(PROFILES)}"
        )
    return PROFILES[profile].with_overrides(overrides or {})
