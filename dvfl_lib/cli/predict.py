"""The command ``dvfl predict``: parse, call, print.

Public names: ``add_predict_options``.

* ``dvfl predict VIDEO --checkpoint C``           top 5 of the whole video
* ``dvfl predict VIDEO --checkpoint C --stream``  a line for each window as it comes
* ``... --output OUT.mp4``                        the video with both on each frame
* ``dvfl predict camera --checkpoint C --stream`` the same from a camera
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import RecipeError, VideoError

if TYPE_CHECKING:
    from ..deployment import (
        FrameSource,
        LoadedNetwork,
        Recognition,
        StreamingRecogniser,
    )

_BAR = 30  # characters
_STREAM_ONLY = (
    "frame_stride",
    "every",
    "smoothing",
    "threshold",
    "max_frames",
    "camera_size",
)
_SMOOTHING = 0.5


def add_predict_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of ``dvfl predict``, and ``call`` what runs it."""
    add = parser.add_argument
    add("video", help="a video file; with --stream also 'camera' or 'camera:1'")
    add("--checkpoint", required=True, help=".safetensors, or the authors' .pth")
    add("--classes", default="", metavar="FILE", help="if the checkpoint names none")
    add("--top", type=int, default=5, help="how many classes to show")
    add(
        "--part",
        default="",
        metavar="NAME",
        help="which weights of a .pth with several",
    )
    add("--device", default="cpu", help="cpu, cuda, ...")
    for name in ("frames", "crop", "short-side"):
        add(f"--{name}", type=int, help="default: the checkpoint's")
    whole = parser.add_argument_group("of a whole video")
    for name in ("clips", "crops"):
        whole.add_argument(f"--{name}", type=int, help="default: the checkpoint's")
    stream = parser.add_argument_group("of a stream")
    add = stream.add_argument
    add("--stream", action="store_true", help="answer while the frames come")
    add(
        "--output",
        default="",
        metavar="FILE",
        help="annotated video; an older one is replaced; means --stream",
    )
    add(
        "--frame-stride",
        type=int,
        metavar="S",
        help="frames from one of a window to "
        "the next; default: the stride of the checkpoint's recipe",
    )
    add("--every", type=int, metavar="N", help="frames between decisions; default: S")
    add(
        "--smoothing",
        type=float,
        metavar="W",
        help="weight of the newest window in "
        f"the moving average, 1 for none; default: {_SMOOTHING}",
    )
    add("--threshold", type=float, metavar="P", help="below it there is no decision")
    add("--max-frames", type=int, metavar="N", help="end after so many")
    add("--camera-size", metavar="WxH", help="of a camera's pictures, such as 640x480")
    parser.set_defaults(call=_predict, stopped="no output video was written")


def _predict(options: argparse.Namespace) -> int:
    from ..deployment import check_output, open_network, open_source, predict_video

    streams = options.stream or bool(options.output)
    _check(options, streams)
    # A mistake shows before the network is read.
    source, output = None, None
    if streams:
        source = open_source(options.video, options.camera_size or "")
    if options.output:
        output = check_output(options.output, source.path)
    sizes = {n: getattr(options, n) for n in ("frames", "crop", "short_side")}
    network = open_network(
        options.checkpoint,
        classes=options.classes,
        size={name: value for name, value in sizes.items() if value is not None},
        clips=options.clips or 0,
        crops=options.crops or 0,
        device=options.device,
        part=options.part,
    )
    for note in network.notes:
        print(note)
    if streams:
        return _follow(options, network, source, output)
    answer = predict_video(network, options.video)
    print(f"{answer.video}, {answer.views} views")
    _print_bars(answer.top(options.top))
    return 0


def _check(options: argparse.Namespace, streams: bool) -> None:
    from ..deployment import is_camera

    if options.top < 1:
        raise RecipeError(f"--top must be at least 1, not {options.top}")
    foreign = ("clips", "crops") if streams else _STREAM_ONLY
    given = [
        f"--{n.replace('_', '-')}" for n in foreign if getattr(options, n) is not None
    ]
    if given and streams:
        raise RecipeError(
            f"{', '.join(given)}: a stream is asked in windows with one crop; leave "
            "this out, or leave out --stream and --output"
        )
    if given or (is_camera(options.video) and not streams):
        what = ", ".join(given) or f"{options.video}, which has no end,"
        raise RecipeError(f"{what} needs --stream")
    if options.output and is_camera(options.video) and options.max_frames is None:
        raise RecipeError(
            f"{options.video} has no end, and a video is written whole or not at all: "
            "give --max-frames as well"
        )
    for name in ("clips", "crops", "max_frames", "frame_stride", "every"):
        value = getattr(options, name)
        if value is not None and value < 1:
            option = name.replace("_", "-")
            raise RecipeError(f"--{option} must be at least 1, not {value}")
    if options.smoothing is not None and not 0 < options.smoothing <= 1:
        raise RecipeError(f"--smoothing must be in (0, 1], not {options.smoothing}")
    if options.threshold is not None and not 0 <= options.threshold < 1:
        raise RecipeError(f"--threshold must be in [0, 1), not {options.threshold}")


def _follow(options, network: LoadedNetwork, source: FrameSource, output) -> int:
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


def _told(
    recogniser: StreamingRecogniser, source: FrameSource
) -> Iterator[tuple[object, Recognition]]:
    """Each frame with its answer; fresh answers are printed at once."""
    for frame in source:
        said = recogniser.push(frame)
        if said.fresh:
            share = float(said.smoothed.max())
            name = said.name or "no decision"
            when = f"  {said.frame / source.fps:7.2f} s" if source.fps else ""
            print(f"frame {said.frame:>6}{when}  {_bar(share)}  {name}", flush=True)
        yield frame, said


def _print_bars(top: list[tuple[str, float]]) -> None:
    for name, share in top:
        print(f"{_bar(share)}  {name}")


def _bar(share: float) -> str:
    """``share`` in percent and as a bar, in characters that every terminal has."""
    return f"{100 * share:5.1f} %  {'#' * round(_BAR * share):<{_BAR}}"
