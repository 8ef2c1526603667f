"""Every control, without a front end: what it changes, and what it leaves."""

import re
import sys
from dataclasses import replace

import ipywidgets
import numpy as np
import pytest
import torch

from dvfl_lib.errors import DVFLError
from dvfl_lib.explorer import clicking, widgets
from dvfl_lib.explorer.live import LiveControls
from dvfl_lib.explorer.widgets import Explorer
from small_record import other_record, small_networks, small_record

PICTURES = {"row_a", "row_b", "reach", "compare", "lines", "bars"}


@pytest.fixture(scope="module")
def record():
    names = {"title": "<script>alert(1)</script>", "label": "<b>run"}
    return small_record(**names, classes=("jump", "<b>run", "sit"))


@pytest.fixture
def explorer(record):
    return Explorer(record)


def changed_by(explorer, name, value) -> set[str]:
    """Names of the pictures that differ after a control was set."""
    before = {n: p.value for n, p in explorer.pictures.items()}
    explorer.controls[name].value = value
    return {n for n, p in explorer.pictures.items() if p.value != before[n]}


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("frame", 3, {"row_a", "row_b", "reach", "compare", "lines"}),
        ("place", (2, 1), {"row_a", "row_b", "reach", "compare", "lines"}),
        ("network", "teacher", PICTURES),
        ("row", 8, {"row_a", "row_b", "reach", "compare", "lines"}),
        ("column", 8, {"row_a", "row_b", "reach", "compare", "lines"}),
        ("shared", False, {"row_a", "row_b", "compare"}),
        ("signed", False, {"row_b", "lines"}),
        ("overlay", 0.5, {"row_a", "row_b", "compare"}),
        ("compare", "student", {"compare", "bars"}),
        ("temperature", 10.0, {"bars"}),
        ("change", 0, {"bars"}),
        ("play", 1, {"row_a", "row_b", "reach", "compare", "lines"}),
    ],
)
def test_a_control_changes_what_it_concerns_and_nothing_else(
    explorer, name, value, wanted
):
    if name == "shared":  # seen where the frame is not the one with the peak
        explorer.controls["frame"].value = 1
    assert changed_by(explorer, name, value) == wanted
    assert explorer.status.value == ""


def test_the_view_follows_the_controls(explorer):
    for name, value in (("shared", False), ("temperature", 4.0), ("overlay", 0.3)):
        explorer.controls[name].value = value
        assert getattr(explorer.view, name) == pytest.approx(value)
    explorer.controls["play"].value = 1
    assert explorer.controls["frame"].value == 1 and explorer.view.frame == 0


def test_controls_count_as_the_captions_do(explorer):
    explorer.controls["row"].value, explorer.controls["column"].value = 3, 1
    assert (explorer.view.row, explorer.view.column) == (2, 0)
    assert "token row 3, column 1" in explorer.pictures["lines"].value
    assert [explorer.controls[n].min for n in ("frame", "row", "column")] == [1, 1, 1]


def test_the_token_stays_at_its_place_in_the_picture(explorer):
    explorer.controls["row"].value = 8
    explorer.controls["place"].value = (3, 1)
    assert (explorer.view.row, explorer.controls["row"].value) == (1, 2)
    assert explorer.controls["row"].max == 2
    explorer.controls["place"].value = (1, 1)
    assert explorer.controls["row"].max == 8 and explorer.view.row == 6


def test_buttons_move_the_token_and_stop_at_the_border(explorer):
    explorer.controls["row"].value = 1
    explorer.controls["up"].click()
    assert explorer.view.row == 0
    explorer.controls["down"].click()
    explorer.controls["right"].click()
    assert (explorer.view.row, explorer.view.column) == (1, 5)
    explorer.controls["left"].click()
    assert explorer.view.column == 4


def test_another_network_keeps_stage_and_offers_its_own_blocks(explorer):
    explorer.controls["network"].value = "teacher"
    explorer.controls["place"].value = (3, 2)
    explorer.controls["network"].value = "student"
    assert explorer.view.place == explorer.controls["place"].value == (3, 1)
    labels = [label for label, _ in explorer.controls["place"].options]
    assert labels[1] == "stage 2, block 1 (4 x 4 tokens)"


def test_no_control_runs_a_network(explorer, monkeypatch):
    def fail(*_, **__):
        raise AssertionError("a network ran")

    monkeypatch.setattr(torch.nn.Module, "__call__", fail)
    for name, value in (("frame", 1), ("place", (3, 1)), ("change", 4), ("row", 1)):
        explorer.controls[name].value = value
    assert (explorer.view.place, explorer.view.change) == ((3, 1), 4)


def test_what_comes_from_a_file_is_escaped(explorer):
    explorer.controls["change"].value = 0
    texts = [w.value for w in explorer.children if hasattr(w, "value")]
    texts += [explorer.pictures[n].value for n in ("lines", "bars")]
    html = "".join(text for text in texts if isinstance(text, str))
    assert "<script" not in html and "<b>run" not in html
    assert "&lt;script&gt;" in html and "&lt;b&gt;run (true)" in html
    assert "(stand-in data)" in html


def test_every_picture_is_told_in_words(explorer):
    for name, words in explorer.words.items():
        assert len(words.value) > 60, name
    for name in ("lines", "bars"):
        svg = explorer.pictures[name].value
        assert re.search(r'role="img" aria-label="[^"]{20,}"', svg)
    words = explorer.words["reach"].value
    assert f"{8 * 8 + 2} of {3 * 8 * 8} tokens" in words


def test_an_error_is_shown_and_raised(explorer, monkeypatch):
    def fail(record, view):
        raise DVFLError("no <picture>")

    drawn = widgets._PICTURES["row_a"]
    monkeypatch.setitem(widgets._PICTURES, "row_a", fail)
    before = {n: p.value for n, p in explorer.pictures.items()}
    with pytest.raises(DVFLError):
        explorer.controls["frame"].value = 1
    assert "no &lt;picture&gt;" in explorer.status.value
    same = {n for n, p in explorer.pictures.items() if p.value == before[n]}
    assert same == {"row_a", "bars"}  # the others are drawn all the same
    with pytest.raises(DVFLError):  # row A is still that of another frame
        explorer.controls["temperature"].value = 2.0
    assert "no &lt;picture&gt;" in explorer.status.value
    monkeypatch.setitem(widgets._PICTURES, "row_a", drawn)
    explorer.controls["temperature"].value = 4.0
    assert explorer.status.value == ""
    assert explorer.pictures["row_a"].value != before["row_a"]
    wanted = drawn(explorer.record, explorer.view).words
    assert explorer._shown["row_a"].words == wanted


def test_an_error_of_a_click_is_shown_too(explorer, monkeypatch):
    def fail(record, view):
        raise DVFLError("no <picture>")

    left, top, *_ = explorer._shown["row_a"].boxes[1]
    monkeypatch.setitem(widgets._PICTURES, "row_b", fail)
    with pytest.raises(DVFLError):
        explorer._picker("row_a")(left + 1, top + 1)
    assert "no &lt;picture&gt;" in explorer.status.value


def test_networks_that_cannot_be_compared_stop_nothing():
    explorer = Explorer(other_record(36))
    explorer.controls["compare"].value = "fine"
    assert "9 x 9 and 12 x 12 do not fit" in explorer.words["compare"].value
    for place in explorer.record.network("coarse").maps.places:
        explorer.controls["place"].value = place
    explorer.controls["network"].value = "short"
    assert explorer.status.value == "" and explorer.view.place == (2, 1)


def shown_in(widget) -> list:
    """The widgets of a tree that hold no others."""
    inner = getattr(widget, "children", None)
    if inner is None:
        return [widget]
    return [leaf for child in inner for leaf in shown_in(child)]


def test_one_network_is_not_shown_beside_itself(record, explorer):
    assert explorer.pictures["compare"] in shown_in(explorer)
    alone = Explorer(replace(record, networks=record.networks[1:]))
    shown = shown_in(alone)
    assert alone.pictures["compare"] not in shown
    assert alone.controls["compare"] not in shown
    assert alone.controls["change"] in shown
    assert not any("Two networks" in str(getattr(w, "value", "")) for w in shown)
    alone.controls["frame"].value = 1
    assert alone.status.value == "" and alone.pictures["compare"].value == b""
    assert alone.pictures["bars"].value.count("<rect") == 3


@pytest.mark.parametrize("networks", [[], [1], {"student": 3}, small_networks])
def test_networks_without_names_are_refused(record, networks):
    with pytest.raises(DVFLError, match="networks are given by name"):
        Explorer(record, networks)


def test_networks_that_the_record_lacks_are_refused(record):
    model = small_networks()["student"]
    with pytest.raises(DVFLError, match="holds no network 'pupil'"):
        Explorer(record, {"pupil": model})
    assert Explorer(record, {}).live is None


def test_pictures_keep_their_size_and_labels_are_whole(record, monkeypatch):
    monkeypatch.setattr(clicking, "anywidget", None)
    explorer = Explorer(record, small_networks())
    for name in ("row_a", "row_b", "reach", "compare"):
        layout = explorer.pictures[name].layout
        assert (layout.align_self, layout.max_width) == ("flex-start", "100%")
    for name in ("place", "change", "overlay", "network", "compare"):
        control = explorer.controls[name]
        assert control.style.description_width == "110px"
        assert int(control.layout.width.removesuffix("px")) >= 360


def kinds_in(widget) -> set[type]:
    inner = [kinds_in(child) for child in getattr(widget, "children", ())]
    return {type(widget)}.union(*inner)


def test_only_core_widgets_where_no_clicks_are(record, monkeypatch):
    monkeypatch.setattr(clicking, "anywidget", None)
    explorer = Explorer(record, small_networks())
    kinds = kinds_in(explorer) - {Explorer, LiveControls}  # boxes
    assert all(kind.__module__.startswith("ipywidgets.") for kind in kinds)
    assert not {"Stack", "TagsInput", "Output"} & {kind.__name__ for kind in kinds}
    assert ipywidgets.__version__ >= "7.7.1"
    texts = [w.value for w in explorer.children if isinstance(w, ipywidgets.HTML)]
    assert any("These pick the token" in text for text in texts)


def test_colab_gets_core_widgets(record, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert type(Explorer(record).pictures["row_a"]) is ipywidgets.Image


def test_a_click_on_a_map_picks_its_token(explorer):
    pytest.importorskip("anywidget")
    picture = explorer._shown["row_a"]
    left, top, wide, high = picture.boxes[2]  # the temporal modulator, 8 x 8 tokens
    before = explorer.pictures["row_a"].value
    at = [left + 6.5 / 8 * wide, top + 1.5 / 8 * high]
    explorer.pictures["row_a"].clicked = [*at, 1]
    assert (explorer.view.row, explorer.view.column) == (1, 6)
    assert (
        explorer.controls["row"].value == 2 and explorer.controls["column"].value == 7
    )
    assert explorer.pictures["row_a"].value != before
    assert "token row 2, column 7" in explorer.pictures["lines"].value
    assert explorer.pictures["row_a"].words == explorer._shown["row_a"].words
    explorer.pictures["row_a"].clicked = [left, 5.0, 2]  # on the words above
    assert (explorer.view.row, explorer.view.column) == (1, 6)


def test_what_a_notebook_stores_of_it_is_short(explorer):
    assert len(repr(explorer)) < 200 and "student, teacher" in repr(explorer)


def test_probabilities_are_those_of_the_record(explorer, record):
    logits = record.network("student").logits
    explorer.controls["temperature"].value = 2.0
    shares = np.exp(logits / 2) / np.exp(logits / 2).sum()
    bars = explorer.pictures["bars"].value
    for share in shares:
        assert f"{100 * share:.1f} %" in bars
