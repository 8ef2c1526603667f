"""A training run of seconds, for the tests of ``fit``; also a script of its own.

As a script (``python tiny_training.py RUN_DIR '{"epochs": 3}'``) it is what the
end-to-end tests kill, start again, and run on two processes. With a third argument,
the folder of a teacher cache, it is ``stored_run``.
"""

import json
import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from dvfl_lib.recipes import (
    AugmentRecipe,
    DataRecipe,
    DistilRecipe,
    OptimRecipe,
    Recipe,
)
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.training import FitResult, TrainConfig, fit
from dvfl_lib.training.teacher_logits import StoredTeacher
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig
from dvfl_lib.video.clips import Sample

CLASSES = 4
PLAIN = AugmentRecipe(mixup=0, cutmix=0, label_smoothing=0)
MIXING = AugmentRecipe()


class MemoryClips(Dataset):
    """Noise over one pattern per class: (T=2, 3, 8, 8), learnt in a few epochs.

    With ``views``, epochs show stored views, as those of ``TrainingClips`` do.
    """

    def __init__(self, count: int = 24, seed: int = 0, views: int = 0) -> None:
        self.samples = [
            Sample(Path(f"v{i}.avi"), i % CLASSES, f"g{i // 4}", f"v{i}")
            for i in range(count)
        ]
        self.seed = seed
        self.views = views

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key) -> dict:
        label = self.samples[key.index].label
        epoch = key.epoch % self.views if self.views else key.epoch
        with fixed_rng("pattern", label):
            pattern = torch.randn(2, 3, 8, 8)
        with fixed_rng(self.seed, "clip", epoch, key.index):
            clip = pattern + 0.5 * torch.randn(2, 3, 8, 8)
        return dict(clip=clip, label=label, index=key.index, unreadable=[])


class StopAfter(MemoryClips):
    """Acts as if the user pressed Ctrl-C at the clip after the ``left`` next ones."""

    def __init__(self, left: int, views: int = 0) -> None:
        super().__init__(views=views)
        self.left = left

    def __getitem__(self, key):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().__getitem__(key)


def tiny_model(seed: int = 0, drop_path: float = 0.0, width: int = 8) -> VFLNet:
    """Two stages of one block each; smallest frames 8 x 8."""
    config = VFLNetConfig(depths=(1, 1), embed_dim=width)
    with fixed_rng("model", seed):
        return VFLNet(config, CLASSES, drop_path, init="fan_in")


def tiny_recipe(**changes) -> OptimRecipe:
    """3 epochs of 3 steps of 8 clips, in micro-batches of 4."""
    values = dict(epochs=3, warmup_epochs=1, batch_size=8, micro_batch=4, base_lr=6.4)
    return OptimRecipe(**{**values, **changes})


def run(
    run_dir: Path,
    model: VFLNet | None = None,
    clips: Dataset | None = None,
    optim: OptimRecipe | None = None,
    augment: AugmentRecipe = PLAIN,
    distil: DistilRecipe | None = None,
    max_unreadable: float = 0.0,
    workers: int = 0,
    cache: Path | None = None,
    **config,
) -> FitResult:
    """``fit`` with tiny defaults; with ``cache``, the teacher's logits lie there."""
    clips = clips or MemoryClips()
    optim = optim or tiny_recipe()
    data = DataRecipe(max_unreadable=max_unreadable, workers=workers)
    recipe = Recipe(
        data=data, augment=augment, optim=optim, distil=distil or DistilRecipe()
    )
    if cache is not None:
        names = [str(number) for number in range(CLASSES)]
        asked = (cache, config["teacher"], clips, names, recipe)
        config["stored"] = StoredTeacher(*asked, show=False)
    values = dict(num_classes=CLASSES, seed=0, name="tiny", progress=False)
    config = TrainConfig(recipe, optim, run_dir=run_dir, **{**values, **config})
    return fit(tiny_model() if model is None else model, clips, config)


def full_run(
    run_dir: Path,
    clips: int = 24,
    workers: int = 0,
    checkpoint_seconds: float = 0.0,
    stop_at_validation: int = 0,
    match: str = "",
    **recipe,
) -> FitResult:
    """Everything random switched on: mixing, drop-path, distillation.

    ``stop_at_validation``: act as if the user pressed Ctrl-C in that validation.
    """
    calls = []

    def validate(model: VFLNet) -> dict:
        calls.append(1)
        if len(calls) == stop_at_validation:
            raise KeyboardInterrupt
        return {"top1": float(model.head.bias.abs().sum())}

    return run(
        run_dir,
        tiny_model(1, drop_path=0.3),
        clips=MemoryClips(clips),
        optim=tiny_recipe(**recipe),
        augment=MIXING,
        teacher=tiny_model(2, width=16),
        distil=DistilRecipe(alpha=0.5, temperature=2.0, match=match),
        validate=validate,
        workers=workers,
        checkpoint_seconds=checkpoint_seconds,
    )


def stored_run(
    run_dir: Path,
    cache: Path | None,
    clips: int | MemoryClips = 24,
    teacher: nn.Module | None = None,
    checkpoint_seconds: float = 0.0,
    **recipe,
) -> FitResult:
    """Two stored views, labels of every third clip; without a cache, a live teacher."""
    if isinstance(clips, int):
        clips = MemoryClips(clips, views=2)
    live = cache is None
    return run(
        run_dir,
        tiny_model(1, drop_path=0.3),
        clips=clips,
        optim=tiny_recipe(**recipe),
        teacher=teacher or tiny_model(2, width=16),
        distil=DistilRecipe(0.5, 2.0, stored_views=2, live_teacher=live),
        cache=cache,
        labelled=set(range(0, len(clips), 3)),
        max_unreadable=0.2,
        checkpoint_seconds=checkpoint_seconds,
    )


def main() -> None:
    torch.set_num_threads(1)
    run_dir, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    if len(sys.argv) > 3:
        result = stored_run(run_dir, Path(sys.argv[3]), **options)
    else:
        result = full_run(run_dir, **options)
    print(f"finished {result.steps} steps, begun at {result.resumed_from}")


if __name__ == "__main__":
    main()
