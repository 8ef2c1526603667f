"""What a loaded network is asked is what it answers, and the record keeps it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dvfl_lib.capture import answer_to, dependency
from dvfl_lib.capture.interventions import branch_off, level_off, masked, only_in
from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import Explorer, first_view, load_record, save_record
from dvfl_lib.explorer.asking import ask, measure_token, question_names
from dvfl_lib.explorer.view import moved_to
from dvfl_lib.vfl_net import create_model
from dvfl_lib.video.transforms import normalise
from small_record import small_networks, small_record

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def networks():
    return small_networks()


@pytest.fixture(scope="module")
def record():
    return small_record((3, 32, 48))


@pytest.fixture(scope="module")
def clip(record):
    return normalise(torch.from_numpy(record.frames).permute(0, 3, 1, 2))[None]


def test_every_question_is_answered_as_the_network_answers(record, networks, clip):
    view = moved_to(record, first_view(record), "teacher", (3, 2))
    view = replace(view, row=1, column=2)
    wanted = {
        "grey where the token is": masked(1, 2, (2, 3)),
        "spatial branch off in this block": only_in(branch_off("space"), 3, 2),
        "temporal level 2 off in this block": only_in(level_off("time", 2), 3, 2),
        "temporal global level off in this block": only_in(level_off("time", 3), 3, 2),
    }
    names = question_names(record, view)
    assert set(wanted) < set(names) and len(names) == 3 + 2 * (1 + 3)
    for name, change in wanted.items():
        new = ask(record, view, networks["teacher"], name)
        outcome = new.network("teacher").outcomes[-1]
        found = answer_to(networks["teacher"], clip, change)[0].numpy()
        assert np.array_equal(outcome.logits, found) and outcome.name == change.name
        assert new.network("student") is record.network("student")
        assert len(new.network("teacher").outcomes) == 1 + len(
            record.network("teacher").outcomes
        )


def test_a_new_order_is_new_each_time_until_all_were_asked(record, networks):
    """Of three frames there are five orders but the true one."""
    view = first_view(record)
    for _ in range(4):  # the record holds one
        before = record.network("student").outcomes
        record = ask(record, view, networks["student"], "new order")
        assert len(record.network("student").outcomes) == len(before) + 1
    names = [o.name for o in record.network("student").outcomes]
    orders = {n.split(": ")[1] for n in names if n.startswith("frames shuffled")}
    assert orders == {"1 3 2", "2 1 3", "2 3 1", "3 1 2", "3 2 1"}
    with pytest.raises(DVFLError, match="all 5 orders of 3 frames were asked"):
        ask(record, view, networks["student"], "new order")
    # Asked for something else in between, it goes on all the same.
    record = ask(record, view, networks["student"], "freeze this frame")
    assert len(record.network("student").outcomes) == len(names)


def test_of_one_frame_no_time_is_asked(networks):
    record = small_record((1, 32, 32), grid=0)
    names = question_names(record, first_view(record))
    assert not {"new order", "freeze this frame"} & set(names)
    assert len(names) == 1 + 2 * (1 + 3)
    assert not any("frame" in o.name for o in record.networks[0].outcomes)
    question = "temporal branch off in this block"
    new = ask(record, first_view(record), networks["student"], question)
    assert new.networks[0].outcomes[-1].name.startswith("temporal branch off")


def test_grey_lies_where_the_token_is_if_sizes_do_not_divide(networks):
    """A frame of 35 x 63 pixels has 2 x 3 tokens of 16 pixels in stage 3."""
    record = small_record((2, 35, 63), grid=0)
    view = moved_to(record, first_view(record), "student", (3, 1))
    view = replace(view, row=1, column=2)
    new = ask(record, view, networks["student"], "grey where the token is")
    outcome = new.network("student").outcomes[-1]
    assert "of 2 x 3 in the upper left 32 x 48 pixels" in outcome.name
    frames = torch.from_numpy(record.frames).permute(0, 3, 1, 2)
    grey = normalise(frames)[None]
    grey[..., 16:32, 32:48] = 0
    with torch.no_grad():
        wanted = networks["student"](grey)[0].numpy()
    assert np.array_equal(outcome.logits, wanted)


def test_a_measured_token_is_the_one_shown(record, networks, clip):
    view = replace(first_view(record), frame=1, row=0, column=0)
    new = measure_token(record, view, networks["student"])
    reach = new.network("student").reach[0]
    number = reach.nearest((1, 0, 0))
    assert tuple(reach.tokens[number]) == (1, 0, 0)
    assert tuple(record.network("student").reach[0].tokens[0]) != (1, 0, 0)
    sizes = dependency(networks["student"], clip, 1, 1, [(1, 0, 0)]).sizes[0][0]
    assert np.array_equal(reach.maps[0][number] > 0, sizes > 0)
    assert measure_token(new, view, networks["student"]) is new  # known by now


def test_a_record_without_tokens_gets_its_first(networks, tmp_path):
    record = small_record(grid=0)
    view = moved_to(record, first_view(record), "teacher", (2, 1))
    new = measure_token(record, view, networks["teacher"])
    reach = new.network("teacher").reach
    assert [len(r.tokens) for r in reach].count(1) == 1 and len(reach[1].tokens) == 1
    kept = load_record(save_record(new, tmp_path / "asked.npz"))
    assert np.array_equal(kept.network("teacher").reach[1].maps[1], reach[1].maps[1])
    explorer = Explorer(kept)
    explorer.controls["network"].value = "teacher"
    for place in kept.network("teacher").maps.places:
        explorer.controls["place"].value = place
        none = "keeps no dependencies" in explorer.words["reach"].value
        assert none == (place != (2, 1))


def test_what_cannot_be_asked_is_refused(record, networks):
    view = first_view(record)
    with pytest.raises(DVFLError, match="no question"):
        ask(record, view, networks["student"], "why")
    with pytest.raises(DVFLError, match="ask takes a Record"):
        ask("clip.npz", view, networks["student"], "new order")
    with pytest.raises(DVFLError, match="view.row is a whole number"):
        measure_token(record, replace(view, row=99), networks["student"])


def by_both(record, model):
    """Both ways to ask a network."""
    view = replace(first_view(record), frame=0, row=0, column=0)
    yield lambda: ask(record, view, model, "new order")
    yield lambda: measure_token(record, view, model)


def test_another_network_than_the_recorded_one_is_refused(record, networks):
    torch.manual_seed(7)
    other = create_model("vfl_net_lab_student", 3, init="fan_in").eval()
    for model in (other, networks["teacher"]):
        for way in by_both(record, model):
            with pytest.raises(DVFLError, match="not the network that was recorded"):
                way()
    changed = small_networks()["student"]
    with torch.no_grad():
        changed.layers[2].blocks[0].mlp.fc2.weight.mul_(1.5)
    four = create_model("vfl_net_lab_student", 4).eval()
    training = small_networks()["student"]
    training.layers[1].train()
    broken = small_networks()["student"]
    with torch.no_grad():
        broken.head.bias[0] = float("nan")
    for model, says in (
        (changed, "not the network that was recorded"),
        (four, "4 classes, but the record has 3"),
        (create_model("vfl_net_lab_student", 3), "training mode"),
        (training, "training mode"),
        (broken, "NaN or infinity"),
    ):
        for way in by_both(record, model):
            with pytest.raises(DVFLError, match=says):
                way()
    for way in by_both(record, small_networks()["student"]):  # the same weights
        assert way() is not record


def test_buttons_ask_and_the_answer_is_chosen(record, networks):
    explorer = Explorer(record, {"student": networks["student"]})
    explorer.live.question.value = "temporal branch off in this block"
    before = explorer.pictures["bars"].value
    explorer.live.ask.click()
    said = "temporal branch off in stage 1, block 1 only"
    assert explorer.controls["change"].label == said
    assert said in explorer.pictures["bars"].value != before
    assert explorer.record.network("student").outcomes[-1].name == said
    explorer.controls["row"].value = explorer.controls["column"].value = 1
    explorer.live.measure.click()
    assert "Kept token row 1, column 1" in explorer.words["reach"].value
    explorer.controls["network"].value = "teacher"  # not given: cannot be asked
    assert explorer.live.ask.disabled and explorer.live.measure.disabled
    explorer.controls["network"].value = "student"
    assert not explorer.live.ask.disabled


def test_an_error_of_a_network_is_told_and_buttons_come_back(record):
    broken = create_model("vfl_net_lab_student", 4).eval()
    explorer = Explorer(record, {"student": broken})
    explorer.live.ask.click()  # outside of a notebook, ipywidgets logs what is raised
    assert "answers for 4 classes" in explorer.status.value
    assert not explorer.live.ask.disabled


def test_without_networks_there_is_nothing_to_ask(record):
    assert Explorer(record).live is None
