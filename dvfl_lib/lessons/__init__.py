"""What a notebook needs and a program does not: set-up, checks, results to show.

Public names: ``open_run``, ``environment_report``, ``project_root``, ``role_name``,
``first_clip_of``, ``log_rows``, ``results_markdown``, ``save_run_figures``,
``seeds_markdown``, ``show``, ``summarise``, ``shown_path``, ``trained_student``,
``trained_network``, ``lesson_clip``, ``benchmarks_markdown``, ``folder_sketch``,
``mistake_clips``.
"""

from ..environment import environment_report, project_root, shown_path
from ..training import open_run
from .data_sets import benchmarks_markdown, folder_sketch
from .display import show
from .results import (
    first_clip_of,
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
    "shown_path",
    "summarise",
    "trained_network",
    "trained_student",
]
