"""What happens inside the modulation layers: taken out by hooks, and proven.

Public names: ``capture`` (whole traces), ``capture_maps``, ``ModulationMaps``,
``BlockMaps`` (a number per token), ``dependency``, ``Dependency``, ``grad_cam``,
``Intervention``, ``answer_to``. The files have more.
"""

from .dependency import Dependency, dependency, grad_cam
from .hooks import capture
from .interventions import Intervention, answer_to
from .maps import BlockMaps, ModulationMaps, capture_maps
