"""What an answer costs: per view, and per video.

Public names: ``ViewCost``, ``view_costs``, ``cost_table``.

Parameters and multiply-accumulates are counted and the same everywhere. Seconds are
measured, on this machine and in this moment: they compare networks of one table, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import nn

from ..cost import count_macs, count_parameters, median_seconds
from .results import Views
from .tables import Table


@dataclass(frozen=True)
class ViewCost:
    """One network's cost.

    Attributes:
        name: of the network; views: clips x crops of a video.
        parameters: values that a training can change.
        macs: multiply-accumulates of one view.
        seconds: median time of one view by itself, without decoding the video.
        repeats: how many times it was taken; device: where.
    """

    name: str
    views: Views
    parameters: int
    macs: int
    seconds: float
    repeats: int
    device: str

    @property
    def views_per_video(self) -> int:
        """How many views are averaged."""
        return self.views.clips * self.views.crops

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary with units in its keys, for JSON."""
        count = self.views_per_video
        return {
            "name": self.name,
            "views": asdict(self.views),
            "views_per_video": count,
            "parameters": self.parameters,
            "macs_per_view": self.macs,
            "macs_per_video": self.macs * count,
            "measured": {
                "seconds_per_view_median": self.seconds,
                "seconds_per_video": self.seconds * count,
                "repeats": self.repeats,
                "device": self.device,
                "decoding_included": False,
            },
        }


def view_costs(
    networks: Mapping[str, tuple[nn.Module, Views]],
    device: torch.device | str = "cpu",
    repeats: int = 5,
) -> list[ViewCost]:
    """Count and measure each network; they take turns, see ``cost.median_seconds``.

    Args:
        networks: name -> (network in eval mode, its views).
        repeats: how many times each is measured.

    Raises:
        DVFLError: ``repeats`` below one, or a clip that a network does not take.
    """
    counted = {
        name: (count_parameters(model)["total"], count_macs(model, v.frames, v.crop))
        for name, (model, v) in networks.items()
    }
    with torch.inference_mode():
        calls = {}
        for name, (model, v) in networks.items():
            clip = torch.zeros(1, v.frames, 3, v.crop, v.crop, device=device)
            calls[name] = partial(model.to(device), clip)
        seconds = median_seconds(calls, repeats)
    return [
        ViewCost(name, v, *counted[name], seconds[name], repeats, str(device))
        for name, (_, v) in networks.items()
    ]


def cost_table(costs: list[ViewCost], measured: bool = True) -> Table:
    """A row per network.

    Args:
        measured: with the seconds, which are other ones each time.
    """
    columns = ["network", "parameters", "views", "GMACs per view", "GMACs per video"]
    rows = [
        [
            cost.name,
            f"{cost.parameters:,}",
            f"{cost.views.clips} x {cost.views.crops}",
            f"{cost.macs / 1e9:.3g}",
            f"{cost.macs * cost.views_per_video / 1e9:.3g}",
        ]
        for cost in costs
    ]
    caption = "GMACs: 10^9 multiply-accumulates of matrix products and convolutions."
    if measured:
        columns += ["measured: ms per view", "ms per video"]
        for row, cost in zip(rows, costs, strict=True):
            each = 1e3 * cost.seconds
            row += [f"{each:.3g}", f"{each * cost.views_per_video:.3g}"]
        where = ", ".join(dict.fromkeys(cost.device for cost in costs))
        caption += (
            f" Milliseconds: median of {costs[0].repeats} on this machine ({where}), "
            "one view at a time, without decoding; elsewhere they are others."
        )
    return Table(columns, rows, caption)
