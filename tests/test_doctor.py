"""``dvfl doctor`` finds what is planted: packages, folder, network, kernel."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dvfl_lib.cli import main
from dvfl_lib.environment import project_root

METADATA = """\
Metadata-Version: 2.4
Name: dvfl-lib
Version: 9.0
Requires-Python: >=3.11
Requires-Dist: numpy>=2.1
Requires-Dist: not-for-this-machine>=1; python_version < "3"
Provides-Extra: lab
Requires-Dist: not-there-either>=2; extra == "lab"
"""
GOOD = (
    "packages of every lesson",
    "a folder to write to",
    "PyAV writes and reads .avi, .webm, .mp4",
    "networks of data/assets: student, baseline, teacher",
    "the student answers a clip in ",
    "notebooks run with the Python of ",
)


def asking(folder: Path, monkeypatch, *lines: str) -> None:
    """Let the library, as it is installed here, ask for these packages as well."""
    place = folder / "dvfl_lib-9.0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text(METADATA + "\n".join(lines), "utf-8")
    monkeypatch.syspath_prepend(str(folder))


def doctor(capsys) -> tuple[int, dict[str, list[str]]]:
    """Its exit status, and what it says in sentences of each kind."""
    status = main(["doctor"])
    told = {"good": [], "note": [], "missing": []}
    for line in capsys.readouterr().out.splitlines()[:-1]:
        word, _, sentence = line.partition(" ")
        told[word].append(sentence.strip())
    return status, told


@pytest.fixture
def network(tmp_path, monkeypatch) -> Path:
    """A copy of the checkout's folder of networks is what the library reads."""
    folder = tmp_path / "data" / "assets"
    shutil.copytree(project_root() / "data" / "assets", folder)
    monkeypatch.setattr("dvfl_lib.lessons.trained.project_root", lambda: tmp_path)
    return folder / "vfl_net_lab_student_64.safetensors"


def test_a_machine_that_can_take_the_course(tmp_path, monkeypatch, capsys):
    asking(tmp_path, monkeypatch)
    status, told = doctor(capsys)
    assert status == 0 and not told["missing"]
    for sentence in GOOD:
        assert any(sentence in line for line in told["good"]), sentence
    (extra,) = [line for line in told["note"] if "extra" in line]
    assert {"extra deploy", "extra mobile"} <= set(told["good"])
    assert "lab: not-there-either is not there; pip install -e '.[lab]'" in extra


def test_the_extras_that_it_looks_at_exist():
    there = tomllib.loads((project_root() / "pyproject.toml").read_text("utf-8"))
    source = (project_root() / "dvfl_lib" / "cli" / "doctor.py").read_text("utf-8")
    looked = re.search(r'for extra in \("", (.*?)\):', source)[1]
    named = set(re.findall(r'"(\w+)"', looked))
    assert "lab" in named <= set(there["project"]["optional-dependencies"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Requires-Dist: not-there>=1.0", "not-there is not there"),
        ("Requires-Dist: pydantic>=99", "is too old (>=99); pip install -e ."),
    ],
)
def test_a_package_that_is_missing_or_too_old(
    line, says, tmp_path, monkeypatch, capsys
):
    asking(tmp_path, monkeypatch, line)
    status, told = doctor(capsys)
    assert status == 1
    (found,) = told["missing"]
    assert says in found and "numpy" not in found and "for-this" not in found


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch, capsys):
    """A file stands where the folder should be: no user may write into it."""
    (tmp_path / "course").write_text("")
    root = tmp_path / "course"
    monkeypatch.setattr("dvfl_lib.environment.project_root", lambda: root)
    status, told = doctor(capsys)
    assert status == 1
    assert any("it refuses; copy the course elsewhere" in m for m in told["missing"])


@pytest.mark.parametrize("damage", ["a byte", "gone", "manifest"])
def test_a_network_that_is_not_whole(damage, network, capsys):
    if damage == "a byte":
        data = bytearray(network.read_bytes())
        data[-1] ^= 1
        network.write_bytes(data)
    elif damage == "gone":
        network.unlink()
    else:
        network.with_name("assets.json").write_text(json.dumps({"files": {}}))
    status, told = doctor(capsys)
    assert status == 1
    (found,) = told["missing"]
    assert network.name in found and "git checkout data/assets" in found


def test_without_a_kernel_no_notebook_runs(tmp_path, monkeypatch, capsys):
    """A kernel of that name, which starts nothing, lies first on Jupyter's path."""
    place = tmp_path / "kernels" / "python3"
    place.mkdir(parents=True)
    words = {"argv": ["no-such-program"], "display_name": "x", "language": "python"}
    (place / "kernel.json").write_text(json.dumps(words))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    status, told = doctor(capsys)
    assert status == 1
    (found,) = told["missing"]
    assert "kernel" in found and "no-such-program" in found


def test_it_starts_where_torch_is_not_there(tmp_path):
    """A module that cannot be imported stands in torch's place."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n")
    done = subprocess.run(
        [sys.executable, "-m", "dvfl_lib.cli", "doctor"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{project_root()}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "missing  networks: ImportError: no torch here" in done.stdout
    assert "good     notebooks run with" in done.stdout
    assert not done.stderr
