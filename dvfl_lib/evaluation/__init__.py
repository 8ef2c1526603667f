"""Evaluation: the multi-view protocol, what is counted, the report of a run.

Public names: ``evaluate``, ``About``, ``ViewsDataset`` (protocol.py);
``Evaluation``, ``ClassAccuracy``, ``Views``, ``result_table`` (results.py);
``Accuracy`` (metrics.py); ``compare``, ``Comparison`` (comparison.py);
``write_report``, ``RunSummary``, ``NetworkResult``, ``ReportFigure`` (report.py);
``align_classes``, ``InClassOrder`` (class_order.py); ``calibration_of``,
``Calibration`` (calibration.py); ``confused_pairs``, ``ConfusedPair``
(confusions.py); ``split_mean``, ``SplitMean`` (split_means.py); ``joined``
(joining.py); ``PUBLISHED_RESULTS``, ``published_for``, ``differences``
(published_results.py); ``final_rows``, ``final_table``, ``Measured``,
``data_name`` (final_table.py); ``view_costs``, ``cost_table``, ``ViewCost``
(view_cost.py).
"""

from .calibration import Calibration, calibration_of
from .class_order import InClassOrder, align_classes
from .comparison import Comparison, compare
from .confusions import ConfusedPair, confused_pairs
from .final_table import Measured, data_name, final_rows, final_table
from .joining import joined
from .metrics import Accuracy
from .protocol import About, ViewsDataset, evaluate
from .published_results import PUBLISHED_RESULTS, differences, published_for
from .report import NetworkResult, ReportFigure, RunSummary, write_report
from .results import ClassAccuracy, Evaluation, Views, result_table
from .split_means import SplitMean, split_mean
from .view_cost import ViewCost, cost_table, view_costs

__all__ = [
    "About",
    "Accuracy",
    "Calibration",
    "ClassAccuracy",
    "Comparison",
    "ConfusedPair",
    "Evaluation",
    "InClassOrder",
    "Measured",
    "NetworkResult",
    "PUBLISHED_RESULTS",
    "ReportFigure",
    "RunSummary",
    "SplitMean",
    "ViewCost",
    "Views",
    "ViewsDataset",
    "align_classes",
    "calibration_of",
    "compare",
    "confused_pairs",
    "cost_table",
    "data_name",
    "differences",
    "evaluate",
    "final_rows",
    "final_table",
    "joined",
    "published_for",
    "result_table",
    "split_mean",
    "view_costs",
    "write_report",
]
