"""How fast something is beside something else, and where its time goes.

Public names: ``ratio_bars``, ``share_bars``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from ..errors import DVFLError
from .style import GREY, PALETTE, SIX, new_figure, percent

_SMALLEST_TOLD = 0.07  # of the picture's width: a narrower part holds no number
Spread = tuple[float, float, float]  # (median, lower quartile, upper quartile)


def ratio_bars(
    ratios: Mapping[str, Spread],
    reference: str,
    *,
    title: str = "",
    machine: bool = True,
) -> Figure:
    """A bar per contestant: how many times as fast as the reference.

    Args:
        ratios: contestant -> median and quartiles of the ratios; the reference too.
        reference: the contestant at 1; its bar is grey.
        machine: the numbers were measured here and now: they stand in the picture but
            not in its description.

    Raises:
        DVFLError: the reference is missing, or a ratio is not positive and finite.
    """
    if reference not in ratios:
        raise DVFLError(f"ratio_bars: the reference {reference!r} is not among them")
    for name, spread in ratios.items():
        if not all(math.isfinite(value) and value > 0 for value in spread):
            raise DVFLError(f"ratio_bars: {name} has the ratios {spread}")
    figure, (axis,) = new_figure(title, False, 1.0 + 0.36 * len(ratios))
    most = max(high for _, _, high in ratios.values())
    for row, (name, (median, low, high)) in enumerate(ratios.items()):
        colour = GREY if name == reference else PALETTE["student"]
        axis.barh(row, median, height=0.6, color=colour)
        axis.plot([low, high], [row, row], color="black", linewidth=1.2)
        axis.text(high + 0.02 * most, row, f"{median:.2f}", va="center", fontsize=9)
    axis.set_yticks(range(len(ratios)), list(ratios))
    axis.invert_yaxis()
    axis.axvline(1, color=GREY, linewidth=0.8, linestyle=":")
    axis.set(xlim=(0, 1.15 * most))
    axis.set_xlabel(f"times as fast as {reference}; line: quartiles", fontsize=9)
    told = ", ".join(f"{name} {value[0]:.2f}" for name, value in ratios.items())
    said = "as measured on this machine" if machine else told
    names = ", ".join(ratios)
    figure.set_label(
        f"{title or 'Speed'}: a bar per way of computing ({names}), times as fast as "
        f"{reference}: {said}."
    )
    return figure


def share_bars(
    shares: Mapping[str, Mapping[str, float]],
    *,
    title: str = "",
    unit: str = "",
    machine: bool = True,
) -> Figure:
    """A bar per network, cut into kinds of work; large ones show their share of it.

    Args:
        shares: network -> kind -> amount. Bars are as long as the sum of the amounts.
        unit: of the amounts; "" for shares in [0, 1], shown in percent.
        machine: as in ``ratio_bars``.

    Raises:
        DVFLError: no network, other kinds in one of them, or a negative amount.
    """
    kinds: Sequence[str] = list(next(iter(shares.values()), {}))
    if not kinds or any(list(parts) != kinds for parts in shares.values()):
        raise DVFLError("share_bars needs the same kinds of work for every network")
    if any(not value >= 0 for parts in shares.values() for value in parts.values()):
        raise DVFLError("share_bars: amounts of work are not negative")
    figure, (axis,) = new_figure(title, False, 1.4 + 0.45 * len(shares))
    longest = max(sum(parts.values()) for parts in shares.values())
    for row, parts in enumerate(shares.values()):
        left, whole = 0.0, sum(parts.values())
        for place, (kind, value) in enumerate(parts.items()):
            # beyond six colours the kinds are told apart by hatching
            style = {"facecolor": SIX[place % 6], "edgecolor": "white"}
            style |= {"linewidth": 0, "hatch": ("", "////", "....")[place // 6 % 3]}
            label = kind if row == 0 else None
            axis.barh(row, value, 0.6, left=left, label=label, **style)
            if value > _SMALLEST_TOLD * longest:
                share = f"{100 * value / whole:.0f} %"
                axis.text(
                    left + value / 2, row, share, ha="center", va="center", size=9
                )
            left += value
    axis.set_yticks(range(len(shares)), list(shares))
    axis.invert_yaxis()
    axis.set_xlabel(unit, fontsize=9)
    if not unit:
        percent(axis.xaxis)
    style = {"loc": "outside lower center", "frameon": False, "fontsize": 9}
    figure.legend(ncols=len(kinds), **style)
    told = [
        f"{name}: " + ", ".join(f"{kind} {value:.3g}" for kind, value in parts.items())
        for name, parts in shares.items()
    ]
    said = "as measured on this machine" if machine else "; ".join(told)
    figure.set_label(
        f"{title or 'Shares of the time'}: bars for {', '.join(shares)}, cut into "
        f"{', '.join(kinds)}; {said}."
    )
    return figure
