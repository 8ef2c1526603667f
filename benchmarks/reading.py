"""How fast videos become clips: only the wanted frames, the frame cache, workers.

    python -m benchmarks.reading [--rounds 15] [--videos FILE ...] [--show]

Three videos of 320 x 240 pixels and 180 frames are drawn: MPEG-4 in AVI, VP9 in
WebM, H.264 in MP4, the kinds of files that the data sets have, with 12, 128
and 250 frames from one key frame to the next. ``--videos`` measures files of one's
own instead, and prints without storing: the stored result is the one that everybody
can make again. Contestants take turns in one process; see ``timing``.
The result is ``benchmarks/results/reading.json``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dvfl_lib.recipes import DataRecipe, recipe_for
from dvfl_lib.standins.scenes import draw_scene, render_clip
from dvfl_lib.training.batches import BatchPlan, step_loader
from dvfl_lib.video.clips import ClipKey, Sample, TrainingClips
from dvfl_lib.video.frame_cache import FrameCache
from dvfl_lib.video.reading import open_video
from dvfl_lib.video.sampling import segment_indices
from dvfl_lib.video.writing import encode_clip

from .stored import measure_or_show, options_of, table_lines
from .timing import interleave, ratio_cell, ratio_dicts

NAME = "reading"
FRAMES = 180
# Suffix -> frames from one key frame to the next.
KEYS = {".avi": 12, ".webm": 128, ".mp4": 250}
LOADED_CLIPS = 96  # of one epoch of the loader
Contestants = dict[str, Callable[[], object]]


def draw_videos(folder: Path, frames: int = FRAMES) -> list[Path]:
    """One video per kind of file, all of the same scene."""
    rng = np.random.default_rng(0)
    clip = render_clip("Approaching", draw_scene(rng), frames, rng)  # T, 120, 160, 3
    paths = {folder / f"drawn{suffix}": key for suffix, key in KEYS.items()}
    for path, key_every in paths.items():
        encode_clip(path, clip, key_every=key_every)
    return list(paths)


def _draws(num_frames: int) -> Iterator[list[int]]:
    """Eight frames, one out of each segment, anew at every turn."""
    generator = torch.Generator().manual_seed(0)
    while True:
        yield segment_indices(num_frames, DataRecipe().frames, generator)


def frame_contestants(path: Path) -> Contestants:
    """Eight frames of one video: all decoded, or only what leads to the wanted."""
    with open_video(path) as video:
        frames = video.num_frames

    def reads(
        backend: str, everything: bool = False, anew: bool = False
    ) -> Callable[[], object]:
        draws = _draws(frames)

        def read() -> object:
            wanted = next(draws)
            if anew:
                os.utime(path)  # a changed file: its packets are counted again
            with open_video(path, backend) as video:
                if everything:
                    return video.read(range(frames))[wanted]
                return video.read(wanted)

        return read

    return {
        "all frames, PyAV": reads("pyav", everything=True),
        "all frames, decord": reads("decord", everything=True),
        "wanted frames, PyAV": reads("pyav"),
        "wanted frames, decord": reads("decord"),
        "wanted frames, decord, first time": reads("decord", anew=True),
    }


def clip_contestants(path: Path, folder: Path, profile: str) -> tuple[Contestants, int]:
    """A training clip from the file and from the cache; and the cache's bytes."""
    recipe = recipe_for(profile)
    sample = [Sample(path, 0, "g01", path.stem)]
    cache = FrameCache(folder / profile, recipe.data.short_side)
    size = cache.fill([path], progress=False).bytes

    def makes(cache: FrameCache | None) -> Callable[[], object]:
        clips = TrainingClips(sample, recipe.data, recipe.augment, 0, cache)
        epochs = count()  # another clip at every turn
        return lambda: clips[ClipKey(next(epochs), 0)]

    return {"from the file": makes(None), "from the cache": makes(cache)}, size


def loader_contestants(paths: Sequence[Path], clips: int) -> Contestants:
    """One epoch of the training's own loader, with so many loader processes."""
    recipe = recipe_for("paper")
    samples = [Sample(paths[n % len(paths)], 0, "g01", str(n)) for n in range(clips)]
    optim = replace(recipe.optim, batch_size=8, epochs=1, warmup_epochs=0)
    plan = BatchPlan(clips, optim, seed=0)
    data = replace(recipe.data, workers=0)
    shown = TrainingClips(samples, data, recipe.augment, 0)

    def loads(workers: int) -> Callable[[], object]:
        return lambda: sum(1 for _ in step_loader(shown, plan, 0, workers))

    return {f"{workers} workers": loads(workers) for workers in (0, 1, 2)}


def measure(
    paths: Sequence[Path], folder: Path, rounds: int, clips: int = LOADED_CLIPS
) -> dict[str, Any]:
    """All groups of contestants; ``folder`` takes the caches, ``clips`` the loader.

    Returns:
        ``frames``, ``clips`` (per profile) and ``loader``: contestant -> ratio,
        its quartiles and seconds; ``bytes`` of each file and of its caches.
    """
    found: dict[str, Any] = {"rounds": rounds, "frames": {}, "clips": {}, "bytes": {}}
    for path in paths:
        times = interleave(frame_contestants(path), rounds)
        found["frames"][path.name] = ratio_dicts(times, "all frames, PyAV")
        sizes = {"video file": path.stat().st_size}
        for profile in ("paper", "demo"):
            contestants, cached = clip_contestants(path, folder, profile)
            times = interleave(contestants, rounds)
            rows = found["clips"].setdefault(profile, {})
            rows[path.name] = ratio_dicts(times, "from the file")
            sizes[f"cache, {profile}"] = cached
        found["bytes"][path.name] = sizes
    times = interleave(loader_contestants(paths, clips), -(-rounds // 3))
    found["loader"] = ratio_dicts(times, "0 workers")
    found["loader_clips"] = clips
    return found


def table(found: Mapping[str, Any]) -> str:
    """The measurement as Markdown: one row per contestant, one column per file."""
    kinds = list(found["frames"])
    groups = {"8 frames of a video, all frames by PyAV = 1": found["frames"]}
    for profile, rows in found["clips"].items():
        groups[f"a training clip, {profile} profile, file = 1"] = rows
    lines = []
    for title, rows in groups.items():
        cells = {n: [ratio_cell(rows[k][n]) for k in kinds] for n in rows[kinds[0]]}
        lines += [f"Times as fast: {title}", "", *table_lines(kinds, cells), ""]
    title = "Times as fast: one epoch of the loader, paper profile, 0 workers = 1"
    cells = {name: [ratio_cell(row)] for name, row in found["loader"].items()}
    lines += [title, "", *table_lines(["all kinds"], cells), ""]
    size = found["bytes"]
    cells = {n: [f"{size[k][n] / 1e6:.2f}" for k in kinds] for n in size[kinds[0]]}
    lines += ["Size on disk, MB", "", *table_lines(kinds, cells)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    parser = options_of(__doc__, rounds=15)
    parser.add_argument("--videos", type=Path, nargs="+", default=[])

    def run(options: argparse.Namespace) -> dict[str, Any]:
        torch.set_num_threads(1)  # as in a loader process
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            # Copies, for the measurement changes the files' times.
            copies = [Path(shutil.copy(path, folder)) for path in options.videos]
            paths = copies or draw_videos(folder)
            return {"keys": KEYS, **measure(paths, folder, options.rounds)}

    options = parser.parse_args()
    if options.videos:
        print(table(run(options)))
        return
    data = f"Drawn videos, 320 x 240, {FRAMES} frames; one thread."
    measure_or_show(NAME, run, table, parser, data)


if __name__ == "__main__":
    main()
