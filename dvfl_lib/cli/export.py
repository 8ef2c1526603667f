"""The command ``dvfl export``: parse, call, print.

Public names: ``add_export_options``.

* ``dvfl export --checkpoint C --out M.onnx``                          float32
* ``... --int8 M8.onnx --calibration FOLDER``    in 8-bit integers as well
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import DatasetError, RecipeError

_CLIPS = 48


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of ``dvfl export``, and ``call`` what runs it."""
    add = parser.add_argument
    add("--checkpoint", required=True, help=".safetensors, or the authors' .pth")
    add("--out", required=True, metavar="FILE", help="the ONNX file; replaced if there")
    add("--classes", default="", metavar="FILE", help="if the checkpoint names none")
    for name in ("frames", "crop", "short-side"):
        add(f"--{name}", type=int, help="default: the checkpoint's")
    add("--int8", default="", metavar="FILE", help="a second file, in 8-bit integers")
    add(
        "--calibration",
        default="",
        metavar="FOLDER",
        help="videos of the kind that the network will see, in any folders below; "
        f"{_CLIPS} of them, evenly taken, are looked at. Not those it is tested on",
    )
    parser.set_defaults(call=_export, stopped="no file is half written")


def _export(options: argparse.Namespace) -> int:
    from ..deployment.int8 import calibration_clips, compare_outputs, quantise
    from ..deployment.onnx import check_packages, export, open_onnx
    from ..deployment.predict import open_network

    if bool(options.int8) != bool(options.calibration):
        raise RecipeError("--int8 and --calibration belong together: give both")
    if options.int8:
        _check_int8(options)
    check_packages()
    sizes = {n: getattr(options, n) for n in ("frames", "crop", "short_side")}
    network = open_network(
        options.checkpoint,
        classes=options.classes,
        size={name: value for name, value in sizes.items() if value is not None},
    )
    for note in network.notes:
        print(note)
    made = export(
        network.model,
        options.out,
        frames=network.data.frames,
        side=network.data.crop,
        classes=network.classes,
        standin=network.standin,
    )
    print(f"{made.path}: {made.size / 1e6:.2f} MB")
    print(f"largest difference of a logit on random clips: {made.difference:.1e}")
    if not options.int8:
        return 0
    clips, names = calibration_clips(network, options.calibration, most=_CLIPS)
    path = quantise(made.path, options.int8, clips)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, from {len(names)} videos")
    float32, int8 = open_onnx(made.path), open_onnx(path)
    answers = float32(clips).argmax(dim=-1)  # (N,)
    found = compare_outputs({"float32": float32, "int8": int8}, clips, answers)["int8"]
    print(
        f"same answer as float32 for {100 * found.agreement:.1f} % of these videos, "
        "which are those it was calibrated on: try it on others"
    )
    return 0


def _check_int8(options: argparse.Namespace) -> None:
    """What can be told before the first file is written."""
    path, folder = Path(options.int8), Path(options.calibration).expanduser()
    if path.resolve() == Path(options.out).resolve():
        raise RecipeError(f"--out and --int8 are the same file, {path}: name another")
    if path.suffix != ".onnx":
        raise RecipeError(f"--int8: {path} must end with .onnx")
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
