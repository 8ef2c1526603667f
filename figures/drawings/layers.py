"""The graphs of the two layers: focal modulation of an image, and of a clip.

Public names: ``focal_modulation``, ``spatiotemporal_modulation``.

Both are drawn by the same code: a *branch* is a chain of contexts, their gated sum
and the modulator that comes of it. The image layer has one branch; the video layer
has two, and the second is the first turned upside down.
"""

from __future__ import annotations

from dataclasses import dataclass

from canvas import Box, Canvas

from dvfl_lib.vfl_net import VARIANTS

_NANO = VARIANTS["vfl_net_nano"]
_KERNELS = tuple(
    _NANO.focal_window + _NANO.focal_factor * level
    for level in range(_NANO.focal_levels)
)
_F = 0.98  # the column of the linear maps
_Z0, _PITCH = 1.63, 1.48  # the column of the first context, and how far the next is
_OUT = 6.82  # the column where modulators meet the query
_BAR = (2.02, 6.31)  # where the gated sum begins and ends


@dataclass(frozen=True)
class _Branch:
    """One branch: the height of its rows, and what its boxes are called."""

    contexts: float
    total: float  # the gated sum
    gates: float
    query: float
    conv: str  # of a convolution with kernel size {k}
    mean: str
    mix: str  # the last linear map, h
    modulator: str
    colour: str  # of the modulator
    prime: str = ""  # what tells its letters from the other branch's

    @property
    def toward(self) -> int:
        """1 where the query lies below the contexts, -1 where above."""
        return 1 if self.query > self.contexts else -1

    def facing(self, box: Box) -> tuple[float, float]:
        """The side of a box that looks towards the query."""
        return box.bottom if self.toward > 0 else box.top

    def away(self, box: Box) -> tuple[float, float]:
        """The side of a box that looks away from the query."""
        return box.top if self.toward > 0 else box.bottom


def focal_modulation() -> Canvas:
    """The graph of the image layer of FocalNet."""
    canvas = Canvas(
        "focal_modulation",
        "Focal modulation: gather context first, then modulate the query",
        3.4,
        "Graph of the layer. A linear map f turns the tokens x into a query q, a "
        "context z0 and gates. A chain of two depth-wise convolutions and a global "
        "mean, each with GELU, turns z0 into z1, z2 and z3. Their sum, each times its "
        "gate, goes through the 1 x 1 convolution h: the modulator m. The query times "
        "m goes through the linear map proj: the output y.",
    )
    branch = _Branch(
        contexts=0.84,
        total=1.62,
        gates=2.24,
        query=2.92,
        conv="depth-wise\nconv {k} × {k}\n+ GELU",
        mean="mean of\nall tokens\n+ GELU",
        mix="conv 1 × 1\n$h$",
        modulator="$m$",
        colour="modulator",
    )
    f = canvas.box(_F, 1.88, 0.6, 2.6, "linear\n$f$")
    x = canvas.box(0.32, f.y, 0.38, 0.38, "$x$", size=12)
    canvas.words(x.x, x.y + 0.32, "tokens", size=9)
    canvas.arrow(x.right, f.left)
    times = _answer(canvas, branch.query)
    modulator = _modulator(canvas, branch, times)
    canvas.words(modulator.right[0] + 0.08, modulator.y, "modulator", size=9, ha="left")
    return canvas


def spatiotemporal_modulation() -> Canvas:
    """The graph of the video layer: two branches beside each other on the same x."""
    canvas = Canvas(
        "spatiotemporal_modulation",
        "Spatio-temporal focal modulation: two branches read the same tokens",
        5.98,
        "Graph of the layer. The same tokens x enter two branches beside each other. "
        "The spatial branch: f gives query q, context z0 and gates; two depth-wise "
        "convolutions in each frame and a mean over the frame give three contexts; "
        "their gated sum goes through h: the spatial modulator. The temporal branch: "
        "f_temporal gives a context z'0 and gates of its own; two dense convolutions "
        "along time and a mean over time give three contexts; their gated sum goes "
        "through h_temporal: the temporal modulator. The output is proj(q times the "
        "spatial modulator times the temporal modulator).",
    )
    query = 3.2
    space = _Branch(
        contexts=1.2,
        total=1.96,
        gates=2.54,
        query=query,
        conv="depth-wise\nconv {k} × {k}\n+ GELU",
        mean="mean over\nthe frame\n+ GELU",
        mix="conv 1 × 1\n$h$",
        modulator=r"$m_\mathrm{space}$",
        colour="space",
    )
    time = _Branch(
        contexts=2 * query - space.contexts,
        total=2 * query - space.total,
        gates=2 * query - space.gates,
        query=query,
        conv="dense\nconv {k}\n+ GELU",
        mean="mean over\ntime\n+ GELU",
        mix="conv 1\n$h_\\mathrm{temporal}$",
        modulator=r"$m_\mathrm{time}$",
        colour="time",
        prime="'",
    )
    canvas.panel(0.58, 0.48, 7.88, 2.84, "space")
    canvas.panel(0.58, 3.56, 7.88, 5.86, "time")
    told = (
        "spatial branch: in space, each frame by itself",
        "temporal branch: along time, each pixel by itself",
    )
    for words, y in zip(told, (0.67, 2 * query - 0.71), strict=True):
        canvas.words(0.7, y, words, size=10, ha="left", weight="bold")
    f = canvas.box(_F, 2.14, 0.6, 2.44, "linear\n$f$")
    f_time = canvas.box(_F, 4.48, 0.6, 1.6, "linear\n$f_\\mathrm{temporal}$", size=9)
    x = canvas.box(0.3, query, 0.38, 0.38, "$x$", size=12)
    canvas.arrow(x.top, (x.x, f.y), f.left)
    canvas.arrow(x.bottom, (x.x, f_time.y), f_time.left)
    times = _answer(canvas, query)
    for branch in (space, time):
        _modulator(canvas, branch, times)
    return canvas


def _answer(canvas: Canvas, y: float) -> Box:
    """The query's row: q, the product, proj, y; returns the product."""
    q = canvas.box(_Z0, y, 0.4, 0.36, "$q$", "q", size=11.5)
    canvas.words(q.right[0] + 0.1, y + 0.15, "query", size=9, ha="left")
    times = canvas.sign(_OUT, y, "×")
    proj = canvas.box(7.3, y, 0.42, 0.36, "proj")
    out = canvas.box(7.75, y, 0.26, 0.36, "$y$", size=11.5)
    canvas.arrow((_F + 0.3, y), q.left)
    canvas.arrow(q.right, times.left)
    canvas.arrow(times.right, proj.left)
    canvas.arrow(proj.right, out.left)
    return times


def _modulator(canvas: Canvas, branch: _Branch, times: Box) -> Box:
    """Contexts, gates, their sum, and the modulator that goes into the product."""
    contexts = _contexts(canvas, branch)
    middle, width = sum(_BAR) / 2, _BAR[1] - _BAR[0]
    bar = canvas.box(middle, branch.total, width, 0.42, zorder=1)
    canvas.words(_BAR[0] + 0.1, bar.y, "gated sum", size=9, ha="left", inside=bar)
    gates = canvas.box(
        (1.44 + _BAR[1]) / 2, branch.gates, _BAR[1] - 1.44, 0.3, "", "gate"
    )
    canvas.words(1.56, gates.y, "gates", size=9, ha="left", inside=gates)
    canvas.arrow((_F + 0.3, gates.y), gates.left)
    for number, context in enumerate(contexts, start=1):
        product = canvas.sign(context.x, bar.y, "×")
        canvas.arrow(branch.facing(context), branch.away(product))
        edge = branch.away(gates)[1]
        canvas.arrow((context.x, edge), branch.facing(product), colour="gate")
        gate = f"$g{branch.prime}_{number}$"
        canvas.words(context.x, gates.y, gate, size=11, inside=gates)
        if number > 1:
            canvas.words(context.x - _PITCH / 2, bar.y, "+", size=13, inside=bar)
    mix = canvas.box(_OUT, bar.y, 0.78, 0.44, branch.mix, size=9)
    canvas.arrow(bar.right, mix.left)
    size = 0.66 if branch.prime or branch.colour == "space" else 0.42
    height = gates.y
    m = canvas.box(_OUT, height, size, 0.34, branch.modulator, branch.colour, size=11)
    canvas.arrow(branch.facing(mix), branch.away(m))
    canvas.arrow(branch.facing(m), branch.away(times))
    return m


def _contexts(canvas: Canvas, branch: _Branch) -> list[Box]:
    """The chain z0, z1, z2, z3; returns the last three."""
    y = branch.contexts
    works = [branch.conv.format(k=k) for k in _KERNELS] + [branch.mean]
    chips: list[Box] = []
    for level in range(len(works) + 1):
        x = _Z0 + level * _PITCH
        name = f"$z{branch.prime}_{level}$"
        chip = canvas.box(x, y, 0.38, 0.36, name, "context", size=11.5)
        if not chips:
            canvas.arrow((_F + 0.3, y), chip.left)
        else:
            work = canvas.box(x - _PITCH / 2, y, 0.82, 0.6, works[level - 1], size=9)
            canvas.arrow(chips[-1].right, work.left)
            canvas.arrow(work.right, chip.left)
        chips.append(chip)
    canvas.words(_Z0, y + branch.toward * 0.28, "context", size=9)
    return chips[1:]
