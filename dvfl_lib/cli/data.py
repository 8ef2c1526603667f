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

    def command(name: str, call, words: str, **root):
        made = commands.add_parser(name, help=words)
        made.set_defaults(call=call)
        if call is not _list:
            made.add_argument("name")
            made.add_argument("root", **root)
        return made.add_argument

    command("list", _list, "the benchmarks, and how to get them")
    default = dict(nargs="?", default="", help="default: data/NAME")
    add = command("get", _get, "fetch a benchmark and unpack it", **default)
    add("--only", action="append", default=[], metavar="PART")
    words = "which of several"
    add("--from", dest="prefer", default="", metavar="ARCHIVE", help=words)
    add("--discard", action="store_true", help="delete archives that are unpacked")
    add = command("check", _check, "look a data set over")
    add("--quick", action="store_true", help="read the beginning of each file only")
    add("--split", action="append", help="default: all")
    add("--json", default="", metavar="FILE", help="write it all there")
    add = command("show", _show, "describe a data set that is on disk")
    add("--split", help="default: its first")
    words = "write a small one of drawn actions"
    add = command("standin", _standin, words, help="folder to write it to")
    add("--seed", type=int, default=0)


def _list(options: argparse.Namespace) -> int:
    from ..datasets.sources import SOURCES
    from ..standins import list_standins

    for name, source in SOURCES.items():
        clips = f"{source.clips:,} clips" if source.clips else "as many as are left"
        how = "fetch by hand, then get" if source.by_hand else "get"
        standin = "stand-in" if name in list_standins() else "no stand-in"
        parts = ", ".join(
            f"{part.name} (only if asked for)" if part.optional else part.name
            for part in source.parts
        )
        print(f"{name}: {source.title}, {source.classes} classes, {clips}")
        print(f"    {how}; {standin}; parts: {parts}")
        print(f"    {source.page}")
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
