"""Evaluation: the multi-view protocol, what is counted, the report of a run.

Public names: ``evaluate``, ``About``, ``ViewsDataset`` (protocol.py);
``Evaluation``, ``ClassAccuracy``, ``Views``, ``result_table`` (results.py);
``Accuracy`` (metrics.py); ``compare``, ``Comparison`` (comparison.py);
``write_report``, ``RunSummary``, ``NetworkResult``, ``ReportFigure`` (report.py).
"""

from .comparison import Comparison, compare
from .metrics import Accuracy
from .protocol import About, ViewsDataset, evaluate
from .report import NetworkResult, ReportFigure, RunSummary, write_report
from .results import ClassAccuracy, Evaluation, Views, result_table

__all__ = [
    "About",
    "Accuracy",
    "ClassAccuracy",
    "Comparison",
    "Evaluation",
    "NetworkResult",
    "ReportFigure",
    "RunSummary",
    "Views",
    "ViewsDataset",
    "compare",
    "evaluate",
    "result_table",
    "write_report",
]
