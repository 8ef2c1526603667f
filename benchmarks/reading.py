"""How fast videos become clips: only the wanted frames, the frame cache, workers.

    python -m benchmarks.reading [--rounds 15] [--videos FILE ...]

Three videos of 320 x 240 pixels and 180 frames are drawn: MPEG-4 in AVI, VP9 in
WebM, H.264 in MP4, the kinds of files that the five benchmarks have, with 12, 128
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
from collections.abc import Callable, Iterator
from dataclasses import replace
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

from .stored import write_result, write_table
from .timing import interleave, ratio_cell, ratio_dicts

FRAMES = 180
# Suffix -> frames from one key frame to the next.
KEYS = {".avi": 12, ".webm": 128, ".mp4": 250}
LOADED_CLIPS = 96  # of one epoch of the loader


def draw_videos(folder: Path, frames: int = FRAMES) -> list[Path]:
    """One video per kind of file, all of the same scene."""
    rng = np.random.default_rng(0)
    clip = render_clip("Approaching", draw_scene(rng), frames, rng)  # T, 120, 160, 3
    paths = []
    for suffix, key_every in KEYS.items():
        paths.append(folder / f"drawn{suffix}")
        encode_clip(paths[-1], clip, key_every=key_every)
    return paths


def _draws(num_frames: int) -> Iterator[list[int]]:
    """Eight frames, one out of each segment, anew at every turn."""
    generator = torch.Generator().manual_seed(0)
    while True:
        yield segment_indices(num_frames, DataRecipe().frames, generator)


def frame_contestants(path: Path) -> dict[str, Callable[[], object]]:
    """Eight frames of one video: all decoded, or only what leads to the wanted."""
    with open_video(path) as video:
        count = video.num_frames

    def reads(backend: str, everything: bool, anew: bool) -> Callable[[], object]:
        draws = _draws(count)

        def read() -> object:
            wanted = next(draws)
            if anew:
                os.utime(path)  # a changed file: its packets are counted again
            with open_video(path, backend) as video:
                if everything:
                    return video.read(range(count))[wanted]
                return video.read(wanted)

        return read

    return {
        "all frames, PyAV": reads("pyav", True, False),
        "all frames, decord": reads("decord", True, False),
        "wanted frames, PyAV": reads("pyav", False, False),
        "wanted frames, decord": reads("decord", False, False),
        "wanted frames, decord, first time": reads("decord", False, True),
    }


def clip_contestants(
    path: Path, folder: Path, profile: str
) -> tuple[dict[str, Callable[[], object]], int]:
    """A training clip from the file and from the cache; and the cache's bytes."""
    recipe = recipe_for(profile)
    sample = [Sample(path, 0, "g01", path.stem)]
    cache = FrameCache(folder / profile, recipe.data.short_side)
    size = cache.fill([path], progress=False).bytes

    def makes(cache: FrameCache | None) -> Callable[[], object]:
        clips = TrainingClips(sample, recipe.data, recipe.augment, 0, cache)
        epochs = iter(range(10**9))  # another clip at every turn
        return lambda: clips[ClipKey(next(epochs), 0)]

    return {"from the file": makes(None), "from the cache": makes(cache)}, size


def loader_contestants(
    paths: list[Path], count: int
) -> dict[str, Callable[[], object]]:
    """One epoch of the training's own loader, with so many loader processes."""
    recipe = recipe_for("paper")
    samples = [Sample(paths[n % len(paths)], 0, "g01", str(n)) for n in range(count)]
    optim = replace(recipe.optim, batch_size=8, epochs=1, warmup_epochs=0)
    plan = BatchPlan(count, optim, seed=0)
    data = replace(recipe.data, workers=0)
    clips = TrainingClips(samples, data, recipe.augment, 0)

    def loads(workers: int) -> Callable[[], object]:
        return lambda: sum(1 for _ in step_loader(clips, plan, 0, workers))

    return {f"{workers} workers": loads(workers) for workers in (0, 1, 2)}


def measure(
    paths: list[Path], folder: Path, rounds: int, clips: int = LOADED_CLIPS
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


def table(found: dict[str, Any]) -> str:
    """The measurement as Markdown: one row per contestant, one column per file."""
    kinds = list(found["frames"])
    head = f"| | {' | '.join(kinds)} |\n|---|{'---|' * len(kinds)}"
    groups = [("8 frames of a video, all frames by PyAV = 1", found["frames"])]
    for profile, rows in found["clips"].items():
        groups.append((f"a training clip, {profile} profile, file = 1", rows))
    lines = []
    for title, rows in groups:
        lines += ["", f"Times as fast: {title}", "", head]
        for name in rows[kinds[0]]:
            cells = [ratio_cell(rows[kind][name]) for kind in kinds]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "One epoch of the loader, all kinds, paper profile: times as fast"]
    lines += ["", "| workers | |", "|---|---|"]
    lines += [
        f"| {name} | {ratio_cell(row)} |" for name, row in found["loader"].items()
    ]
    lines += ["", "Size on disk, MB", "", head]
    for name in found["bytes"][kinds[0]]:
        cells = [f"{found['bytes'][kind][name] / 1e6:.2f}" for kind in kinds]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines).strip() + "\n"


def main() -> None:
    """Measure; store what was measured on the drawn videos."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--videos", type=Path, nargs="+", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)  # as in a loader process
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Copies, for the measurement changes the files' times.
        copies = [Path(shutil.copy(path, folder)) for path in options.videos]
        paths = copies or draw_videos(folder)
        found = measure(paths, folder, options.rounds)
    print(table(found))
    if not options.videos:
        data = f"Drawn videos, 320 x 240, {FRAMES} frames; one thread."
        content = {"standin": True, "data": data, "keys": KEYS, **found}
        write_result("reading", "python -m benchmarks.reading", content)
        write_table("reading", table(found))


if __name__ == "__main__":
    main()
