"""The commands ``dvfl run``, ``train`` and ``evaluate``: parse, call, print.

Public names: ``add_run_options``, ``add_train_options``, ``add_evaluate_options``.

* ``dvfl evaluate``                              the course's networks on stand-ins
* ``... --data-root ucf101=/data/UCF101 --checkpoint student=x.safetensors``
* ``... --checkpoint student=a.pth@ucf101:authors --arch vfl_net_nano``
* ``... --checkpoint files.json``                a list of role, path, dataset, split

The same command goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ..errors import RecipeError

# Options of ``dvfl evaluate`` that ``open_benchmarks`` takes as they are.
_OF_EVALUATE = ("views", "run_dir", "device", "precision", "batch_size", "workers")
_OF_EVALUATE += ("trust_unknown_training",)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of ``dvfl run``, and ``call`` what runs it."""
    add = parser.add_argument
    add("--profile", default="demo", help="demo, colab or paper")
    add("--dataset", default="ucf101")
    add("--data-root", default="", help="folder of the data set; empty: stand-in")
    add("--split", default="", help="empty: the first of the data set")
    add("--name", default="", help="the run goes to runs/<name>")
    add("--run-dir", default="", help="or to this folder")
    add("--seed", type=int, default=0)
    add("--track", default="", help="csv, tensorboard, wandb, or what Accelerate knows")
    add("--teacher-weights", default="", help="checkpoint; empty: train a teacher")
    words = "replace one number of the recipe, as in optim.epochs=2"
    _add_several(parser, "--set", "NAME=VALUE", words)
    parser.set_defaults(call=_run)


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """The same for ``dvfl train``."""
    add_run_options(parser)
    parser.set_defaults(call=_train)


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """The same for ``dvfl evaluate``."""
    for name, metavar, words in (
        ("--dataset", "NAME", "default: those with a folder, or all"),
        ("--data-root", "NAME=FOLDER", "its files; without one: a stand-in"),
        ("--split", "NAME=SPLIT", "such as ucf101=1,2 or ucf101=all"),
        (
            "--checkpoint",
            "ROLE=PATH[@NAME[:SPLIT]]",
            "student, baseline or teacher; or a JSON file with a list of them",
        ),
        ("--arch", "[ROLE=]NAME", "the network that a file must hold"),
        ("--part", "[ROLE=]NAME", "which weights of a .pth with several"),
        (
            "--classes",
            "[ROLE=]FILE",
            "names of the network's classes, for files that name none; or 'own', "
            "'authors'",
        ),
        (
            "--trust-unknown-training",
            "ROLE",
            "you know that it was trained on the split it is scored on",
        ),
    ):
        _add_several(parser, name, metavar, words)
    add = parser.add_argument
    add("--views", default="4x3", help="clips in time x crops in space")
    add("--run-dir", default="", help="for results; default: runs/benchmarks")
    add("--device", default="", help="cpu, cuda, ...; default: what there is")
    add("--precision", default="no", help="no, bf16 or fp16")
    add("--batch-size", type=int, default=12, help="views per forward pass")
    add("--workers", type=int, help="loader processes")
    words = "a further option, such as size.crop=112"
    _add_several(parser, "--set", "NAME=VALUE", words)
    parser.set_defaults(call=_evaluate)


def _add_several(parser: argparse.ArgumentParser, name, metavar, words) -> None:
    """An option that may be given more than once."""
    parser.add_argument(name, action="append", default=[], metavar=metavar, help=words)


def _pairs(texts: list[str], option: str) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise RecipeError(f"{option} takes NAME=VALUE, not {text!r}")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _settings(texts: list[str]) -> dict[str, Any]:
    """``--set``: a number, a list and the like as in JSON, or else plain text."""
    found: dict[str, Any] = {}
    for name, text in _pairs(texts, "--set").items():
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Those of ``open_run``, and of notebook 07."""
    from ..datasets.base import dataset_info
    from ..environment import project_root

    if options.name and options.run_dir:
        raise RecipeError("give --name or --run-dir, not both")
    if options.name and Path(options.name).name != options.name:
        raise RecipeError(f"--name is one folder's name, not a path: {options.name!r}")
    folder = options.run_dir
    if options.name:
        folder = str(project_root() / "runs" / options.name)
    return {
        "profile": options.profile,
        "dataset": options.dataset,
        "data_root": _absolute(options.data_root),
        "split": options.split or dataset_info(options.dataset).splits[0],
        "run_dir": _absolute(folder),
        "seed": options.seed,
        "teacher_weights": _absolute(options.teacher_weights),
        "overrides": _settings(options.set),
        "track": options.track,
    }


def _absolute(path: str) -> str:
    """The notebook's kernel may run in another folder."""
    return str(Path(path).expanduser().absolute()) if path else ""


def _run(options: argparse.Namespace) -> int:
    import papermill

    from ..environment import project_root
    from ..training import open_run

    notebook = project_root() / "notebooks" / "07_distill_ucf101.ipynb"
    if not notebook.is_file():
        raise RecipeError(
            f"{notebook} is not there: 'dvfl run' executes the notebook of a checkout. "
            "Clone the repository, or use 'dvfl train'"
        )
    parameters = _parameters(options)
    # Checked here too, so that a mistake is one line and not a notebook's traceback.
    run = open_run(**parameters)
    parameters["run_dir"] = str(run.run_dir.absolute())
    executed = run.run_dir / notebook.name
    try:
        papermill.execute_notebook(
            str(notebook),
            str(executed),
            parameters=parameters,
            progress_bar=False,
            coalesce_streams=True,  # of each progress bar its last state
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            cwd=str(notebook.parent),
        )
    except papermill.exceptions.PapermillExecutionError as error:
        print(f"\ndvfl: {error.ename}: {error.evalue}", file=sys.stderr)
        print(f"dvfl: the notebook up to there is {executed}", file=sys.stderr)
        return 1
    print(f"\nThe report: {run.run_dir / 'report.html'}")
    return 0


def _train(options: argparse.Namespace) -> int:
    from ..environment import processes
    from ..lessons import role_name
    from ..training import ROLES, open_run

    run = open_run(**_parameters(options))
    run.fill_cache()
    for role in ROLES:
        run.train(role)
    if processes().is_main_process:
        for role in ROLES:
            result = run.evaluate(role)
            print(f"{role_name(role):<24} top-1 {result.top1}")
        print(f"The same parameters for notebook 07 report on {run.run_dir}")
    processes().wait_for_everyone()
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from ..evaluation import (
        final_rows,
        final_table,
        markdown,
        open_benchmarks,
        write_benchmarks,
    )

    given: dict[str, Any] = {}
    for name, value in _settings(options.set).items():
        part, dot, key = name.partition(".")
        if dot:  # "size.crop=112" -> {"size": {"crop": 112}}
            inner = given.setdefault(part, {})
            if not isinstance(inner, dict):
                raise RecipeError(f"--set: {part} and {name} are both given")
            inner[key] = value
        else:
            given[name] = value
    own = dict(
        benchmarks=options.dataset,
        data_roots=_pairs(options.data_root, "--data-root"),
        checkpoints=_checkpoints(options),
        splits=_pairs(options.split, "--split"),
        class_orders=_by_role(options.classes),
    )
    own |= {name: getattr(options, name) for name in _OF_EVALUATE}
    if both := own.keys() & given.keys():
        raise RecipeError(f"--set: {min(both)} has an option of its own")
    bench = open_benchmarks(**own, **given)
    for note in bench.notes:
        print(note)
    results = bench.evaluate_all()
    page = write_benchmarks(bench, results)[1]
    print(markdown([final_table(final_rows(results.values()))]))
    print(f"\nThe page: {page}")
    return 0


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
    given = {name: _by_role(getattr(options, name)) for name in ("arch", "part")}
    return [
        c.model_copy(
            update={n: getattr(c, n) or by.get(c.role, "") for n, by in given.items()}
        )
        for c in map(Checkpoint.read, entries)
    ]
