"""Which pixels of a frame a map covers: fewer than all where sizes do not divide.

Public names: ``covered``.

The patch embedding cuts off what does not fill a patch, at the right and the lower
edge, and so does each merge between two stages. A frame of 112 pixels has 28 tokens
of 4 pixels in stage 1, but 3 of 32 pixels in stage 4: those cover 96 pixels.
"""

from __future__ import annotations

from .record import NetworkRecord, Place, Record


def covered(record: Record, entry: NetworkRecord, place: Place) -> tuple[int, int]:
    """Height and width in pixels, from the upper left corner, that a map covers.

    Args:
        record: holds the frames.
        entry: one of its networks.
        place: (stage, block) of the map.

    Raises:
        ModelError: the network has no such block.
    """
    sides = record.frames.shape[1:3]
    first, block = entry.maps.blocks[0], entry.maps.at(*place)
    # A patch is square: the side with fewer pixels to spare tells its size.
    patch = min(
        side // tokens for side, tokens in zip(sides, first.size[1:], strict=True)
    )
    pixels = patch * 2 ** (block.stage - first.stage)  # per side of a token
    height, width = (
        min(pixels * tokens, side)
        for side, tokens in zip(sides, block.size[1:], strict=True)
    )
    return height, width
