"""Weights files: what is taken from them, and what is refused, and why.

The files are made here in the layouts of the published ones: the authors' ``.pth``
(weights under ``model``, a yacs configuration and more beside them), microsoft's
FocalNet files (built from timm's FocalNet, names turned back), and our own.
"""

import argparse
import json
import os
import pickle
import re
import sys
import types
import warnings
import zipfile
from collections import OrderedDict
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvfl_lib.errors import CheckpointError
from dvfl_lib.vfl_net import VARIANTS, VFLNet, VFLNetConfig, create_model
from dvfl_lib.weights import (
    LoadReport,
    PretrainedVFLNet,
    load_checkpoint,
    load_image_weights,
    load_model,
    read_metadata,
    save_checkpoint,
)
from dvfl_lib.weights.reading import _Inert, _read_pickle, read_weights

pytestmark = pytest.mark.quick

SMALL = VFLNetConfig(depths=(1, 2), embed_dim=8)
HEAD = ("head.weight", "head.bias")


def small(num_classes: int = 5, seed: int = 0) -> VFLNet:
    torch.manual_seed(seed)
    return VFLNet(SMALL, num_classes)


@cache
def shapes_only(name: str, num_classes: int) -> VFLNet:
    """A network of any size without numbers; filling it changes nothing."""
    with torch.device("meta"):
        return create_model(name, num_classes)


def hollow(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same names and shapes in a file of a few kilobytes: one zero, repeated."""
    return {name: torch.zeros(()).expand(value.shape) for name, value in state.items()}


def assert_equal_states(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert list(first) == list(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def image_names(twin: torch.nn.Module) -> dict[str, Tensor]:
    """timm's FocalNet under the names and shapes of microsoft's release."""
    state = {}
    for name, value in twin.state_dict().items():
        name = name.replace("stem", "patch_embed").replace("head.fc", "head")
        name = re.sub(
            r"layers\.(\d)\.downsample",
            lambda m: f"layers.{int(m[1]) - 1}.downsample",
            name,
        )
        linear = re.search(r"modulation\.(f|proj)\.|mlp\.fc", name)
        if linear and value.ndim == 4:  # timm writes linear layers as convolutions
            value = value.flatten(1)
        state[name] = value
    return state


@cache
def image_state(name: str) -> dict[str, Tensor]:
    """Names and shapes of a published image network, for ImageNet's 1000 classes."""
    with torch.device("meta"):
        return image_names(timm.create_model(name))


# --- the authors' files ----------------------------------------------------------


@pytest.fixture
def config_node(monkeypatch):
    """A class that pickles as yacs' CfgNode does: a dict with attributes besides."""

    class CfgNode(dict):
        def __init__(self, content: dict) -> None:
            super().__init__(content)
            self.__dict__["__immutable__"] = True
            self.__dict__["__deprecated_keys__"] = {"OLD.KEY"}
            self.__dict__["__renamed_keys__"] = {}

    CfgNode.__module__ = "yacs.config"
    CfgNode.__qualname__ = "CfgNode"
    package, module = types.ModuleType("yacs"), types.ModuleType("yacs.config")
    package.config, module.CfgNode = module, CfgNode
    monkeypatch.setitem(sys.modules, "yacs", package)
    monkeypatch.setitem(sys.modules, "yacs.config", module)
    yield CfgNode


@pytest.fixture
def authors_file(tmp_path, config_node, monkeypatch) -> tuple[Path, dict[str, Tensor]]:
    """Weights with all that a training of the released code saves beside them."""
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.randn(1, 2, 3, 16, 16)).sum().backward()
    optimizer.step()
    config = config_node({"MODEL": config_node({"DEPTHS": [1, 2]}), "LR": (0.1, 0.2)})
    path = tmp_path / "best.pth"
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "lr_scheduler": {"base_values": [0.1], "warmup_steps": OrderedDict(a=1)},
            "max_accuracy": numpy.float64(88.4),
            "history": numpy.arange(3.0),
            "epoch": 119,
            "config": config,
            "args": argparse.Namespace(batch=8, folder=Path("runs")),
        },
        path,
    )
    # The reader's machine has no yacs, and need not have it.
    monkeypatch.setitem(sys.modules, "yacs", None)
    monkeypatch.setitem(sys.modules, "yacs.config", None)
    return path, model.state_dict()


def test_the_authors_checkpoint_fills_every_tensor(authors_file):
    path, saved = authors_file
    model = small(seed=1)
    report = load_checkpoint(model, path)
    assert_equal_states(model.state_dict(), saved)
    assert report.filled == tuple(saved)
    assert report.left_random == report.unused == report.mismatched == ()
    assert report.filled_values == sum(p.numel() for p in model.parameters())


def test_what_stands_beside_the_weights_stays_inert(authors_file):
    """The number, the arguments and the configuration are swallowed, not rebuilt."""
    content = _read_pickle(authors_file[0], authors_file[0].read_bytes())
    assert type(content["max_accuracy"]) is _Inert
    assert type(content["history"]) is _Inert
    assert vars(content["args"]) == {}
    assert type(content["config"]) is OrderedDict
    assert content["config"]["MODEL"]["DEPTHS"] == [1, 2]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {f"module._orig_mod.{k}": v for k, v in state.items()},
        lambda state: {"state_dict": {f"net.{k}": v for k, v in state.items()}},
        lambda state: (
            {"n_averaged": torch.tensor(3)}
            | {f"module.{k}": v for k, v in state.items()}
        ),
        lambda state: {"module": {"state_dict": state}, "hyper": {"lr": 0.1}},
        lambda state: {"model": {k: torch.nn.Parameter(v) for k, v in state.items()}},
    ],
    ids="state_dict distributed compiled lightning averaged nested parameters".split(),
)
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_the_usual_wrappings_are_understood(tmp_path, wrap, zipped):
    """The content decides, and not the name."""
    saved = small().state_dict()
    path = tmp_path / "weights.safetensors"
    torch.save(wrap(saved), path, _use_new_zipfile_serialization=zipped)
    model = small(seed=1)
    with warnings.catch_warnings(record=True) as told:
        load_checkpoint(model, path)
    assert_equal_states(model.state_dict(), saved)
    assert ["without checksums" in str(each.message) for each in told] == [True] * (
        not zipped
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision_is_the_models(tmp_path, dtype):
    saved = small().to(dtype)
    torch.save(saved.state_dict(), tmp_path / "weights.pth")
    save_checkpoint(saved, tmp_path / "own")
    model = small(seed=1)
    load_checkpoint(model, tmp_path / "weights.pth")
    for loaded in (model, load_model(tmp_path / "own")[0]):
        assert loaded.head.weight.dtype == torch.float32
        assert torch.equal(loaded.head.weight, saved.head.weight.float())


# --- heads and other variants ----------------------------------------------------


@pytest.fixture
def five_classes(tmp_path) -> Path:
    torch.save({"model": small(5).state_dict()}, tmp_path / "five.pth")
    return tmp_path / "five.pth"


def test_a_head_of_another_size_is_an_error_that_says_so(five_classes):
    with pytest.raises(CheckpointError, match="Only the head differs") as error:
        load_checkpoint(small(7), five_classes)
    for part in ("5 classes", "7 classes", "head.weight (5, 16)", "head='reset'"):
        assert part in str(error.value)


@pytest.mark.parametrize("num_classes", [7, 5], ids=["other size", "same size"])
def test_reset_keeps_the_models_own_head_and_reports_it(five_classes, num_classes):
    model = small(num_classes, seed=1)
    own_head = model.head.weight.clone()
    report = load_checkpoint(model, five_classes, head="reset")
    assert torch.equal(model.head.weight, own_head)
    assert torch.equal(model.norm.weight, small(5).norm.weight)
    assert torch.equal(
        model.layers[0].blocks[0].mlp.fc1.weight,
        small(5).layers[0].blocks[0].mlp.fc1.weight,
    )
    assert report.left_random == HEAD
    # A head that would have fitted was left over; another did not fit.
    assert report.unused == (HEAD if num_classes == 5 else ())
    assert report.mismatched == (() if num_classes == 5 else HEAD)


PUBLISHED = [
    "vfl_net_nano",
    "video_focalnet_tiny",
    "video_focalnet_small",
    "video_focalnet_base",
]


@pytest.mark.parametrize("of_file", PUBLISHED)
@pytest.mark.parametrize("of_model", PUBLISHED)
def test_files_of_another_variant_are_refused_by_name(tmp_path, of_file, of_model):
    """Also tiny into nano, where every tensor of nano has its fitting namesake."""
    path = tmp_path / "weights.pth"
    torch.save({"model": hollow(shapes_only(of_file, 101).state_dict())}, path)
    model = shapes_only(of_model, 101)
    if of_file == of_model:
        assert load_checkpoint(model, path).unused == ()
        return
    for head in ("strict", "reset"):
        with pytest.raises(CheckpointError) as error:
            load_checkpoint(model, path, head=head)
        assert f"it holds {of_file} with 101 classes" in str(error.value)
        assert f"the model is {of_model}" in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"norm.bias": None}, "Missing in the file: norm.bias"),
        ({"extra": torch.zeros(1)}, "Not in the model: extra"),
        ({"norm.weight": torch.ones(16, dtype=torch.int64)}, r"norm\.weight \(16,\)"),
        ({"norm.weight": torch.ones(16) / 0}, r"NaN or infinite.*norm\.weight"),
        ({"patch_embed.proj.weight": None}, "another kind of network.*'patch_embed"),
    ],
)
def test_a_refused_file_leaves_the_model_as_it_was(tmp_path, change, said):
    state = {**small(seed=1).state_dict(), **change}
    state = {name: value for name, value in state.items() if value is not None}
    torch.save(state, tmp_path / "other.pth")
    model = small()
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(model, tmp_path / "other.pth")
    assert_equal_states(model.state_dict(), small().state_dict())


# --- image weights ---------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_srf(tmp_path_factory) -> Path:
    """A file with the 212 tensors of focalnet_tiny_srf.pth, random values."""
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(value.shape, generator=generator).half()
        for name, value in image_state("focalnet_tiny_srf").items()
    }
    assert len(state) == 212
    path = tmp_path_factory.mktemp("image") / "focalnet_tiny_srf.pth"
    torch.save({"model": state}, path)
    return path


def test_nano_takes_98_of_its_130_tensors_from_tiny_srf(tiny_srf):
    torch.manual_seed(0)
    model = create_model("vfl_net_nano", 101)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = load_image_weights(model, tiny_srf)
    assert len(report.filled) == 98
    assert round(report.filled_values / 1e6, 2) == 12.82
    temporal = [name for name in report.left_random if "temporal" in name]
    assert len(temporal) == 30
    assert set(report.left_random) == {*temporal, *HEAD}
    assert len(report.unused) == 112
    assert sorted(report.filled + report.left_random) == sorted(before)
    values = report.filled_values + report.left_random_values
    assert values == sum(p.numel() for p in model.parameters())
    assert report.mismatched == HEAD
    saved = torch.load(tiny_srf, weights_only=True)["model"]
    for name, value in model.state_dict().items():
        expected = saved[name].float() if name in report.filled else before[name]
        assert torch.equal(value, expected), name
    text = str(report)
    for part in (
        "focalnet_tiny_srf (for images) with 1000 classes",
        "filled       98 of 130 tensors, 12,8",
        "32 tensors (30 temporal, 2 of the head)",
        "unused       112 tensors",
        "head.weight, head.bias: of another size",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("model", "file", "said"),
    [
        ("vfl_net_nano", "focalnet_tiny_lrf", "focalnet_tiny_lrf (for images)"),
        ("vfl_net_nano", "focalnet_base_srf", "focalnet_base_srf (for images)"),
        ("video_focalnet_base", "focalnet_small_srf", "focalnet_small_srf (for"),
        ("video_focalnet_small", "focalnet_tiny_srf", "focalnet_tiny_srf (for"),
    ],
    ids=["more levels", "wider", "narrower", "shallower"],
)
def test_image_files_of_other_sizes_are_refused_by_name(tmp_path, model, file, said):
    torch.save({"model": hollow(image_state(file))}, tmp_path / "image.pth")
    with pytest.raises(CheckpointError, match="does not fit") as error:
        load_image_weights(shapes_only(model, 101), tmp_path / "image.pth")
    assert f"it holds {said}" in str(error.value)
    assert "layers.9" not in str(error.value)


def test_video_and_image_files_are_told_apart(tmp_path):
    """An image head is never taken, even if it fits."""
    model = shapes_only("vfl_net_nano", 1000)
    torch.save(hollow(model.state_dict()), tmp_path / "video.pth")
    with pytest.raises(CheckpointError, match="load_checkpoint, with head='reset'"):
        load_image_weights(model, tmp_path / "video.pth")
    torch.save(hollow(image_state("focalnet_tiny_srf")), tmp_path / "image.pth")
    with pytest.raises(CheckpointError, match=r"focalnet_tiny_srf \(for images\)"):
        load_checkpoint(model, tmp_path / "image.pth")
    report = load_image_weights(model, tmp_path / "image.pth")
    assert {*HEAD} <= {*report.left_random} & {*report.unused}


# --- files that are no weights, or worse -----------------------------------------


class Attack:
    """Pickles as a call of a function, as malicious files do."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def attacks(marker: Path) -> dict[str, Attack]:
    create = f"open({str(marker)!r}, 'w').close()"
    return {
        "posix.system": Attack(os.system, f"touch {marker}"),
        "eval": Attack(eval, create),
        "exec": Attack(exec, create),
        "open": Attack(open, str(marker), "w"),
        "pathlib.Path.touch": Attack(Path.touch, marker),
    }


@pytest.mark.parametrize("where", ["beside the weights", "among the weights", "alone"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before PyTorch 1.6"])
@pytest.mark.parametrize("kind", list(attacks(Path("x"))))
def test_code_in_a_file_is_never_run(tmp_path, where, zipped, kind):
    marker, path = tmp_path / "marker", tmp_path / "evil.pth"
    attack = attacks(marker)[kind]
    state = small().state_dict()
    content = {
        "beside the weights": {"model": state, "config": attack},
        "among the weights": {"model": {**state, "extra": attack}},
        "alone": attack,
    }[where]
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    for read in (
        lambda: load_checkpoint(small(), path),
        lambda: load_image_weights(small(), path),
        lambda: load_model(path),
        lambda: read_metadata(path),
    ):
        with pytest.raises(CheckpointError):
            read()
    assert not marker.exists()
    # The attack is a real one: what we refuse to do would have made the file.
    torch.load(path, weights_only=False)
    assert marker.exists()


def test_neither_allowed_types_nor_other_code_widen_what_is_read(tmp_path, config_node):
    marker, path = tmp_path / "marker", tmp_path / "evil.pth"
    config = config_node({"A": Attack(os.system, f"touch {marker}")})
    for evil in ({"model": small().state_dict(), "config": config}, attacks(marker)):
        torch.save(evil, path)
        with torch.serialization.safe_globals([getattr, Path.touch, type(tmp_path)]):
            with pytest.raises(CheckpointError, match="could run code"):
                load_checkpoint(small(), path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no weights file .* It is a folder: name the file in it"),
        (b"", "neither a PyTorch nor"),
        (b"\n <html><body>Sign in</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS"),
        (b"Rar!\x1a\x07", "It is an archive: unpack it"),
        (b"best.pth".ljust(257, b"\0") + b"ustar", "It is an archive: unpack it"),
        (pickle.dumps({"model": [1.0]}, 4), "torch.save did not write it in its usual"),
        (b"PK\x03\x04" + bytes(500), "damaged or incomplete"),
        (b"\x80\x02" + bytes(500), "damaged or incomplete"),
        (b"\x80\x02}q\x00.", "damaged or incomplete"),
        (b"\xff" * 8 + b"{" + bytes(99), "damaged or incomplete"),
    ],
)
def test_what_is_no_weights_file_is_refused_in_words(tmp_path, content, said):
    path = tmp_path / "download.pth"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as error:
        load_checkpoint(small(), path)
    assert str(path) in str(error.value)


def test_a_zip_of_a_folder_is_said_to_be_one(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("drive/best.pth", b"x")
    with pytest.raises(CheckpointError, match="drive/best.pth ....: unpack it"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("share", [0.0001, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_truncated_files_are_refused(tmp_path, kind, share):
    path = tmp_path / "weights.pth"
    if kind == "safetensors":
        save_checkpoint(small(), path)
    else:
        zipped = kind == "zip"
        torch.save(small().state_dict(), path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[: max(1, int(path.stat().st_size * share))])
    model = small(seed=1)
    with pytest.raises(CheckpointError):
        load_checkpoint(model, path)
    assert_equal_states(model.state_dict(), small(seed=1).state_dict())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"optimizer": {"state": {}}, "epoch": 3}, "'optimizer', 'epoch'"),
        ([torch.zeros(2)], "it holds a list"),
        ({"model": {}}, "'model'"),
        ({"model": {"a": torch.zeros(2), "b": torch.zeros(1), "steps": 7}}, "'steps'"),
        ({"a": torch.zeros(2), "b": torch.zeros(2), "x": None}, "in it is 'x', which"),
        ({"net": {"a": torch.zeros(2)}, "avg": {"a": torch.zeros(2)}}, "'net', 'avg'."),
        ({0: torch.zeros(2)}, "it holds 0"),
    ],
)
def test_files_without_weights_say_what_they_hold(tmp_path, content, said):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="no weights where") as error:
        load_checkpoint(small(), tmp_path / "other.pth")
    assert said in str(error.value)


# --- our own files ---------------------------------------------------------------


def test_round_trip_with_metadata(tmp_path):
    path = tmp_path / "new" / "folder" / "student.safetensors"
    torch.manual_seed(0)
    saved = create_model("vfl_net_lab_student", 3, drop_path=0.3)
    recipe = {"profile": "demo", "optim": {"epochs": 2}}
    save_checkpoint(saved, path, recipe, {"classes": ["a", "b", "c"], "epoch": 2})
    metadata = read_metadata(path)
    assert metadata == {
        "format": 1,
        "model": "vfl_net_lab_student",
        "config": json.loads(json.dumps(asdict(VARIANTS["vfl_net_lab_student"]))),
        "num_classes": 3,
        "recipe": recipe,
        "classes": ["a", "b", "c"],
        "epoch": 2,
    }
    model, again = load_model(path)
    assert again == metadata
    assert not model.training
    assert_equal_states(model.state_dict(), saved.state_dict())
    clip = torch.randn(1, 2, 3, 32, 32)
    assert torch.equal(model(clip), saved.eval()(clip))
    assert all(p.requires_grad for p in model.parameters())
    report = load_checkpoint(create_model("vfl_net_lab_student", 3), path)
    assert isinstance(report, LoadReport) and report.left_random == ()
    assert [p.name for p in path.parent.iterdir()] == ["student.safetensors"]
    content = path.read_bytes()
    save_checkpoint(saved, path, recipe, {"classes": ["a", "b", "c"], "epoch": 2})
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "config",
    [
        VFLNetConfig(depths=(1,), embed_dim=4, patch_size=2, focal_levels=1),
        VFLNetConfig((1, 1), 8, focal_levels=3, focal_window=5, focal_factor=4),
        VFLNetConfig((2, 1), 8, mlp_ratio=2.5),
    ],
)
def test_sizes_without_a_name_are_rebuilt_from_their_numbers(tmp_path, config):
    save_checkpoint(VFLNet(config, 4), tmp_path / "weights.safetensors")
    model, metadata = load_model(tmp_path / "weights.safetensors")
    assert metadata["model"] is None and model.config == config
    PretrainedVFLNet.of(model, {}).save_pretrained(tmp_path)
    assert PretrainedVFLNet.from_pretrained(tmp_path).config == config


def test_files_of_others_have_no_metadata_of_ours(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(small().state_dict(), path, {"format": "pt"})
    for read in (read_metadata, load_model):
        with pytest.raises(CheckpointError, match="not written by save_checkpoint"):
            read(path)
    load_checkpoint(small(seed=1), path)  # but its weights can be used


def rewrite(path: Path, change) -> None:
    """Save the same tensors with metadata that someone changed."""
    metadata = read_metadata(path)
    save_file(load_file(path), path, {"dvfl": json.dumps(change(metadata))})


@pytest.mark.parametrize(
    "change",
    [
        lambda m: {**m, "num_classes": 6},
        lambda m: {**m, "config": {**m["config"], "embed_dim": 10**9}},
        lambda m: {**m, "config": None},
    ],
)
def test_metadata_that_contradict_the_weights_are_refused(tmp_path, change):
    path = tmp_path / "w.safetensors"
    save_checkpoint(small(), path)
    rewrite(path, change)
    with pytest.raises(CheckpointError, match="contradicts itself"):
        load_model(path)


def test_metadata_of_another_kind_are_damage(tmp_path):
    path = tmp_path / "w.safetensors"
    odd = [{"recipe": {"data": 3}}, {"classes": 3.5}, {"views": "x"}, ["a"]]
    for text in ("[" * 100_000, *map(json.dumps, odd)):
        save_file(small().state_dict(), path, {"dvfl": text})
        with pytest.raises(CheckpointError, match="damaged"):
            read_weights(path)


def test_a_safetensors_file_may_begin_like_an_old_pickle(tmp_path):
    """Its first byte is that of a length; 0x80 there also marks a pickle."""
    path = tmp_path / "model.pth"
    for padding in range(256):
        save_checkpoint(small(), path, extra={"note": "x" * padding})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert load_checkpoint(small(seed=1), path).left_random == ()


# --- what happens to other people's files ----------------------------------------


def test_a_moving_average_beside_the_weights_is_said_and_can_be_chosen(tmp_path):
    path = tmp_path / "ema.pth"
    plain, average = small(seed=1).state_dict(), small(seed=2).state_dict()
    torch.save({"model_ema": average, "model": plain, "epoch": 3}, path)
    model = small()
    with pytest.warns(
        UserWarning, match="'model' are taken, part='model_ema' .* takes"
    ):
        report = load_checkpoint(model, path)
    assert_equal_states(model.state_dict(), plain)
    assert "under 'model'; others: model_ema" in str(report)
    load_checkpoint(model, path, part="model_ema")
    assert_equal_states(model.state_dict(), average)
    with pytest.raises(CheckpointError, match="'model_ema', 'model', 'epoch'"):
        load_checkpoint(model, path, part="ema")


@pytest.mark.parametrize("part", ["ema.shadow", "ema"])
def test_a_moving_average_is_found_as_others_keep_it(tmp_path, part):
    average = small(seed=2).state_dict()
    ema = {"shadow": average, "decay": 0.9}
    if part == "ema":  # of torch.optim.swa_utils
        ema = {f"module.{name}": value for name, value in average.items()}
        ema["n_averaged"] = torch.tensor(7)
    torch.save({"model": small().state_dict(), "ema": ema}, tmp_path / "w.pth")
    with pytest.warns(UserWarning, match=f"part='{part}'"):
        assert read_weights(tmp_path / "w.pth").part == "model"
    found = read_weights(tmp_path / "w.pth", part)
    assert_equal_states(found.tensors, average)


@pytest.mark.parametrize(
    "changed", [lambda t: t.to_sparse(), lambda t: t.to("meta"), lambda t: t.char()]
)
def test_a_tensor_of_another_kind_does_not_fit(tmp_path, changed):
    state = small().state_dict()
    state["head.weight"] = changed(state["head.weight"])
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"kind: head.weight \(5, 16\) of"):
        load_checkpoint(small(), tmp_path / "w.pth")


@pytest.mark.parametrize("own", [False, True])
def test_every_flipped_bit_of_the_weights_is_noticed(tmp_path, own):
    path, saved = tmp_path / "w", small().state_dict()
    torch.save({"model": saved}, path)
    if own:
        save_checkpoint(small(), path, extra={"classes": ["a", "b"]})
    whole = path.read_bytes()
    values = whole.index(saved["head.weight"].numpy().tobytes())
    for place in (values, *range(0, len(whole), 499)):
        changed = bytearray(whole)
        changed[place] ^= 4
        path.write_bytes(changed)
        try:
            found = read_weights(path)
        except CheckpointError:
            continue
        # Else the bit lay where nothing is written, or an own file became a foreign
        # one, whose names tell what it is.
        assert place != values
        assert_equal_states(
            dict(sorted(found.tensors.items())), dict(sorted(saved.items()))
        )


def test_a_file_is_read_once(tmp_path):
    path = tmp_path / "w.safetensors"
    save_checkpoint(small(), path, extra={"classes": list("abcde")})
    file = read_weights(path)
    path.unlink()
    model, metadata = load_model(file)
    assert metadata == file.metadata and metadata["classes"] == list("abcde")
    assert load_checkpoint(small(seed=1), file).left_random == ()
    assert not any(p is t for p in model.parameters() for t in file.tensors.values())


def test_a_folder_in_the_form_of_the_hub(tmp_path):
    """Nothing is sent or fetched; official names; the marks of a stand-in stay."""
    about = {"classes": list("abc"), "standin": True, "recipe": {"profile": "demo"}}
    model = create_model("vfl_net_lab_student", 3)
    PretrainedVFLNet.of(model, about).save_pretrained(tmp_path / "net")
    written = json.loads((tmp_path / "net" / "config.json").read_text())
    assert written["architecture"] == "vfl_net_lab_student"
    assert (written["num_classes"], written["class_names"]) == (3, list("abc"))
    assert {*load_file(tmp_path / "net" / "model.safetensors")} == {*model.state_dict()}
    again = PretrainedVFLNet.from_pretrained(tmp_path / "net")
    assert_equal_states(again.state_dict(), model.state_dict())
    assert again.class_names == ("a", "b", "c") and not again.training
    assert again.about == {"standin": True, "recipe": {"profile": "demo"}}
    _, metadata = load_model(tmp_path / "net" / "model.safetensors")
    assert metadata["standin"] and metadata["classes"] == list("abc")
    save_checkpoint(create_model("vfl_net_lab_student", 4), tmp_path / "four")
    (tmp_path / "four").rename(tmp_path / "net" / "model.safetensors")
    with pytest.raises(CheckpointError, match="Only the head differs"):
        PretrainedVFLNet.from_pretrained(tmp_path / "net")
    for wrong in (("no_such", 3), ("vfl_net_nano", 3, ["a"])):
        with pytest.raises(CheckpointError):
            PretrainedVFLNet(*wrong)
