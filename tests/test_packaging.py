"""pyproject.toml, constraints.txt, environment.yml and the Makefile agree."""

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CORE = [Requirement(text) for text in PROJECT["dependencies"]]
ALL = CORE + [Requirement(text) for extra in EXTRAS.values() for text in extra]

# What Colab shipped in August 2026, as far as this project asks for it.
COLAB_PYTHON = "3.13"
COLAB = {
    "torch": "2.11.0",
    "torchvision": "0.26.0",
    "numpy": "2.1.0",
    "matplotlib": "3.10.0",
    "ipywidgets": "7.7.1",
}
# Modules whose name is not their distribution's.
DISTRIBUTION = {"PIL": "pillow", "yaml": "pyyaml", "IPython": "ipython"}


def name_of(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


def pins() -> dict[str, Version]:
    """constraints.txt as name -> version; every line of it is an exact pin."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([a-z0-9-]+)==([0-9][\w.]*)", line)
            assert match, f"constraints.txt: {line!r} is not name==version"
            assert match[1] not in found, f"constraints.txt names {match[1]} twice"
            found[match[1]] = Version(match[2])
    return found


@pytest.mark.parametrize("requirement", ALL, ids=str)
def test_requirements_are_lower_bounds_and_the_constraints_meet_them(requirement):
    """An exact pin or an upper bound here would break installs next year."""
    operators = [part.operator for part in requirement.specifier]
    assert operators == [">="]
    pinned = pins().get(name_of(requirement))
    assert pinned is not None, f"constraints.txt does not pin {requirement.name}"
    assert requirement.specifier.contains(pinned)


def test_constraints_pin_a_matching_pair_of_torch_and_torchvision():
    """torchvision 0.(n+14) is built for torch 2.n, and says so in its metadata."""
    found = pins()
    assert found["torch"] >= Version("2.14")
    assert found["torchvision"].minor == found["torch"].minor + 14
    installed = Version(importlib.metadata.version("torchvision"))
    if installed.base_version == str(found["torchvision"]):
        asked = [Requirement(r) for r in importlib.metadata.requires("torchvision")]
        wants = next(r for r in asked if r.name == "torch")
        assert wants.specifier.contains(found["torch"])


def test_lower_bounds_admit_what_colab_ships():
    """On Colab the set-up installs what is missing and replaces nothing."""
    by_name = {name_of(r): r for r in CORE}
    for name, version in COLAB.items():
        assert by_name[name].specifier.contains(version), f"{name} {version} refused"
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(
        COLAB_PYTHON
    )


@pytest.mark.parametrize(
    ("system", "machine", "wanted"),
    [
        ("linux", "x86_64", True),
        ("win32", "AMD64", True),
        ("linux", "aarch64", False),
        ("darwin", "arm64", False),
        ("darwin", "x86_64", False),
    ],
)
def test_decord_is_asked_for_only_where_it_has_a_wheel(system, machine, wanted):
    marker = next(r.marker for r in CORE if r.name == "decord")
    where = {"sys_platform": system, "platform_machine": machine}
    assert marker.evaluate(where) is wanted


def optional_imports(tree: ast.AST) -> set[ast.AST]:
    """Imports where the package may be missing: in a ``try``, or inside a function."""
    kinds = (ast.Try, ast.FunctionDef)
    return {
        node
        for block in ast.walk(tree)
        if isinstance(block, kinds)
        for part in block.body
        for node in ast.walk(part)
    }


def imported_packages(folder: Path, *, optional: bool) -> dict[str, str]:
    """Top-level packages that the code under a folder imports -> one such file."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        guarded = optional_imports(tree)
        for node in ast.walk(tree):
            names = []
            if (node in guarded) != optional:
                continue
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in names:
                found.setdefault(name.partition(".")[0], str(path.relative_to(ROOT)))
    return found


@pytest.mark.parametrize(
    ("folder", "declared", "optional"),
    [("dvfl_lib", CORE, False), ("dvfl_lib", ALL, True), ("tests", ALL, False)],
    ids=["lib", "lib, optional", "tests"],
)
def test_everything_imported_is_declared(folder, declared, optional):
    """The library may use what it asks for, the tests the extras as well.

    In the library an extra may only be imported where it may be missing.

    The names of what a declared package always brings (Jupyter's parts for
    ipywidgets and papermill) do not count: what is imported is declared itself.
    """
    ours = {"dvfl_lib", "benchmarks", "tools", "tests"}
    ours |= {path.stem for path in (ROOT / "tests").rglob("*") if path.is_dir()}
    ours |= {path.stem for path in (ROOT / "tests").rglob("*.py")}
    known = {name_of(requirement) for requirement in declared}
    undeclared = {
        package: where
        for package, where in imported_packages(
            ROOT / folder, optional=optional
        ).items()
        if package not in sys.stdlib_module_names
        and package not in ours
        and canonicalize_name(DISTRIBUTION.get(package, package)) not in known
    }
    assert not undeclared, f"imported, but not in pyproject.toml: {undeclared}"


def test_every_package_folder_is_found_by_setuptools():
    """A folder without __init__.py would be missing from the installed package."""
    folders = {path.parent for path in (ROOT / "dvfl_lib").rglob("*.py")}
    bare = [
        str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()
    ]
    assert not bare, f"no __init__.py in {bare}"
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    patterns = told["setuptools"]["package-data"]["dvfl_lib"]
    stray = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "dvfl_lib").rglob("*")
        if path.is_file()
        and path.suffix not in (".py", ".pyc")
        and not any(path.relative_to(ROOT / "dvfl_lib").match(p) for p in patterns)
    ]
    assert not stray, f"not Python, so not in the installed package: {stray}"


def test_conda_environment_is_the_package_itself():
    """environment.yml holds no second list of packages that could drift."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    python, pip, pip_installs = environment["dependencies"]
    version = re.fullmatch(r"python=(3\.\d+)", python)[1]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(
        version
    )
    assert pip == "pip"
    constraint, package = pip_installs["pip"]
    assert constraint == "-c constraints.txt"
    extras = re.fullmatch(r"-e \.\[([a-z,]+)\]", package)[1].split(",")
    assert sorted(extras) == sorted(EXTRAS)


def test_make_installs_the_same_as_conda():
    text = (ROOT / "Makefile").read_text("utf-8")
    extras = re.search(r"-c constraints\.txt -e '\.\[([a-z,]+)\]'", text)[1]
    assert sorted(extras.split(",")) == sorted(EXTRAS)


def test_the_console_script_is_there():
    module, _, function = PROJECT["scripts"]["dvfl"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_no_registry_is_named():
    """Which registry to install from is the reader's machine's affair."""
    for name in ("constraints.txt", "environment.yml", "Makefile", "pyproject.toml"):
        text = (ROOT / name).read_text("utf-8")
        assert not re.search(r"index-url|find-links|--trusted-host|download\.pyt", text)


def dry_make(*arguments: str, folder: Path = ROOT) -> str:
    """What make would do, without doing it."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_make_run_passes_its_variables_on():
    assert '--profile "demo" --name "ucf101_demo" --seed "0"' in dry_make("run")
    told = dry_make("run", "PROFILE=colab", "SEED=2", "ARGS=--help")
    assert '--profile "colab" --name "ucf101_colab_seed2" --seed "2" --help' in told


def test_make_sets_up_before_it_runs_or_tests():
    for goal in ("run", "test"):
        assert dry_make(goal).index("-m venv --clear") < dry_make(goal).index(
            {"run": "bin/dvfl run", "test": "-m pytest"}[goal]
        )


def make_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the real Makefile in a folder that holds what it depends on."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def fake_python(folder: Path, pip_status: int) -> Path:
    """A stand-in for Python that makes environments whose pip does nothing."""
    path = folder / "fakepython"
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'*"-m pip"*) echo pip; exit {pip_status};;\n'
        '*"-m venv"*) rm -rf .venv; mkdir -p .venv/bin;'
        ' cp "$0" .venv/bin/python; echo venv;;\n'
        "esac\n",
        "utf-8",
    )
    path.chmod(0o755)
    return path


def test_set_up_happens_once_and_starts_afresh_after_an_interruption(tmp_path):
    """A failed install leaves no mark; a finished one is not repeated."""
    folder = tmp_path / "a clone with blanks"
    folder.mkdir()
    failed = make_in(folder, "setup", f"PYTHON={fake_python(tmp_path, 1)}")
    assert failed.returncode != 0
    assert not list(folder.glob(".venv/ready-*"))
    python = f"PYTHON={fake_python(tmp_path, 0)}"
    done = make_in(folder, "setup", python)
    assert done.returncode == 0
    assert "venv" in done.stdout and "pip" in done.stdout
    assert len(list(folder.glob(".venv/ready-*"))) == 1
    (stamp,) = folder.glob(".venv/ready-*")
    newest = stamp.stat().st_mtime
    for name in ("pyproject.toml", "constraints.txt"):
        assert (folder / name).stat().st_mtime <= newest


def test_without_a_python_the_message_says_what_to_do(tmp_path):
    refused = make_in(tmp_path, "setup", "PYTHON=no-such-python")
    assert refused.returncode != 0
    assert "No Python 3.11 or newer" in refused.stderr
    assert "PYTHON=/path/to/python3" in refused.stderr


def test_versions_and_names_agree_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"] == "MIT"
    authors = PROJECT["authors"][0]["name"]
    assert citation["authors"][0]["name"] == authors
    assert f"2026 {authors}" in (ROOT / "LICENSE").read_text("utf-8")
    try:
        installed = importlib.metadata.version(PROJECT["name"])
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package is not installed here: make setup installs it")
    assert installed == PROJECT["version"]
