"""The optimiser of a recipe, and the learning rate of every step.

Public names: ``build_optimizer``, ``learning_rate``.

The rules are those of the released Video-FocalNets training code (``optimizer.py``,
``lr_scheduler.py``, which wrap timm). Another optimiser is one more branch here and
one more word in ``recipes.OptimRecipe.name``: a checkpoint keeps whatever state it has.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from ..recipes import OptimRecipe


def build_optimizer(model: nn.Module, recipe: OptimRecipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over what is not frozen; ``lr`` is set at every step.

    Weight decay is for matrices and kernels only. Biases and the scales of norms (one
    dimension or none) are in a group without: pulling them to zero restrains no
    capacity, it only shifts activations.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    kernels = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    rate, momentum = recipe.warmup_lr * recipe.lr_scale, recipe.momentum
    match recipe.name:
        case "sgd":  # torch refuses Nesterov without momentum
            return torch.optim.SGD(groups, rate, momentum, nesterov=momentum > 0)
        case "adamw":
            return torch.optim.AdamW(groups, rate, betas=(momentum, 0.999))
    raise NotImplementedError(recipe.name)


def learning_rate(step: int, steps_per_epoch: int, recipe: OptimRecipe) -> float:
    """The learning rate of optimiser step ``step`` (0 is the first).

    During the first W = warmup_epochs * steps_per_epoch steps it grows linearly
    from ``warmup_lr`` to ``base_lr``; afterwards, with N steps in all,

        lr = min_lr + (base_lr - min_lr) * (1 + cos(pi * step / N)) / 2.

    The cosine counts from step 0, not from the end of the warm-up, as in the
    released code: the rate therefore steps down a little where the warm-up ends.
    All three rates are scaled linearly, by ``batch_size / lr_batch`` (Goyal et
    al., arXiv 1706.02677): 24 clips and base_lr 0.1 give 0.0046875.
    """
    total = recipe.epochs * steps_per_epoch
    warmup = int(recipe.warmup_epochs * steps_per_epoch)
    if step < warmup:
        rise = recipe.base_lr - recipe.warmup_lr
        rate = recipe.warmup_lr + rise * step / warmup
    else:
        fall = recipe.base_lr - recipe.min_lr
        share = 0.5 * (1 + math.cos(math.pi * min(step, total) / total))
        rate = recipe.min_lr + fall * share
    return rate * recipe.lr_scale
