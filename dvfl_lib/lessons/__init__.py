"""What a cell needs and a program does not: trained networks, tables, pictures.

Public names: ``environment_report``, ``project_root``, ``shown_path``, ``show``,
``show_drawing`` (show.py), ``trained_network``, ``trained_student``,
``lesson_clip`` (trained.py), ``benchmarks_markdown``, ``folder_sketch``,
``role_name``, ``first_clip_of``, ``log_rows``, ``results_markdown``,
``save_run_figures``, ``seeds_markdown``, ``summarise`` (tables.py), ``open_run``,
``open_benchmarks``, ``list_accuracies``, ``mistake_clips``, ``costs_of``,
``write_benchmarks``, ``run_benchmarks``. What lesson 06 measures is in
distilling.py, the study of lesson 09 in ablation.py.
"""

from ..environment import environment_report, project_root, shown_path
from ..training import open_run
from .benchmark_opening import open_benchmarks
from .benchmark_results import (
    costs_of,
    list_accuracies,
    mistake_clips,
    run_benchmarks,
    write_benchmarks,
)
from .show import show, show_drawing
from .tables import (
    benchmarks_markdown,
    first_clip_of,
    folder_sketch,
    log_rows,
    results_markdown,
    role_name,
    save_run_figures,
    seeds_markdown,
    summarise,
)
from .trained import lesson_clip, trained_network, trained_student

__all__ = [
    "benchmarks_markdown",
    "costs_of",
    "environment_report",
    "first_clip_of",
    "folder_sketch",
    "lesson_clip",
    "list_accuracies",
    "log_rows",
    "mistake_clips",
    "open_benchmarks",
    "open_run",
    "project_root",
    "results_markdown",
    "role_name",
    "run_benchmarks",
    "save_run_figures",
    "seeds_markdown",
    "show",
    "show_drawing",
    "shown_path",
    "summarise",
    "trained_network",
    "trained_student",
    "write_benchmarks",
]
