"""What stored logits of the teacher save in time.

    python -m benchmarks.teacher_logits [--rounds 20] [--large-rounds 5]

One optimiser step of a distillation, with the teacher asked in it and with its logits
read from a cache, in turns in one process (see ``timing``); the step of the
student alone stands beside them, as the least that is possible. Clips are in memory;
loading a step's clips is measured apart, and added. Two pairs: the teaching sizes on
the stand-in, as the demo profile trains them; and the student of the paper with a
teacher of the size of the paper's, with random weights, on noise of 8 x 224 x 224.
Weights and pixels do not change how long a step takes. What storing costs in accuracy
is a study of the ablation (``benchmarks.studies``): "views of a clip". The result is
``benchmarks/results/teacher_cache.json``.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dvfl_lib.environment import cpu_threads
from dvfl_lib.lessons import open_run, project_root
from dvfl_lib.recipes import (
    DataRecipe,
    DistilRecipe,
    EvaluateRecipe,
    OptimRecipe,
    recipe_for,
)
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.training import Pipeline, TrainConfig
from dvfl_lib.training.batches import MicroBatch
from dvfl_lib.training.devices import make_accelerator
from dvfl_lib.training.objective import Objective
from dvfl_lib.training.optim import build_optimizer
from dvfl_lib.training.teacher_logits import StoredTeacher
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.clips import ClipKey, Sample, collate_clips

from .stored import write_result, write_table
from .timing import interleave, ratio_cell, ratio_dicts

LIVE, CACHED, ALONE = "teacher asked", "logits from the cache", "student alone"
EPOCHS = 120  # of the paper
OFF = {"augment.mixup": 0.0, "augment.cutmix": 0.0}


class Noise:
    """Clips of noise in memory, each the same in every epoch."""

    def __init__(self, count: int, side: int, classes: int) -> None:
        self.samples = [
            Sample(Path(f"noise{n}"), n % classes, "", f"noise{n}")
            for n in range(count)
        ]
        self.views, self.seed = 1, 0
        with fixed_rng("noise"):
            self.clips = torch.randn(count, 8, 3, side, side)  # (N, T, 3, H, W)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: ClipKey) -> dict[str, Any]:
        label = self.samples[key.index].label
        item = dict(clip=self.clips[key.index], label=label, index=key.index)
        return {**item, "unreadable": []}


@dataclass(frozen=True)
class Pair:
    """A student, a teacher, and the clips of one step."""

    student: nn.Module
    teacher: nn.Module
    clips: Any
    batch: int
    classes: int
    optim: OptimRecipe
    distil: DistilRecipe


def large_pair(batch: int, side: int, teacher: str = "video_focalnet_base") -> Pair:
    """The paper's student, and by default a teacher of its teacher's size."""
    paper, classes = recipe_for("paper", OFF), 101
    with fixed_rng("networks"):
        networks = [create_model(name, classes) for name in ("vfl_net_nano", teacher)]
    optim = replace(paper.optim, batch_size=batch, micro_batch=batch, precision="no")
    distil = replace(paper.distil, stored_views=1)
    clips = Noise(batch, side, classes)
    return Pair(*networks, clips, batch, classes, optim, distil)


def lab_pair(run: Pipeline) -> Pair:
    """The teaching sizes, and clips of the stand-in as the demo profile sees them."""
    with fixed_rng("networks"):
        student, _ = run.new_network("student")
        teacher, _ = run.new_network("teacher")
    optim, distil = run.recipe.optim, run.recipe.distil
    classes = len(run.train_list.classes)
    clips = run.training_clips("student")
    return Pair(student, teacher, clips, optim.batch_size, classes, optim, distil)


def contestants(pair: Pair, folder: Path) -> dict[str, Callable[[], object]]:
    """One optimiser step each; the cache in ``folder`` is filled before."""
    accelerator = make_accelerator("no")
    recipe = replace(
        recipe_for("demo", OFF),
        data=DataRecipe(workers=0),
        optim=pair.optim,
        distil=pair.distil,
        evaluate=EvaluateRecipe(),
    )
    names = [str(k) for k in range(pair.classes)]
    first = _First(pair.clips, pair.batch)
    stored = StoredTeacher(folder, pair.teacher, first, names, recipe, show=False)
    stored.open(accelerator)
    keys = [ClipKey(0, index) for index in range(pair.batch)]
    batch = collate_clips([pair.clips[key] for key in keys])

    def steps(**asked: Any) -> Callable[[], object]:
        student = copy.deepcopy(pair.student).to(accelerator.device).train()
        optimizer = build_optimizer(student, pair.optim)
        sizes = dict(num_classes=pair.classes, seed=0, run_dir=folder, name="step")
        objective = Objective(TrainConfig(recipe, pair.optim, **sizes, **asked))
        return lambda: _step(student, optimizer, objective, batch)

    pair.teacher.to(accelerator.device).eval()
    return {
        LIVE: steps(teacher=pair.teacher),
        CACHED: steps(teacher=pair.teacher, stored=stored),
        ALONE: steps(),
    }


class _First:
    """The first clips of a data set, for a cache of these alone."""

    def __init__(self, clips: Any, count: int) -> None:
        self.clips, self.samples = clips, clips.samples[:count]
        self.views, self.seed = clips.views, clips.seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: ClipKey) -> dict[str, Any]:
        return self.clips[key]


def _step(
    student: nn.Module,
    optimizer: torch.optim.Optimizer,
    objective: Objective,
    batch: dict[str, Tensor],
) -> float:
    """What ``Loop._step`` does on one process in one micro-batch."""
    count = len(batch["index"])
    micro = MicroBatch(0, 0, 0, tuple(range(count)))
    moved = {
        name: batch[name].to(next(student.parameters()).device)
        for name in ("clip", "label", "index")
    }
    losses = objective(student, micro, moved, count, nullcontext())
    losses["loss"].backward()
    nn.utils.clip_grad_norm_(student.parameters(), 0.5)
    optimizer.step()
    optimizer.zero_grad()
    return losses["loss"].item()  # waits for a GPU


def measure_time(pair: Pair, rounds: int) -> dict[str, Any]:
    """Ratios and every single time of the contestants, and of loading a batch."""
    with tempfile.TemporaryDirectory() as folder, cpu_threads(pair.optim.cpu_threads):
        timed = contestants(pair, Path(folder))
        epochs = iter(range(10**9))

        def load() -> object:
            epoch = next(epochs)
            keys = [ClipKey(epoch, index) for index in range(pair.batch)]
            return collate_clips([pair.clips[key] for key in keys])

        times = interleave(timed | {"loading the clips": load}, rounds)
    loading = times.pop("loading the clips")
    both = {
        name: [a + b for a, b in zip(mine, loading, strict=True)]
        for name, mine in times.items()
    }
    return {
        "ratios": ratio_dicts(times, LIVE),
        "ratios, loading by the same process": ratio_dicts(both, LIVE),
        "batch": pair.batch,
        "rounds": rounds,
        "seconds": times | {"loading the clips": loading},
    }


def demo_run() -> Pipeline:
    """A demo run on the stand-in, with one stored view of each clip."""
    return open_run(
        profile="demo",
        dataset="ucf101",
        data_root="",
        split="1",
        run_dir=str(project_root() / "runs" / "teacher_cache"),
        seed=0,
        teacher_weights="",
        overrides={"distil.stored_views": 1},
    )


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown: one row per contestant, one column per pair."""
    steps = found["steps"]
    head = f"| | {' | '.join(steps)} |\n|---|{'---|' * len(steps)}"
    lines = ["Times as fast, one optimiser step, clips in memory:", "", head]
    lines += _rows(steps, "ratios")
    lines += ["", "Times as fast, the same process loading the step's clips:", "", head]
    lines += _rows(steps, "ratios, loading by the same process")
    epochs = f"Times as fast, {EPOCHS} epochs over K stored views, filling included:"
    lines += ["", epochs, "", head]
    for views in (1, 8, EPOCHS):
        cells = [f"{_training(pair['seconds'], views):.2f}" for pair in steps.values()]
        lines.append(f"| K = {views} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rows(steps: dict[str, Any], kind: str) -> list[str]:
    lines = []
    for name in (LIVE, CACHED, ALONE):
        cells = [ratio_cell(pair[kind][name], "s") for pair in steps.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _training(seconds: dict[str, list[float]], views: int) -> float:
    """Of a whole training, computed from the median steps: the teacher is asked
    ``views`` times about a clip instead of once in every epoch."""
    live, cached = (statistics.median(seconds[name]) for name in (LIVE, CACHED))
    return EPOCHS * live / (EPOCHS * cached + views * (live - cached))


def main() -> None:
    """Measure, and store it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--large-rounds", type=int, default=5)
    parser.add_argument("--large-batch", type=int, default=2)
    options = parser.parse_args()
    run = demo_run()
    run.fill_cache()
    pairs = {
        "teaching sizes, stand-in": (lab_pair(run), options.rounds),
        "vfl_net_nano and video_focalnet_base, 8 x 224 x 224": (
            large_pair(options.large_batch, 224),
            options.large_rounds,
        ),
    }
    content = {
        "standin": True,
        "data": "Stand-in data, demo profile; noise for the large pair.",
        "steps": {name: measure_time(*pair) for name, pair in pairs.items()},
    }
    write_result("teacher_cache", "python -m benchmarks.teacher_logits", content)
    write_table("teacher_cache", table(content))
    print(table(content))


if __name__ == "__main__":
    main()
