"""What cheaper arithmetic changes in the answers of a trained network.

    python -m benchmarks.agreement [--show]

Clips are of the stand-in: generated videos of made-up actions.

Public names: ``test_places``, ``calibration_places``, ``drawn``, ``forms``,
``measure``, ``table``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import islice, product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dvfl_lib.deployment.int8 import (
    Agreement,
    agreement_markdown,
    compare_outputs,
    in_bfloat16,
    quantise,
)
from dvfl_lib.deployment.onnx import export, open_onnx
from dvfl_lib.errors import DVFLError
from dvfl_lib.lessons import trained_network
from dvfl_lib.lessons.trained import CROP, FRAMES, SHORT_SIDE
from dvfl_lib.standins import TEST_GROUPS, StandinSize, clip_frames
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.video.sampling import segment_indices
from dvfl_lib.video.transforms import evaluation_crops

from .forms import Call, Missing, compiled, openvino_call, with_precision
from .stored import measure_or_show, options_of

NAME = "agreement"
BATCH = 16
CALIBRATION = (12, 48, 96)  # clips
_TRAINING_GROUPS = range(8, 26)  # of the stand-in's list 1; the others are for tests

Place = tuple[str, int, int]  # action, group, clip


def drawn(place: Place) -> Tensor:
    """One clip (T, 3, H, W), normalised as in the evaluation, but for the video file
    between drawing and reading."""
    video = clip_frames(0, StandinSize(), *place)  # (T, H, W, 3)
    chosen = torch.from_numpy(video[segment_indices(len(video), FRAMES)])
    frames = chosen.permute(0, 3, 1, 2)  # (T, 3, H, W)
    return evaluation_crops(frames, SHORT_SIDE, CROP)[0]


def test_places(clips: Iterable[int] = (1, 2, 3, 4)) -> list[Place]:
    """Every clip of the test groups."""
    return [*product(ACTIONS, TEST_GROUPS[1], clips)]


def calibration_places(count: int) -> list[Place]:
    """Clips of the training groups, all actions equally often, in other scenes each."""
    groups = _TRAINING_GROUPS
    turns = (
        (action, groups[(turn + k) % len(groups)], 1 + turn // len(groups))
        for turn in range(4 * len(groups))
        for k, action in enumerate(ACTIONS)
    )
    return [*islice(turns, count)]


def forms(folder: Path, calibration: Iterable[int]) -> dict[str, Call | Missing]:
    """The student in every arithmetic, float32 first."""
    student, _ = trained_network("student")
    batch = torch.zeros(BATCH, FRAMES, 3, CROP, CROP)
    found: dict[str, Call | Missing] = {
        "float32": with_precision(student, batch.device),
        "bf16": with_precision(student, batch.device, half=True),
        "bf16, weights too": in_bfloat16(student),
        "bf16, compiled and frozen": compiled(student, batch, half=True, frozen=True),
    }
    try:
        made = export(student, folder / "float32.onnx", side=CROP, frames=FRAMES)
        found["ONNX, float32"] = open_onnx(made.path)
        for count in calibration:  # two programs run the same file
            clips = [drawn(place) for place in calibration_places(count)]
            path = quantise(made.path, folder / f"int8_{count}.onnx", clips)
            kind = f"int8, {count} calibration clips"
            found[f"ONNX, {kind}"] = open_onnx(path)
            found[f"OpenVINO, {kind}"] = openvino_call(path, batch)
    except DVFLError as error:
        found["ONNX"] = Missing(str(error))
    return found


def measure(
    places: Sequence[Place], calibration: Iterable[int] = CALIBRATION
) -> dict[str, Any]:
    """How each form's answers on ``places`` compare with those in float32.

    ``calibration``: how many clips set the ranges of an 8-bit network; one each.
    """
    clips = torch.stack([drawn(place) for place in places])  # (N, T, 3, H, W)
    labels = [[*ACTIONS].index(action) for action, _, _ in places]
    with tempfile.TemporaryDirectory() as folder:
        asked = forms(Path(folder), calibration)
        calls = {n: f for n, f in asked.items() if not isinstance(f, Missing)}
        found = compare_outputs(calls, clips, labels, batch_size=BATCH)
    missing = {n: f.reason for n, f in asked.items() if isinstance(f, Missing)}
    return {"rows": {n: asdict(row) for n, row in found.items()}, "missing": missing}


def table(found: Mapping[str, Any]) -> str:
    """The measurement as Markdown."""
    rows = {name: Agreement(**row) for name, row in found["rows"].items()}
    lines = agreement_markdown(rows, standin=True)
    for name, reason in found["missing"].items():
        lines += f"\n{name} not measured: {' '.join(reason.split())}\n"
    return lines


def main() -> None:
    """Measure, store, and put the table into README; or show what is stored."""
    data = "Stand-in data; the distilled student of data/assets."
    places = test_places()
    measure_or_show(NAME, lambda _: measure(places), table, options_of(__doc__), data)


if __name__ == "__main__":
    main()
