"""How fast videos become clips: only the wanted frames, the frame cache, workers.

    python -m benchmarks.reading [--rounds 15] [--videos FILE ...] [--show]

The drawn videos are of the kinds that the data sets have: MPEG-4 in AVI, VP9 in WebM,
H.264 in MP4. Files of one's own are measured and printed without storing: the stored
result is the one that everybody can make again.

Public names: ``draw_videos``, ``measure``, ``table``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
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

from .stored import measure_or_show, options_of, page, table_lines
from .timing import against, interleave, ratio_cell

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


def frame_contestants(path: Path) -> Contestants:
    """Eight frames of one video, one out of each segment, anew at every turn: all
    frames decoded, or only what leads to the wanted. Every video is read by PyAV;
    decord is asked for by name, and left out where it would not be right."""
    with open_video(path, "decord") as video:
        frames, chosen = video.num_frames, video.backend
    names = {"PyAV": "pyav"} | ({"decord": "decord"} if chosen == "decord" else {})

    def reads(backend: str, what: str, anew: bool) -> Callable[[], object]:
        generator = torch.Generator().manual_seed(0)

        def read() -> object:
            wanted = segment_indices(frames, DataRecipe().frames, generator)
            if anew:
                os.utime(path)  # a changed file: its packets are counted again
            with open_video(path, backend) as video:
                if what == "all":
                    return video.read(range(frames))[wanted]
                return video.read(wanted)

        return read

    found = {}
    for what, anew in (("all", ""), ("wanted", ""), ("wanted", ", first time")):
        for name, backend in names.items():
            found[f"{what} frames, {name}{anew}"] = reads(backend, what, bool(anew))
    return found


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
        found["frames"][path.name] = against(times, "all frames, PyAV")
        sizes = {"video file": path.stat().st_size}
        for profile in ("paper", "demo"):
            contestants, cached = clip_contestants(path, folder, profile)
            rows = found["clips"].setdefault(profile, {})
            rows[path.name] = against(interleave(contestants, rounds), "from the file")
            sizes[f"cache, {profile}"] = cached
        found["bytes"][path.name] = sizes
    times = interleave(loader_contestants(paths, clips), -(-rounds // 3))
    return found | {"loader": against(times, "0 workers"), "loader_clips": clips}


def table(found: Mapping[str, Any]) -> str:
    """The measurement as Markdown: one row per contestant, one column per file."""
    kinds = list(found["frames"])

    def by_kind(rows: Mapping[str, Mapping], cell: Callable[[Any], str]) -> list[str]:
        names = dict.fromkeys(name for kind in kinds for name in rows[kind])
        cells = {
            n: [cell(rows[k][n]) if n in rows[k] else "" for k in kinds] for n in names
        }
        return table_lines(kinds, cells)

    begin, groups = "Times as fast:", {}
    title = f"{begin} 8 frames of a video, all frames by PyAV = 1"
    groups[title] = by_kind(found["frames"], ratio_cell)
    for profile, rows in found["clips"].items():
        title = f"{begin} a training clip, {profile} profile, file = 1"
        groups[title] = by_kind(rows, ratio_cell)
    loaded = {name: [ratio_cell(row)] for name, row in found["loader"].items()}
    title = f"{begin} one epoch of the loader, paper profile, 0 workers = 1"
    groups[title] = table_lines(["all kinds"], loaded)
    groups["Size on disk, MB"] = by_kind(found["bytes"], lambda n: f"{n / 1e6:.2f}")
    return page("", groups)


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    parser = options_of(__doc__, rounds=15)
    parser.add_argument("--videos", type=Path, nargs="+", default=[])

    def run(options: Any) -> dict[str, Any]:
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
