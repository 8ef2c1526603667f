"""The widget's own tests, once more under the ipywidgets that Colab has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OLD = ["ipywidgets==7.7.1", "ipython_genutils"]


@pytest.mark.nightly
def test_on_ipywidgets_of_colab(tmp_path):
    """Installed into a folder of its own, before the present one on the path."""
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    install += ["--disable-pip-version-check", "--target", str(tmp_path), *OLD]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode and "No matching distribution" in done.stderr:
        pytest.skip("ipywidgets 7.7.1 cannot be fetched here")
    assert done.returncode == 0, done.stderr
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        [sys.executable, "-c", SHOWN], env=environment, capture_output=True, text=True
    )
    assert told.stdout.split() == ["7.7.1", "image/png", "text/plain", "widget"]
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run += ["-W", "ignore", str(HERE / "test_widget.py")]
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout


# What a cell gets whose last expression is an explorer.
SHOWN = """
import sys
sys.path.insert(0, "tests")
import ipywidgets
from IPython.core.formatters import DisplayFormatter
from dvfl_lib.explorer import Explorer
from small_record import small_record
data, _ = DisplayFormatter().format(Explorer(small_record(grid=0)))
view = "application/vnd.jupyter.widget-view+json"
print(ipywidgets.__version__, *sorted("widget" if k == view else k for k in data))
"""
