"""What a cell needs and a program does not: trained networks, tables, pictures.

Public names: those imported below. What lesson 06 measures is in distilling.py, the
study of lesson 09 in ablation.py.
"""

from ..environment import environment_report, project_root, shown_path
from ..training import open_run
from .show import show, show_drawing
from .tables import (
    benchmarks_markdown,
    mistake_clips,
    role_name,
    seeds_markdown,
    write_report,
)
from .trained import lesson_clip, trained_network
