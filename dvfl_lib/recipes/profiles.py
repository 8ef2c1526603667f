"""The three profiles: what a recipe is on two CPU cores, on Colab, in the paper.

Public names: ``PROFILES``, ``recipe_for``.
"""

from __future__ import annotations

from dataclasses import replace
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
)
from .recipe import Recipe

# Mixed precision as in the authors' launch scripts (apex O1, which is fp16).
_PAPER_OPTIM = OptimRecipe(precision="fp16")
_PAPER = Recipe(optim=_PAPER_OPTIM, teacher_optim=_PAPER_OPTIM)

# One GPU with 16 GB and tensor cores for fp16: the smallest published teacher,
# and a quarter of the epochs. Everything else is the paper profile.
_COLAB_OPTIM = OptimRecipe(epochs=30, warmup_epochs=5, precision="fp16")
_COLAB = Recipe(
    profile="colab",
    data=DataRecipe(workers=2),
    teacher=NetworkRecipe(
        "video_focalnet_tiny", drop_path=0.2, image_weights="focalnet_tiny_srf"
    ),
    optim=_COLAB_OPTIM,
    teacher_optim=_COLAB_OPTIM,
    evaluate=EvaluateRecipe(clips=4, crops=1),
)

# Two CPU cores and the stand-in: small frames, small networks from nothing.
# Gradients are cut at 0.5, since small networks that begin at random leave their
# plateau by way of a few very steep steps and are thrown off otherwise.
# One thread computes and one loader process prepares clips: two threads and a
# loader on two cores wait for each other. It also makes the run's numbers those of
# any other machine with the same kind of CPU, however many cores it has.
_DEMO_OPTIM = OptimRecipe(
    epochs=24,
    warmup_epochs=2.4,
    batch_size=32,
    micro_batch=32,
    base_lr=0.1,
    warmup_lr=0.001,
    min_lr=0.001,
    lr_batch=32,
    clip_grad_norm=0.5,
    cpu_threads=1,
)
_DEMO_TEACHER_OPTIM = replace(_DEMO_OPTIM, epochs=18, warmup_epochs=1.8)
_DEMO = Recipe(
    profile="demo",
    data=DataRecipe(short_side=36, crop=32, workers=1, cache_frames=True),
    augment=AugmentRecipe(
        crop_area=(0.7, 1.0),
        crop_ratio=(1.0, 1.0),
        jitter=0.8,
        saturation=0.0,
        hue=0.0,
        grayscale=0.2,
        mixup=0.0,
        cutmix=0.0,
    ),
    teacher=NetworkRecipe("vfl_net_lab_teacher", drop_path=0.0, init="fan_in"),
    student=NetworkRecipe("vfl_net_lab_student", drop_path=0.0, init="fan_in"),
    optim=_DEMO_OPTIM,
    teacher_optim=_DEMO_TEACHER_OPTIM,
    # Few labels is what limits these students, and what a teacher can make up for.
    distil=DistilRecipe(alpha=0.5, temperature=4.0, label_share=0.15),
    evaluate=EvaluateRecipe(clips=2, crops=3, short_side=36, batch_size=48),
)

PROFILES: dict[str, Recipe] = {"demo": _DEMO, "colab": _COLAB, "paper": _PAPER}


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
