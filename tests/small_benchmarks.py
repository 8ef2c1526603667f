"""Benchmarks opened for tests: one view, no bars, the course's small networks.

Public names: ``opened``, ``saved``, ``few_videos``.
"""

from __future__ import annotations

from pathlib import Path

from dvfl_lib.evaluation import benchmark, open_benchmarks
from dvfl_lib.lessons import trained_network
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.weights import save_checkpoint


def opened(run_dir: Path, **changes):
    """``open_benchmarks`` with one view and no bars."""
    values = {"views": "1x1", "run_dir": str(run_dir), "progress": False}
    return open_benchmarks(**(values | changes))


def few_videos(monkeypatch) -> None:
    """Of every test list, one video per class."""
    create = benchmark.create_dataset

    def first_of_each(*args):
        dataset = create(*args)
        first = {s.label: s for s in reversed(dataset.samples)}
        dataset.samples = [s for s in dataset.samples if first[s.label] is s]
        return dataset

    monkeypatch.setattr(benchmark, "create_dataset", first_of_each)


def saved(path: Path, classes=ACTIONS, network="student", **extra) -> str:
    """A network of the course with other things told of it."""
    model, _ = trained_network(network)
    told = {"views": {"frames": 8, "crop": 64, "short_side": 72}}
    told |= {"classes": list(classes)} if classes else {}
    save_checkpoint(model, path, extra=told | extra)
    return str(path)
