"""Every number of a run, in one frozen model; three profiles.

Public names: ``Recipe`` and its parts (``DataRecipe``, ``AugmentRecipe``,
``OptimRecipe``, ``NetworkRecipe``, ``DistilRecipe``, ``EvaluateRecipe``),
``PROFILES``, ``recipe_for``, ``did_you_mean``, ``said_as_ours``, ``MatchingKind``.

* ``paper``: the numbers of the authors' repository. Where their code does something
  else with one of them, ``notebooks/RESEARCH.md`` says so.
* ``colab``: the same recipe cut down to one T4-class GPU.
* ``demo``:  small networks on the stand-in, for two CPU cores.

Types and ranges are checked where a part is made, and nowhere else; words that name a
loss or a sampling are looked up where these are defined. The defaults are those of the
authors' repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, field, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from .errors import RecipeError

# Strict: text is no number, and True is not 1. JSON's lists serve as tuples.
_CHECKED = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
MatchingKind = Literal["features", "modulators"]  # see distillation.features
Pair = Annotated[tuple[Positive, Positive], Field(strict=False)]


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """ " Did you mean 'x'?" for a near miss, else nothing."""
    near = get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


@contextmanager
def said_as_ours() -> Iterator[None]:
    """Pydantic's complaints as one ``RecipeError``: which number, why, what it was."""
    try:
        yield
    except ValidationError as error:
        told = []
        for one in error.errors():
            message = one["msg"].removeprefix("Value error, ")
            if one["type"] != "value_error":  # a rule of ours names its values
                message += f", not {one['input']!r}"
            place = ".".join(map(str, one["loc"]))
            told.append(f"{place}: {message}" if place else message)
        raise RecipeError("; ".join(told)) from None


def _part(kind: type) -> type:
    """A frozen dataclass whose numbers are checked whenever one is made."""
    kind = dataclass(frozen=True, config=_CHECKED)(kind)
    kind.__init__ = said_as_ours()(kind.__init__)
    return kind


@_part
class DataRecipe:
    """Which frames of a video become a clip."""

    frames: Count = 8  # T
    sampling: str = "segments"  # see video.sampling
    stride: Count = 4  # frames between two frames of a dense clip
    short_side: Count = 256  # pixels of the short side before cropping, training
    crop: Annotated[int, Field(ge=16)] = 224  # pixels per side of what is seen
    # Share of the training *groups* that is kept to choose the best epoch by.
    holdout_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    # Share of videos that may be skipped; each is reported.
    max_unreadable: Annotated[float, Field(ge=0, lt=1)] = 0.01
    workers: Natural = 4  # loader processes; never changes a result
    cache_frames: bool = False  # keep decoded, resized frames on disk


@_part
class AugmentRecipe:
    """What training does to a clip: the same to all its frames.

    Only *how* colours change is drawn for each frame, unless ``jitter_per`` is "clip".
    """

    crop_area: Pair = (0.08, 1.0)
    crop_ratio: Pair = (3 / 4, 4 / 3)
    flip: Share = 0.5
    jitter: Share = 0.8  # probability of colour jitter
    jitter_per: Literal["clip", "frame"] = "frame"
    brightness: NotNegative = 0.4
    contrast: NotNegative = 0.4
    saturation: NotNegative = 0.2
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    grayscale: Share = 0.2
    mixup: NotNegative = 0.8  # Beta parameter; 0 switches MixUp off
    cutmix: NotNegative = 1.0  # Beta parameter; 0 switches CutMix off
    label_smoothing: Share = 0.1

    @property
    def mixes(self) -> bool:
        """Whether clips are mixed with each other."""
        return self.mixup > 0 or self.cutmix > 0


@_part
class OptimRecipe:
    """The optimiser, and a cosine schedule per iteration with warm-up."""

    epochs: Count = 120
    warmup_epochs: NotNegative = 20.0
    batch_size: Count = 24  # clips per optimiser step, over all processes
    micro_batch: Count = 8  # clips per forward pass; the unit that draws mixing
    base_lr: Positive = 0.1  # for a batch of lr_batch clips; scaled linearly
    warmup_lr: Positive = 0.001
    min_lr: Positive = 0.001
    lr_batch: Count = 512
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9  # AdamW's first beta
    weight_decay: NotNegative = 1e-4  # not on biases and norms (1-d parameters)
    clip_grad_norm: Positive = 5.0
    precision: Literal["no", "bf16", "fp16"] = "no"  # "no" is fp32
    cpu_threads: Natural = 0  # on a CPU; 0 leaves torch's choice, all cores
    name: Literal["sgd", "adamw"] = "sgd"  # see training.optim

    @model_validator(mode="after")
    def _fits(self) -> Self:
        warmup, epochs = self.warmup_epochs, self.epochs
        batch, micro = self.batch_size, self.micro_batch
        if warmup > epochs:
            raise ValueError(f"warmup_epochs ({warmup}) is more than epochs ({epochs})")
        if batch % micro:
            raise ValueError(
                f"batch_size ({batch}) must be a multiple of micro_batch ({micro})"
            )
        return self

    @property
    def lr_scale(self) -> float:
        """The linear rule: learning rates are given for ``lr_batch`` clips."""
        return self.batch_size / self.lr_batch


@_part
class NetworkRecipe:
    """A network and how it is begun."""

    model: str = "vfl_net_nano"
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.1
    init: Literal["released", "fan_in"] = "released"  # see vfl_net.VFLNet
    # Image weights to begin the spatial part with: a name that
    # weights.fetch_image_weights knows, the path of such a file, or "" for none.
    image_weights: str = ""


@_part
class DistilRecipe:
    """L = alpha KD + (1 - alpha) CE + match_weight * matching.

    KD is T^2 KL(teacher || student) unless ``loss`` names a rival of it.
    """

    alpha: Share = 0.2
    temperature: Positive = 10.0
    # Share of training clips whose label students may see.
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    loss: str = "forward_kl"  # a name of distillation.KD_LOSSES
    # The teacher's head drawn anew in every process, as the released code does.
    random_head: bool = False
    match: Literal[MatchingKind, ""] = ""  # insides too; "" matches logits alone
    match_weight: Positive = 1.0
    # K > 0: both students see K augmentations of each clip in turn, and the teacher's
    # logits of these are stored: K passes of the teacher serve all epochs.
    stored_views: Natural = 0
    # With stored views: ask the teacher at every step all the same (to measure).
    live_teacher: bool = False

    @property
    def stores_logits(self) -> bool:
        """Whether the teacher's logits are read from files."""
        return self.stored_views > 0 and not self.live_teacher


@_part
class EvaluateRecipe:
    """Views of a test video: ``clips`` in time times ``crops`` in space."""

    clips: Count = 4
    crops: Literal[1, 3] = 3
    short_side: Count = 224
    batch_size: Count = 8  # views per forward pass; never changes a result


@_part
class Recipe:
    """A whole run: teacher, baseline and (distilled) student."""

    profile: str = "paper"
    data: DataRecipe = field(default_factory=DataRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)
    teacher: NetworkRecipe = NetworkRecipe(
        "video_focalnet_base", drop_path=0.5, image_weights="focalnet_base_srf"
    )
    # Drop-path 0.1 for both students. The authors' configurations use 0.2 without
    # and 0.1 with distillation, so that two things differ between them.
    student: NetworkRecipe = NetworkRecipe(image_weights="focalnet_tiny_srf")
    optim: OptimRecipe = field(default_factory=OptimRecipe)
    teacher_optim: OptimRecipe = field(default_factory=OptimRecipe)
    distil: DistilRecipe = field(default_factory=DistilRecipe)
    evaluate: EvaluateRecipe = field(default_factory=EvaluateRecipe)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """What one part asks of another."""
        distil, data, augment = self.distil, self.data, self.augment
        mixes, stores = augment.mixes, distil.stores_logits
        (least, most), (narrow, wide) = augment.crop_area, augment.crop_ratio
        alone = 1 in (self.optim.micro_batch, self.teacher_optim.micro_batch)
        unmixed = "needs augment.mixup=0 and augment.cutmix=0"
        broken = {
            f"evaluate.short_side and data.short_side ({data.short_side}) must not be "
            f"smaller than data.crop ({data.crop})": data.crop
            > min(data.short_side, self.evaluate.short_side),
            "augment.crop_area and augment.crop_ratio are (low, high), the area at "
            "most 1": least > most or most > 1 or narrow > wide,
            f"micro_batch 1 leaves nothing to mix with and {unmixed}": mixes and alone,
            f"distil.label_share below 1 {unmixed}: a mixture of a labelled and an "
            "unlabelled clip has no label": mixes and distil.label_share < 1,
            f"distil.stored_views {unmixed}: a stored answer of the teacher is about "
            "the unmixed clip": mixes and stores,
            "distil.stored_views keeps the logits of one teacher: neither its insides "
            "(distil.match) nor a head of each process (distil.random_head)": (
                stores and (distil.match or distil.random_head)
            ),
        }
        if any(broken.values()):
            raise ValueError("; ".join(rule for rule in broken if broken[rule]))
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionary, for JSON and for checkpoint metadata."""
        return asdict(self)

    @classmethod
    @said_as_ours()
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """The inverse of ``to_dict``; what is absent has its default."""
        return TypeAdapter(cls).validate_json(json.dumps(values, default=str))

    def with_overrides(self, overrides: Mapping[str, Any]) -> Recipe:
        """A copy with dotted names replaced, as in ``{"optim.epochs": 2}``.

        All changes are made at once: two values may only be right together.
        """
        if not isinstance(overrides, Mapping):
            raise RecipeError(f"overrides takes a dictionary, not {overrides!r}")
        values = self.to_dict()
        del values["profile"]
        known = [f"{name}.{key}" for name, part in values.items() for key in part]
        for name, value in overrides.items():
            if name not in known:
                near = did_you_mean(name, known)
                raise RecipeError(f"there is no recipe parameter {name!r}.{near}")
            part, _, key = name.partition(".")
            values[part][key] = value
        return Recipe.from_dict({**values, "profile": self.profile})


# Mixed precision as in the authors' launch scripts (apex O1, which is fp16).
_PAPER = Recipe(
    optim=OptimRecipe(precision="fp16"), teacher_optim=OptimRecipe(precision="fp16")
)
# One GPU with 16 GB and tensor cores for fp16: the smallest published teacher,
# and a quarter of the epochs. Everything else is the paper profile.
_COLAB_OPTIM = OptimRecipe(epochs=30, warmup_epochs=5, precision="fp16")
_COLAB = Recipe(
    profile="colab",
    data=DataRecipe(workers=2),
    teacher=NetworkRecipe(
        "video_focalnet_tiny", 0.2, image_weights="focalnet_tiny_srf"
    ),
    optim=_COLAB_OPTIM,
    teacher_optim=_COLAB_OPTIM,
    evaluate=EvaluateRecipe(clips=4, crops=1),
)
# Two CPU cores and the stand-in: small frames, small networks from nothing.
# Gradients are cut at 0.5: small networks that begin at random leave their plateau
# by way of a few very steep steps. One thread computes and one process loads, which
# suits two cores and makes the numbers those of any machine with the same kind of CPU.
_DEMO_OPTIM = OptimRecipe(
    24, 2.4, 32, 32, lr_batch=32, clip_grad_norm=0.5, cpu_threads=1
)
_DEMO = Recipe(
    profile="demo",
    data=DataRecipe(short_side=36, crop=32, workers=1, cache_frames=True),
    augment=AugmentRecipe(
        (0.7, 1), (1, 1), 0.5, 0.8, "clip", saturation=0, hue=0, mixup=0, cutmix=0
    ),
    teacher=NetworkRecipe("vfl_net_lab_teacher", drop_path=0.0, init="fan_in"),
    student=NetworkRecipe("vfl_net_lab_student", drop_path=0.0, init="fan_in"),
    optim=_DEMO_OPTIM,
    teacher_optim=replace(_DEMO_OPTIM, epochs=18, warmup_epochs=1.8),
    # Few labels is what limits these students, and what a teacher can make up for.
    distil=DistilRecipe(alpha=0.5, temperature=4.0, label_share=0.15),
    evaluate=EvaluateRecipe(clips=2, crops=3, short_side=36, batch_size=48),
)
PROFILES: dict[str, Recipe] = {"demo": _DEMO, "colab": _COLAB, "paper": _PAPER}


def recipe_for(profile: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a profile, with dotted overrides; refuses unknown names."""
    if profile not in PROFILES:
        raise RecipeError(
            f"there is no profile {profile!r}.{did_you_mean(profile, PROFILES)} "
            f"Known: {', '.join(PROFILES)}"
        )
    return PROFILES[profile].with_overrides(overrides or {})
