"""What the explorer keeps of one clip: enough for every picture, without a model.

Public names: ``Record``, ``NetworkRecord``, ``TokenReach``, ``covered``,
``softened``, ``rank_correlation``.

Maps and frames are NumPy arrays. Frames, rows and columns count from 0 here; stages
and blocks from 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torchmetrics.functional import spearman_corrcoef

from ..capture import ModulationMaps
from ..errors import DVFLError

Array = np.ndarray
Place = tuple[int, int]  # (stage, block)


@dataclass(frozen=True, eq=False)
class TokenReach:
    """What chosen tokens of one block depend on, quantised for keeping.

    Attributes:
        tokens: int (P, 3), each (t, y, x) in the block's own map.
        sources: the block itself, then the blocks before it, the nearest first.
        maps: for each source uint8 (P, T, H, W): square root of the size of the
            derivative, 255 at the largest of each token's map; 0 exactly where
            nothing is reached.
    """

    tokens: Array
    sources: tuple[Place, ...]
    maps: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class NetworkRecord:
    """One network on the record's clip.

    Attributes:
        name: such as "student"; what a picker shows.
        about: one line: which variant, how trained.
        maps: lengths and gates of every block, and the logits.
        cams: Grad-CAM of each block for the class the network found, (T, H, W).
        reach: of each block, or empty where none was measured.
    """

    name: str
    about: str
    maps: ModulationMaps
    cams: tuple[Array, ...]
    reach: tuple[TokenReach, ...]

    @property
    def logits(self) -> Array:
        """float32 (K,)."""
        return self.maps.logits


@dataclass(frozen=True, eq=False)
class Record:
    """A clip and what one or more networks made of it.

    Attributes:
        title: such as the action or the file's name.
        frames: uint8 (T, H, W, 3), as the networks saw them, not normalised.
        classes: names of the K classes.
        label: the true class, or "" where it is unknown.
        standin: the clip, or the training, is made-up data; every picture says so.
        networks: one or more, with the same classes.

    Raises:
        DVFLError: a name that is no text, a label that is no class, two networks of
            one name, or none.
    """

    title: str
    frames: Array
    classes: tuple[str, ...]
    label: str
    standin: bool
    networks: tuple[NetworkRecord, ...]

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.networks]
        about = [entry.about for entry in self.networks]
        for text in (self.title, self.label, *self.classes, *names, *about):
            _check_text(text)
        if not names or "" in names or len(set(names)) < len(names):
            raise DVFLError(f"each network needs a name of its own; got {names}")
        if self.label not in ("", *self.classes):
            raise DVFLError(
                f"the label {self.label!r} is none of the classes; leave it empty if "
                "the true class is not known"
            )
        if not isinstance(self.standin, bool):
            raise DVFLError(f"standin is True or False, not {self.standin!r}")

    def network(self, name: str) -> NetworkRecord:
        """A network by its name.

        Raises:
            DVFLError: there is none of that name; the message lists those there are.
        """
        for entry in self.networks:
            if entry.name == name:
                return entry
        known = ", ".join(repr(entry.name) for entry in self.networks)
        raise DVFLError(f"the record holds no network {name!r}; it holds {known}")


def _check_text(text: Any) -> None:
    """A string that can be written in any file: half a character cannot."""
    if not isinstance(text, str):
        raise DVFLError(f"titles and names are strings, not {text!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DVFLError(f"{text!r} holds half a character") from None


def covered(maps: ModulationMaps, sides: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width in pixels, from the upper left, that each block's map covers.

    The patch embedding cuts off what does not fill a patch, and so does each merge: a
    frame of 112 pixels has 3 tokens of 32 pixels in stage 4, which cover 96 pixels.

    Args:
        maps: of one network.
        sides: height and width of the frames in pixels.
    """
    first = maps.blocks[0]
    # A patch is square: the side with fewer pixels to spare tells its size.
    patch = min(side // n for side, n in zip(sides, first.size[1:], strict=True))
    found = []
    for block in maps:
        pixels = patch * 2 ** (block.stage - first.stage)  # per side of a token
        _, h, w = block.size
        found.append((min(pixels * h, sides[0]), min(pixels * w, sides[1])))
    return found


def softened(logits: Array, temperature: float) -> Array:
    """softmax(logits / T): (..., K) -> (..., K), in float64.

    Raises:
        DVFLError: a temperature that is not positive.
    """
    if not temperature > 0:
        raise DVFLError(f"a temperature is above 0, not {temperature}")
    return (torch.as_tensor(logits).double() / temperature).softmax(dim=-1).numpy()


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's rank correlation of two maps (T, H, W), in [-1, 1].

    Ties share their mean rank. If the maps differ in size, the finer one is averaged
    down to the coarser. NaN where a map is the same everywhere.

    Raises:
        DVFLError: sizes of which neither divides the other.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.size < second.size:
        first, second = second, first
    first = _averaged(first, second.shape)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    pair = (torch.from_numpy(np.ascontiguousarray(e)).ravel() for e in (first, second))
    return float(spearman_corrcoef(*pair))


def _averaged(fine: Array, size: tuple[int, ...]) -> Array:
    """Means over equal boxes: (T, H, W) -> ``size``."""
    if len(fine.shape) != len(size) or any(
        a % b for a, b in zip(fine.shape, size, strict=True)
    ):
        raise DVFLError(f"maps of {fine.shape} and {tuple(size)} cannot be compared")
    (t, h, w), (a, b, c) = size, (n // m for n, m in zip(fine.shape, size, strict=True))
    return fine.reshape(t, a, h, b, w, c).mean(axis=(1, 3, 5))  # (T, H, W)
