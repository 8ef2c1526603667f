"""Making a record: every network once over the clip, then all that costs time.

Public names: ``record_clip``, ``record_video``, ``usual_tokens``, ``quantised``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..capture import Dependency, ModulationMaps, capture_maps, dependency, grad_cam
from ..errors import DVFLError, check_int
from ..video.reading import open_video
from ..video.sampling import segment_indices
from ..video.transforms import check_sides, denormalise, evaluation_crops, normalise
from .record import NetworkRecord, Record, TokenReach

# Seconds after which a bar appears: a recording of a small network shows none.
_PATIENCE = 20
_NONE = np.zeros(0, np.float32)  # no logits yet


def record_clip(
    frames: Tensor,
    networks: Mapping[str, nn.Module],
    classes: Sequence[str],
    *,
    title: str = "",
    label: str = "",
    standin: bool = False,
    about: Mapping[str, str] | None = None,
    grid: int = 3,
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
        probes: random vectors for each of these tokens; more are more exact.
        progress: whether a bar is shown where it takes long.

    Raises:
        DVFLError: no network, one in training mode or with NaN in its answers, other
            classes than outputs, or an argument of another kind.
        ModelError: frames that are no clip, or too small for a network.
    """
    frames_ok = isinstance(frames, Tensor) and frames.dtype == torch.uint8
    if not (frames_ok and frames.ndim == 4 and frames.shape[1] == 3 and len(frames)):
        raise DVFLError("frames are a uint8 tensor (T, 3, H, W)")
    grid, probes = check_int("grid", grid), check_int("probes", probes, 1)
    pictures = frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()  # (T, H, W, 3)
    about, none = about or {}, ModulationMaps((), _NONE)
    named = tuple(
        NetworkRecord(name, about.get(name, ""), none, (), ()) for name in networks
    )
    # Refuses names before anything that takes time.
    record = Record(title, pictures, tuple(classes), label, standin, named)
    clip = normalise(frames)[None]  # (1, T, 3, H, W)
    effort = (grid, probes, progress)
    entries = tuple(
        _filled(entry, networks[entry.name], clip, len(classes), *effort)
        for entry in named
    )
    return replace(record, networks=entries)


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
    path = Path(path).expanduser()
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


def _filled(
    entry: NetworkRecord,
    model: nn.Module,
    clip: Tensor,
    classes: int,
    grid: int,
    probes: int,
    progress: bool,
) -> NetworkRecord:
    """Everything of one network; its name stands before what goes wrong."""
    try:
        clip = clip.to(next(model.parameters()).device)
        maps = capture_maps(model, clip)
        if len(maps.logits) != classes:
            raise DVFLError(
                f"it answers for {len(maps.logits)} classes, but {classes} names were "
                "given"
            )
        # Before all that takes time: a network that gives NaN is of no use.
        numbers = [maps.logits, *(m for b in maps for m in (b.q, b.product))]
        if not all(np.isfinite(part).all() for part in numbers):
            raise DVFLError("it gives NaN or infinite numbers; look at its weights")
        found = grad_cam(model, clip, int(maps.logits.argmax()))
        wanted = [usual_tokens(b.size, grid) if grid else [] for b in maps]
        show = {"disable": not progress, "delay": _PATIENCE, "leave": False}
        reach = []
        steps = sum(map(len, wanted))
        with tqdm(total=steps, desc=f"recording {entry.name}", **show) as bar:
            more = {"probes": probes, "advance": bar.update}
            for place, tokens in zip(maps.places, wanted, strict=True):
                if tokens:
                    reached = dependency(model, clip, *place, tokens, **more)
                    reach.append(quantised(reached))
    except DVFLError as error:
        raise type(error)(f"network {entry.name!r}: {error}") from error
    cams = tuple(found[place] for place in maps.places)
    return replace(entry, maps=maps, cams=cams, reach=tuple(reach))
