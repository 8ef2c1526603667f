"""What cannot be recorded is refused in words; what can takes what it is given."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import record_clip
from dvfl_lib.vfl_net import create_model
from small_record import NETWORKS, noise, small_networks

CLASSES = ("jump", "run", "sit")


@pytest.fixture(scope="module")
def networks():
    return {NETWORKS[role]: model for role, model in small_networks().items()}


@pytest.fixture(scope="module")
def frames():
    return noise()


@pytest.fixture(scope="module")
def record(networks, frames):
    return record_clip(frames, networks, CLASSES, grid=2, regions=0)


def test_impossible_recordings_are_refused(networks, frames):
    with pytest.raises(DVFLError, match="at least one network"):
        record_clip(frames, {}, CLASSES)
    with pytest.raises(DVFLError, match="3 classes, but 2"):
        record_clip(frames, networks, CLASSES[:2])
    model = create_model("vfl_net_lab_student", 3)
    with pytest.raises(DVFLError, match="network 'fresh': .* training mode"):
        record_clip(frames, {"fresh": model}, CLASSES)
    with pytest.raises(DVFLError, match="network 'other': .*no Spatio"):
        record_clip(frames, {"other": torch.nn.Flatten().eval()}, CLASSES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"frames": "floats"}, "uint8 tensor .* got float32"),
        ({"frames": "array"}, "no tensor but ndarray .torch.from_numpy"),
        ({"frames": "none"}, r"got uint8 \(0, 3, 32, 32\)"),
        ({"networks": "list"}, "by name"),
        ({"networks": "names"}, "the name of a network is a string, not int"),
        ({"networks": {"a": 3}}, "by name"),
        ({"classes": [1, 2, 3]}, "name of a class is a string, not int"),
        ({"classes": "abc"}, "classes are a list of names, not str"),
        ({"classes": 3}, "classes are a list of names, not int"),
        ({"title": None}, "title is a string, not NoneType"),
        ({"title": Path("a.mp4")}, "title is a string"),
        ({"title": "\ud800"}, "half a character"),
        ({"label": "swim"}, "'swim' is none of the classes"),
        ({"standin": None}, "standin is True or False"),
        ({"about": ["a student"]}, "one line for each network"),
        ({"grid": -1}, "grid is a whole number from 0"),
        ({"grid": 1.5}, "grid is a whole number from 0"),
        ({"regions": -1}, "regions is a whole number from 0"),
        ({"regions": 64}, "no region .* 64 x 64 regions divide 32 x 32"),
        ({"probes": 0}, "probes is a whole number from 1"),
    ],
)
def test_arguments_of_another_kind_are_refused(networks, frames, given, says):
    strange = {
        "floats": frames.float(),
        "array": frames.numpy(),
        "none": frames[:0],
        "list": list(networks.values()),
        "names": dict(enumerate(networks.values())),
    }
    asked = {"frames": frames, "networks": networks, "classes": CLASSES, "regions": 1}
    for name, value in given.items():
        asked[name] = strange.get(value, value) if isinstance(value, str) else value
    with pytest.raises(DVFLError, match=says):
        record_clip(**asked)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_network_that_gives_no_numbers_is_refused(frames, number):
    model = create_model("vfl_net_lab_student", 3, init="fan_in").eval()
    with torch.no_grad():
        model.layers[1].blocks[0].mlp.fc1.weight[0, 0] = number
    with pytest.raises(DVFLError, match="network 'broken': .* NaN or infinite numbers"):
        record_clip(frames, {"broken": model}, CLASSES)


def test_more_probes_change_what_they_should(networks, frames, record, monkeypatch):
    """Fewer tokens in a pass give the same dependencies; more probes others."""
    name = "vfl_net_lab_student"
    pair = {name: networks[name]}
    with monkeypatch.context() as patch:
        module = import_module("dvfl_lib.capture.dependency")  # not the function
        patch.setattr(module, "_PIXELS", 0)
        same = record_clip(frames, pair, CLASSES, grid=2, regions=0)
    more = record_clip(frames, pair, CLASSES, grid=2, regions=0, probes=5)
    recorded = (record.network(name), same.networks[0], more.networks[0])
    for old, new, other in zip(*(entry.reach for entry in recorded), strict=True):
        assert np.array_equal(old.tokens, new.tokens)
        for a, b, c in zip(old.maps, new.maps, other.maps, strict=True):
            assert np.abs(a.astype(int) - b).max() <= 1
            assert np.array_equal(a > 0, c > 0) and not np.array_equal(a, c)


def test_a_bar_is_shown_where_it_takes_long(networks, frames, capsys, monkeypatch):
    frames, asked = frames[:1], {"grid": 1, "regions": 1}
    record_clip(frames, networks, CLASSES, **asked)
    assert capsys.readouterr().err == ""  # it was quick
    monkeypatch.setattr("dvfl_lib.explorer.recording._PATIENCE", 0)
    record_clip(frames, networks, CLASSES, **asked)
    told = capsys.readouterr().err
    for name in networks:
        assert f"recording {name}" in told
    record_clip(frames, networks, CLASSES, progress=False, **asked)
    assert capsys.readouterr().err == ""
