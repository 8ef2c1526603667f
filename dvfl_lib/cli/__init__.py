"""The console script ``dvfl``: parses, calls, prints.

Public names: ``main``.

* ``dvfl run``    executes notebook 07 into ``runs/<name>``; again: goes on
* ``dvfl train``  the same steps without a notebook, for ``accelerate launch``
* ``dvfl data``   fetches, checks or describes a data set, or writes a stand-in
* ``dvfl evaluate`` scores networks on data sets, and writes table, page, JSON
* ``dvfl predict`` says what a video shows, or follows a stream
* ``dvfl export``  a network as an ONNX file, in 8-bit integers too
* ``dvfl exercises`` copies a lesson's exercises to work on
* ``dvfl doctor`` says what is missing on this machine, and what would be slow
* ``dvfl models`` lists the networks
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import warnings
from collections.abc import Sequence

from ..errors import exit_status
from .data import add_data_commands
from .deploy import add_export_options, add_predict_options
from .doctor import add_doctor_options
from .exercises import add_exercises_commands
from .runs import add_evaluate_options, add_run_options, add_train_options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 good, 1 trouble, 130 stopped)."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what the terminal's encoding does not.
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    warnings.formatwarning = lambda told, *place, **line: f"{told}\n"
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
    for name, words, add_options in (
        ("run", "execute the whole pipeline and report", add_run_options),
        ("train", "the pipeline without its notebook", add_train_options),
        ("data", "data sets and stand-ins", add_data_commands),
        ("evaluate", "score networks on data sets", add_evaluate_options),
        ("predict", "what a video or a camera shows", add_predict_options),
        ("export", "a network as an ONNX file", add_export_options),
        ("exercises", "your own copy of a lesson's exercises", add_exercises_commands),
        ("doctor", "what is missing on this machine", add_doctor_options),
    ):
        add_options(commands.add_parser(name, help=words))
    models = commands.add_parser("models", help="list the networks")
    models.set_defaults(call=_models)
    return parser


def _models(options: argparse.Namespace) -> int:
    from ..cost import count_parameters
    from ..vfl_net import create_model, list_models

    for name in list_models():
        total = count_parameters(create_model(name))["total"]
        print(f"{name:<24} {total / 1e6:8.2f} M parameters (400 classes)")
    return 0
