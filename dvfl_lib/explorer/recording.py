"""Making a record: every network once over the clip, then all that costs time.

Public names: ``record_clip``, ``record_video``, ``usual_tokens``, ``quantised``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..capture import (
    Dependency,
    ModulationMaps,
    answer_to,
    capture_maps,
    dependency,
    grad_cam,
    usual_interventions,
)
from ..errors import DVFLError, RunDirectoryError, VideoError, check_int
from ..video.reading import open_video
from ..video.sampling import segment_indices
from ..video.transforms import (
    check_sides,
    denormalise,
    evaluation_crops,
    normalise,
)
from .paths import file_path
from .record import NetworkRecord, Outcome, Record, TokenReach
from .validation import check_request, check_words, validate, validate_maps

# Seconds after which a bar appears: a recording of a small network shows none.
_PATIENCE = 20


@dataclass(frozen=True)
class _Effort:
    """How much is computed; see ``record_clip``."""

    grid: int
    regions: int
    probes: int
    progress: bool


def record_clip(
    frames: Tensor,
    networks: Mapping[str, nn.Module],
    classes: Sequence[str],
    *,
    title: str = "",
    label: str = "",
    standin: bool = False,
    about: Mapping[str, str] | None = None,
    grid: int = 4,
    regions: int = 4,
    probes: int = 2,
    progress: bool = True,
) -> Record:
    """All that the explorer shows of one clip, computed once.

    It takes seconds for the lab networks. At published sizes dependencies take long:
    on one CPU core ``vfl_net_nano`` at 8 x 224 x 224 takes 1.5 minutes and 3 GiB with
    ``grid=1, probes=1``, and half an hour with ``grid=4, probes=2``; time grows with
    grid squared times probes. ``grid=0`` leaves them out.

    Args:
        frames: uint8 (T, 3, H, W), already of the size that the networks take.
        networks: by name, on the CPU or one device, in eval mode, in float32.
        classes: names of the classes, as many as each network's outputs.
        title, label, standin: see ``Record``.
        about: one line for each network.
        grid: what a token depends on is kept for ``grid`` x ``grid`` tokens of each
            frame and block (fewer where the map is smaller); 0 keeps none.
        regions: regions per side that are covered one by one; 0 covers none.
        probes: random vectors for each of these tokens; more are more exact.
        progress: whether a bar is shown where it takes long.

    Raises:
        DVFLError: no network, one in training mode or with NaN in its answers, other
            classes than outputs, or an argument of another kind.
        ModelError: frames that are no clip, or too small for a network.
    """
    about = about or {}
    check_request(frames, networks, classes, about)
    check_words(tuple(classes), title, label, standin)
    least = {"grid": (grid, 0), "regions": (regions, 0), "probes": (probes, 1)}
    counts = (check_int(name, *given) for name, given in least.items())
    effort = _Effort(*counts, bool(progress))
    clip = normalise(frames)[None]  # (1, T, 3, H, W)
    entries = tuple(
        _record_network(name, model, clip, about.get(name, ""), len(classes), effort)
        for name, model in networks.items()
    )
    pictures = frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()  # (T, H, W, 3)
    record = Record(title, pictures, tuple(classes), label, standin, entries)
    validate(record)
    return record


def record_video(
    path: str | Path,
    networks: Mapping[str, nn.Module],
    classes: Sequence[str],
    *,
    frames: int = 8,
    crop: int = 64,
    short_side: int = 72,
    **more: Any,
) -> Record:
    """As ``record_clip``, for a video file: one frame from each of equal segments.

    The centre square is taken, as in an evaluation with one view.

    Args:
        path: any video that FFmpeg reads; of one frame or many, of any size.
        frames, crop, short_side: as the networks were trained.
        more: as for ``record_clip``, such as ``grid`` or ``progress``.

    Raises:
        VideoError: the file is missing, damaged, no video, or far longer than high;
            the message says which.
    """
    try:
        path = file_path(path, "record_video")
    except RunDirectoryError as error:
        raise VideoError(str(error)) from None
    frames, crop = check_int("frames", frames, 1), check_int("crop", crop, 1)
    short_side = check_int("short_side", short_side, 1)
    with open_video(path) as reader:
        check_sides(str(path), reader.height, reader.width)
        read = reader.read(segment_indices(reader.num_frames, frames))
    # The same resize and crop as in an evaluation; then back to the pixels.
    view = evaluation_crops(read, short_side, crop)[0]  # (T, 3, crop, crop)
    read = (denormalise(view) * 255).round().to(torch.uint8)
    # A name of other bytes than UTF-8 is shown with a mark in their place.
    title = str(path.name).encode("utf-8", "replace").decode("utf-8")
    return record_clip(read, networks, classes, **{"title": title, **more})


def usual_tokens(size: tuple[int, int, int], grid: int) -> list[tuple[int, int, int]]:
    """Tokens (t, y, x) of all frames, evenly spread over a map (T, H, W)."""
    frames, *sides = size
    rows, columns = (
        [int((n + 0.5) * side / min(grid, side)) for n in range(min(grid, side))]
        for side in sides
    )
    return [(t, y, x) for t in range(frames) for y in rows for x in columns]


def quantised(found: Dependency) -> TokenReach:
    """Square roots in 255 steps; what is reached at all stays above zero.

    Raises:
        DVFLError: derivatives that are not finite.
    """
    maps = []
    for sizes in found.sizes:  # (P, T, H, W)
        if not np.isfinite(sizes).all():
            raise DVFLError(
                f"the derivatives of block {(found.stage, found.block)} are NaN or "
                "infinite: its numbers are too large"
            )
        root = np.sqrt(sizes)
        top = root.max(axis=(1, 2, 3), keepdims=True)
        steps = np.ceil(255 * (root / np.where(top > 0, top, 1)))
        maps.append(steps.astype(np.uint8))
    return TokenReach(np.array(found.tokens), found.sources, tuple(maps))


def _record_network(
    name: str,
    model: nn.Module,
    clip: Tensor,
    about: str,
    classes: int,
    effort: _Effort,
) -> NetworkRecord:
    """Everything of one network; its name stands before what goes wrong."""
    try:
        weights = list(model.parameters())
        clip = clip.to(weights[0].device) if weights else clip
        maps = capture_maps(model, clip)
        if len(maps.logits) != classes:
            raise DVFLError(
                f"it answers for {len(maps.logits)} classes, but {classes} names were "
                "given"
            )
        # Before all that takes time: a network that gives NaN is of no use.
        validate_maps("its answer", maps, (clip.shape[1], *clip.shape[3:]), classes)
        target = int(maps.logits.argmax())
        cams = grad_cam(model, clip, target)
        outcomes, reach = _probe(name, model, clip, maps, effort)
    except DVFLError as error:
        raise type(error)(f"network {name!r}: {error}") from error
    kept = tuple(cams[place] for place in maps.places)
    return NetworkRecord(name, about, maps, kept, reach, outcomes)


def _probe(
    name: str, model: nn.Module, clip: Tensor, maps: ModulationMaps, effort: _Effort
) -> tuple[tuple[Outcome, ...], tuple[TokenReach, ...]]:
    """Interventions and dependencies, with a bar if that takes long."""
    changes = usual_interventions(clip.shape[1], maps.blocks[0].levels, effort.regions)
    wanted = [usual_tokens(b.size, effort.grid) if effort.grid else [] for b in maps]
    steps = len(changes) + sum(map(len, wanted))
    show = {"disable": not effort.progress, "delay": _PATIENCE, "leave": False}
    outcomes, reach = [], []
    with tqdm(total=steps, desc=f"recording {name}", **show) as bar:
        for change in changes:
            logits = answer_to(model, clip, change)[0].float().cpu().numpy()
            outcomes.append(Outcome(change.kind, change.name, logits))
            bar.update()
        more = {"probes": effort.probes, "advance": bar.update}
        for block, tokens in zip(maps, wanted, strict=True):
            if tokens:
                place = (block.stage, block.block)
                found = dependency(model, clip, *place, tokens, **more)
                reach.append(quantised(found))
    return tuple(outcomes), tuple(reach)
