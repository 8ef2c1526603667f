"""Opening benchmarks: every parameter is checked before anything is computed.

Public names: ``open_benchmarks``.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..datasets import VideoDataset, create_dataset
from ..datasets.base import protocols_of
from ..datasets.leakage import TrainingList, standin_seed, training_list, why_leaks
from ..environment import processes, project_root, shown_path
from ..errors import DatasetError, RecipeError, RunDirectoryError
from ..standins import write_standin
from ..standins.scenes import ACTIONS
from ..training.opening import can_write
from ..weights.reading import read_own_metadata
from .benchmark_networks import Contestant, check_network, contestant
from .benchmark_options import run_options
from .benchmark_plan import EVERY, BenchmarkPlan, read_plan
from .benchmarking import BenchmarkList, Benchmarks
from .trained import ASSETS

_UCF50_GROUPS = 25  # without which UCF50 is not whole


def open_benchmarks(
    *,
    benchmarks: Sequence[str] = (),
    data_roots: Mapping[str, str] | None = None,
    checkpoints: Mapping[str, Any] | None = None,
    splits: Mapping[str, Any] | None = None,
    views: str = "4x3",
    run_dir: str = "",
    class_orders: Mapping[str, str] | None = None,
    vouch_for: Sequence[str] = (),
    **options: Any,
) -> Benchmarks:
    """Check every parameter, open every list, read every network; compute nothing.

    Args:
        benchmarks: of ucf50, ucf101, hmdb51, ssv2, kinetics400; empty: those of
            ``data_roots``, or all five.
        data_roots: benchmark -> folder of its files. A small stand-in is written for
            the others.
        checkpoints: role ("student", "baseline", "teacher") -> file; or role ->
            {split: file}; or benchmark -> one of these. Empty: the course's own
            networks, which know the stand-ins' actions alone.
        splits: benchmark -> a split, a list of them, or "all": the three official
            ones, or the 25 groups of UCF50. Left out: those that the networks may be
            scored on.
        views: clips in time x crops in space, such as "4x3".
        run_dir: for results; "" for ``runs/benchmarks``.
        class_orders: role -> "own", "authors" or a file of names, for files that do
            not name their classes.
        vouch_for: roles whose networks you know to be trained on the training list
            of the split they are scored on, where the file does not say so.
        options: see ``benchmark_options.RunOptions``.

    Raises:
        DVFLError: one of its children: which parameter, what is wrong, what to do.
    """
    plan = read_plan(
        benchmarks=benchmarks,
        data_roots=data_roots or {},
        checkpoints=checkpoints or {},
        splits=splits or {},
        views=views,
        class_orders=class_orders or {},
        vouch_for=vouch_for,
        options=run_options(options),
    )
    folder = Path(run_dir or project_root() / "runs" / "benchmarks").expanduser()
    if not can_write(folder):
        raise RunDirectoryError(
            f"run_dir: {folder} cannot be written. Is it read-only, a file, or on a "
            "full disk? Choose another run_dir"
        )
    # Real data first: what is wrong with them is known before stand-ins are drawn.
    found, notes = {}, []
    for name in sorted(plan.names, key=lambda name: name not in plan.roots):
        found[name] = _open_one(plan, name, folder, notes)
    lists = tuple(entry for name in plan.names for entry in found[name])
    return Benchmarks(plan, lists, folder, tuple(dict.fromkeys(notes)))


def _open_one(
    plan: BenchmarkPlan, name: str, folder: Path, notes: list[str]
) -> list[BenchmarkList]:
    """All test lists of one benchmark, with the networks that are scored there."""
    root = plan.roots.get(name)
    drawing = plan.options.seed if root is None else standin_seed(root)
    splits = _splits(plan, name, drawing)
    files = {split: _files(plan, name, split) for split in splits}
    if drawing is not None:  # twelve classes: known before anything is drawn
        for split in splits:
            for role, path in files[split].items():
                check_network(role, path, name, True, len(ACTIONS))
                trained = _told(path) or _own_training(plan, role)
                _refuse(plan, role, trained, TrainingList(name, split, drawing))
    if root is None:
        root = _write_standin(plan, name, folder)
    lists, loaded = [], set()
    for split in splits:
        dataset = _load(name, root, split, notes)
        networks = {
            role: _contestant(plan, role, path, dataset)
            for role, path in files[split].items()
        }
        for network in networks.values():
            if network.path not in loaded:
                network.load()  # a damaged file is better known now
                loaded.add(network.path)
        lists.append(BenchmarkList(dataset, networks))
    return lists


def _files(plan: BenchmarkPlan, name: str, split: str) -> dict[str, Path]:
    """role -> file, for one split."""
    found = {}
    for role, files in plan.files[name].items():
        path = files.get(split, files.get(EVERY))
        if path is None:
            raise RecipeError(
                f"checkpoints: {role} has files for the splits {', '.join(files)} of "
                f"{name}, and none for split {split}"
            )
        found[role] = path
    return found


def _splits(plan: BenchmarkPlan, name: str, drawing: int | None) -> tuple[str, ...]:
    """Those asked for, or those that the networks may be scored on."""
    if asked := plan.splits[name]:
        return asked
    files = plan.files[name].values()
    named = dict.fromkeys(split for each in files for split in each if split != EVERY)
    if named:
        return tuple(named)
    lists = [_told(path) for each in files for path in each.values()]
    trained = {
        known.split
        for known in lists
        if known is not None and (known.dataset, known.drawing) == (name, drawing)
    }
    if len(trained) > 1 or (plan.vouch_for and not trained and protocols_of(name)):
        raise RecipeError(
            f"splits: say on which splits of {name} the networks shall be scored; they "
            "do not tell it, or were trained on several"
        )
    if trained:
        return tuple(trained)
    if drawing is not None:  # drawn anew: no network has seen any of it
        return ("fold1",) if name == "ucf50" else (protocols_of(name) or (("1",),))[0]
    # The released checkpoints, which say nothing, know all other lists of UCF50 and
    # UCF101.
    return ("authors",) if name in ("ucf50", "ucf101") else ("1",)


def _told(path: Path) -> TrainingList | None:
    """What a file says of its training."""
    values = read_own_metadata(path).get("trained_on")
    return None if values is None else TrainingList.from_dict(values)


def _write_standin(plan: BenchmarkPlan, name: str, folder: Path) -> Path:
    size, seed = plan.options.drawn, plan.options.seed
    if name == "ucf50":
        size = replace(size, groups=max(size.groups, _UCF50_GROUPS))
    data = project_root() / "data"
    place = data if can_write(data) else folder
    drawn = f"seed{seed}_{size.groups}x{size.clips_per_group}"
    root = place / "standins" / f"{drawn}_{size.min_frames}to{size.max_frames}" / name
    # To start another process takes longer than to draw a few hundred clips.
    few = size.groups * size.clips_per_group <= 2 * _UCF50_GROUPS
    workers = 1 if few else os.cpu_count() or 1
    with processes().main_process_first():
        return write_standin(name, root, seed, size, workers, plan.options.progress)


def _load(name: str, root: Path, split: str, notes: list[str]) -> VideoDataset:
    """The test side; what the loader warns of goes to the notes."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        dataset = create_dataset(name, root, split, "test")
    notes += [
        f"{name}: {str(w.message).replace(str(root), shown_path(root))}" for w in told
    ]
    return dataset


def _contestant(
    plan: BenchmarkPlan, role: str, path: Path, dataset: VideoDataset
) -> Contestant:
    """A network that may be scored on this list."""
    network = contestant(
        role,
        path,
        dataset,
        plan.class_orders.get(role, ""),
        dict(plan.options.size),
        _own_training(plan, role),
    )
    _refuse(plan, role, network.trained_on, training_list(dataset))
    return network


def _own_training(plan: BenchmarkPlan, role: str) -> TrainingList | None:
    """What the course's networks learned from; their files do not say it."""
    if not plan.own_networks:
        return None
    return TrainingList("ucf101", str(ASSETS[role].split), drawing=0)


def _refuse(
    plan: BenchmarkPlan, role: str, trained: TrainingList | None, test: TrainingList
) -> None:
    """Raise if a network may have learned from the videos of this test list."""
    why = why_leaks(trained, test)
    if not why or (trained is None and role in plan.vouch_for):
        return
    advice = ""
    if trained is None:
        advice = (
            f". If you know that it was trained on this split: vouch_for=[{role!r}]"
        )
        if test.dataset != "hmdb51":
            advice += f"; for a released one: splits={{{test.dataset!r}: 'authors'}}"
    raise DatasetError(f"{role} on {test.dataset}, split {test.split}: {why}{advice}")
