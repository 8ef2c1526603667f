"""The measurement of what cheaper arithmetic changes, and the command for all."""

import sys

import pytest
import torch

import benchmarks.__main__ as command
from benchmarks import agreement, network_forms
from dvfl_lib.deployment import packages
from dvfl_lib.lessons import lesson_clip
from dvfl_lib.standins import TEST_GROUPS
from dvfl_lib.standins.actions import ACTIONS
from dvfl_lib.video.transforms import normalise


def test_clips_are_those_of_the_lessons():
    expected = normalise(lesson_clip("Rising", group=3, clip=2))
    assert torch.equal(agreement.drawn(("Rising", 3, 2)), expected)


def test_calibration_sees_all_actions_and_no_test_group():
    places = agreement.calibration_places(96)
    assert len({*places}) == 96
    actions = [action for action, _, _ in places]
    assert all(actions.count(action) == 8 for action in ACTIONS)
    assert not {group for _, group, _ in places} & {*TEST_GROUPS[1]}
    assert len(agreement.calibration_places(10_000)) == 12 * 18 * 4


@pytest.mark.parametrize("there", [True, False])
def test_forms_are_asked_about_the_same_clips(monkeypatch, there):
    """But for the compiler's minute of generating code."""
    monkeypatch.setattr(torch, "compile", lambda network, **how: network)
    if not there:
        monkeypatch.setattr(packages, "_PACKAGES", ("onnx", "no_such_package"))
    places = [*agreement.test_places([1])][:16]
    found = agreement.measure(places, [2])
    rows = found["rows"]
    assert {row["clips"] for row in rows.values()} == {16}
    assert 0 < rows["bf16"]["difference"] < 0.2 and rows["bf16"]["agreement"] > 0.8
    text = agreement.table(found)
    assert "stand-in data" in text
    if there:
        assert rows["ONNX, float32"]["difference"] < 1e-4
        assert rows["ONNX, int8, 2 calibration clips"]["difference"] > 1e-4
        name = "OpenVINO, int8, 2 calibration clips"
        assert (name in rows) != (
            "pip install openvino" in found["missing"].get(name, "")
        )
    else:
        assert "ONNX not measured: " in text and "no_such_package" in text


def test_freezing_is_asked_for_while_compiling_and_not_afterwards(monkeypatch):
    from torch._inductor import config

    seen = []

    def compiling(network, **how):
        return lambda clip: seen.append(config.freezing) or network(clip)

    monkeypatch.setattr(torch, "compile", compiling)
    layer, clip = torch.nn.Linear(4, 4), torch.ones(1, 4)
    for frozen in (True, False):
        call = network_forms.compiled(layer, clip, False, frozen)
        assert call(clip).shape == (1, 4)
    assert seen == [True, False, False, False]


def told(monkeypatch, *arguments, fails=()):
    """The lines of ``python -m`` that one call of the command starts; its status."""
    lines = []

    class Done:
        def __init__(self, line):
            self.returncode = int(line[2].removeprefix("benchmarks.") in fails)

    def run(line, check):
        lines.append(" ".join(line[2:]))
        assert line[:2] == [sys.executable, "-m"]
        return Done(line)

    monkeypatch.setattr(command.subprocess, "run", run)
    return command.main(arguments), lines


def test_one_command_runs_all_that_takes_minutes(monkeypatch):
    status, lines = told(monkeypatch)
    assert status == 0
    assert lines == [f"benchmarks.{name}" for name in command.FROM_MINUTES]
    _, lines = told(monkeypatch, "--all")
    assert lines[-2:] == ["benchmarks.distillation_seeds", "benchmarks.ablation"]
    assert "benchmarks.network_speed_2" not in lines  # it is another machine's
    _, lines = told(monkeypatch, "network_speed_2")
    assert lines == ["benchmarks.network_speed_2"]


def test_one_that_fails_is_told_and_keeps_none_from_running(monkeypatch, capsys):
    status, lines = told(monkeypatch, "peers", "agreement", fails=["peers"])
    assert status == 1 and lines == ["benchmarks.peers", "benchmarks.agreement"]
    assert "failed: peers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["speed"], "no measurement 'speed'"), (["--show", "reading"], "no --show")],
)
def test_what_it_does_not_know_is_refused(monkeypatch, capsys, arguments, words):
    with pytest.raises(SystemExit):
        told(monkeypatch, *arguments)
    assert words in capsys.readouterr().err


def test_every_measurement_is_among_them_and_shows_what_it_says(capsys):
    """The real processes, for what is stored."""
    folder = network_forms.Path(network_forms.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")}
    runs = {name for name in modules if _is_program(folder / f"{name}.py")}
    known = (*command.FROM_MINUTES, *command.FROM_HOURS, *command.OF_ANOTHER_MACHINE)
    assert runs - {"__main__"} == {*known}
    assert command.main(["--show", "network_memory"]) == 0


def _is_program(path) -> bool:
    return 'if __name__ == "__main__"' in path.read_text("utf-8")
