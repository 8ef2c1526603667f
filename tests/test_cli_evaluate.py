"""``dvfl evaluate`` through ``cli.main``: the way of lesson 08, from the shell."""

import json

import numpy as np
import pytest
import torch

from dvfl_lib import cli
from dvfl_lib.datasets.leakage import TrainingList
from dvfl_lib.evaluation import Evaluation
from dvfl_lib.lessons import trained_network
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.video.clips import EvaluationViews
from small_benchmarks import few_videos, saved


@pytest.fixture
def dvfl(small_standins, tmp_path, monkeypatch, capsys):
    """Runs ``dvfl evaluate`` on the small stand-ins; (status, printed, complained)."""
    few_videos(monkeypatch)

    def call(*options, name="ucf101", **roots):
        line = ["evaluate", "--run-dir", str(tmp_path / "run"), "--views", "1x1"]
        line += ["--data-root", f"{name}={small_standins[name]}"]
        line += ["--set", "progress=false", *options]
        status = cli.main(line)
        return status, *capsys.readouterr()

    return call


def test_interrupted_it_goes_on_and_writes_table_page_and_json(
    dvfl, tmp_path, monkeypatch
):
    path = saved(tmp_path / "x.safetensors")
    options = ["--checkpoint", f"student={path}", "--split", "ucf101=1"]
    options += ["--batch-size", "4"]
    read, seen = EvaluationViews.__getitem__, []

    def stops(views, index):
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(index)
        return read(views, index)

    monkeypatch.setattr("dvfl_lib.evaluation.protocol._SAVE_EVERY", 0.0)
    monkeypatch.setattr(EvaluationViews, "__getitem__", stops)
    status, _, complained = dvfl(*options)
    assert status == 130 and "the same command goes on from here" in complained
    seen[:] = [None] * 7  # never six again
    status, printed, _ = dvfl(*options)
    assert status == 0 and len(seen) - 7 < 12, "what was done was done again"
    assert "| stand-in for UCF101 | student |" in printed
    told = json.loads((tmp_path / "run" / "benchmarks.json").read_text("utf-8"))
    assert told["standin"] == {"ucf101": True}
    assert told["rows"][0]["measured"]["splits"][0]["videos"] == 12
    for page in ("benchmarks.md", "benchmarks.html"):
        assert "stand-in data" in (tmp_path / "run" / page).read_text("utf-8")


def test_weights_under_another_name_are_chosen(dvfl, tmp_path):
    """A moving average beside the weights: each is scored where it is asked for."""
    path = tmp_path / "x.pth"
    (student, _), (baseline, _) = map(trained_network, ("student", "baseline"))
    sets = {"model": student.state_dict(), "ema": baseline.state_dict()}
    torch.save(sets, path)
    options = ["--checkpoint", f"student={path}", "--split", "ucf101=1"]
    options += ["--classes", "own", "--trust-unknown-training", "student"]
    options += ["--set", "size.crop=64", "--set", "size.short_side=72"]
    with pytest.warns(UserWarning, match=r"part='ema' \(--part\) takes others"):
        assert dvfl(*options)[0] == 0
    first = Evaluation.load(tmp_path / "run/results/ucf101/1/student.json")
    assert dvfl(*options, "--part", "ema")[0] == 0
    other = Evaluation.load(tmp_path / "run/results/ucf101/1/student.json")
    assert not np.array_equal(first.probabilities, other.probabilities)


def test_a_leak_is_refused_in_one_line(dvfl, tmp_path):
    learned = TrainingList("ucf101", "2", drawing=1).to_dict()
    path = saved(tmp_path / "x.safetensors", trained_on=learned)
    given = ["--checkpoint", f"student={path}", "--split", "ucf101=1"]
    status, _, complained = dvfl(*given)
    assert status == 1 and complained.startswith("dvfl: student on ucf101, split 1:")
    assert complained.count("\n") == 1 and not (tmp_path / "run" / "results").exists()


def test_classes_are_put_in_order_by_name(dvfl, tmp_path):
    """Under another order of names the same network gets other answers."""
    path = saved(tmp_path / "x.safetensors", classes=None)
    names = tmp_path / "names.txt"
    given = ["--checkpoint", f"student={path}", "--split", "hmdb51=1"]
    given += ["--classes", f"student={names}", "--arch", "vfl_net_lab_student"]
    tops = []
    for order in (ACTIONS, ACTIONS[::-1]):
        names.write_text("\n".join(order))
        assert dvfl(*given, name="hmdb51")[0] == 0
        result = tmp_path / "run/results/hmdb51/1/student.json"
        tops.append(json.loads(result.read_text("utf-8"))["top1"]["correct"])
    assert tops[0] > 7 and tops[1] < 3
    status, _, complained = dvfl(*given[:4], name="hmdb51")
    assert status == 1 and "in which order its classes are" in complained


def test_two_checkpoints_of_one_role_serve_two_splits(dvfl, tmp_path):
    files = [
        {
            "role": "student",
            "path": saved(tmp_path / f"{split}.safetensors", network=network),
            "dataset": "ucf101",
            "split": split,
        }
        for split, network in (("1", "student"), ("2", "baseline"))
    ]
    (tmp_path / "files.json").write_text(json.dumps(files))
    status, printed, _ = dvfl("--checkpoint", str(tmp_path / "files.json"))
    assert status == 0 and "mean of splits 1, 2, not all of them" in printed
    told = json.loads((tmp_path / "run" / "benchmarks.json").read_text("utf-8"))
    assert "1.safetensors (ucf101 1); " in told["about"]["student"]
    assert "2.safetensors (ucf101 2)" in told["about"]["student"]


@pytest.mark.parametrize(
    "options, told",
    [
        (["--checkpoint", "x.pth"], "give ROLE=PATH, such as student=x.pth"),
        (["--checkpoint", "none.json"], "none.json"),
        (["--split", "1"], "--split takes NAME=VALUE"),
        (["--set", "size.crops=3"], "size.crops"),
        (["--views", "4x2"], "'4x3'"),
    ],
)
def test_a_mistake_is_one_line(dvfl, options, told):
    status, _, complained = dvfl(*options)
    assert status == 1 and told in complained and complained.count("\n") == 1
