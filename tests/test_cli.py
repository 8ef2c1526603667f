"""The console script: one-line errors, and the commands that need no training."""

import io
import json
import sys

import pytest

from dvfl_lib.cli import main
from dvfl_lib.datasets.sources import SOURCES
from dvfl_lib.vfl_net import list_models
from small_standins import SMALL, quick_frames, write_small


def test_models_are_listed_with_their_sizes(capsys):
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in list_models())
    assert "22.44 M" in printed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--profile", "nano"], "there is no profile 'nano'"),
        (["run", "--set", "optim.epochs"], "NAME=VALUE"),
        (["run", "--set", "optim.epoch=2"], "Did you mean 'optim.epochs'"),
        (["run", "--name", "a/b"], "one folder's name"),
        (["run", "--name", "a", "--run-dir", "b"], "not both"),
        (["run", "--profile", "paper"], "needs data_root"),
        (["train", "--seed", "-1"], "seed"),
        (["data", "show", "ucf101", "nowhere"], "nowhere"),
        (["data", "show", "kinetics", "."], "there is no benchmark"),
        (["data", "get", "ucf11", "."], "nothing is known here about 'ucf11'"),
        (["data", "get", "ucf101", ".", "--only", "x"], "parts are videos, lists"),
        (["data", "get", "ssv2", "TMP"], "must be fetched by hand"),
        (["data", "check", "ucf101", "nowhere"], "no such folder"),
        (["data", "standin", "ucf11", "."], "there is no stand-in for 'ucf11'"),
    ],
)
def test_a_mistake_is_one_line_and_no_traceback(arguments, says, tmp_path, capsys):
    assert main([str(tmp_path) if word == "TMP" else word for word in arguments]) == 1
    shown = capsys.readouterr().err
    assert says in shown
    assert len(shown.strip().splitlines()) == 1
    assert "Traceback" not in shown


def test_an_unknown_command_shows_the_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fly"])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_the_benchmarks_are_listed(capsys):
    assert main(["data", "list"]) == 0
    printed = capsys.readouterr().out
    for told in (
        "ucf101: UCF101, 101 classes, 13,320 clips",
        "fetch by hand",
        "folder",
    ):
        assert told in printed
    assert all(name in printed for name in SOURCES)


def test_get_writes_below_data_unless_told(tmp_path, monkeypatch, capsys):
    asked = []

    def note(name, root, **options):
        asked.append((name, root, options))
        return root

    monkeypatch.setattr("dvfl_lib.datasets.get.get_dataset", note)
    monkeypatch.setattr("dvfl_lib.environment.project_root", lambda: tmp_path)
    told = ["--only", "lists", "--from", "a.zip", "--discard"]
    assert main(["data", "get", "UCF101", *told]) == 0
    options = {"only": ["lists"], "prefer": "a.zip", "discard": True}
    assert asked == [("UCF101", tmp_path / "data" / "ucf101", options)]
    assert f"dvfl data check UCF101 {tmp_path}" in capsys.readouterr().out
    assert main(["data", "get", "UCF101", str(tmp_path / "my data")]) == 0
    assert f"check UCF101 '{tmp_path / 'my data'}'" in capsys.readouterr().out


def test_a_name_that_the_terminal_cannot_show_is_shown_in_another_way(
    tmp_path, monkeypatch
):
    """A file's name may hold any bytes; a terminal may know no more than ASCII."""
    root = write_small("ucf101", tmp_path / "s")
    (root / "\u00fc.avi").write_bytes(b"x")
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, "ascii"))
    assert main(["data", "check", "ucf101", str(root), "--quick"]) == 1
    sys.stdout.flush()
    assert b"video of no list: 1: \\xfc.avi" in written.getvalue()


def test_a_standin_is_written_and_checked(tmp_path, monkeypatch, capsys):
    """Exit status 0 for a good one, 1 after a file is gone; the JSON says which."""
    monkeypatch.setattr("dvfl_lib.standins.writing.StandinSize", lambda: SMALL)
    monkeypatch.setattr("dvfl_lib.standins.writing.clip_frames", quick_frames)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    root, file = tmp_path / "s", tmp_path / "report" / "check.json"
    assert main(["data", "standin", "ucf101", str(root), "--seed", "3"]) == 0
    assert json.loads((root / "STANDIN.json").read_text())["seed"] == 3
    check = ["data", "check", "ucf101", str(root), "--quick", "--split", "1"]
    assert main([*check, "--json", str(file)]) == 0
    assert "STAND-IN" in capsys.readouterr().out
    assert json.loads(file.read_text())["good"] is True
    lost = next((root / "UCF-101" / "Rising").iterdir())
    lost.unlink()
    assert main([*check, "--json", str(file)]) == 1
    assert "Not good." in capsys.readouterr().out
    assert json.loads(file.read_text())["missing"] == [f"UCF-101/Rising/{lost.name}"]
