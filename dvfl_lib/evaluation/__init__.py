"""Evaluation: protocol, what is counted, tests, tables, pages, ``dvfl evaluate``.

Public names: those imported below.

A result's way: plan.py -> benchmark.py (networks x data sets x splits) ->
class_order.py -> protocol.py (all views of every video) -> results.py -> metrics.py,
comparison.py -> published.py, tables.py -> report.py.
"""

from .benchmark import Benchmarks, costs_of, open_benchmarks, write_benchmarks
from .comparison import compare
from .metrics import calibration_of
from .protocol import cached_evaluation, evaluate
from .published import PUBLISHED_RESULTS
from .results import ConfusedPair, Evaluation, Views, concatenate, confused_pairs
from .tables import (
    ROLE_NAMES,
    Table,
    cost_table,
    data_name,
    final_rows,
    final_table,
    list_accuracies,
    markdown,
    result_table,
    split_mean,
)
