"""The explorer's own tests, once more under the ipywidgets that Colab has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OLD = ["ipywidgets==7.7.1", "ipython_genutils"]
SUITES = ["test_widgets.py", "test_asking.py"]


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
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run += [str(HERE / name) for name in SUITES]
    run += ["-W", "ignore"]
    told = subprocess.run(
        [sys.executable, "-c", "import ipywidgets; print(ipywidgets.__version__)"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == "7.7.1"
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
