"""Making a record: every network once over the clip, then all that costs time.

Public names: ``record_clip``, ``record_video``, ``usual_tokens``, ``quantised``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..capture import (
    Dependency,
    answer_to,
    capture_maps,
    dependency,
    grad_cam,
    usual_interventions,
)
from ..errors import DVFLError
from ..video.reading import open_video
from ..video.sampling import segment_indices
from ..video.transforms import evaluation_crops, normalise, resize_short_side
from .record import NetworkRecord, Outcome, Record, TokenReach


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
) -> Record:
    """All that the explorer shows of one clip, computed once.

    Args:
        frames: uint8 (T, 3, H, W), already of the size that the networks take.
        networks: by name, on the CPU or one device, in eval mode.
        classes: names of the classes, as many as each network's outputs.
        title, label, standin: see ``Record``.
        about: one line for each network.
        grid: what a token depends on is kept for ``grid`` x ``grid`` tokens of each
            frame and block (fewer where the map is smaller); 0 keeps none.
        regions: regions per side that are covered one by one.

    Raises:
        DVFLError: no network, one in training mode, or other classes than outputs.
        ModelError: frames that are no clip, or too small for a network.
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8:
        raise DVFLError(
            "frames are uint8 (T, 3, H, W); got "
            f"{str(frames.dtype).removeprefix('torch.')} {tuple(frames.shape)}"
        )
    if not networks:
        raise DVFLError("a record needs at least one network")
    clip = normalise(frames)[None]  # (1, T, 3, H, W)
    about = about or {}
    entries = tuple(
        _record_network(
            name, model, clip, about.get(name, ""), len(classes), grid, regions
        )
        for name, model in networks.items()
    )
    pictures = frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()  # (T, H, W, 3)
    return Record(title, pictures, tuple(classes), label, standin, entries)


def record_video(
    path: str | Path,
    networks: Mapping[str, nn.Module],
    classes: Sequence[str],
    *,
    frames: int = 8,
    crop: int = 64,
    short_side: int = 72,
    **more: object,
) -> Record:
    """As ``record_clip``, for a video file: one frame from each of equal segments.

    The centre square is taken, as in an evaluation with one view.

    Args:
        path: any video that FFmpeg reads; of one frame or many, of any size.
        frames, crop, short_side: as the networks were trained.
        more: as for ``record_clip``.

    Raises:
        VideoError: the file is missing, damaged, or no video; the message says which.
    """
    path = Path(path).expanduser()
    with open_video(path) as reader:
        read = reader.read(segment_indices(reader.num_frames, frames))
    # The same resize and crop as in an evaluation; only the pixels are kept.
    evaluation_crops(read[:1], short_side, crop)  # refuses what does not fit
    read = resize_short_side(read, short_side)
    top, left = ((side - crop) // 2 for side in read.shape[-2:])
    read = read[..., top : top + crop, left : left + crop]
    return record_clip(read, networks, classes, **{"title": path.name, **more})


def usual_tokens(size: tuple[int, int, int], grid: int) -> list[tuple[int, int, int]]:
    """Tokens (t, y, x) of all frames, evenly spread over a map (T, H, W)."""
    frames, *sides = size
    rows, columns = (
        [int((n + 0.5) * side / min(grid, side)) for n in range(min(grid, side))]
        for side in sides
    )
    return [(t, y, x) for t in range(frames) for y in rows for x in columns]


def _record_network(
    name: str,
    model: nn.Module,
    clip: Tensor,
    about: str,
    classes: int,
    grid: int,
    regions: int,
) -> NetworkRecord:
    if model.training:
        raise DVFLError(f"network {name!r} is in training mode; call its eval() first")
    device = next(model.parameters()).device
    clip = clip.to(device)
    maps = capture_maps(model, clip)
    if len(maps.logits) != classes:
        raise DVFLError(
            f"network {name!r} answers for {len(maps.logits)} classes, but {classes} "
            "names were given"
        )
    cams = grad_cam(model, clip, int(maps.logits.argmax()))
    changes = usual_interventions(clip.shape[1], maps.blocks[0].levels, regions)
    outcomes = tuple(
        Outcome(c.kind, c.name, answer_to(model, clip, c)[0].float().cpu().numpy())
        for c in changes
    )
    reach = tuple(
        quantised(dependency(model, clip, b.stage, b.block, usual_tokens(b.size, grid)))
        for b in maps
        if grid
    )
    return NetworkRecord(
        name, about, maps, tuple(cams[place] for place in maps.places), reach, outcomes
    )


def quantised(found: Dependency) -> TokenReach:
    """Square roots in 255 steps; what is reached at all stays above zero."""
    maps = []
    for sizes in found.sizes:  # (P, T, H, W)
        root = np.sqrt(sizes)
        top = root.max(axis=(1, 2, 3), keepdims=True)
        steps = np.ceil(255 * (root / np.where(top > 0, top, 1)))
        maps.append(steps.astype(np.uint8))
    return TokenReach(np.array(found.tokens), found.sources, tuple(maps))
