"""The console script ``dvfl``: parses, calls, prints.

Public names: ``main``.

* ``dvfl run``    executes notebook 07 into ``runs/<name>``; again: goes on
* ``dvfl train``  the same steps without a notebook, for ``accelerate launch``
* ``dvfl data``   fetches, checks or describes a data set, or writes a stand-in
* ``dvfl evaluate`` scores networks on data sets, and writes table, page, JSON
* ``dvfl predict`` says what a video shows, or follows a stream
* ``dvfl export``  a network as an ONNX file, in 8-bit integers too
* ``dvfl models`` lists the networks
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import RecipeError, exit_status
from .data import add_data_commands
from .evaluate import add_evaluate_options
from .export import add_export_options
from .predict import add_predict_options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 good, 1 trouble, 130 stopped)."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what the terminal's encoding does not.
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    stopped = {"stopped": options.stopped} if "stopped" in options else {}
    try:
        return exit_status("dvfl", lambda: options.call(options), **stopped)
    except BrokenPipeError:  # who read what is printed has seen enough ("| head")
        # What is still held back must not be written at the end of the program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dvfl", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="execute the whole pipeline and report")
    train = commands.add_parser("train", help="the pipeline without its notebook")
    for command, call in ((run, _run), (train, _train)):
        _add_run_options(command)
        command.set_defaults(call=call)
    add_data_commands(commands.add_parser("data", help="data sets and stand-ins"))
    evaluating = commands.add_parser("evaluate", help="score networks on data sets")
    add_evaluate_options(evaluating)
    predict = commands.add_parser("predict", help="what a video or a camera shows")
    add_predict_options(predict)
    exporting = commands.add_parser("export", help="a network as an ONNX file")
    add_export_options(exporting)
    models = commands.add_parser("models", help="list the networks")
    models.set_defaults(call=_models)
    return parser


def _add_run_options(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--profile", default="demo", help="demo, colab or paper")
    add("--dataset", default="ucf101")
    add("--data-root", default="", help="folder of the data set; empty: stand-in")
    add("--split", default="", help="empty: the first of the data set")
    add("--name", default="", help="the run goes to runs/<name>")
    add("--run-dir", default="", help="or to this folder")
    add("--seed", type=int, default=0)
    add("--track", default="", help="tensorboard, wandb or csv; empty: none")
    add("--teacher-weights", default="", help="checkpoint; empty: train a teacher")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="replace one number of the recipe, as in optim.epochs=2",
    )


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    from ..datasets.base import default_split
    from ..environment import project_root

    if options.name and options.run_dir:
        raise RecipeError("give --name or --run-dir, not both")
    if options.name and Path(options.name).name != options.name:
        raise RecipeError(f"--name is one folder's name, not a path: {options.name!r}")
    folder = options.run_dir
    if options.name:
        folder = str(project_root() / "runs" / options.name)
    overrides = {}
    for text in options.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--set takes NAME=VALUE, not {text!r}")
        try:
            overrides[name] = json.loads(value)
        except ValueError:
            overrides[name] = value  # plain text, such as a model's name
    return {
        "profile": options.profile,
        "dataset": options.dataset,
        "data_root": _absolute(options.data_root),
        "split": options.split or default_split(options.dataset),
        "run_dir": _absolute(folder),
        "seed": options.seed,
        "teacher_weights": _absolute(options.teacher_weights),
        "overrides": overrides,
        "track": options.track,
    }


def _absolute(path: str) -> str:
    """The notebook's kernel may run in another folder."""
    return str(Path(path).expanduser().absolute()) if path else ""


def _run(options: argparse.Namespace) -> int:
    import papermill

    from ..environment import project_root
    from ..lessons.show import tidy_notebook
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
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            cwd=str(notebook.parent),
        )
    except papermill.exceptions.PapermillExecutionError as error:
        print(f"\ndvfl: {error.ename}: {error.evalue}", file=sys.stderr)
        print(f"dvfl: the notebook up to there is {executed}", file=sys.stderr)
        return 1
    finally:
        if executed.exists():
            tidy_notebook(executed)
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


def _models(options: argparse.Namespace) -> int:
    from ..cost import count_parameters
    from ..vfl_net import create_model, list_models

    for name in list_models():
        total = count_parameters(create_model(name))["total"]
        print(f"{name:<24} {total / 1e6:8.2f} M parameters (400 classes)")
    return 0
