"""The command ``dvfl doctor``: what is missing on this machine, what would be slow.

Public names: ``add_doctor_options``.

A look yields pairs of a word (good, note, missing) and a sentence. It imports what it
needs itself: the command starts where packages are missing.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path


def _say(fits: bool, what: str, do: str, word: str = "note") -> tuple[str, str]:
    return ("good", what) if fits else (word, f"{what}: {do}")


def _lack(text: str, extra: str) -> str:
    """What is wrong with a requirement, if it is one of this extra; else nothing."""
    from packaging.requirements import Requirement

    asked = Requirement(text)
    where = ({"extra": name} for name in ("", extra))
    always, here = (not asked.marker or asked.marker.evaluate(w) for w in where)
    if not here or (extra and always):
        return ""
    try:
        found = metadata.version(asked.name)
    except metadata.PackageNotFoundError:
        return f"{asked.name} is not there"
    fits = asked.specifier.contains(found, prereleases=True)
    return "" if fits else f"{asked.name} {found} is too old ({asked.specifier})"


def _packages() -> Iterator[tuple[str, str]]:
    from packaging.specifiers import SpecifierSet

    about, here = metadata.metadata("dvfl-lib"), platform.python_version()
    wanted = about["Requires-Python"]
    fits = SpecifierSet(wanted).contains(here, prereleases=True)
    yield _say(fits, f"Python {here}", f"the course asks for {wanted}", "missing")
    for extra in ("", "lab", "deploy", "mobile"):  # what lessons use
        lacks = [_lack(text, extra) for text in metadata.requires("dvfl-lib") or ()]
        told = ", ".join(filter(None, lacks))
        what = f"extra {extra}" if extra else "packages of every lesson"
        do = told + "; pip install -e " + (f"'.[{extra}]'" if extra else ".")
        yield _say(not told, what, do, "note" if extra else "missing")


def _machine() -> Iterator[tuple[str, str]]:
    import psutil
    import torch

    from ..environment import device_name, project_root
    from ..files import can_write

    root, cores = project_root(), os.cpu_count() or 1
    what, do = f"a folder to write to, {root}", "it refuses; copy the course elsewhere"
    yield _say(can_write(root), what, do, "missing")
    free = shutil.disk_usage(root).free / 2**30
    yield _say(free >= 2, f"{free:.1f} GiB of disk free", "lessons write videos, runs")
    memory = psutil.virtual_memory().total / 2**30
    do = "open one notebook at a time"
    yield _say(memory >= 4, f"{memory:.1f} GiB of memory", do)
    do = "lessons 07 and 09 train; README's minutes are those of two cores"
    yield _say(cores > 1, f"{cores} cores, {torch.get_num_threads()} threads", do)
    do = "no lesson needs a GPU, full-size training does"
    yield _say(torch.accelerator.is_available(), f"device: {device_name()}", do)


def _video() -> Iterator[tuple[str, str]]:
    from ..standins import StandinSize, clip_frames
    from ..video.reading import open_video
    from ..video.writing import SUFFIXES, encode_clip

    frames = clip_frames(0, StandinSize(), "Rising", 1, 1)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            encode_clip(path := Path(folder, f"clip{suffix}"), frames)
            with open_video(path, "pyav") as video:
                video.read([0, len(frames) - 1])
    yield "good", f"PyAV writes and reads {', '.join(SUFFIXES)}"


def _networks() -> Iterator[tuple[str, str]]:
    import torch

    from ..lessons.trained import ASSETS, CROP, FRAMES, trained_network

    networks = {name: trained_network(name)[0] for name in ASSETS}
    yield "good", f"networks of data/assets: {', '.join(networks)}"
    clip, seconds = torch.randn(1, FRAMES, 3, CROP, CROP), []
    for _ in range(5):
        start = time.perf_counter()
        with torch.inference_mode():
            networks["student"](clip)
        seconds.append(time.perf_counter() - start)
    yield "good", f"the student answers a clip in {1000 * min(seconds):.0f} ms"


def _kernel() -> Iterator[tuple[str, str]]:
    import nbclient
    import nbformat

    cell = nbformat.v4.new_code_cell("import sys\nprint(sys.prefix)")
    book = nbformat.v4.new_notebook(cells=[cell])
    times = {"timeout": 15, "startup_timeout": 15}
    client = nbclient.NotebookClient(book, kernel_name="python3", **times)
    client.execute(stderr=subprocess.DEVNULL)
    where = cell.outputs[0].text.strip()
    do = f"not {sys.prefix}; python -m ipykernel install --user --name dvfl"
    yield _say(where == sys.prefix, f"notebooks run with the Python of {where}", do)


def add_doctor_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser ``call``, which runs the command; it has no options."""
    parser.set_defaults(call=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    """1 where something needed is missing, else 0."""
    found = set()
    for look in (_packages, _machine, _video, _networks, _kernel):
        try:
            for word, told in look():
                found.add(word)
                print(f"{word:<9}{told}", flush=True)
        except Exception as error:  # where a look breaks off, something is missing
            found.add("missing")
            print(f"missing  {look.__name__[1:]}: {type(error).__name__}: {error}")
    print("Mend what is missing." if "missing" in found else "Ready for the course.")
    return int("missing" in found)
