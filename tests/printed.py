"""How the outputs of a lesson are compared: exactly, but for the last decimals."""

import re


class Printed(str):
    """What a cell shows; decimal numbers may differ as processors do.

    Without AVX2, PyTorch resizes pixels by other instructions, and some come out one
    of 255 levels higher. So a number with decimals may be off by one in its last
    place or by 0.2 per cent. Words and whole numbers must be equal.
    """

    _DECIMAL = re.compile(r" *([-+]?\d+\.(\d+)(?:e([-+]?\d+))?)")

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __eq__(self, other: object) -> bool:
        if self._DECIMAL.sub("#", self) != self._DECIMAL.sub("#", str(other)):
            return False
        found = map(self._DECIMAL.findall, (self, str(other)))
        for (mine, places, power), (theirs, *_) in zip(*found, strict=True):
            last = 10.0 ** (int(power or 0) - len(places))
            room = max(1.01 * last, 0.002 * abs(float(mine)))
            if abs(float(mine) - float(theirs)) > room:
                return False
        return True

    __hash__ = str.__hash__
