"""What happens inside the modulation layers: taken out by hooks, and proven.

Public names: ``capture``, ``ModulationTrace``, ``BlockTrace``, ``BranchTrace``
(whole traces), ``capture_maps``, ``ModulationMaps``, ``BlockMaps`` (a number per
token), ``dependency``, ``Dependency`` (what a token depends on), ``grad_cam``,
``Intervention``, ``answer_to``, ``usual_interventions`` (interventions.py has more).

``capture`` runs a network once and writes down, for each block, every part of

    y = proj(q * h(sum_l g_l z_l) * h_t(sum_l g'_l z'_l)).

A trace proves itself: ``proof`` computes modulators and output again from what was
written down, and says by how much they differ.
"""

from .dependency import Dependency, dependency, grad_cam
from .hooks import capture
from .interventions import Intervention, answer_to, usual_interventions
from .maps import BlockMaps, ModulationMaps, capture_maps
from .trace import BlockTrace, BranchTrace, ModulationTrace

__all__ = [
    "BlockMaps",
    "BlockTrace",
    "BranchTrace",
    "Dependency",
    "Intervention",
    "ModulationMaps",
    "ModulationTrace",
    "answer_to",
    "capture",
    "capture_maps",
    "dependency",
    "grad_cam",
    "usual_interventions",
]
