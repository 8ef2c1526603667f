"""Which classes a horizontal flip turns into which, read from their names.

Public names: ``flip_labels``.

"Pulling something from left to right", seen in a mirror, is "... from right to
left". A flip that keeps such a label teaches a wrong one, so training swaps it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Words that a mirror changes, as words or as parts of turn_left and TurnLeft; not
# the "right" of upright, nor the adverb of "pulling it right out".
_SIDE = re.compile(
    r"(?<![A-Za-z])(?:left|right|Left|Right)(?![a-z])(?! out\b)"
    r"|(?<![A-Za-z])(?:LEFT|RIGHT)(?![A-Za-z])"
    r"|(?<=[a-z])(?:Left|Right)(?![a-z])"
)
_TURN = re.compile(r"(?:(counter|anti)[ _-]?)?clockwise", re.IGNORECASE)


def _key(name: str, mirrored: bool) -> str:
    """The name, as it is or as a mirror shows it, in one spelling."""

    def side(match: re.Match) -> str:
        return "<left>" if (match[0].lower() == "left") != mirrored else "<right>"

    def turn(match: re.Match) -> str:
        return "<against>" if (match[1] is not None) != mirrored else "<with>"

    return _TURN.sub(turn, _SIDE.sub(side, name)).casefold()


def flip_labels(classes: Sequence[str]) -> dict[int, int | None] | None:
    """Label -> label of the mirror image, for classes that name a side or a turn.

    Left and right change places, and so do clockwise and counterclockwise. A class
    whose mirror image is not among ``classes`` gets None: its clips must not be
    flipped. Of the 174 classes of Something-Something V2 this finds the pairs that
    MMAction2's recipe for TSM swaps: 86 and 87, 93 and 94, 166 and 167.

    Returns:
        The labels that change; None where none does.
    """
    labels: dict[str, list[int]] = {}
    for label, name in enumerate(classes):
        labels.setdefault(_key(name, mirrored=False), []).append(label)
    changed: dict[int, int | None] = {}
    for label, name in enumerate(classes):
        twin = _key(name, mirrored=True)
        if twin != _key(name, mirrored=False):
            found = labels.get(twin, [])
            # Two spellings of one mirror image do not tell which of them is meant.
            changed[label] = found[0] if len(found) == 1 else None
    return changed or None
