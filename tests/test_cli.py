"""The console script: one-line errors, and the commands that need no training."""

import pytest

from dvfl_lib.cli import main
from dvfl_lib.vfl_net import list_models


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
    ],
)
def test_a_mistake_is_one_line_and_no_traceback(arguments, says, capsys):
    assert main(arguments) == 1
    shown = capsys.readouterr().err
    assert says in shown
    assert len(shown.strip().splitlines()) == 1
    assert "Traceback" not in shown


def test_an_unknown_command_shows_the_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fly"])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err
