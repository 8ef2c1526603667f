"""The commands ``dvfl data``: parse, call, print.

Public names: ``add_data_commands``.

* ``dvfl data list``               what can be had, and how
* ``dvfl data get NAME [ROOT]``    fetch a benchmark, check it, unpack it
* ``dvfl data check NAME ROOT``    look it over; the exit status is 1 if it is not good
* ``dvfl data show NAME ROOT``     the size of both sides of a split
* ``dvfl data standin NAME ROOT``  write a small one of drawn actions
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from pathlib import Path


def add_data_commands(parser: argparse.ArgumentParser) -> None:
    """Give a parser the commands; each sets ``call`` to what runs it."""
    commands = parser.add_subparsers(required=True, metavar="what")
    listing = commands.add_parser("list", help="the benchmarks, and how to get them")
    listing.set_defaults(call=_list)
    get = commands.add_parser("get", help="fetch a benchmark and unpack it")
    get.add_argument("name")
    get.add_argument("root", nargs="?", default="", help="default: data/NAME")
    get.add_argument("--only", action="append", default=[], metavar="PART")
    get.add_argument(
        "--from", dest="prefer", default="", metavar="ARCHIVE", help="which of several"
    )
    get.add_argument(
        "--discard", action="store_true", help="delete archives that are unpacked"
    )
    get.set_defaults(call=_get)
    check = commands.add_parser("check", help="look a data set over")
    check.add_argument("name")
    check.add_argument("root")
    check.add_argument(
        "--quick", action="store_true", help="read the beginning of each file only"
    )
    check.add_argument("--split", action="append", default=None, help="default: all")
    check.add_argument("--json", default="", metavar="FILE", help="write it all there")
    check.set_defaults(call=_check)
    show = commands.add_parser("show", help="describe a data set that is on disk")
    show.add_argument("name")
    show.add_argument("root")
    show.add_argument("--split", default=None, help="default: its first")
    show.set_defaults(call=_show)
    standin = commands.add_parser("standin", help="write a small one of drawn actions")
    standin.add_argument("name")
    standin.add_argument("root", help="folder to write it to")
    standin.add_argument("--seed", type=int, default=0)
    standin.set_defaults(call=_standin)


def _list(options: argparse.Namespace) -> int:
    from ..datasets.sources import SOURCES
    from ..standins import list_standins

    for name, benchmark in SOURCES.items():
        clips = (
            f"{benchmark.clips:,} clips" if benchmark.clips else "as many as are left"
        )
        how = "fetch by hand, then get" if benchmark.by_hand else "get"
        standin = "stand-in" if name in list_standins() else "no stand-in"
        parts = ", ".join(
            f"{part.name} (only if asked for)" if part.optional else part.name
            for part in benchmark.parts
        )
        print(f"{name}: {benchmark.title}, {benchmark.classes} classes, {clips}")
        print(f"    {how}; {standin}; parts: {parts}")
        print(f"    {benchmark.page}")
    print("folder: your own videos; the layouts are in dvfl_lib/datasets/folder.py")
    return 0


def _get(options: argparse.Namespace) -> int:
    from ..datasets.get import get_dataset
    from ..environment import project_root

    where = get_dataset(
        options.name,
        options.root or project_root() / "data" / options.name.lower(),
        only=options.only,
        prefer=options.prefer,
        discard=options.discard,
    )
    print(f"Now: dvfl data check {options.name} {shlex.quote(str(where))}")
    return 0


def _check(options: argparse.Namespace) -> int:
    from ..datasets.check import check_dataset
    from ..files import write_whole

    report = check_dataset(options.name, options.root, options.quick, options.split)
    print(report.text())
    if options.json:
        document = json.dumps(report.document(), indent=2)
        write_whole(Path(options.json).absolute(), document.encode())
    return 0 if report.good else 1


def _show(options: argparse.Namespace) -> int:
    from ..datasets import create_dataset

    for subset in ("train", "test"):
        print(create_dataset(options.name, options.root, options.split, subset))
    return 0


def _standin(options: argparse.Namespace) -> int:
    from ..standins import write_standin

    workers = os.cpu_count() or 1
    print(write_standin(options.name, options.root, options.seed, workers=workers))
    return 0
