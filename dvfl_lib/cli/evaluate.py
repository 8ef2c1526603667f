"""The command ``dvfl evaluate``: networks x data sets x splits.

Public names: ``add_evaluate_options``.

* ``dvfl evaluate``                              the course's networks, five stand-ins
* ``... --data-root ucf101=/data/UCF101 --checkpoint student=x.safetensors``
* ``... --checkpoint student=a.pth@ucf101:authors --arch vfl_net_nano``
* ``... --checkpoint files.json``                a list of role, path, dataset, split

The same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..errors import RecipeError


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of ``dvfl evaluate``, and ``call`` what runs it."""

    def several(name: str, metavar: str, words: str) -> None:
        parser.add_argument(
            name, action="append", default=[], metavar=metavar, help=words
        )

    several("--dataset", "NAME", "of the five; default: those with a folder, or all")
    several("--data-root", "NAME=FOLDER", "its files; without one: a stand-in")
    several("--split", "NAME=SPLIT", "such as ucf101=1,2 or ucf101=all")
    several(
        "--checkpoint",
        "ROLE=PATH[@NAME[:SPLIT]]",
        "student, baseline or teacher; or a JSON file with a list of them",
    )
    several("--arch", "[ROLE=]NAME", "the network that a file must hold")
    several(
        "--classes",
        "[ROLE=]FILE",
        "names of the network's classes, for files that name none; or 'own', 'authors'",
    )
    several(
        "--trust-unknown-training",
        "ROLE",
        "you know that it was trained on the split it is scored on",
    )
    add = parser.add_argument
    add("--views", default="4x3", help="clips in time x crops in space")
    add("--run-dir", default="", help="for results; default: runs/benchmarks")
    add("--device", default="", help="cpu, cuda, ...; default: what there is")
    add("--precision", default="no", help="no, bf16 or fp16")
    add("--batch-size", type=int, default=12, help="views per forward pass")
    add("--workers", type=int, help="loader processes")
    several("--set", "NAME=VALUE", "a further option, such as size.crop=112")
    parser.set_defaults(call=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from ..evaluation import (
        final_rows,
        final_table,
        markdown,
        open_benchmarks,
        write_benchmarks,
    )

    given = {name: getattr(options, name) for name in ("device", "precision")}
    given |= {"batch_size": options.batch_size, "workers": options.workers}
    bench = open_benchmarks(
        benchmarks=options.dataset,
        data_roots=_pairs(options.data_root, "--data-root"),
        checkpoints=_checkpoints(options),
        splits={
            name: value if value == "all" else value.split(",")
            for name, value in _pairs(options.split, "--split").items()
        },
        views=options.views,
        run_dir=options.run_dir,
        class_orders=_by_role(options.classes),
        trust_unknown_training=options.trust_unknown_training,
        **given,
        **_settings(options.set),
    )
    for note in bench.notes:
        print(note)
    results = bench.evaluate_all()
    page = write_benchmarks(bench, results)[1]
    print(markdown([final_table(final_rows(bench.measured(results)))]))
    print(f"\nThe page: {page}")
    return 0


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise RecipeError(f"{option} takes NAME=VALUE, not {text!r}")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _by_role(texts: list[str]) -> dict[str, str]:
    """ROLE=VALUE for one network; VALUE alone for all."""
    from ..evaluation.plan import ROLES

    found: dict[str, str] = {}
    for text in texts:
        role, equals, value = text.partition("=")
        named = equals and role in ROLES
        found |= {role: value} if named else dict.fromkeys(ROLES, text)
    return found


def _checkpoints(options: argparse.Namespace) -> list[Any]:
    """One shape, from the shell or from a JSON file."""
    from ..evaluation.plan import Checkpoint

    entries: list[Any] = []
    for text in options.checkpoint:
        if not text.endswith(".json"):
            entries.append(text)
            continue
        try:
            entries += json.loads(Path(text).expanduser().read_text("utf-8"))
        except (OSError, ValueError, TypeError) as error:
            raise RecipeError(f"--checkpoint: {text}: {error}") from None
    arch = _by_role(options.arch)
    checked = [Checkpoint.read(entry) for entry in entries]
    return [
        c.model_copy(update={"arch": c.arch or arch.get(c.role, "")}) for c in checked
    ]


def _settings(texts: list[str]) -> dict[str, Any]:
    """ "size.crop=112" -> {"size": {"crop": 112}}."""
    found: dict[str, Any] = {}
    for name, text in _pairs(texts, "--set").items():
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        part, dot, key = name.partition(".")
        if dot:
            found.setdefault(part, {})[key] = value
        else:
            found[name] = value
    return found
