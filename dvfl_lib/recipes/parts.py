"""The parts of a recipe, each checked when it is made.

Public names: ``DataRecipe``, ``AugmentRecipe``, ``OptimRecipe``, ``NetworkRecipe``,
``DistilRecipe``, ``EvaluateRecipe``, ``require``, ``naming``, ``LOSSES``,
``MATCHES``. The defaults are those of the authors' repository.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches

from ..errors import RecipeError

# What a student may be asked to match of the teacher's logits, and inside of it; the
# package ``distillation`` computes them.
LOSSES = (
    "forward_kl",
    "reverse_kl",
    "jensen_shannon",
    "squared_error",
    "decoupled_kd",
    "released_code",
)
MATCHES = ("features", "modulators")


def require(truth: bool, message: str) -> None:
    """Raise ``RecipeError`` with the message unless ``truth``."""
    if not truth:
        raise RecipeError(message)


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse an unknown word, with the nearest known one."""
    near = get_close_matches(str(value), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    require(
        value in known,
        f"{name}: there is no {value!r}.{hint} Known: {', '.join(known)}",
    )


@contextmanager
def naming(part: str) -> Iterator[None]:
    """Let messages about ``optim`` speak of ``teacher_optim`` where that is meant."""
    try:
        yield
    except RecipeError as error:
        if part != "teacher_optim":
            raise
        # Other recipes of the message ("augment.mixup") keep their names.
        said = re.sub(r"(?<!teacher_)\boptim\.", "teacher_optim.", str(error))
        raise RecipeError(said) from None


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
        require(self.frames >= 1, "data.frames must be at least 1")
        require(
            self.sampling in ("segments", "dense"),
            f"data.sampling must be 'segments' or 'dense', not {self.sampling!r}",
        )
        require(self.stride >= 1, "data.stride must be at least 1")
        require(self.crop >= 16, "data.crop must be at least 16 pixels")
        require(
            self.short_side >= self.crop,
            f"data.short_side ({self.short_side}) is smaller than "
            f"data.crop ({self.crop})",
        )
        require(0 < self.holdout_share < 1, "data.holdout_share must be in (0, 1)")
        require(0 <= self.max_unreadable < 1, "data.max_unreadable must be in [0, 1)")
        require(self.workers >= 0, "data.workers must be 0 or more")


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
            require(0 <= value <= 1, f"augment.{name} must be in [0, 1], not {value}")
        for name in ("mixup", "cutmix", "brightness", "contrast", "saturation"):
            value = getattr(self, name)
            require(value >= 0, f"augment.{name} must not be negative, but is {value}")
        require(0 <= self.hue <= 0.5, "augment.hue must be in [0, 0.5]")
        low, high = self.crop_area
        require(0 < low <= high <= 1, "augment.crop_area must be 0 < low <= high <= 1")
        low, high = self.crop_ratio
        require(0 < low <= high, "augment.crop_ratio must be 0 < low <= high")


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
    cpu_threads: int = 0  # on a CPU; 0 leaves torch's choice, which is all cores

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "optim.epochs must be at least 1")
        require(
            0 <= self.warmup_epochs <= self.epochs,
            f"optim.warmup_epochs ({self.warmup_epochs}) must lie between 0 and "
            f"optim.epochs ({self.epochs})",
        )
        require(self.micro_batch >= 1, "optim.micro_batch must be at least 1")
        require(
            self.batch_size >= 1 and self.batch_size % self.micro_batch == 0,
            f"optim.batch_size ({self.batch_size}) must be a multiple of "
            f"optim.micro_batch ({self.micro_batch})",
        )
        for name in ("base_lr", "warmup_lr", "min_lr", "clip_grad_norm", "lr_batch"):
            require(getattr(self, name) > 0, f"optim.{name} must be positive")
        require(0 <= self.momentum < 1, "optim.momentum must be in [0, 1)")
        require(self.weight_decay >= 0, "optim.weight_decay must not be negative")
        require(self.cpu_threads >= 0, "optim.cpu_threads must be 0 or more")
        require(
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
    # Image weights to begin the spatial part with: a name that
    # weights.fetch_image_weights knows, the path of such a file, or "" for none.
    image_weights: str = ""

    def __post_init__(self) -> None:
        require(0 <= self.drop_path < 1, "drop_path must be in [0, 1)")
        require(
            self.init in ("released", "fan_in"),
            f"init must be 'released' or 'fan_in', not {self.init!r}",
        )


@dataclass(frozen=True)
class DistilRecipe:
    """L = alpha KD + (1 - alpha) CE + match_weight * matching.

    KD is T^2 KL(teacher || student) unless ``loss`` names a rival of it.
    """

    alpha: float = 0.2
    temperature: float = 10.0
    label_share: float = 1.0  # share of training clips whose label students may see
    loss: str = "forward_kl"  # one of LOSSES
    # The teacher's head drawn anew in every process, as the released code does.
    random_head: bool = False
    match: str = ""  # one of MATCHES; "" matches logits alone
    match_weight: float = 1.0
    # K > 0: both students see K augmentations of each clip in turn, and the teacher's
    # logits of these are stored: K passes of the teacher serve all epochs.
    stored_views: int = 0
    # With stored views: ask the teacher at every step all the same (to measure).
    live_teacher: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.alpha <= 1, f"distil.alpha must be in [0, 1]: {self.alpha}")
        require(self.temperature > 0, "distil.temperature must be positive")
        require(0 < self.label_share <= 1, "distil.label_share must be in (0, 1]")
        _one_of("distil.loss", self.loss, LOSSES)
        if self.match:
            _one_of("distil.match", self.match, MATCHES)
        require(self.match_weight > 0, "distil.match_weight must be positive")
        require(self.stored_views >= 0, "distil.stored_views must be 0 or more")
        if self.stores_logits:
            self._check_stored()

    @property
    def stores_logits(self) -> bool:
        """Whether the teacher's logits are read from a cache."""
        return self.stored_views > 0 and not self.live_teacher

    def _check_stored(self) -> None:
        """Refuse what stored logits cannot answer."""
        without = "set distil.stored_views=0 to ask the teacher at every step"
        require(
            not self.match,
            f"distil.match {self.match!r} compares the insides of both networks, and "
            f"with distil.stored_views only the teacher's logits are kept: {without}",
        )
        require(
            not self.random_head,
            "distil.random_head gives every process a teacher of its own, so there is "
            f"no one answer to keep with distil.stored_views: {without}",
        )


@dataclass(frozen=True)
class EvaluateRecipe:
    """Views of a test video: ``clips`` in time times ``crops`` in space."""

    clips: int = 4
    crops: int = 3
    short_side: int = 224
    batch_size: int = 8  # views per forward pass; never changes a result

    def __post_init__(self) -> None:
        require(self.clips >= 1, "evaluate.clips must be at least 1")
        require(self.crops in (1, 3), "evaluate.crops must be 1 or 3")
        require(self.batch_size >= 1, "evaluate.batch_size must be at least 1")
