"""Networks as ONNX files: equal answers, one whole file, nothing foreign read."""

import json
import subprocess
import sys

import onnx
import pytest
import torch

from dvfl_lib.cli import main
from dvfl_lib.deployment import onnx as onnx_room
from dvfl_lib.deployment.onnx import ABOUT, export, open_onnx
from dvfl_lib.errors import CheckpointError, ModelError, RecipeError
from dvfl_lib.lessons.trained import ASSETS, assets_folder
from dvfl_lib.vfl_net import VFLNet, VFLNetConfig
from helpers import export_unchanged

SMALL = VFLNetConfig(depths=(1, 1), embed_dim=8, focal_levels=2)
SIZE = dict(frames=4, side=32)


def small() -> VFLNet:
    torch.manual_seed(0)
    return VFLNet(SMALL, 3, drop_path=0.5, init="fan_in")


@pytest.fixture(scope="module")
def network():
    return small()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    told = dict(classes=("a", "b", "ö"), standin=True, **SIZE)
    return export_unchanged(export, network, path, **told)


def test_any_batch_gets_the_network_s_own_answer(network, exported):
    """In evaluation mode, though it was exported while training, with drop-path."""
    opened = open_onnx(exported)
    assert (opened.frames, opened.side, opened.standin) == (4, 32, True)
    assert opened.classes == ("a", "b", "ö")
    for batch in (1, 2, 5):
        clips = torch.randn(batch, 4, 3, 32, 32)
        with torch.no_grad():
            own = network.eval()(clips)
        assert torch.allclose(opened(clips), own, rtol=0, atol=1e-5)
        assert own.std() > 0.01


def test_the_file_is_alone_and_says_nothing_of_this_machine(exported):
    assert [p.name for p in exported.parent.iterdir()] == [exported.name]
    content = exported.read_bytes()
    for word in (b"site-packages", b"dvfl_lib/", str(exported.parent).encode()):
        assert word not in content


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"path": "net.pth"}, RecipeError, "must end with .onnx"),
        ({"classes": ["a"]}, ModelError, "3 classes, but 1 names"),
        ({"side": 4}, ModelError, "at least 8 x 8"),
    ],
)
def test_what_cannot_be_exported_is_said(network, tmp_path, wrong, error, said):
    given = {**SIZE, "path": "net.onnx", **wrong}
    with pytest.raises(error, match=said):
        export(network, tmp_path / given.pop("path"), **given)
    assert not list(tmp_path.iterdir())


def test_a_file_that_answers_otherwise_is_not_written(network, tmp_path, monkeypatch):
    """And an older one stays."""
    path = tmp_path / "net.onnx"
    path.write_bytes(b"older")
    monkeypatch.setattr(onnx_room, "_graph", lambda *given: b"graph")
    monkeypatch.setattr(onnx_room, "_check", lambda *given: 0.5)
    with pytest.raises(CheckpointError, match="differs by 0.5 in a logit"):
        export(network, path, **SIZE)
    assert path.read_bytes() == b"older" and len(list(tmp_path.iterdir())) == 1


def changed(path, tmp_path, change):
    proto = onnx.load(path)
    change(proto)
    other = tmp_path / "changed.onnx"
    other.write_bytes(proto.SerializeToString())
    return other


def another(**values):
    def change(proto):
        (entry,) = (e for e in proto.metadata_props if e.key == ABOUT)
        entry.value = json.dumps({**json.loads(entry.value), **values})

    return change


def elsewhere(tensor):
    tensor.name, tensor.data_location = "w", onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret"


def constant_elsewhere(proto):
    node = proto.graph.node.add(op_type="Constant", output=["q"])
    elsewhere(node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t)


def branch_elsewhere(proto):
    node = proto.graph.node.add(op_type="If", input=["c"], output=["q"])
    branch = node.attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH).g
    elsewhere(branch.initializer.add())


def foreign(proto):
    proto.graph.node[0].domain = "evil"
    proto.opset_import.add(domain="evil", version=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda proto: proto.ClearField("metadata_props"), "not written by this"),
        (lambda proto: elsewhere(proto.graph.initializer[0]), "w lies in another file"),
        (foreign, "cannot be run as ONNX"),
        (constant_elsewhere, "w lies in another file; refused"),
        (branch_elsewhere, "w lies in another file; refused"),
        (another(frames=5), "description and its graph do not agree"),
        (another(classes=["a"]), "description and its graph do not agree"),
    ],
)
def test_foreign_and_damaged_files_are_refused(exported, tmp_path, change, said):
    with pytest.raises(CheckpointError, match=said):
        open_onnx(changed(exported, tmp_path, change))


def test_half_a_file_is_refused(exported, tmp_path):
    path = tmp_path / "half.onnx"
    with pytest.raises(CheckpointError, match="there is no file"):
        open_onnx(path)
    path.write_bytes(exported.read_bytes()[:-9])
    with pytest.raises(CheckpointError):
        open_onnx(path)
    opened = open_onnx(changed(exported, tmp_path, another(classes=[])))
    assert opened(torch.zeros(1, 4, 3, 32, 32)).shape == (1, 3)


def test_without_the_packages_it_is_said_how_to_get_them(network, monkeypatch):
    monkeypatch.setattr(onnx_room.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match="onnxruntime: install the extra 'deploy'"):
        export(network, "x.onnx")


def test_nothing_else_needs_these_packages():
    code = "import sys, dvfl_lib.deployment.executorch, dvfl_lib.deployment.onnx; "
    code += "import dvfl_lib.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "dvfl_lib" in loaded
    assert not loaded & {"onnx", "onnxruntime", "onnxscript", "executorch", "torchao"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--int8", "b.onnx"], "belong together"),
        (["--checkpoint", "missing.safetensors"], "missing.safetensors"),
        (["--int8", "OUT", "--calibration", "."], "are the same file"),
        (["--int8", "b.txt", "--calibration", "."], "must end with .onnx"),
        (["--int8", "b.onnx", "--calibration", "nowhere"], "there is no folder"),
    ],
)
def test_an_export_that_cannot_end_well_does_not_begin(tmp_path, capsys, more, said):
    out = tmp_path / "x.onnx"
    out.write_bytes(b"kept")
    more = [str(out) if word == "OUT" else word for word in more]
    checkpoint = ["--checkpoint", str(assets_folder() / ASSETS["student"])]
    assert main(["export", *checkpoint, "--out", str(out), *more]) == 1
    assert said in capsys.readouterr().err and out.read_bytes() == b"kept"
