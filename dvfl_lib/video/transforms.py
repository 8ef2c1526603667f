"""From decoded frames to what the network sees: whole clips, by one draw each.

Public names: ``training_transform``, ``labelled_transform``, ``evaluation_crops``,
``resize_short_side``, ``resize_digest``, ``check_sides``, ``normalise``,
``denormalise``, ``mix_clips``, ``MEAN``, ``STD``.

All of it is ``torchvision.transforms.v2``. A clip travels as a ``tv_tensors.Image`` of
shape (T, 3, H, W): v2 draws once per call, so every frame gets the same crop, flip and
grey; colours too, unless ``augment.jitter_per`` is "frame". (A ``tv_tensors.Video`` it
leaves unchanged where it should turn grey, and does not tell.) Draws come from torch's
global CPU generator, see ``seeding.fixed_rng``.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from ..errors import RecipeError, VideoError
from ..recipes import AugmentRecipe, DataRecipe

# ImageNet statistics, RGB, of pixels in [0, 1].
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
# Wider or higher than this by its short side, a video is no picture of anything, and
# scaled up it would fill the memory.
_LONGEST = 50


def normalise(frames: Tensor) -> Tensor:
    """uint8 (..., 3, H, W) in [0, 255] to float32 with ImageNet mean 0, std 1."""
    return F.normalize(F.to_dtype(frames, torch.float32, scale=True), MEAN, STD)


def denormalise(frames: Tensor) -> Tensor:
    """The inverse of ``normalise`` as float32 (..., 3, H, W) in [0, 1], clamped."""
    mean = torch.tensor(MEAN, device=frames.device).view(3, 1, 1)
    std = torch.tensor(STD, device=frames.device).view(3, 1, 1)
    return (frames * std + mean).clamp(0, 1)


def resize_short_side(frames: Tensor, short_side: int) -> Tensor:
    """uint8 (T, 3, H, W) scaled so that min(H, W) is ``short_side`` pixels.

    The one resize of this library: the frame cache stores its output, so cached and
    freshly decoded clips are equal bit for bit.
    """
    if min(frames.shape[-2:]) == short_side:
        return frames
    return F.resize(frames, [short_side], antialias=True)


def resize_digest(exact: bool = False) -> str:
    """Of what the resize makes of a test picture: another resize, another digest.

    It is in the name of whatever is kept of resized frames, or of answers about them.
    ``exact`` also tells kinds of processors apart, whose rounding differs.
    """
    noise = (torch.arange(3 * 37 * 53) * 7919 % 251).view(1, 3, 37, 53)
    picture, sides = noise.to(torch.uint8), (16, 64)
    if not exact:
        picture, sides = noise[..., :5, :7].float(), (3, 9)
    scaled = [resize_short_side(picture, side).round().numpy() for side in sides]
    return hashlib.sha256(b"".join(s.tobytes() for s in scaled)).hexdigest()[:16]


def check_sides(name: str, height: int, width: int) -> None:
    """``VideoError`` for a side over 50 times as long as the other, before scaling."""
    short, long = sorted((height, width))
    if long > _LONGEST * short:
        raise VideoError(
            f"{name}: is {width} x {height} pixels; a side may be at most {_LONGEST} "
            "times as long as the other. Cut it first"
        )


class _FlipWithLabel(nn.Module):
    """``v2.RandomHorizontalFlip``, draw for draw, and the label of what is seen."""

    def __init__(self, p: float, flip_labels: Mapping[int, int | None]) -> None:
        super().__init__()
        self.p, self.flip_labels = p, dict(flip_labels)

    def forward(self, clip: Tensor, label: int) -> tuple[Tensor, int]:
        drawn = torch.rand(1) < self.p
        mirrored = self.flip_labels.get(label, label)
        if not drawn or mirrored is None:
            return clip, label
        return F.horizontal_flip(clip), mirrored


def labelled_transform(
    data: DataRecipe,
    augment: AugmentRecipe,
    flip_labels: Mapping[int, int | None] | None = None,
) -> Callable[[Tensor, int], tuple[Tensor, int]]:
    """The augmentation of a recipe, on a clip together with its label.

    From uint8 (T, 3, H, W) and a label to float32 (T, 3, crop, crop) and the label of
    what that shows. Short side to ``data.short_side``, a random area and aspect ratio
    resized to ``data.crop``, horizontal flip, colour jitter, grey, ImageNet
    normalisation. Steps whose strength is 0 are left out. Source of the order: facts of
    the released training code, DVFL-Net ``datasets/build.py``.

    Args:
        flip_labels: label -> label of the mirror image, for the classes that a flip
            turns into another (left into right); None for a class whose mirror image
            is of no class: its clips are not flipped. The draws are the same.
    """
    steps: list[nn.Module] = [
        v2.RandomResizedCrop(
            data.crop, scale=augment.crop_area, ratio=augment.crop_ratio, antialias=True
        )
    ]
    if augment.flip > 0:
        steps.append(_FlipWithLabel(augment.flip, flip_labels or {}))
    names = ("brightness", "contrast", "saturation", "hue")
    strengths = {name: getattr(augment, name) for name in names}
    if augment.jitter > 0 and any(strengths.values()):
        jitter: v2.Transform = v2.ColorJitter(**strengths)
        if augment.jitter_per == "frame":
            jitter = v2.Lambda(functools.partial(_by_frame, jitter), tv_tensors.Image)
        steps.append(v2.RandomApply([jitter], augment.jitter))
    if augment.grayscale > 0:
        steps.append(v2.RandomGrayscale(augment.grayscale))
    # Not a nested function: loader processes must be able to receive it.
    return functools.partial(_augmented, v2.Compose(steps), data.short_side)


def training_transform(
    data: DataRecipe, augment: AugmentRecipe
) -> Callable[[Tensor], Tensor]:
    """``labelled_transform`` of a clip alone: uint8 to float32 (T, 3, crop, crop)."""
    labelled = labelled_transform(data, augment)
    return lambda frames: labelled(frames, 0)[0]


def _by_frame(transform: v2.Transform, clip: Tensor) -> Tensor:
    return torch.stack([transform(frame) for frame in clip])


def _augmented(
    chain: v2.Transform, short_side: int, frames: Tensor, label: int
) -> tuple[Tensor, int]:
    clip = tv_tensors.Image(resize_short_side(frames, short_side))
    clip, label = chain(clip, label)  # v2 hands a plain number through
    return normalise(clip.as_subclass(Tensor)), label


def evaluation_crops(
    frames: Tensor, short_side: int, crop: int, crops: int = 1
) -> Tensor:
    """Fixed crops of uint8 (T, 3, H, W): float32 (crops, T, 3, crop, crop), normalised.

    1 is the centre; 3 are left, centre and right along the long side (top, centre,
    bottom of a portrait). ``RecipeError`` for a ``crop`` above ``short_side``.
    """
    if crop > short_side:
        raise RecipeError(f"a crop of {crop} does not fit a short side of {short_side}")
    frames = resize_short_side(frames, short_side)
    height, width = frames.shape[-2:]
    views = []
    for place in {1: (0.5,), 3: (0.0, 0.5, 1.0)}[crops]:
        down, right = (place, 0.5) if height > width else (0.5, place)
        top, left = round(down * (height - crop)), round(right * (width - crop))
        views.append(F.crop(frames, top, left, crop, crop))
    return normalise(torch.stack(views))  # (crops, T, 3, crop, crop)


def mix_clips(
    clips: Tensor, labels: Tensor, num_classes: int, augment: AugmentRecipe
) -> tuple[Tensor, Tensor]:
    """MixUp or CutMix over a batch, then label smoothing.

    From float (B, T, 3, H, W) and int64 labels (B,) to the mixed clips, and soft labels
    (B, num_classes) of rows that sum to one. Where both are switched on, each batch
    takes one of them with equal chance, as the released code does. A whole clip is
    mixed with a whole clip: the same weight, or the same box, in all frames. With both
    off the clips come back untouched. Draws come from torch's global CPU generator.
    """
    choices = []
    if augment.mixup > 0:
        choices.append(v2.MixUp(alpha=augment.mixup, num_classes=num_classes))
    if augment.cutmix > 0:
        choices.append(v2.CutMix(alpha=augment.cutmix, num_classes=num_classes))
    if choices:
        mix = choices[0] if len(choices) == 1 else v2.RandomChoice(choices)
        clips, soft = mix(tv_tensors.Video(clips), labels)
        clips = clips.as_subclass(Tensor)
    else:
        soft = nn.functional.one_hot(labels, num_classes)
    smoothing = augment.label_smoothing
    return clips, soft.float() * (1 - smoothing) + smoothing / num_classes
