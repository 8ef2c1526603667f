"""What stored logits of the teacher save in time: steps with and without, in turns.

    python -m benchmarks.teacher_logits [--rounds 20] [--large-rounds 5] [--show]

Weights and pixels do not change how long a step takes. What storing costs in accuracy
is a study of the ablation (``benchmarks.studies``): "views of a clip".

Public names: ``Pair``, ``large_pair``, ``lab_pair``, ``measure_time``, ``table``.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dvfl_lib.environment import cpu_threads
from dvfl_lib.lessons import open_run, project_root
from dvfl_lib.recipes import Recipe, recipe_for
from dvfl_lib.seeding import fixed_rng
from dvfl_lib.training import TrainConfig
from dvfl_lib.training.batches import MicroBatch
from dvfl_lib.training.devices import make_accelerator
from dvfl_lib.training.objective import Objective
from dvfl_lib.training.optim import build_optimizer
from dvfl_lib.training.teacher_logits import StoredTeacher
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.clips import ClipKey, Sample, collate_clips

from .stored import measure_or_show, options_of, page, table_lines
from .timing import against, interleave, ratio_cell

NAME = "teacher_cache"
LIVE, CACHED, ALONE = "teacher asked", "logits from the cache", "student alone"
LOADING = "loading the clips"
# Title -> where its ratios are stored.
KINDS = {
    "one optimiser step, clips in memory": "ratios",
    "the same process loading the step's clips": "ratios, loading by the same process",
}
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
        label, clip = self.samples[key.index].label, self.clips[key.index]
        return dict(clip=clip, label=label, index=key.index, unreadable=[])


@dataclass(frozen=True)
class Pair:
    """A student, a teacher, and the clips of one step."""

    student: nn.Module
    teacher: nn.Module
    clips: Any
    classes: int
    recipe: Recipe  # its optim and distil

    def batch(self, epoch: int) -> dict[str, Tensor]:
        """The clips, loaded as of that epoch."""
        keys = [ClipKey(epoch, index) for index in range(len(self.clips))]
        return collate_clips([self.clips[key] for key in keys])


def large_pair(batch: int, side: int, teacher: str = "video_focalnet_base") -> Pair:
    """The paper's student, and by default a teacher of its teacher's size."""
    paper, classes = recipe_for("paper", OFF), 101
    with fixed_rng("networks"):
        networks = [create_model(name, classes) for name in ("vfl_net_nano", teacher)]
    optim = replace(paper.optim, batch_size=batch, micro_batch=batch, precision="no")
    recipe = replace(paper, optim=optim, distil=replace(paper.distil, stored_views=1))
    return Pair(*networks, Noise(batch, side, classes), classes, recipe)


def lab_pair() -> Pair:
    """The teaching sizes, and clips of the stand-in as the demo profile sees them."""
    run = open_run(
        profile="demo",
        dataset="ucf101",
        data_root="",
        split="1",
        run_dir=str(project_root() / "runs" / "teacher_cache"),
        seed=0,
        overrides={"distil.stored_views": 1, **OFF},
    )
    run.fill_cache()
    with fixed_rng("networks"):
        networks = [run.new_network(role)[0] for role in ("student", "teacher")]
    clips = run.training_clips("student")
    clips.samples = clips.samples[: run.recipe.optim.batch_size]
    return Pair(*networks, clips, len(run.train_list.classes), run.recipe)


def contestants(pair: Pair, folder: Path) -> dict[str, Callable[[], object]]:
    """One optimiser step each; the cache in ``folder`` is filled before."""
    accelerator = make_accelerator("no")
    recipe = replace(pair.recipe, data=replace(pair.recipe.data, workers=0))
    names = [str(k) for k in range(pair.classes)]
    stored = StoredTeacher(folder, pair.teacher, pair.clips, names, recipe, show=False)
    stored.open(accelerator)
    batch = pair.batch(0)
    device = accelerator.device

    def steps(**asked: Any) -> Callable[[], object]:
        student = copy.deepcopy(pair.student).to(device).train()
        optimizer = build_optimizer(student, recipe.optim)
        sizes = dict(num_classes=pair.classes, seed=0, run_dir=folder, name="step")
        objective = Objective(TrainConfig(recipe, recipe.optim, **sizes, **asked))

        def step() -> float:
            """What ``Loop._step`` does on one process in one micro-batch."""
            size = len(batch["index"])
            micro = MicroBatch(0, 0, 0, tuple(range(size)))
            moved = {
                name: batch[name].to(device) for name in ("clip", "label", "index")
            }
            losses = objective(student, micro, moved, size, nullcontext())
            losses["loss"].backward()
            nn.utils.clip_grad_norm_(student.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
            return losses["loss"].item()  # waits for a GPU

        return step

    pair.teacher.to(device).eval()
    return {
        LIVE: steps(teacher=pair.teacher),
        CACHED: steps(teacher=pair.teacher, stored=stored),
        ALONE: steps(),
    }


def measure_time(pair: Pair, rounds: int) -> dict[str, Any]:
    """Ratios and every single time of the contestants, and of loading a batch."""
    threads = cpu_threads(pair.recipe.optim.cpu_threads)
    with tempfile.TemporaryDirectory() as folder, threads:
        asked, epochs = contestants(pair, Path(folder)), count()
        asked[LOADING] = lambda: pair.batch(next(epochs))
        times = interleave(asked, rounds)
    steps = {name: mine for name, mine in times.items() if name != LOADING}
    both = {
        name: [step + load for step, load in zip(mine, times[LOADING], strict=True)]
        for name, mine in steps.items()
    }
    return {
        "ratios": against(steps, LIVE),
        "ratios, loading by the same process": against(both, LIVE),
        "batch": len(pair.clips),
        "rounds": rounds,
        "seconds": times,
    }


def table(found: Mapping[str, Any]) -> str:
    """The measurement as Markdown: one row per contestant, one column per pair."""
    steps = found["steps"]
    groups = {
        f"Times as fast, {title}:": {
            name: [ratio_cell(pair[kind][name], "s") for pair in steps.values()]
            for name in (LIVE, CACHED, ALONE)
        }
        for title, kind in KINDS.items()
    }
    title = f"Times as fast, {EPOCHS} epochs over K stored views, filling included:"
    groups[title] = {
        f"K = {k}": [f"{_training(p['seconds'], k):.2f}" for p in steps.values()]
        for k in (1, 8, EPOCHS)
    }
    return page("", {t: table_lines([*steps], rows) for t, rows in groups.items()})


def _training(seconds: Mapping[str, list[float]], views: int) -> float:
    """Of a whole training, computed from the median steps: the teacher is asked
    ``views`` times about a clip instead of once in every epoch."""
    live, cached = (statistics.median(seconds[name]) for name in (LIVE, CACHED))
    return EPOCHS * live / (EPOCHS * cached + views * (live - cached))


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""

    def run(options: Any) -> dict[str, Any]:
        large = large_pair(options.large_batch, 224)
        steps = {"teaching sizes, stand-in": measure_time(lab_pair(), options.rounds)}
        name = "vfl_net_nano and video_focalnet_base, 8 x 224 x 224"
        steps[name] = measure_time(large, options.large_rounds)
        return {"steps": steps}

    parser = options_of(__doc__, rounds=20, large_rounds=5, large_batch=2)
    data = "Stand-in data, demo profile; noise for the large pair."
    measure_or_show(NAME, run, table, parser, data)


if __name__ == "__main__":
    main()
