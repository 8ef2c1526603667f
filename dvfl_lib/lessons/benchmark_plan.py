"""Which benchmarks, which files, which splits: parameters read before any work.

Public names: ``BenchmarkPlan``, ``read_plan``, ``parse_views``, ``BENCHMARKS``,
``ROLES``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets.base import protocols_of
from ..datasets.listing import marked_standin
from ..datasets.sources import SOURCES
from ..errors import RecipeError
from .benchmark_options import RunOptions
from .trained import ASSETS, assets_folder

BENCHMARKS = tuple(SOURCES)
ROLES = tuple(ASSETS)  # student, baseline, teacher
EVERY = ""  # the split of a checkpoint that serves all splits


@dataclass(frozen=True)
class BenchmarkPlan:
    """What was asked for, in one form.

    Attributes:
        names: the benchmarks, in the order they were given.
        roots: benchmark -> folder of real data; the others are stand-ins.
        files: benchmark -> role -> split, or ``EVERY`` -> checkpoint.
        splits: benchmark -> splits, or None: whatever the networks may be scored on.
        clips, crops: views of a video.
        class_orders: role -> "authors", "own" or a file with names.
        vouch_for: roles whose training list the user answers for.
        options: how it is computed.
        own_networks: whether the networks are those of ``data/assets``.
    """

    names: tuple[str, ...]
    roots: dict[str, Path]
    files: dict[str, dict[str, dict[str, Path]]]
    splits: dict[str, tuple[str, ...] | None]
    clips: int
    crops: int
    class_orders: dict[str, str]
    vouch_for: tuple[str, ...]
    options: RunOptions
    own_networks: bool


def read_plan(
    *,
    benchmarks: Sequence[str],
    data_roots: Mapping[str, str],
    checkpoints: Mapping[str, Any],
    splits: Mapping[str, Any],
    views: str,
    class_orders: Mapping[str, str],
    vouch_for: Sequence[str],
    options: RunOptions,
) -> BenchmarkPlan:
    """Check the form of every parameter; see ``benchmarking.open_benchmarks``.

    Raises:
        RecipeError: which parameter, what is wrong, what to do.
    """
    _mapping("data_roots", data_roots, BENCHMARKS)
    roots = {
        name: Path(_text(f"data_roots[{name!r}]", root)).expanduser()
        for name, root in data_roots.items()
        if root
    }
    names = _list("benchmarks", benchmarks) or tuple(roots) or BENCHMARKS
    _known("benchmarks", names, BENCHMARKS)
    if idle := [name for name in roots if name not in names]:
        raise RecipeError(
            f"data_roots names {', '.join(idle)}, but benchmarks leaves them out"
        )
    for name, root in roots.items():
        if not root.is_dir():
            raise RecipeError(f"data_roots[{name!r}]: there is no folder {root}")
    _mapping("class_orders", class_orders, ROLES)
    for name, root in roots.items():
        if not checkpoints and not marked_standin(root, root.parent):
            raise RecipeError(
                f"data_roots gives real data for {name}, but checkpoints is empty: the "
                "small networks of the course know made-up actions only. Give "
                "checkpoints, such as {'student': 'student.safetensors'}"
            )
    clips, crops = parse_views(views)
    return BenchmarkPlan(
        names=names,
        roots=roots,
        files=_files(names, checkpoints),
        splits=_splits(names, splits),
        clips=clips,
        crops=crops,
        class_orders={
            role: _text(f"class_orders[{role!r}]", order)
            for role, order in class_orders.items()
        },
        vouch_for=_known("vouch_for", _list("vouch_for", vouch_for), ROLES),
        options=options,
        own_networks=not checkpoints,
    )


def parse_views(views: Any) -> tuple[int, int]:
    """ "4x3" -> (4 clips in time, 3 crops in space).

    Raises:
        RecipeError: another form, no clip, or crops other than 1 and 3.
    """
    match = re.fullmatch(r"([1-9]\d?) ?x ?([13])", str(views))
    if match is None:
        raise RecipeError(
            f"views takes clips x crops with 1 or 3 crops, such as '4x3', not {views!r}"
        )
    return int(match[1]), int(match[2])


def _mapping(name: str, value: Any, keys: Sequence[str]) -> None:
    if not isinstance(value, Mapping):
        raise RecipeError(f"{name} takes a dictionary, not {value!r}")
    _known(name, tuple(value), keys)


def _known(name: str, values: Sequence[Any], known: Sequence[str]) -> tuple:
    if odd := [value for value in values if value not in known]:
        raise RecipeError(f"{name}: {odd[0]!r} is not among {', '.join(known)}")
    return tuple(dict.fromkeys(values))


def _list(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise RecipeError(f"{name} takes a list, not {value!r}")
    return tuple(map(str, value))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, (str, Path)) or not str(value):
        raise RecipeError(f"{name} takes a path or a name, not {value!r}")
    return str(value)


# --- checkpoints and splits ----------------------------------------------------


def _files(
    names: tuple[str, ...], checkpoints: Any
) -> dict[str, dict[str, dict[str, Path]]]:
    """By benchmark, role and split, whichever of the forms was given."""
    if not isinstance(checkpoints, Mapping):
        raise RecipeError(f"checkpoints takes a dictionary, not {checkpoints!r}")
    if not checkpoints:
        folder = assets_folder()
        files = {role: {EVERY: folder / a.file} for role, a in ASSETS.items()}
        return dict.fromkeys(names, files)
    if set(checkpoints) <= set(ROLES):
        return dict.fromkeys(names, _files_of_roles("checkpoints", checkpoints))
    _known("checkpoints", tuple(checkpoints), [*ROLES, *names])
    if lost := [name for name in names if name not in checkpoints]:
        raise RecipeError(
            f"checkpoints is divided by benchmark and lacks {', '.join(lost)}. Give "
            "them too, or name the others in benchmarks"
        )
    return {
        name: _files_of_roles(f"checkpoints[{name!r}]", checkpoints[name])
        for name in names
    }


def _files_of_roles(where: str, roles: Any) -> dict[str, dict[str, Path]]:
    _mapping(where, roles, ROLES)
    if not roles:
        raise RecipeError(f"{where} names no network: give one of {', '.join(ROLES)}")
    found = {}
    for role in (role for role in ROLES if role in roles):
        given = roles[role]
        given = given if isinstance(given, Mapping) else {EVERY: given}
        found[role] = {
            str(split): Path(_text(f"{where}[{role!r}]", file)).expanduser()
            for split, file in given.items()
        }
        for file in found[role].values():
            if not file.is_file():
                raise RecipeError(f"{where}[{role!r}]: there is no file {file}")
    return found


def _splits(names: tuple[str, ...], splits: Any) -> dict[str, tuple[str, ...] | None]:
    _mapping("splits", splits, BENCHMARKS)
    found: dict[str, tuple[str, ...] | None] = {}
    for name in names:
        asked = splits.get(name)
        if asked == "all":
            asked = (protocols_of(name) or (("1",),))[0]
        elif isinstance(asked, (str, int)) and str(asked):
            asked = (str(asked),)
        found[name] = _list(f"splits[{name!r}]", asked) if asked else None
    return found
