"""Networks in 8-bit integers, and how much they still say the same."""

import math

import onnx
import pytest
import torch

from dvfl_lib.cli import main
from dvfl_lib.deployment.int8 import (
    agreement_markdown,
    calibration_clips,
    compare_outputs,
    in_bfloat16,
    quantise,
)
from dvfl_lib.deployment.onnx import export, open_onnx
from dvfl_lib.deployment.predict import open_network
from dvfl_lib.errors import DatasetError, ModelError, RecipeError
from dvfl_lib.lessons import lesson_clip, trained_network
from dvfl_lib.lessons.trained import ASSETS, assets_folder
from dvfl_lib.standins import StandinSize, clip_frames
from dvfl_lib.standins.scenes import ACTIONS
from dvfl_lib.video.transforms import normalise
from dvfl_lib.video.writing import encode_clip

CHECKPOINT = assets_folder() / ASSETS["student"]


@pytest.fixture(scope="module")
def student():
    return trained_network("student")[0]


@pytest.fixture(scope="module")
def float32(student, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "float32.onnx"
    return export(student, path, side=64, standin=True).path


@pytest.fixture(scope="module")
def seen():
    """A clip of each action, of a group that is not asked about."""
    clips = [normalise(lesson_clip(action, group=1)) for action in ACTIONS]
    return torch.stack(clips)  # (12, 8, 3, 64, 64)


@pytest.fixture(scope="module")
def int8(float32, seen):
    return quantise(float32, float32.with_name("int8.onnx"), seen)


@pytest.fixture(scope="module")
def asked():
    clips = [normalise(lesson_clip(a, group=g)) for a in ACTIONS for g in (2, 3)]
    return torch.stack(clips), [k for k in range(len(ACTIONS)) for _ in (2, 3)]


def test_most_answers_stay(student, float32, int8, asked):
    forms = {
        "float32": student,
        "bf16": in_bfloat16(student),
        "ONNX": open_onnx(float32),
        "int8": open_onnx(int8),
    }
    found = compare_outputs(forms, *asked)
    assert found["ONNX"].agreement == 1 and found["ONNX"].difference < 1e-4
    for name in ("bf16", "int8"):
        assert found[name].agreement >= 0.9
        assert 1e-4 < found[name].difference < 1 and 0 < found[name].kl < 0.01
    assert found["float32"].top1 > 0.75 and found["float32"].clips == 24


def test_products_are_integers_except_in_stem_and_head(float32, int8):
    graph = onnx.load(int8).graph
    made = {out: node.op_type for node in graph.node for out in node.output}
    products = [n for n in graph.node if n.op_type in ("Conv", "MatMul", "Gemm")]
    plain = [n for n in products if made.get(n.input[1]) != "DequantizeLinear"]
    assert len(plain) == 2 and plain[0].op_type == "Conv"
    assert plain[0].input[0] != "logits" and products[-1] is plain[1]
    assert len(products) == sum(
        n.op_type in ("Conv", "MatMul", "Gemm") for n in onnx.load(float32).graph.node
    )
    kinds = {tensor.data_type for tensor in graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
    assert int8.stat().st_size < 0.6 * float32.stat().st_size


def test_the_description_stays(float32, int8):
    old, new = open_onnx(float32), open_onnx(int8)
    assert (new.frames, new.side, new.classes) == (old.frames, old.side, old.classes)
    assert new.standin is True


def logits(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_agreement_by_hand():
    one, two = logits([1, 0], [0, 1], [2, 0]), logits([0, 1], [0, 1], [2, 1])
    clips = torch.zeros(3, 1, 3, 1, 1)
    calls = {"a": iter([one]), "b": iter([two])}
    forms = {name: (lambda _, rest=rest: next(rest)) for name, rest in calls.items()}
    found = compare_outputs(forms, clips, [0, 1, 1])
    assert found["a"].top1 == pytest.approx(2 / 3) and found["a"].agreement == 1
    assert found["b"].top1 == pytest.approx(1 / 3)
    assert found["b"].agreement == pytest.approx(2 / 3)
    assert found["a"].kl == 0 and found["b"].difference == 1
    e, e2 = math.e, math.e**2
    first = (e * 1 + 1 * -1) / (e + 1)
    p, q = e2 / (e2 + 1), e / (e + 1)
    third = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert found["b"].kl == pytest.approx((first + third) / 3)
    told = agreement_markdown(found, standin=True)
    assert "| b | 33.3 % | 66.7 % | 1.000 |" in told and "stand-in" in told


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for number, action in enumerate(ACTIONS[:4]):
        (folder / action).mkdir()
        frames = clip_frames(0, StandinSize(), action, 9, 1)
        encode_clip(folder / action / f"{number}.avi", frames)
    (folder / "notes.txt").write_text("no video")
    return folder


def test_videos_become_calibration_clips(videos):
    network = open_network(CHECKPOINT)
    with pytest.warns(UserWarning, match="1 files are left out, .* notes.txt"):
        clips, names = calibration_clips(network, videos)
    assert clips.shape == (4, 8, 3, 64, 64) and len(names) == 4
    _, fewer = calibration_clips(network, videos, most=2)
    assert fewer == [names[0], names[2]]
    with pytest.raises(DatasetError, match="there is no video in"):
        calibration_clips(network, videos / "missing")


def test_the_command_quantises(videos, tmp_path, capsys):
    out, small = tmp_path / "a.onnx", tmp_path / "b.onnx"
    given = ["--checkpoint", CHECKPOINT, "--out", out, "--int8", small]
    given += ["--calibration", videos]
    assert main(["export", *map(str, given)]) == 0
    told = capsys.readouterr().out
    assert "from 4 videos" in told and "those it was calibrated on" in told
    assert open_onnx(small).side == 64


def test_what_cannot_be_quantised(float32, tmp_path):
    with pytest.raises(RecipeError, match="is the file that is read"):
        quantise(float32, float32, [])
    clips = [torch.zeros(8, 3, 64, 64), torch.full((8, 3, 64, 64), math.nan)]
    with pytest.raises(ModelError, match="all of them finite"):
        quantise(float32, tmp_path / "q.onnx", clips)
    for clips in ([], [torch.zeros(8, 3, 32, 32)]):
        with pytest.raises(ModelError, match=r"clips \(8, 3, 64, 64\)"):
            quantise(float32, tmp_path / "q.onnx", clips)
    assert not list(tmp_path.iterdir())
