"""Where a lesson runs: the checkout, versions, the device.

Public names: ``project_root``, ``environment_report``, ``versions``, ``commit``,
``device_name``, ``shown_path``, ``processes``, ``cpu_threads``.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from accelerate import PartialState

_PACKAGES = ("torch", "torchvision", "accelerate", "av", "decord", "numpy")
PATIENCE = timedelta(hours=6)  # other processes wait while one validates


def processes() -> PartialState:
    """The processes that a launcher started, or this one alone; and the device."""
    # Without being told, Accelerate takes processes on CPUs for strangers.
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Inside the block, where the device is a CPU, compute with so many threads.

    0 leaves torch's choice. Small networks gain nothing by a second thread, and one
    thread gives the same numbers however many cores there are.
    """
    before = torch.get_num_threads()
    if count and processes().device.type == "cpu":
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def project_root() -> Path:
    """The checkout this library runs from, or the current folder if installed."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def versions() -> dict[str, str]:
    """Python and the packages that results may depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def device_name() -> str:
    """ "cpu (2 threads)", or the accelerator's name."""
    device = processes().device
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return device.type


def commit() -> str | None:
    """The commit of the checkout, with "+" where files were changed; or None."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=project_root(),
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None if described.returncode == 0 else None


def environment_report() -> str:
    """One line per fact about this machine's software, for the top of a lesson."""
    where = "Google Colab" if "google.colab" in sys.modules else platform.system()
    lines = {**versions(), "device": device_name(), "system": where}
    return "\n".join(f"{name:<12} {value}" for name, value in lines.items())


def shown_path(path: Path) -> str:
    """A path below the checkout, as a reader would type it there."""
    try:
        return path.resolve().relative_to(project_root().resolve()).as_posix()
    except ValueError:
        return str(path)
