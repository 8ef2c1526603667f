"""What a cell needs and a program does not: trained networks, tables, pictures.

Public names: ``environment_report``, ``project_root``, ``shown_path``, ``show``,
``show_drawing`` (show.py), ``trained_network``, ``trained_student``,
``lesson_clip`` (trained.py), ``benchmarks_markdown``, ``folder_sketch``,
``role_name``, ``first_clip_of``, ``log_rows``, ``results_markdown``,
``mistake_clips``, ``save_run_figures``, ``seeds_markdown``, ``summarise``
(tables.py), ``open_run``. What lesson 06 measures is in
distilling.py, the study of lesson 09 in ablation.py.
"""

from ..environment import environment_report, project_root, shown_path
from ..training import open_run
from .show import show, show_drawing
from .tables import (
    benchmarks_markdown,
    first_clip_of,
    folder_sketch,
    log_rows,
    mistake_clips,
    results_markdown,
    role_name,
    save_run_figures,
    seeds_markdown,
    summarise,
)
from .trained import lesson_clip, trained_network, trained_student

__all__ = [
    "benchmarks_markdown",
    "environment_report",
    "first_clip_of",
    "folder_sketch",
    "lesson_clip",
    "log_rows",
    "mistake_clips",
    "open_run",
    "project_root",
    "results_markdown",
    "role_name",
    "save_run_figures",
    "seeds_markdown",
    "show",
    "show_drawing",
    "shown_path",
    "summarise",
    "trained_network",
    "trained_student",
]
