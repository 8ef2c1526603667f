"""The commands ``dvfl predict`` and ``dvfl export``: parse, call, print.

Public names: ``add_predict_options``, ``add_export_options``.

* ``dvfl predict VIDEO --checkpoint C``           top 5 of the whole video
* ``dvfl predict VIDEO --checkpoint C --stream``  a line for each window as it comes
* ``... --output OUT.mp4``                        the video with both on each frame
* ``dvfl predict 0 --checkpoint C --stream``      the same from a camera
* ``dvfl export --checkpoint C --out M.onnx``     float32
* ``... --int8 M8.onnx --calibration FOLDER``     in 8-bit integers as well
* ``... --format executorch --out M.pte``         both as files for a phone
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import DatasetError, RecipeError, VideoError

_BAR = 30  # characters
_SMOOTHING = 0.5
_CLIPS = 48  # of a calibration
_ENDINGS = {"onnx": ".onnx", "executorch": ".pte"}
_WHOLE_ONLY = ("clips", "crops")
_WINDOW = ("frame_stride", "every", "smoothing", "threshold")
_STREAM_ONLY = (*_WINDOW, "max_frames", "camera_size")


def _add_network_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--checkpoint", required=True, help=".safetensors, or the authors' .pth")
    add("--classes", default="", metavar="FILE", help="if the checkpoint names none")
    words = "which weights of a .pth with several"
    add("--part", default="", metavar="NAME", help=words)
    for name in ("frames", "crop", "short-side"):
        add(f"--{name}", type=int, help="default: the checkpoint's")


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of ``dvfl predict``, and ``call`` what runs it."""
    add = parser.add_argument
    words = "a video file or a folder of pictures; with --stream also a camera: its "
    add("video", help=f"{words}number, 'camera:NAME', or rtsp://... and http(s)://...")
    _add_network_options(parser)
    add("--top", type=int, default=5, help="how many classes to show")
    add("--device", default="cpu", help="cpu, cuda, ...")
    add = parser.add_argument_group("of a whole video").add_argument
    for name in _WHOLE_ONLY:
        add(f"--{name}", type=int, help="default: the checkpoint's")
    add = parser.add_argument_group("of a stream").add_argument
    add("--stream", action="store_true", help="answer while the frames come")
    words = "annotated video; an older one is replaced; means --stream"
    add("--output", default="", metavar="FILE", help=words)
    words = "frames from one of a window to the next; default: the stride of the "
    words += "checkpoint's recipe"
    add("--frame-stride", type=int, metavar="S", help=words)
    add("--every", type=int, metavar="N", help="frames between decisions; default: S")
    words = "weight of the newest window in the moving average, 1 for none; default: "
    add("--smoothing", type=float, metavar="W", help=f"{words}{_SMOOTHING}")
    add("--threshold", type=float, metavar="P", help="below it there is no decision")
    add("--max-frames", type=int, metavar="N", help="end after so many")
    add("--camera-size", metavar="WxH", help="of a camera's pictures, such as 640x480")
    parser.set_defaults(call=_predict, stopped="no output video was written")


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """The same for ``dvfl export``."""
    add = parser.add_argument
    _add_network_options(parser)
    words = "onnx (the default), or executorch, for phones"
    add("--format", choices=_ENDINGS, default="onnx", help=words)
    words = "the file, .onnx or .pte; replaced if there"
    add("--out", required=True, metavar="FILE", help=words)
    add("--int8", default="", metavar="FILE", help="a second file, in 8-bit integers")
    words = "videos of the kind that the network will see, in any folders below; "
    words += f"{_CLIPS} of them, evenly taken, are looked at. Not those it is tested on"
    add("--calibration", default="", metavar="FOLDER", help=words)
    parser.set_defaults(call=_export, stopped="no file is half written")


def _open(options: argparse.Namespace, **more):
    """The network of a checkpoint; what there is to know of it is printed."""
    from ..deployment import open_network

    sizes = {n: getattr(options, n) for n in ("frames", "crop", "short_side")}
    given = {name: value for name, value in sizes.items() if value is not None}
    more |= {"classes": options.classes, "part": options.part}
    network = open_network(options.checkpoint, size=given, **more)
    for note in network.notes:
        print(note)
    return network


# --- predict


def _predict(options: argparse.Namespace) -> int:
    from ..deployment import check_output, open_source, predict_video

    streams = options.stream or bool(options.output)
    _check(options, streams)
    # A mistake shows before the network is read.
    source, output = None, None
    if streams:
        source = open_source(options.video, options.camera_size or "")
    if options.output:
        output = check_output(options.output, source.path)
    network = _open(
        options,
        clips=options.clips or 0,
        crops=options.crops or 0,
        device=options.device,
    )
    if streams:
        return _follow(options, network, source, output)
    answer = predict_video(network, options.video)
    print(f"{answer.video}, {answer.views} views")
    for name, share in answer.top(options.top):
        print(f"{_bar(share)}  {name}")
    return 0


def _check(options: argparse.Namespace, streams: bool) -> None:
    """Refuse numbers out of range, and options of the other kind of answer."""
    from ..deployment import is_camera

    given = {name: value for name, value in vars(options).items() if value is not None}
    foreign = _WHOLE_ONLY if streams else _STREAM_ONLY
    named = ", ".join(_option(name) for name in foreign if name in given)
    camera = is_camera(options.video)
    if named and streams:
        raise RecipeError(
            f"{named}: a stream is asked in windows with one crop; leave this out, or "
            "leave out --stream and --output"
        )
    if named or (camera and not streams):
        what = named or "a camera, which has no end,"
        raise RecipeError(f"{what} needs --stream")
    if options.output and camera and options.max_frames is None:
        raise RecipeError(
            "a camera has no end, and a video is written whole or not at all: give "
            "--max-frames as well"
        )
    for name in ("top", "clips", "crops", "max_frames", "frame_stride", "every"):
        if given.get(name, 1) < 1:
            raise RecipeError(f"{_option(name)} must be at least 1, not {given[name]}")
    if not 0 < given.get("smoothing", 1) <= 1:
        raise RecipeError(f"--smoothing must be in (0, 1], not {options.smoothing}")
    if not 0 <= given.get("threshold", 0) < 1:
        raise RecipeError(f"--threshold must be in [0, 1), not {options.threshold}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _follow(options: argparse.Namespace, network, source, output) -> int:
    """Windows as they come; returns 1 if none was full."""
    from ..deployment import StreamingRecogniser, write_annotated

    stride = options.frame_stride
    if stride is None:
        stride = network.data.stride
        if network.data.sampling == "segments":
            print(
                "The network was trained on frames spread over whole videos; a stream "
                f"has no end, so windows take one frame in {stride} (--frame-stride)."
            )
    recogniser = StreamingRecogniser(
        network.model,
        network.classes,
        network.data,
        network.evaluate.short_side,
        frame_stride=stride,
        every=options.every,
        smoothing=_SMOOTHING if options.smoothing is None else options.smoothing,
        threshold=options.threshold or 0.0,
    )
    print(f"{source.name}: {recogniser.latency}")
    if options.max_frames is not None:
        source = source.first(options.max_frames)
    seen = _told(recogniser, source)
    if output is not None:
        note = "STAND-IN: made-up actions" if network.standin else ""
        count = write_annotated(
            output, seen, network.classes, fps=source.fps, top=options.top, note=note
        )
        print(f"{count} frames written to {output}")
    else:
        count = sum(1 for _ in seen)
    if count == 0:
        raise VideoError(f"{source.name}: gave no frame")
    if count < recogniser.span:
        print(
            f"No decision: {count} frames came and a window spans {recogniser.span}. "
            "Give a smaller --frame-stride or fewer --frames"
        )
        return 1
    return 0


def _told(recogniser, source):
    """Each frame with its answer; fresh answers are printed at once."""
    for frame in source:
        said = recogniser.push(frame)
        if said.fresh:
            share = float(said.smoothed.max())
            name = said.name or "no decision"
            when = f"  {said.frame / source.fps:7.2f} s" if source.fps else ""
            print(f"frame {said.frame:>6}{when}  {_bar(share)}  {name}", flush=True)
        yield frame, said


def _bar(share: float) -> str:
    """``share`` in percent and as a bar, in characters that every terminal has."""
    return f"{100 * share:5.1f} %  {'#' * round(_BAR * share):<{_BAR}}"


# --- export


def _export(options: argparse.Namespace) -> int:
    from ..deployment import executorch, int8, onnx

    _check_int8(options)
    room = onnx if options.format == "onnx" else executorch
    room.check_packages()
    network = _open(options)
    known = dict(
        frames=network.data.frames,
        side=network.data.crop,
        classes=network.classes,
        standin=network.standin,
    )
    made = room.export(network.model, options.out, **known)
    print(f"{made.path}: {made.size / 1e6:.2f} MB")
    print(f"largest difference of a logit on random clips: {made.difference:.1e}")
    if not options.int8:
        return 0
    clips, names = int8.calibration_clips(network, options.calibration, most=_CLIPS)
    path = Path(options.int8)
    if room is onnx:
        opened = onnx.open_onnx
        int8.quantise(made.path, path, clips)
    else:
        opened = executorch.open_executorch
        executorch.export(network.model, path, calibration=clips, **known)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, from {len(names)} videos")
    float32 = opened(made.path)
    answers = float32(clips).argmax(dim=-1)  # (N,)
    forms = {"float32": float32, "int8": opened(path)}
    found = int8.compare_outputs(forms, clips, answers)["int8"]
    print(
        f"same answer as float32 for {100 * found.agreement:.1f} % of these videos, "
        "which are those it was calibrated on: try it on others"
    )
    return 0


def _check_int8(options: argparse.Namespace) -> None:
    """What can be told before the first file is written."""
    path, folder = Path(options.int8), Path(options.calibration).expanduser()
    if bool(options.int8) != bool(options.calibration):
        raise RecipeError("--int8 and --calibration belong together: give both")
    if not options.int8:
        return
    if path.resolve() == Path(options.out).resolve():
        raise RecipeError(f"--out and --int8 are the same file, {path}: name another")
    if path.suffix != _ENDINGS[options.format]:
        raise RecipeError(f"--int8: {path} must end with {_ENDINGS[options.format]}")
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}")
