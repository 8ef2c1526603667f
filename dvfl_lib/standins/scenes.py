"""Small moving scenes whose *action* only time can tell: what the stand-ins show.

Public names: ``ACTIONS``, ``HMDB51_NAMES``, ``SSV2_NAMES``, ``KINETICS_NAMES``,
``PAIRS``, ``FAMILIES``, ``Scene``, ``draw_scene``, ``render_clip``, ``StandinSize``,
``clip_frames``, ``plain``, ``pair_of``, ``action_of``, ``standin_pairs``,
``standin_families``.

A few textured shapes stand before a textured ground. An action changes their
height, spread, size or visibility from one end state to another. Actions come in
pairs that are each other's reversal: the clip of the second is drawn like one of
the first and then played backwards. So every frame, and every unordered set of
frames, is equally likely under both, and only the order tells them apart.

Actions are mixtures of the same four changes, which makes some more alike than
others (``Approaching`` spreads *and* swells). A *scene* (colours, shapes, textures)
is drawn per pair and group: a new group looks new, and both actions of a pair
share its looks, so that looks never tell the two apart.

Source: made for this course.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..errors import DatasetError
from ..seeding import derive_seed

HEIGHT, WIDTH = 120, 160  # drawn at half the size of a UCF101 frame

# How much of each change an action makes: (height, spread, size, visibility).
_CHANGES: dict[tuple[str, str], tuple[float, float, float, float]] = {
    ("Rising", "Sinking"): (1.0, 0.0, 0.0, 0.0),
    ("RiseToFront", "SinkToBack"): (0.7, 0.5, 0.7, 0.0),
    ("Approaching", "Receding"): (0.0, 0.7, 1.0, 0.0),
    ("Scattering", "Gathering"): (0.0, 1.2, 0.0, 0.0),
    ("Swelling", "Shrinking"): (0.0, 0.0, 1.1, 0.0),
    ("Appearing", "Vanishing"): (0.0, 0.0, 0.2, 1.0),
}
PAIRS: tuple[tuple[str, str], ...] = tuple(_CHANGES)
# Sorted without regard to case, as the official list of UCF101 is: Sinking stands
# before SinkToBack here and behind it in a plain sort, a trap for loaders.
ACTIONS: tuple[str, ...] = tuple(
    sorted((name for pair in PAIRS for name in pair), key=str.lower)
)
# The actions as HMDB51 and as Kinetics would call them. HMDB51: rise and rise_to_front
# begin alike, a trap for those who take the class from the beginning of a name.
# Kinetics: in the order of the labels "rising (straight up)" stands before "rising into
# the front", without parentheses behind it.
_NAMES = {
    "Appearing": ("appear", "appearing"),
    "Approaching": ("approach", "approaching viewer"),
    "Gathering": ("gather", "gathering shapes"),
    "Receding": ("recede", "receding from viewer"),
    "RiseToFront": ("rise_to_front", "rising into the front"),
    "Rising": ("rise", "rising (straight up)"),
    "Scattering": ("scatter", "scattering shapes"),
    "Shrinking": ("shrink", "shrinking"),
    "Sinking": ("sink", "sinking (straight down)"),
    "SinkToBack": ("sink_to_back", "sinking into the back"),
    "Swelling": ("swell", "swelling (not approaching)"),
    "Vanishing": ("vanish", "vanishing"),
}
HMDB51_NAMES = {action: names[0] for action, names in _NAMES.items()}
KINETICS_NAMES = {action: names[1] for action, names in _NAMES.items()}
# The actions as Something-Something would call them, two with commas in the name. None
# names a side: no drawn action turns into another one in a mirror.
SSV2_NAMES: dict[str, str] = {
    "Appearing": "Showing [something] that was not there",
    "Approaching": "Moving [something] towards the camera",
    "Gathering": "Moving [something] and [something] closer to each other",
    "Receding": "Moving [something] away from the camera",
    "RiseToFront": "Lifting [something] up, towards the camera",
    "Rising": "Moving [something] up",
    "Scattering": "Moving [something] and [something] away from each other",
    "Shrinking": "Letting [something] shrink",
    "Sinking": "Moving [something] down",
    "SinkToBack": "Putting [something] down, away from the camera",
    "Swelling": "Letting [something] swell",
    "Vanishing": "Hiding [something] without a trace",
}
# Which actions share a change: a teacher should find these wrong answers likely.
FAMILIES: dict[str, tuple[str, ...]] = {
    kind: tuple(a for pair, much in _CHANGES.items() if much[k] >= 0.5 for a in pair)
    for k, kind in enumerate(("height", "spread", "size", "visibility"))
}


@dataclass(frozen=True)
class Scene:
    """The looks that all clips of a group share."""

    ground: np.ndarray  # (H + margin, W + margin, 3) in [0, 1]
    colours: np.ndarray  # (objects, 3)
    exponents: np.ndarray  # (objects,): 1 diamond, 2 disc, 6 nearly a square
    aspects: np.ndarray  # (objects,): width over height
    places: np.ndarray  # (objects, 2): where they stand, in units of the spread
    stripes: np.ndarray  # (objects, 2): direction and number of stripes


def pair_of(action: str) -> tuple[tuple[str, str], bool]:
    """The pair an action belongs to, and whether it is the backwards one."""
    for pair in PAIRS:
        if action in pair:
            return pair, action == pair[1]
    raise KeyError(action)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) noise of a few low frequencies, in about [-1, 1]."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    total = np.zeros((*shape, 3), np.float32)
    for _ in range(6):
        angle, period = rng.uniform(0, np.pi), rng.uniform(12, 60)
        phase = rng.uniform(0, 2 * np.pi, 3)
        wave = (rows * np.sin(angle) + cols * np.cos(angle)) * (2 * np.pi / period)
        total += rng.uniform(0.2, 0.6) * np.sin(wave[..., None] + phase)
    return total / 2


def draw_scene(rng: np.random.Generator) -> Scene:
    """Looks drawn at random: ground, and two to four shapes that stand out."""
    margin = 24
    base = rng.uniform(0.12, 0.42, 3)
    noise = _smooth_noise(rng, (HEIGHT + margin, WIDTH + margin))
    count = int(rng.integers(2, 5))
    colours = rng.uniform(0.65, 1.0, (count, 3))  # brighter than any ground
    turns = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / count
    radii = rng.uniform(0.7, 1.2, count)
    return Scene(
        ground=np.clip(base + 0.1 * noise, 0, 1).astype(np.float32),
        colours=colours.astype(np.float32),
        exponents=rng.choice([1.0, 2.0, 6.0], count),
        aspects=rng.uniform(0.7, 1.4, count),
        places=np.stack([radii * np.sin(turns), radii * np.cos(turns)], 1),
        stripes=np.stack([rng.uniform(0, np.pi, count), rng.uniform(1, 3, count)], 1),
    )


def render_clip(
    action: str, scene: Scene, frames: int, rng: np.random.Generator
) -> np.ndarray:
    """One clip of an action: uint8 (frames, 120, 160, 3).

    Everything that is drawn at random (pace, amplitude, drift of the camera) has
    the same distribution forwards and backwards.
    """
    pair, backwards = pair_of(action)
    height, spread, size, visibility = _CHANGES[pair]
    strength = rng.uniform(0.75, 1.25)
    # s runs from -1 to 1 at an uneven pace; the same paces occur in reverse.
    t = np.linspace(0, 1, frames)
    bend = rng.uniform(-0.15, 0.15)
    s = 2 * (t + bend * np.sin(2 * np.pi * t) / np.pi) - 1
    rest = rng.uniform(-1, 1, 4)  # where the unchanged quantities stay
    centre_row = HEIGHT / 2 + 12 * rest[0] * (height == 0) - 30 * strength * height * s
    centre_col = WIDTH / 2 + rng.uniform(-22, 22) + rng.uniform(-8, 8) * (2 * t - 1)
    spreads = 24 * np.exp(0.2 * rest[1] + 0.55 * strength * spread * s)
    sizes = 13 * np.exp(0.25 * rest[2] + 0.6 * strength * size * s)
    opacity = np.clip(0.55 + 0.45 * strength * s, 0.02, 1) if visibility else 1.0
    opacity = np.broadcast_to(opacity, (frames,)) * rng.uniform(0.85, 1.0)
    pan = np.outer(2 * t - 1, rng.uniform(-10, 10, 2)) + 12  # (frames, 2) pixels
    spin = rng.uniform(0, 2 * np.pi)
    states = zip(centre_row, centre_col, spreads, sizes, opacity, pan, strict=True)
    clip = np.stack([_render_frame(scene, spin, *state) for state in states])
    clip += np.float32(0.012) * rng.standard_normal(clip.shape, np.float32)
    clip = (np.clip(clip, 0, 1) * 255).round().astype(np.uint8)
    return clip[::-1].copy() if backwards else clip


def _distance(dy: np.ndarray, dx: np.ndarray, exponent: float) -> np.ndarray:
    """1 on the outline of a diamond (1), a disc (2) or a rounded square (6)."""
    if exponent == 1.0:
        return np.abs(dy) + np.abs(dx)
    if exponent == 2.0:
        return np.sqrt(dy**2 + dx**2)
    return (dy**6 + dx**6) ** (1 / 6)


def _render_frame(
    scene: Scene, spin: float, row0, col0, spread, size, opacity, pan
) -> np.ndarray:
    """One frame (120, 160, 3) in [0, 1]: the panned ground, then each shape."""
    top, left = np.clip(pan.round().astype(int), 0, 24)
    image = scene.ground[top : top + HEIGHT, left : left + WIDTH].copy()
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    cols = np.arange(WIDTH, dtype=np.float32)[None, :]
    turn = np.array([[np.cos(spin), -np.sin(spin)], [np.sin(spin), np.cos(spin)]])
    for k, place in enumerate(scene.places @ turn.T):
        row, col = row0 + spread * place[0], col0 + spread * place[1]
        wide = size * scene.aspects[k]
        # Only the window that the shape can reach is computed.
        ys = slice(max(0, int(row - size - 4)), max(0, int(row + size + 5)))
        xs = slice(max(0, int(col - wide - 4)), max(0, int(col + wide + 5)))
        dy = (rows[ys] - float(row)) / float(size)
        dx = (cols[:, xs] - float(col)) / float(wide)
        reach = _distance(dy, dx, scene.exponents[k])
        cover = opacity / (1 + np.exp(np.clip((reach - 1) * size * 1.5, -30, 30)))
        angle, number = scene.stripes[k]
        wave = np.sin((dy * np.sin(angle) + dx * np.cos(angle)) * number * np.pi)
        colour = scene.colours[k] * (1 - 0.2 * (wave[..., None] > 0))
        window = image[ys, xs]
        window += cover[..., None].astype(np.float32) * (colour - window)
    return image


@dataclass(frozen=True)
class StandinSize:
    """How much to write. UCF101 has 25 groups of 4 to 7 clips per class.

    A group is the clips that share a scene, as if cut from one recording.
    """

    groups: int = 25
    clips_per_group: int = 4
    min_frames: int = 32
    max_frames: int = 48

    def __post_init__(self) -> None:
        if not 22 <= self.groups <= 99:
            raise DatasetError("a stand-in needs 22 to 99 groups: 21 serve as tests")
        if not 1 <= self.clips_per_group <= 99:
            raise DatasetError("a stand-in needs 1 to 99 clips per group")
        if not 8 <= self.min_frames <= self.max_frames:
            raise DatasetError("a stand-in's clips need 8 frames or more")

    @property
    def numbers(self) -> list[tuple[int, int]]:
        """(group, clip) of every clip of a class, both from 1."""
        clips = range(1, self.clips_per_group + 1)
        return [(group, clip) for group in range(1, self.groups + 1) for clip in clips]


def plain(name: str) -> str:
    """Without regard to case, spaces and punctuation."""
    return "".join(filter(str.isalnum, name)).lower()


def action_of(class_name: str) -> str:
    """The drawn action that a stand-in's class shows, whatever the benchmark calls it.

    ``DatasetError`` where it is of no stand-in.
    """
    for action in ACTIONS:
        others = (names[action] for names in (HMDB51_NAMES, SSV2_NAMES, KINETICS_NAMES))
        if plain(class_name) in map(plain, (action, *others)):
            return action
    raise DatasetError(f"the class {class_name!r} is not one of the stand-ins' actions")


def _labels(classes: Sequence[str]) -> dict[str, int]:
    labels = {action_of(name): label for label, name in enumerate(classes)}
    if missing := [action for action in ACTIONS if action not in labels]:
        raise DatasetError(f"the stand-in lacks the actions {', '.join(missing)}")
    return labels


def standin_pairs(classes: Sequence[str]) -> list[tuple[int, int]]:
    """Labels of the actions that are each other's reversal."""
    labels = _labels(classes)
    return [(labels[a], labels[b]) for a, b in PAIRS]


def standin_families(classes: Sequence[str]) -> dict[str, list[int]]:
    """Labels of the actions that share a kind of change; families overlap."""
    labels = _labels(classes)
    return {
        name: [labels[action] for action in family] for name, family in FAMILIES.items()
    }


def clip_frames(seed: int, size: StandinSize, action: str, group: int, clip: int):
    """The frames of one clip before encoding: uint8 (T, 120, 160, 3)."""
    motion = np.random.default_rng(derive_seed(seed, "clip", action, group, clip))
    frames = int(motion.integers(size.min_frames, size.max_frames + 1))
    scene = _scene_of(seed, pair_of(action)[0][0], group)
    return render_clip(action, scene, frames, motion)


@lru_cache(maxsize=160)  # all of a stand-in of 25 groups: 50 MB
def _scene_of(seed: int, pair: str, group: int) -> Scene:
    return draw_scene(np.random.default_rng(derive_seed(seed, "scene", pair, group)))
