"""Optimiser steps of a training and of a distillation, in several forms.

Public names: ``training_steps``, ``distillation_steps``, ``LIVE``.

A step is forward, loss, backward and the optimiser; clips and labels are in memory.
Every contestant has a student and an optimiser of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from dvfl_lib.distillation import distillation_loss, soft_cross_entropy
from dvfl_lib.fast import set_form
from dvfl_lib.recipes import recipe_for
from dvfl_lib.training.optimisation import build_optimizer
from dvfl_lib.vfl_net import VFLNet

from .network_forms import FAST, READABLE, STRAIGHTFORWARD, Call, with_precision
from .straightforward import straightforward

Steps = dict[str, Callable[[], object]]
LIVE = "straightforward, teacher asked"


def training_steps(student: VFLNet, clip: Tensor) -> Steps:
    """The student trained on labels alone; ``clip``: (B, T, 3, H, W)."""
    return {
        STRAIGHTFORWARD: _step(_plain(student), clip),
        READABLE: _step(_readable(student), clip),
        FAST: _step(copy.deepcopy(student), clip),
        "fast, bf16": _step(copy.deepcopy(student), clip, half=True),
    }


def distillation_steps(student: VFLNet, teacher: VFLNet, clip: Tensor) -> Steps:
    """The student trained on labels and a teacher; ``clip``: (B, T, 3, H, W).

    "Logits given" stands for a cache of the teacher: reading one takes next to no
    time beside a step (``benchmarks.teacher_cache`` reads a real one).
    """
    asked = with_precision(teacher, clip.device, False)
    logits = asked(clip)  # (B, K)

    def given(_: Tensor) -> Tensor:
        return logits

    plain = with_precision(_plain(teacher), clip.device, False)
    readable = with_precision(_readable(teacher), clip.device, False)
    fast = copy.deepcopy
    return {
        LIVE: _step(_plain(student), clip, plain),
        "readable, teacher asked": _step(_readable(student), clip, readable),
        "fast, teacher asked": _step(fast(student), clip, asked),
        "fast, logits given": _step(fast(student), clip, given),
        "fast, bf16, logits given": _step(fast(student), clip, given, half=True),
    }


def _plain(model: VFLNet) -> nn.Module:
    return straightforward(model).to(next(model.parameters()).device)


def _readable(model: VFLNet) -> VFLNet:
    return set_form(copy.deepcopy(model), "readable")


def _step(
    student: nn.Module, clip: Tensor, teacher: Call | None = None, half: bool = False
) -> Callable[[], object]:
    """One step as a call; with ``half`` the student's forward pass is in bfloat16."""
    recipe = recipe_for("paper")
    student.train()
    optimizer = build_optimizer(student, recipe.optim)
    targets = torch.zeros(len(clip), student.head.out_features, device=clip.device)
    targets[:, 0] = 1  # (B, K)

    def step() -> None:
        with torch.autocast(clip.device.type, torch.bfloat16, half):
            logits = student(clip)  # (B, K)
        if teacher is None:
            loss = soft_cross_entropy(logits, targets)
        else:
            distil = recipe.distil
            loss = distillation_loss(
                logits,
                teacher(clip),
                targets,
                alpha=distil.alpha,
                temperature=distil.temperature,
            )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
