"""The widget: what it tells the front end, what it answers, what it leaves behind."""

import base64
import io
import re
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from dvfl_lib.capture import capture_maps, dependency
from dvfl_lib.capture.interventions import branch_off, level_off, only_in, under
from dvfl_lib.errors import DVFLError, ModelError
from dvfl_lib.explorer import Explorer, load_record, save_record
from dvfl_lib.explorer.recording import quantised
from dvfl_lib.video.transforms import normalise
from explorer.test_packing import array
from explorer.test_recording import write_video
from small_record import small_networks, small_record

AS_RECORDED = {"order": [0, 1, 2], "grey": [], "off": []}


@pytest.fixture(scope="module")
def networks():
    return small_networks()


@pytest.fixture(scope="module")
def record():
    return small_record()


@pytest.fixture
def explorer(record, networks):
    return heard(Explorer(record, networks))


def heard(explorer):
    """An explorer whose messages are kept."""
    explorer.sent = []
    explorer.send = lambda content, buffers=None: explorer.sent.append(
        (content, buffers)
    )
    return explorer


def say(explorer, buffers=(), **content):
    """As if the front end had sent it; returns what comes back."""
    explorer._handle_custom_msg(content, list(buffers))
    return explorer.sent[-1]


def test_it_tells_the_front_end_all_of_the_record(record, explorer):
    assert explorer.has_trait("_esm") and "export default { render }" in explorer._esm
    assert ".dvfl" in explorer._css
    raw = zlib.decompress(explorer.blob)
    for entry, told in zip(record.networks, explorer.told["networks"], strict=True):
        assert told["kernel"] and told["weights"]
        product = array(told["blocks"][0]["product"], raw)
        assert np.array_equal(product, entry.maps.blocks[0].product)  # exact
    alone = Explorer(record, tour=5)
    assert alone.tour == 5
    assert not any(e["kernel"] or e["weights"] for e in alone.told["networks"])
    assert repr(alone) == "Explorer of 'noise' (stand-in data): student, teacher"


def test_it_answers_as_the_network_under_the_same_changes(record, networks, explorer):
    everywhere = {"stage": 0, "block": 0, "part": "time", "level": 2}
    there = {"stage": 3, "block": 2, "part": "space", "level": 0}  # the teacher's alone
    last = {"stage": 2, "block": 1, "part": "block", "level": 0}
    none = {"stage": 1, "block": 1, "part": "space", "level": 9}
    change = {
        "order": [2, 0, 0],
        "grey": [[1, 4, 0, 12, 32], [-1, 0, 0, 2, 2]],
        "off": [everywhere, there, last, none],
    }
    frames = torch.from_numpy(record.frames).permute(0, 3, 1, 2)
    clip = normalise(frames)[None][:, [2, 0, 0]].clone()
    clip[:, 1, :, 4:12, :] = 0.0
    clip[..., 0:2, 0:2] = 0.0
    for name, model in networks.items():
        told, (raw,) = say(explorer, kind="ask", id="7", network=name, change=change)
        assert told["kind"] == "answer" and told["id"] == "7"
        changes = [level_off("time", 2)]
        if name == "teacher":
            changes.append(only_in(branch_off("space"), 3, 2))
        off = model.layers[1].blocks[0].register_forward_hook(lambda m, x, y: x[0])
        with off, under(model, *changes):
            wanted = capture_maps(model, clip)
        assert np.array_equal(np.float32(told["maps"]["logits"]), wanted.logits)
        assert np.abs(wanted.logits - record.network(name).logits).max() > 1e-3
        for block, at in zip(wanted, told["maps"]["blocks"], strict=True):
            assert np.array_equal(array(at["gates"]["time"], raw), block.gates["time"])
            assert not array(at["gates"]["time"], raw)[1].any()
            assert np.array_equal(array(at["product"], raw), block.product)
            last = array(at["contexts"]["time"][-1], raw)
            assert np.array_equal(last, block.contexts["time"][-1])
    assert array(told["maps"]["blocks"][3]["rest"]["space"], raw).max() == 0.0


def test_it_measures_one_token_as_dependency_does(record, networks, explorer):
    at = {"block": 1, "token": [2, 3, 0]}
    told, (raw,) = say(explorer, kind="measure", id="a", network="student", **at)
    assert told["kind"] == "measured" and told["id"] == "a"
    clip = normalise(torch.from_numpy(record.frames).permute(0, 3, 1, 2))[None]
    wanted = quantised(dependency(networks["student"], clip, 2, 1, [(2, 3, 0)]))
    assert told["reach"]["sources"] == [[2, 1], [1, 1]]
    assert told["reach"]["tokens"] == [[2, 3, 0]]
    for place, maps in zip(told["reach"]["maps"], wanted.maps, strict=True):
        assert np.array_equal(array(place, raw), maps)


def test_it_records_an_uploaded_video(explorer, tmp_path):
    video = write_video(tmp_path / "a.mp4", 12, 48, 64).read_bytes()
    before = explorer.told, explorer.blob
    told, _ = say(explorer, [memoryview(video)], kind="video", name="../../b <i>.mp4")
    assert told == {"kind": "recorded"}
    assert explorer.record.title == explorer.told["title"] == "b <i>.mp4"
    assert explorer.record.frames.shape == (3, 32, 32, 3) and explorer.record.standin
    assert explorer.told != before[0] and explorer.blob != before[1]
    assert all(entry["weights"] for entry in explorer.told["networks"])
    told, (raw,) = say(explorer, kind="ask", network="teacher", change=AS_RECORDED)
    logits = explorer.record.network("teacher").logits
    assert np.allclose(told["maps"]["logits"], logits, atol=1e-5)


def test_what_goes_wrong_is_told_in_one_sentence(record, explorer):
    ask = {"kind": "ask", "network": "student"}
    told, _ = say(explorer, id="1", **ask, change=AS_RECORDED | {"order": [9]})
    assert (told["kind"], told["id"]) == ("trouble", "1")
    assert "The kernel reports IndexError" in told["text"]
    told, _ = say(explorer, [b"no video"], kind="video", name="c:\\my\\clip.mp4")
    assert told["kind"] == "trouble" and told["text"].startswith("clip.mp4: cannot be")
    assert "id" not in told and explorer.record is record
    told, _ = say(heard(Explorer(record)), [b""], kind="video", name="a.mp4")
    assert "Explorer(record, networks)" in told["text"]
    assert say(explorer, kind="dance")[0]["kind"] == "trouble"


def test_only_the_recorded_networks_are_taken(record, networks):
    with pytest.raises(DVFLError, match="by name: {'student': model}"):
        Explorer(record, networks["student"])
    with pytest.raises(DVFLError, match="no network 'x'"):
        Explorer(record, {"x": networks["student"]})
    with pytest.raises(ModelError, match="not the network .* as 'student'"):
        Explorer(record, {"student": networks["teacher"]})
    training = small_networks()["student"].train()
    with pytest.raises(ModelError, match="training mode"):
        Explorer(record, {"student": training})
    with pytest.raises(DVFLError, match="a Record is shown, not dict: load_record"):
        Explorer({"a": 1})


def test_a_saved_record_takes_its_networks_again(record, networks, tmp_path):
    again = load_record(save_record(record, tmp_path / "clip.dvfl"))
    told, _ = say(
        heard(Explorer(again, networks)),
        kind="ask",
        network="student",
        change=AS_RECORDED,
    )
    logits = record.network("student").logits
    assert np.allclose(told["maps"]["logits"], logits, atol=1e-6)


def test_where_no_widget_is_drawn_there_is_a_picture_or_a_page(record):
    explorer = Explorer(replace(record, title='5 $ & "more" $'), tour=3)
    data, metadata = explorer._repr_mimebundle_()
    assert metadata["image/png"] == {"alt": data["text/plain"]}
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == explorer.model_id
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width >= 1200 and picture.height >= 600
    assert np.asarray(picture).std() > 20
    assert "Rows: input, spatial modulator, temporal" in data["text/plain"]
    assert "(stand-in data)" in data["text/plain"]
    frame = explorer.as_frame(height=700)._repr_html_()
    assert frame.count("<") == 2 and "height: 700px" in frame
    text = re.search(r'srcdoc="([^"]*)"', frame)[1]
    assert "&lt;!doctype html&gt;" in text and "Number(&quot;3&quot;)" in text
